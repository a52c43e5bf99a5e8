#include "veilsum/bigint/kernel.hpp"

#include "veilsum/base/dispatch.hpp"

namespace veilsum {
namespace {

/// Whether the kernel squares 3 a hundred times modulo (2^127 - 1)^2, or 2^127 - 1, as GMP does.
bool is_right(const Kernel& kernel) {
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
    return modulus.integer(power.data()) == expected;
}

/// Whether it raises 3 to p - 1 modulo p^2 as GMP does, p = 2^127 - 1.
bool is_right_to_the_order(const SquareKernel& kernel) {
    Integer p;
    mpz_setbit(p.get(), 127);
    mpz_sub_ui(p.get(), p.get(), 1);
    const SquareModulus modulus(p, kernel);
    Integer expected;
    mpz_powm(expected.get(), Integer(3).get(), (p - 1).get(), modulus.modulus_integer().get());

    Secret<std::byte> power = modulus.element(Integer(3));
    Secret<std::byte> scratch(kernel.scratch_bytes(modulus));
    kernel.pow_order(power.data(), {power.data(), 0}, OrderPower(modulus), 1, modulus,
                     scratch.data());
    return modulus.integer(power.data()) == expected;
}

constexpr Dispatcher<SquareKernel>::Candidate kCandidates[] = {
    {&kPortableKernel, 0},
#if defined(__x86_64__)
    {&kAvx2Kernel, cpu::kAvx2},
    {&kIfmaKernel, cpu::kIfma},
#endif
};

constinit Dispatcher<SquareKernel> dispatcher("kernel", kCandidates,
                                              [](const SquareKernel& kernel) {
                                                  return is_right(kernel) &&
                                                         is_right_to_the_order(kernel) &&
                                                         is_right(*kernel.modulo_n);
                                              });

}  // namespace

std::vector<const SquareKernel*> available_kernels() { return dispatcher.available(); }
const SquareKernel& active_kernel() { return dispatcher.active(); }

}  // namespace veilsum
