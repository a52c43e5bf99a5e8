#pragma once

#include <cstddef>
#include <span>

#include "veilsum/base/limb.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// Writes a uniform integer in [0, 2^num_bits) as little-endian 64-bit limbs.
/// Requires num_bits <= 64 * out.size(); higher limbs become 0.
void uniform_bits(std::span<Limb> out, std::size_t num_bits, RandomSource& random);

/// Writes a uniform integer in [0, bound), unbiased: draws of bit length(bound) bits are rejected
/// until one is below the bound, so the time tells only how many were rejected.
/// Requires out.size() == bound.size() and bound > 0.
void uniform_below(std::span<Limb> out, std::span<const Limb> bound, RandomSource& random);

}  // namespace veilsum
