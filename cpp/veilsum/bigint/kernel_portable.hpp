#pragma once

#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

extern const Kernel kPortableKernel;

}  // namespace veilsum
