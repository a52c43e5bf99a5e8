// Powers of which each number has a modulus of its own, on every kernel, are what GMP says.

#include <doctest/doctest.h>

#include "bigint_fixtures.hpp"
#include "veilsum/bigint/batch.hpp"

using namespace veilsum;
using namespace veilsum::testing;

namespace {

/// Odd, of exactly so many bits.
Integer modulus_of(std::size_t bits, std::size_t i) {
    if (i == 0) return power_of_two(bits) - 1;
    Integer n = i == 1 ? power_of_two(bits - 1) : random_below(power_of_two(bits));
    mpz_setbit(n.get(), 0);
    mpz_setbit(n.get(), bits - 1);
    return n;
}
Integer base_of(const Integer& n, std::size_t i) {
    if (i % 5 < 2) return Integer(i % 5);
    return i % 5 == 2 ? n - 1 : random_below(n);
}
Integer exponent_of(std::size_t bits, std::size_t i) {
    if (bits == 0 || i % 7 == 3) return Integer(0);
    return i % 7 == 2 ? power_of_two(bits) - 1 : random_below(power_of_two(bits));
}

void check_powers(const SquareKernel& kernel, std::size_t modulus_bits, std::size_t exponent_bits,
                  std::size_t count) {
    CAPTURE(kernel.name);
    CAPTURE(modulus_bits);
    CAPTURE(exponent_bits);
    CAPTURE(count);
    Powers in{nullptr, nullptr, nullptr, nullptr, modulus_bits, exponent_bits};
    std::vector<Limb> bases, exponents, moduli;
    std::vector<Integer> expected;
    for (std::size_t i = 0; i < count; ++i) {
        const Integer n = modulus_of(modulus_bits, i);
        const Integer base = base_of(n, i);
        const Integer exponent = exponent_of(exponent_bits, i);
        const auto append = [](std::vector<Limb>& to, const std::vector<Limb>& limbs) {
            to.insert(to.end(), limbs.begin(), limbs.end());
        };
        append(bases, to_limbs(base, in.num_limbs()));
        append(exponents, to_limbs(exponent, in.exponent_limbs()));
        append(moduli, to_limbs(n, in.num_limbs()));
        Integer power;
        mpz_powm(power.get(), base.get(), exponent.get(), n.get());
        expected.push_back(power);
    }
    in.bases = bases.data();
    in.exponents = exponents.data();
    in.moduli = moduli.data();
    std::vector<Limb> out(count * in.num_limbs(), ~Limb{0});
    batch::pow_moduli(out.data(), in, count, kernel, {.num_threads = 2});
    for (std::size_t i = 0; i < count; ++i) {
        CAPTURE(i);
        REQUIRE(Integer::from_limbs({out.data() + i * in.num_limbs(), in.num_limbs()}) ==
                expected[i]);
    }
    CAPTURE(violations.first());
    REQUIRE(violations.take_count() == 0);
}

}  // namespace

TEST_CASE("powers with moduli of their own equal GMP's at every size") {
    for (const SquareKernel* kernel : tested_kernels()) {
        for (const std::size_t bits : {2u, 3u, 7u, 52u, 63u, 64u, 65u, 127u, 128u, 300u}) {
            for (const std::size_t exponent_bits : {0u, 1u, 4u, 5u, 6u, 64u, 129u}) {
                check_powers(*kernel, bits, exponent_bits, 9);
            }
            for (std::size_t count = 0; count < 9; ++count) {
                check_powers(*kernel, bits, 70, count);
            }
        }
    }
}

TEST_CASE("powers with moduli of the length of keys equal GMP's") {
    for (const SquareKernel* kernel : available_kernels()) {
        check_powers(*kernel, 1024, 1024, 5);
        check_powers(*kernel, 2048, 1030, 9);
        check_powers(*kernel, 3072, 3072, 5);
        check_powers(*kernel, 8192, 20, 3);
    }
}

TEST_CASE("emulated lanes find nothing in powers with moduli of the length of keys") {
    for (const SquareKernel* kernel : emulated_kernels()) {
        for (const std::size_t bits : {1024u, 2044u, 3072u}) check_powers(*kernel, bits, 11, 3);
    }
}
