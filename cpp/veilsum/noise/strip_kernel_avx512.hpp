#pragma once

#include "veilsum/noise/strip_kernel.hpp"

namespace veilsum {

/// Needs what cpu_features calls "avx512".
extern const StripKernel kAvx512StripKernel;

}  // namespace veilsum
