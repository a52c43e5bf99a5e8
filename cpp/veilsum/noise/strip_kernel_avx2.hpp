#pragma once

#include "veilsum/noise/strip_kernel.hpp"

namespace veilsum {

/// Needs what cpu_features calls "avx2" and "fma".
extern const StripKernel kAvx2StripKernel;

}  // namespace veilsum
