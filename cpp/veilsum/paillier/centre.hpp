#pragma once

#include <span>

#include "veilsum/bigint/modulus.hpp"

namespace veilsum {

/// out = m as a signed integer in (-n/2, n/2), in two's complement of n.num_limbs() limbs, from its
/// residue m below n. Destroys m. Constant time. Scratch: 2 * n.num_limbs() limbs.
void centre(std::span<Limb> out, Limb* m, const Modulus& n, Limb* scratch) noexcept;

}  // namespace veilsum
