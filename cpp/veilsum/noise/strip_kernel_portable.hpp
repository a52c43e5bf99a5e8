#pragma once

#include "veilsum/noise/strip_kernel.hpp"

namespace veilsum {

extern const StripKernel kPortableStripKernel;

}  // namespace veilsum
