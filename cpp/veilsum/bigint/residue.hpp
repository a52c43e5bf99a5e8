#pragma once

#include "veilsum/bigint/modulus.hpp"

/// Constant-time arithmetic modulo n itself (not n^2), Montgomery factor with R = 2^(64 h),
/// h = n.num_limbs(). For the few half-size steps around the kernels.
namespace veilsum::residue {

/// out = a*b*R^-1 mod n, below n. Requires a, b < n. Scratch: scratch_limbs(n). out may be a or b.
void mul(Limb* out, const Limb* a, const Limb* b, const Modulus& n, Limb* scratch) noexcept;

std::size_t scratch_limbs(const Modulus& n) noexcept;

/// x*R^power mod n as limbs; variable time, for constants.
Secret<Limb> constant(const Integer& x, int r_power, const Modulus& n);

}  // namespace veilsum::residue
