// The kernel that runs everywhere: GMP, one lane.

#include "veilsum/bigint/engine_gmp.hpp"
#include "veilsum/bigint/engine_gmp_modulo_n.hpp"
#include "veilsum/bigint/kernel_table.hpp"
#include "veilsum/bigint/pow_moduli_gmp.hpp"

namespace veilsum {
namespace {

constinit const Kernel kModuloN = kernel_of<GmpEngineModuloN>("portable");

}  // namespace

constinit const SquareKernel kPortableKernel =
    square_kernel_of<GmpEngine>("portable", kModuloN, kPowModuliGmp);

}  // namespace veilsum
