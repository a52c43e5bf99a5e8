// A world modulo n^2 computed by a kernel and by GMP, with values at the edges.

#pragma once

#include <doctest/doctest.h>

#include <concepts>
#include <initializer_list>
#include <vector>

#include "emulated_kernels.hpp"
#include "emulated_simd.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum::testing {

inline Integer random_below(const Integer& bound) {
    static Csprng random;
    std::vector<Limb> limbs(bound.num_limbs());
    std::vector<Limb> out(limbs.size());
    bound.to_limbs(limbs);
    uniform_below(out, limbs, random);
    return Integer::from_limbs(out);
}

inline Integer power_of_two(std::size_t exponent) {
    Integer x;
    mpz_setbit(x.get(), exponent);
    return x;
}

/// Random odd moduli of that many bits, and the largest one: all limbs full.
inline std::vector<Integer> moduli(std::size_t bits) {
    std::vector<Integer> result{power_of_two(bits) - 1};
    for (int i = 0; i < 2; ++i) {
        Integer n = random_below(power_of_two(bits - 1));
        mpz_setbit(n.get(), bits - 1);
        mpz_setbit(n.get(), 0);
        result.push_back(n);
    }
    return result;
}

/// Digits at the edges: 0, 1, n - 1, limbs of all ones, and random.
inline std::vector<Integer> digits(const Integer& n) {
    std::vector<Integer> result{Integer(0), Integer(1), n - 1};
    if (n.bit_length() > 64) result.push_back(power_of_two(64) - 1);
    if (n.bit_length() > 2) result.push_back(power_of_two(n.bit_length() - 1) - 1);
    for (int i = 0; i < 2; ++i) result.push_back(random_below(n));
    return result;
}

/// A plaintext m modulo n, and its limbs in two's complement.
struct SignedValue {
    Integer residue;
    std::vector<Limb> limbs;
};

/// Plaintexts of both signs, 0, 1, the smallest and the largest, and random: in (-n/2, n/2) of one
/// limb, of half as many as n has and of as many, and in (-n, n) of one more.
inline std::vector<SignedValue> signed_values(const Integer& n) {
    std::vector<SignedValue> result;
    const std::size_t h = n.num_limbs();
    for (const std::size_t width : {std::size_t{1}, (h + 1) / 2, h, h + 1}) {
        Integer largest = n - 1;
        if (width <= h) mpz_tdiv_q_2exp(largest.get(), n.get(), 1);
        const Integer half = power_of_two(64 * width - 1);
        const bool fits = mpz_cmp(half.get(), largest.get()) <= 0;
        const Integer top = fits ? half - 1 : largest;
        std::vector<Integer> sizes{Integer(0), Integer(1), top, random_below(top), half};
        if (!fits) sizes.pop_back();
        for (const Integer& size : sizes) {
            std::vector<Limb> limbs(width);
            size.to_limbs(limbs);
            if (!(size == half)) result.push_back({size, limbs});
            mpn_neg(limbs.data(), limbs.data(), static_cast<mp_size_t>(width));
            Integer residue;
            mpz_sub(residue.get(), n.get(), size.get());
            result.push_back({residue % n, limbs});
        }
    }
    return result;
}

/// A world modulo n^2, or modulo n, with its kernel, and the same computed by GMP.
struct World {
    World(const Integer& n_value, const Kernel& kernel_value)
        : kernel(kernel_value),
          n(n_value),
          modulus(n_value, kernel_value),
          whole(modulus.modulus_integer()),
          scratch(kernel_value.scratch_bytes(modulus)) {
        r_inverse = inverse(modulus.integer(modulus.r()), whole);
        for (const Integer& digit0 : digits(n)) {
            values.push_back(digit0);
            for (const Integer& digit1 : digits(n)) {
                // Modulo n there is no second digit: as many random values instead.
                Integer x = kernel.num_digits == 1 ? random_below(n) : digit0;
                if (kernel.num_digits == 2) mpz_addmul(x.get(), digit1.get(), n.get());
                values.push_back(x);
            }
        }
        for (const Integer& x : values) {
            const auto element = modulus.element(x);
            elements.insert(elements.end(), element.begin(), element.end());
        }
    }

    Operand operand() const { return {elements.data(), modulus.element_bytes()}; }
    Integer at(const Secret<std::byte>& out, std::size_t i) const {
        return modulus.integer(out.data() + i * modulus.element_bytes());
    }
    Integer montgomery(const Integer& a, const Integer& b) const {
        return a * b * r_inverse % whole;
    }
    Integer power(const Integer& base, const Integer& exponent) const {
        Integer result;
        mpz_powm(result.get(), base.get(), exponent.get(), whole.get());
        return result;
    }

    const Kernel& kernel;
    Integer n;
    Modulus modulus;
    Integer whole;  // n^2 or n.
    Secret<std::byte> scratch;
    Integer r_inverse;
    std::vector<Integer> values;
    Secret<std::byte> elements;
};

/// A World modulo n^2, for what only that has.
struct SquareWorld : World {
    SquareWorld(const Integer& n_value, const SquareKernel& kernel_value)
        : World(n_value, kernel_value), kernel(kernel_value), modulus(n_value, kernel_value) {}

    const SquareKernel& kernel;
    SquareModulus modulus;
};

/// Those of this processor and emulated ones.
inline std::vector<const SquareKernel*> tested_kernels() {
    auto kernels = available_kernels();
    for (const SquareKernel* kernel : emulated_kernels()) kernels.push_back(kernel);
    return kernels;
}

/// Emulated kernels are slow, and take larger moduli in test_emulated.cpp.
inline constexpr std::size_t kMaxEmulatedBits = 512;

template <class AnyWorld, class AnyKernel, class Check>
void check_world(const Integer& n, const AnyKernel& kernel, Check&& check) {
    CAPTURE(kernel.name);
    CAPTURE(kernel.num_digits);
    AnyWorld world(n, kernel);
    check(world);
    CAPTURE(violations.first());
    REQUIRE(violations.take_count() == 0);
}

enum class Modulo { n_squared, n_too };

template <class Check>
void for_each_world(std::initializer_list<std::size_t> sizes, Check&& check,
                    Modulo modulo = Modulo::n_squared) {
    const std::size_t num_available = available_kernels().size();
    const auto kernels = tested_kernels();
    for (std::size_t i = 0; i < kernels.size(); ++i) {
        for (const std::size_t bits : sizes) {
            if (i >= num_available && bits > kMaxEmulatedBits) continue;
            for (const Integer& n : moduli(bits)) {
                CAPTURE(bits);
                check_world<SquareWorld>(n, *kernels[i], check);
                if constexpr (std::invocable<Check, World&>) {
                    if (modulo == Modulo::n_too) {
                        check_world<World>(n, *kernels[i]->modulo_n, check);
                    }
                }
            }
        }
    }
}

inline std::vector<Limb> to_limbs(const Integer& x, std::size_t num_limbs) {
    std::vector<Limb> limbs(num_limbs);
    x.to_limbs(limbs);
    return limbs;
}

}  // namespace veilsum::testing
