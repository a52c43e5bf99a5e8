#pragma once

#include "veilsum/lattice/mask_shape.hpp"

namespace veilsum {

/// The estimate for one instance, at half of kMaskSigma, in the ring of dimension 2^log_dim modulo
/// a number of so many bits: that of the next larger one in the table; 0 bits beyond it.
MaskStrength strength_of_ring(unsigned log_dim, unsigned modulus_bits) noexcept;

}  // namespace veilsum
