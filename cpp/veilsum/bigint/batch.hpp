#pragma once

#include <cstdint>

#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/kernel.hpp"

/// Kernel functions on whole batches: split into pieces of some milliseconds over threads, each
/// with scratch that is wiped. Arguments and results as in Kernel; out may be an operand.
/// All throw Error: cancelled.
namespace veilsum::batch {

void mul(std::byte* out, Operand a, Operand b, std::size_t count, const Modulus& n,
         const Execution& execution);

void mul_reduce(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
                std::size_t count, const Modulus& n, const Execution& execution);

/// Of `num_lists` lists, the longest first, for every column: out[i] for i < num_lists *
/// num_columns.
void mul_lists(std::byte* out, const RowLists& in, std::size_t num_lists, const Modulus& n,
               const Execution& execution);

void horner(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
            std::size_t num_squarings, std::size_t count, const Modulus& n,
            const Execution& execution);

/// The product of `count` >= 1 elements that stand side by side, as a balanced tree over threads.
/// It carries R^-(count-1), as any order of count - 1 products does.
void product(std::byte* out, const std::byte* in, std::size_t count, const Modulus& n,
             const Execution& execution);

void enter_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                 const Execution& execution);

void mul_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
               const Execution& execution);

void leave_lanes(std::byte* out, const std::byte* lanes, std::size_t count, const Modulus& n,
                 const Execution& execution);

void add_plain(std::byte* out, Operand a, const SignedOperand& m, std::size_t count,
               const SquareModulus& n, const Execution& execution);

void pow_shared(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponent,
                std::size_t exponent_bits, std::size_t count, const Modulus& n,
                const Execution& execution);

void pow_shared_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                        const Limb* exponent, std::size_t exponent_bits, std::size_t count,
                        const Modulus& n, const Execution& execution);

void pow_each(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponents,
              std::size_t exponent_limbs, std::size_t exponent_bits, std::size_t count,
              const Modulus& n, const Execution& execution);

/// out[i] = the power of number i, in.num_limbs() limbs each. in.r_squared is made here: it may be
/// null. Moduli are public.
void pow_moduli(Limb* out, Powers in, std::size_t count, const SquareKernel& kernel,
                const Execution& execution);

void fixed_base(std::byte* out, const FixedBaseTable& table, const Limb* exponents,
                std::size_t exponent_limbs, std::size_t count, const SquareModulus& n,
                const Execution& execution);

/// Cost: about one multiplication for four bits of each exponent, and more for few rows.
void multi_pow(std::byte* out, Operand base, const std::byte* to_montgomery,
               const ExponentMatrix& exponents, const Modulus& n, const Execution& execution);
/// For public exponents: 28 multiplications for 128 bits, at 512 columns.
void multi_pow_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                       const ExponentMatrix& exponents, const Modulus& n,
                       const Execution& execution);

/// out[i] = R^r_power * in[i]^-1 mod n^2. Three multiplications each, and one inversion for all of
/// a piece (Montgomery's trick). Variable time. Throws Error: invalid_ciphertext (an element is not
/// a unit).
void inverse_vartime(std::byte* out, const std::byte* in, std::size_t count, std::int64_t r_power,
                     const Modulus& n, const Execution& execution);

/// How many of `count` elements make a piece of work, when each costs that many multiplications: a
/// multiple of the kernel's lanes, and no more than a thread's fair share.
std::size_t piece_size(std::size_t count, std::size_t multiplications, const Modulus& n,
                       const Execution& execution);

}  // namespace veilsum::batch
