#pragma once

#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

/// Needs what cpu_features calls "avx2".
extern const Kernel kAvx2Kernel;

}  // namespace veilsum
