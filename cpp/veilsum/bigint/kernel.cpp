#include "veilsum/bigint/kernel.hpp"

#include "veilsum/base/cpu.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/kernel_avx2.hpp"
#include "veilsum/bigint/kernel_ifma.hpp"
#include "veilsum/bigint/kernel_portable.hpp"

namespace veilsum {
namespace {

/// Squares 3 modulo (2^127 - 1)^2, or 2^127 - 1, a hundred times with the kernel and with GMP.
void self_test(const Kernel& kernel) {
    Integer n;
    mpz_setbit(n.get(), 127);
    mpz_sub_ui(n.get(), n.get(), 1);
    const Modulus modulus(n, kernel);
    Integer exponent;
    mpz_setbit(exponent.get(), 100);
    Integer expected;
    mpz_powm(expected.get(), Integer(3).get(), exponent.get(), modulus.modulus_integer().get());

    Secret<std::byte> power = modulus.element(Integer(3));
    Secret<std::byte> scratch(kernel.scratch_bytes(modulus));
    Secret<Limb> exponent_limbs(2);
    exponent.to_limbs(exponent_limbs);
    kernel.pow_shared(power.data(), {power.data(), 0}, modulus.r_squared(), exponent_limbs.data(),
                      101, 1, modulus, scratch.data());
    if (!(modulus.integer(power.data()) == expected)) {
        throw Error(Errc::internal, "the " + std::string(kernel.name) +
                                        " kernel failed its self-test on this processor; set "
                                        "VEILSUM_ISA to another one and report this");
    }
}

const Kernel& choose_kernel() {
    const Kernel* chosen = &kPortableKernel;
    for (const Kernel* kernel : available_kernels()) {
        if (may_use(kernel->name)) chosen = kernel;
    }
    self_test(*chosen);
    self_test(*chosen->modulo_n);
    return *chosen;
}

}  // namespace

std::vector<const Kernel*> available_kernels() {
    std::vector<const Kernel*> kernels{&kPortableKernel};
#if defined(__x86_64__)
    if (cpu_has("avx2")) kernels.push_back(&kAvx2Kernel);
    if (cpu_has("ifma")) kernels.push_back(&kIfmaKernel);
#endif
    return kernels;
}

const Kernel& active_kernel() {
    static const Kernel& kernel = choose_kernel();
    return kernel;
}

}  // namespace veilsum
