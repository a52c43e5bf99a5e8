#pragma once

#include <vector>

#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum::testing {

/// RingAlgorithm on two, four and eight lanes that check it. Slow; available everywhere.
std::vector<const RingKernel*> emulated_ring_kernels();

}  // namespace veilsum::testing
