#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/limb.hpp"
#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/plaintexts.hpp"

namespace veilsum {

/// Exponents of a unit lie within this, on both sides of 0.
inline constexpr std::int64_t kMaxUnitExponent = std::int64_t{1} << 20;

/// Value i is values[i] / 2^unit_exponent, rounded to the nearest integer, ties to even. Exact:
/// nothing but the result is rounded. Its time depends on the values.
/// Throws Error: invalid_argument (a value is not finite, or takes more than max_bits bits with its
/// sign; a unit beyond kMaxUnitExponent), cancelled.
Plaintexts round_to_unit(std::span<const double> values, std::int64_t unit_exponent,
                         std::size_t max_bits, const Execution& execution = {});

/// out[i] is the float nearest to value i times 2^unit_exponent, ties to even, as IEEE 754 rounds;
/// 0 where that is below half of the smallest float. Its time depends on the values.
/// `bound` is a magnitude in little-endian limbs. Requires out of the same size.
/// Throws Error: invalid_ciphertext (a value beyond the bound), capacity (beyond every float),
/// invalid_argument (a unit beyond kMaxUnitExponent), cancelled.
void nearest_floats(std::span<double> out, const Plaintexts& values, std::int64_t unit_exponent,
                    std::span<const Limb> bound, const Execution& execution = {});

/// Value i times 2^num_bits. Constant time in the values.
/// Throws Error: invalid_argument (the results take more than max_bits bits), cancelled.
Plaintexts shifted_left(const Plaintexts& values, std::size_t num_bits, std::size_t max_bits,
                        const Execution& execution = {});

}  // namespace veilsum
