#pragma once

#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

/// Needs what cpu_features calls "ifma".
extern const Kernel kIfmaKernel;

}  // namespace veilsum
