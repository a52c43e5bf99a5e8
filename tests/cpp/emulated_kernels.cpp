#include "emulated_kernels.hpp"

#include "emulated_simd.hpp"
#include "veilsum/bigint/engine_simd.hpp"
#include "veilsum/bigint/engine_simd_modulo_n.hpp"
#include "veilsum/bigint/kernel_table.hpp"
#include "veilsum/bigint/pow_moduli_simd.hpp"

namespace veilsum::testing {

namespace {

static_assert(Simd<Emulated52> && Simd<Emulated28> && Simd<Cramped52> && Simd<Cramped28>);
static_assert(SquareEngine<SimdEngine<Emulated52>> && Engine<SimdEngineModuloN<Emulated52>>);

template <Simd S>
const SquareKernel* kernel_on(const char* name) {
    static const Kernel modulo_n = kernel_of<SimdEngineModuloN<S>>(name);
    static const SquareKernel kernel =
        square_kernel_of<SimdEngine<S>>(name, modulo_n, pow_moduli_of<S>());
    return &kernel;
}

}  // namespace

std::vector<const SquareKernel*> emulated_kernels() {
    return {
        kernel_on<Emulated52>("emulated, radix 2^52"),
        kernel_on<Emulated28>("emulated, radix 2^28"),
        kernel_on<Cramped52>("emulated, radix 2^52, cramped"),
        kernel_on<Cramped28>("emulated, radix 2^28, cramped"),
    };
}

}  // namespace veilsum::testing
