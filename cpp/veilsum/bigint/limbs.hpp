#pragma once

#include <cstddef>

#include "veilsum/bigint/integer.hpp"

/// Constant-time arithmetic on little-endian arrays of `h` limbs, over GMP's public mpn functions.
///
/// Everything here runs in time that depends on the lengths only, never on the values. `scratch`
/// belongs to the caller, who wipes it.
namespace veilsum::limbs {

/// out[2h] = a[h] * b[h]. out must not overlap a or b. Scratch: mul_scratch(h) limbs.
/// Cost at h = 32 on a Zen 5 core: as mpn_mul_n, which is not constant time.
void mul(Limb* out, const Limb* a, const Limb* b, std::size_t h, Limb* scratch) noexcept;

/// out[2h] = a[h]^2. Scratch: mul_scratch(h) limbs.
void sqr(Limb* out, const Limb* a, std::size_t h, Limb* scratch) noexcept;

std::size_t mul_scratch(std::size_t h) noexcept;

/// Montgomery reduction with R = 2^(64h): the quotient q = -T*n^-1 mod R and the value
/// (T + q*n) / R = returned carry * R + out[h]. `n_inverse_negated` is -n^-1 mod 2^64.
/// Destroys T[2h]. q must not overlap T; out may be T + h.
Limb reduce(Limb* out, Limb* q, Limb* T, const Limb* n, Limb n_inverse_negated,
            std::size_t h) noexcept;

/// -n^-1 mod 2^64 of an odd n.
Limb inverse_negated(Limb n) noexcept;

/// Subtracts m = m_top*R + m[h] once from carry*R + x[h] if that is at least m. Returns 1 if it
/// did, else 0; `carry` is brought up to date. Both carry and m_top are below 2^62. Scratch: h
/// limbs.
Limb subtract_once(Limb* x, Limb& carry, const Limb* m, std::size_t h, Limb* scratch,
                   Limb m_top = 0) noexcept;

/// out[words] = table[index * words ...], reading the whole table: num_entries rows of `words`
/// limbs. Requires words even, num_entries <= 256, table and out 16-byte aligned.
void select(Limb* out, const Limb* table, std::size_t words, std::size_t num_entries,
            std::size_t index) noexcept;

/// Bits [position, position + width) of x[num_limbs], zero beyond the end. Requires width <= 32.
/// Only position and width are public.
Limb bits_at(const Limb* x, std::size_t num_limbs, std::size_t position, unsigned width) noexcept;

/// The bits of x[num_limbs], 0 for 0. For what may be known.
std::size_t bit_length_vartime(const Limb* x, std::size_t num_limbs) noexcept;

}  // namespace veilsum::limbs
