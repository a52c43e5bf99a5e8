// x = hs^a by its residues: hs is an n-th residue, so its order modulo p^2 divides p - 1 and
// x_p = hs^(a mod p-1) mod p^2. With v_p = x_p * q^-2 mod p^2 = a0 + a1*p and v_q = b0 + b1*q,
//   x = v_p*q^2 + v_q*p^2 = (a0*q^2 + b0*p^2) + n*(a1*q + b1*p)   (mod n^2).
// Call the brackets W and H: x0 = W mod n and x1 = floor(W/n) + H mod n.
// Bounds: W < p*q^2 + q*p^2 = n*(p + q) < n^2 and H < 2n, so both fit 2h + 2 limbs with room.

#include "veilsum/paillier/owner_randomisers.hpp"

#include <algorithm>
#include <cstring>

#include "veilsum/bigint/batch.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

// The exponent a has |n| + 128 bits: within 2^-128 of uniform modulo p - 1 and q - 1.
constexpr std::size_t kExtraExponentBits = 128;

mp_size_t size(std::size_t h) { return static_cast<mp_size_t>(h); }

/// The brackets W and H of a piece of randomisers, 2h + 2 limbs each.
struct Brackets {
    Brackets(std::size_t count, const Modulus& n)
        : num_limbs(2 * n.num_limbs() + 2), low(count * num_limbs), high(count * num_limbs) {}

    std::size_t num_limbs;
    Secret<Limb> low;
    Secret<Limb> high;
};

/// Adds one prime's share to the brackets.
void add_half(Brackets& brackets, const Secret<Limb>& exponents, std::size_t exponent_limbs,
              const PrimeHalf& half, const FixedBaseTable& table, const Modulus& n) {
    const Modulus& p = half.p();
    const Kernel& kernel = p.kernel();
    const std::size_t count = exponents.size() / exponent_limbs;
    const std::size_t hp = p.num_limbs();
    Secret<Limb> scratch(half.scratch_limbs(n));
    Secret<std::byte> kernel_scratch(kernel.scratch_bytes(p));
    Secret<Limb> reduced(count * hp);
    for (std::size_t i = 0; i < count; ++i) {
        half.reduce_exponent(reduced.data() + i * hp, exponents.data() + i * exponent_limbs,
                             exponent_limbs, scratch.data());
    }
    Secret<std::byte> v(count * p.element_bytes());
    kernel.fixed_base(v.data(), table, reduced.data(), hp, count, p, kernel_scratch.data());
    kernel.mul(v.data(), {v.data(), p.element_bytes()}, {half.lift_factor(), 0}, count, p,
               kernel_scratch.data());
    for (std::size_t i = 0; i < count; ++i) {
        half.add_lifted(brackets.low.data() + i * brackets.num_limbs,
                        brackets.high.data() + i * brackets.num_limbs,
                        v.data() + i * p.element_bytes(), brackets.num_limbs, scratch.data());
    }
}

/// Turns the brackets into elements of n.
void join(std::byte* out, Brackets& brackets, std::size_t count, const Modulus& n) {
    const std::size_t h = n.num_limbs();
    const std::size_t wide = brackets.num_limbs;
    Secret<Limb> scratch(static_cast<std::size_t>(std::max(
        mpn_sec_div_qr_itch(size(wide), size(h)), mpn_sec_div_r_itch(size(wide), size(h)))));
    Secret<Limb> quotient(wide);
    for (std::size_t i = 0; i < count; ++i) {
        Limb* low = brackets.low.data() + i * wide;
        Limb* high = brackets.high.data() + i * wide;
        std::byte* element = out + i * n.element_bytes();
        quotient[wide - h] =
            mpn_sec_div_qr(quotient.data(), low, size(wide), n.n(), size(h), scratch.data());
        std::memcpy(element, low, n.digit_bytes());
        mpn_add_n(high, high, quotient.data(), size(wide));
        mpn_sec_div_r(high, size(wide), n.n(), size(h), scratch.data());
        std::memcpy(element + n.digit_bytes(), high, n.digit_bytes());
    }
}

}  // namespace

Secret<std::byte> owner_randomisers(std::size_t num, const PublicKey& key,
                                    const PrimeHalves& halves, const Execution& execution) {
    const Modulus& n = key.modulus();
    const std::size_t exponent_bits = n.bits() + kExtraExponentBits;
    const std::size_t exponent_limbs = (exponent_bits + 63) / 64;
    const FixedBaseTable* tables[2];
    for (std::size_t k = 0; k < 2; ++k) {
        tables[k] = &halves[k].randomiser_table(key.randomiser_base(execution), n,
                                                execution.without_progress());
    }
    Secret<std::byte> randomisers(num * n.element_bytes());
    // Two chains of half-size products cost about half as much as one of full size.
    const std::size_t piece = batch::piece_size(num, tables[0]->num_rows() / 2 + 1, n, execution);
    parallel_for(num, piece, execution, [&](std::size_t begin, std::size_t end) {
        const std::size_t count = end - begin;
        Csprng random;
        Secret<Limb> exponents(count * exponent_limbs);
        for (std::size_t i = 0; i < count; ++i) {
            uniform_bits(std::span(exponents).subspan(i * exponent_limbs, exponent_limbs),
                         exponent_bits, random);
        }
        Brackets brackets(count, n);
        for (std::size_t k = 0; k < 2; ++k) {
            add_half(brackets, exponents, exponent_limbs, halves[k], *tables[k], n);
        }
        join(randomisers.data() + begin * n.element_bytes(), brackets, count, n);
    });
    return randomisers;
}

}  // namespace veilsum
