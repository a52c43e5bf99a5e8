#pragma once

#include <vector>

#include "veilsum/bigint/kernel.hpp"

namespace veilsum::testing {

/// SimdEngine on lanes that check it. Slow; available everywhere.
std::vector<const SquareKernel*> emulated_kernels();

}  // namespace veilsum::testing
