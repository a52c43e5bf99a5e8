// The kernel that runs everywhere: GMP, one lane.

#include "veilsum/bigint/kernel_portable.hpp"

#include "veilsum/bigint/engine_gmp.hpp"
#include "veilsum/bigint/kernel_table.hpp"

namespace veilsum {

constinit const Kernel kPortableKernel = kernel_of<GmpEngine>("portable");

}  // namespace veilsum
