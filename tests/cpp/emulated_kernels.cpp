#include "emulated_kernels.hpp"

#include "emulated_simd.hpp"
#include "veilsum/bigint/engine_simd.hpp"
#include "veilsum/bigint/kernel_table.hpp"

namespace veilsum::testing {

std::vector<const Kernel*> emulated_kernels() {
    static const Kernel kernels[] = {
        kernel_of<SimdEngine<Emulated52>>("emulated, radix 2^52"),
        kernel_of<SimdEngine<Emulated28>>("emulated, radix 2^28"),
        kernel_of<SimdEngine<Cramped52>>("emulated, radix 2^52, cramped"),
        kernel_of<SimdEngine<Cramped28>>("emulated, radix 2^28, cramped"),
    };
    std::vector<const Kernel*> pointers;
    for (const Kernel& kernel : kernels) pointers.push_back(&kernel);
    return pointers;
}

}  // namespace veilsum::testing
