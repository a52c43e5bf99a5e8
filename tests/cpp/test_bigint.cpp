#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/fixed_base.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/primes.hpp"
#include "veilsum/bigint/residue.hpp"
#include "veilsum/rng/uniform.hpp"

namespace {

using namespace veilsum;

Integer random_below(const Integer& bound) {
    static Csprng random;
    std::vector<Limb> limbs(bound.num_limbs());
    std::vector<Limb> out(limbs.size());
    bound.to_limbs(limbs);
    uniform_below(out, limbs, random);
    return Integer::from_limbs(out);
}

Integer power_of_two(std::size_t exponent) {
    Integer x;
    mpz_setbit(x.get(), exponent);
    return x;
}

/// Random odd moduli of that many bits, and the largest one: all limbs full.
std::vector<Integer> moduli(std::size_t bits) {
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
std::vector<Integer> digits(const Integer& n) {
    std::vector<Integer> result{Integer(0), Integer(1), n - 1};
    if (n.bit_length() > 64) result.push_back(power_of_two(64) - 1);
    if (n.bit_length() > 2) result.push_back(power_of_two(n.bit_length() - 1) - 1);
    for (int i = 0; i < 2; ++i) result.push_back(random_below(n));
    return result;
}

/// A world modulo n^2 with its kernel, and the same computed by GMP.
struct World {
    World(const Integer& n_value, const Kernel& kernel_value)
        : kernel(kernel_value),
          n(n_value),
          n_squared(n_value * n_value),
          modulus(n_value, kernel_value),
          scratch(kernel_value.scratch_bytes(modulus)) {
        r_inverse = inverse(modulus.integer(modulus.r()), n_squared);
        for (const Integer& digit0 : digits(n)) {
            for (const Integer& digit1 : digits(n)) {
                Integer x = digit0;
                mpz_addmul(x.get(), digit1.get(), n.get());
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
        return a * b * r_inverse % n_squared;
    }
    Integer power(const Integer& base, const Integer& exponent) const {
        Integer result;
        mpz_powm(result.get(), base.get(), exponent.get(), n_squared.get());
        return result;
    }

    const Kernel& kernel;
    Integer n;
    Integer n_squared;
    Modulus modulus;
    Secret<std::byte> scratch;
    Integer r_inverse;
    std::vector<Integer> values;
    Secret<std::byte> elements;
};

template <class Check>
void for_each_world(std::initializer_list<std::size_t> sizes, Check&& check) {
    for (const Kernel* kernel : available_kernels()) {
        for (const std::size_t bits : sizes) {
            for (const Integer& n : moduli(bits)) {
                CAPTURE(kernel->name);
                CAPTURE(bits);
                World world(n, *kernel);
                check(world);
            }
        }
    }
}

std::vector<Limb> to_limbs(const Integer& x, std::size_t num_limbs) {
    std::vector<Limb> limbs(num_limbs);
    x.to_limbs(limbs);
    return limbs;
}

}  // namespace

TEST_CASE("limbs::mul and sqr equal GMP at every length, on random and all-ones limbs") {
    Csprng random;
    for (std::size_t h = 1; h <= 130; ++h) {
        std::vector<Limb> scratch(limbs::mul_scratch(h));
        std::vector<Limb> a(h);
        std::vector<Limb> b(h);
        std::vector<Limb> got(2 * h);
        std::vector<Limb> want(2 * h);
        for (int round = 0; round < 16; ++round) {
            random.fill(std::as_writable_bytes(std::span(a)));
            random.fill(std::as_writable_bytes(std::span(b)));
            // Every combination of a half of zeros or of ones in a and b.
            const auto half = [&](std::vector<Limb>& x, int kind) {
                const auto middle = x.begin() + static_cast<std::ptrdiff_t>(h / 2);
                if (kind == 1) std::fill(x.begin(), middle, ~Limb{0});
                if (kind == 2) std::fill(middle, x.end(), ~Limb{0});
                if (kind == 3) std::fill(x.begin(), x.end(), ~Limb{0});
            };
            half(a, round % 4);
            half(b, round / 4);
            if (round == 5) b = a;
            if (round == 0 && h > 1)
                std::copy_n(a.begin(), h / 2, a.begin() + static_cast<std::ptrdiff_t>(h / 2));
            limbs::mul(got.data(), a.data(), b.data(), h, scratch.data());
            mpn_mul_n(want.data(), a.data(), b.data(), static_cast<mp_size_t>(h));
            REQUIRE(got == want);
            limbs::sqr(got.data(), a.data(), h, scratch.data());
            mpn_sqr(want.data(), a.data(), static_cast<mp_size_t>(h));
            REQUIRE(got == want);
        }
    }
}

TEST_CASE("limbs::select returns the entry asked for") {
    for (const std::size_t words : {2u, 16u, 18u, 64u, 130u}) {
        for (const std::size_t num_entries : {2u, 32u, 64u, 256u}) {
            Secret<Limb> table(words * num_entries);
            Csprng().fill(std::as_writable_bytes(std::span(table)));
            Secret<Limb> out(words);
            for (std::size_t index = 0; index < num_entries; ++index) {
                limbs::select(out.data(), table.data(), words, num_entries, index);
                REQUIRE(std::equal(out.begin(), out.end(), table.data() + index * words));
            }
        }
    }
}

TEST_CASE("limbs::bits_at reads any window, zeros beyond the end") {
    const Limb x[2] = {0x8000000000000001, 0x5};
    CHECK(limbs::bits_at(x, 2, 0, 1) == 1);
    CHECK(limbs::bits_at(x, 2, 63, 3) == 0b011);
    CHECK(limbs::bits_at(x, 2, 64, 6) == 5);
    CHECK(limbs::bits_at(x, 2, 126, 6) == 0);
    CHECK(limbs::bits_at(x, 2, 128, 6) == 0);
}

TEST_CASE("a modulus must be odd and at least 3") {
    for (const unsigned long n : {0ul, 1ul, 2ul, 4ul, 1000ul}) {
        CHECK_THROWS_AS(Modulus(Integer(n), active_kernel()), Error);
    }
    CHECK(Modulus(Integer(3), active_kernel()).bits() == 2);
}

TEST_CASE("load and store are inverse") {
    for_each_world({2, 7, 64, 65, 1000}, [](World& world) {
        const std::size_t count = world.values.size();
        std::vector<Limb> lanes(count * world.kernel.lane_limbs(world.modulus));
        Secret<std::byte> back(world.elements.size());
        world.kernel.load(lanes.data(), world.operand(), count, world.modulus);
        world.kernel.store(back.data(), lanes.data(), count, world.modulus);
        REQUIRE(back == world.elements);
    });
}

TEST_CASE("mul equals GMP on edge and random values") {
    for_each_world(
        {2, 3, 7, 63, 64, 65, 128, 1024, 1536, 2047, 2048, 3072, 4096}, [](World& world) {
            const std::size_t count = world.values.size();
            Secret<std::byte> out(world.elements.size());
            // Every pair: the second operand is shifted round.
            for (std::size_t shift = 0; shift < count; shift += world.n.bit_length() > 64 ? 7 : 1) {
                Secret<std::byte> shifted = world.elements;
                std::rotate(shifted.begin(),
                            shifted.begin() +
                                static_cast<std::ptrdiff_t>(shift * world.modulus.element_bytes()),
                            shifted.end());
                world.kernel.mul(out.data(), world.operand(),
                                 {shifted.data(), world.modulus.element_bytes()}, count,
                                 world.modulus, world.scratch.data());
                for (std::size_t i = 0; i < count; ++i) {
                    const Integer& b = world.values[(i + shift) % count];
                    REQUIRE(world.at(out, i) == world.montgomery(world.values[i], b));
                }
            }
        });
}

TEST_CASE("every product of a tiny modulus is right and canonical") {
    for (const unsigned long n : {3ul, 5ul, 15ul, 35ul, 77ul}) {
        const Modulus modulus(Integer(n), active_kernel());
        Secret<std::byte> scratch(active_kernel().scratch_bytes(modulus));
        const Integer n_squared(n * n);
        const Integer r_inverse = inverse(modulus.integer(modulus.r()), n_squared);
        for (unsigned long a = 0; a < n * n; ++a) {
            const auto x = modulus.element(Integer(a));
            for (unsigned long b = 0; b < n * n; b += n > 40 ? 11 : 1) {
                const auto y = modulus.element(Integer(b));
                Secret<std::byte> out(modulus.element_bytes());
                active_kernel().mul(out.data(), {x.data(), 0}, {y.data(), 0}, 1, modulus,
                                    scratch.data());
                REQUIRE(std::to_integer<unsigned long>(out[0]) < n);
                REQUIRE(std::to_integer<unsigned long>(out[1]) < n);
                REQUIRE(modulus.integer(out.data()) ==
                        Integer(a) * Integer(b) * r_inverse % n_squared);
            }
        }
    }
}

TEST_CASE("mul works in place and with a repeated operand") {
    for_each_world({65, 2048}, [](World& world) {
        const std::size_t count = world.values.size();
        Secret<std::byte> out = world.elements;
        world.kernel.mul(out.data(), {out.data(), world.modulus.element_bytes()},
                         {world.modulus.r_squared(), 0}, count, world.modulus,
                         world.scratch.data());
        world.kernel.mul(out.data(), {out.data(), world.modulus.element_bytes()},
                         {world.modulus.one(), 0}, count, world.modulus, world.scratch.data());
        REQUIRE(out == world.elements);
    });
}

TEST_CASE("mul_reduce equals a chain of products") {
    for_each_world({7, 64, 2048}, [](World& world) {
        // The values as a matrix of 7 rows, reduced over the rows.
        const std::size_t columns = world.values.size() / 7;
        Secret<std::byte> out(columns * world.modulus.element_bytes());
        for (const std::size_t terms : {1u, 2u, 7u}) {
            world.kernel.mul_reduce(out.data(), world.operand(), terms,
                                    columns * world.modulus.element_bytes(), columns, world.modulus,
                                    world.scratch.data());
            for (std::size_t i = 0; i < columns; ++i) {
                Integer expected = world.values[i];
                for (std::size_t term = 1; term < terms; ++term) {
                    expected = world.montgomery(expected, world.values[i + term * columns]);
                }
                REQUIRE(world.at(out, i) == expected);
            }
        }
    });
}

TEST_CASE("add_plain multiplies by 1 + m*n") {
    for_each_world({2, 7, 64, 65, 2048, 3072}, [](World& world) {
        const std::size_t count = world.values.size();
        Secret<std::byte> out(world.elements.size());
        for (const Integer& m : digits(world.n)) {
            const auto m_limbs = to_limbs(m, world.modulus.num_limbs());
            world.kernel.add_plain(out.data(), world.operand(), m_limbs.data(), 0, count,
                                   world.modulus, world.scratch.data());
            Integer factor = m * world.n;
            mpz_add_ui(factor.get(), factor.get(), 1);
            for (std::size_t i = 0; i < count; ++i) {
                REQUIRE(world.at(out, i) == world.values[i] * factor % world.n_squared);
            }
        }
    });
}

TEST_CASE("pow_shared equals GMP for exponents at the edges") {
    for_each_world({2, 7, 64, 65, 1024}, [](World& world) {
        const std::size_t count = std::min<std::size_t>(world.values.size(), 9);
        const std::size_t first = world.values.size() - count;
        const Operand base{world.operand().at(first), world.modulus.element_bytes()};
        Secret<std::byte> out(count * world.modulus.element_bytes());
        for (const std::size_t exponent_bits : {0u, 1u, 2u, 5u, 31u, 64u, 65u, 200u}) {
            const Integer largest = power_of_two(exponent_bits) - 1;
            for (const Integer& exponent :
                 {Integer(0), largest, random_below(power_of_two(exponent_bits))}) {
                const auto exponent_limbs = to_limbs(exponent, (exponent_bits + 63) / 64 + 1);
                world.kernel.pow_shared(out.data(), base, world.modulus.r_squared(),
                                        exponent_limbs.data(), exponent_bits, count, world.modulus,
                                        world.scratch.data());
                for (std::size_t i = 0; i < count; ++i) {
                    REQUIRE(world.at(out, i) == world.power(world.values[first + i], exponent));
                }
            }
        }
    });
}

TEST_CASE("pow_each takes one exponent for each base") {
    for_each_world({7, 128, 2048}, [](World& world) {
        const std::size_t count = std::min<std::size_t>(world.values.size(), 12);
        constexpr std::size_t kBits = 130;
        std::vector<Limb> exponents;
        std::vector<Integer> expected;
        for (std::size_t i = 0; i < count; ++i) {
            const Integer exponent = i == 0   ? Integer(0)
                                     : i == 1 ? power_of_two(kBits) - 1
                                              : random_below(power_of_two(kBits));
            const auto exponent_limbs = to_limbs(exponent, 3);
            exponents.insert(exponents.end(), exponent_limbs.begin(), exponent_limbs.end());
            expected.push_back(world.power(world.values[i], exponent));
        }
        Secret<std::byte> out(count * world.modulus.element_bytes());
        world.kernel.pow_each(out.data(), world.operand(), world.modulus.r_squared(),
                              exponents.data(), 3, kBits, count, world.modulus,
                              world.scratch.data());
        for (std::size_t i = 0; i < count; ++i) REQUIRE(world.at(out, i) == expected[i]);
    });
}

TEST_CASE("fixed_base equals GMP, in batches around the block size") {
    for_each_world({7, 64, 65, 1024, 2048}, [](World& world) {
        Integer base;
        do {
            base = random_below(world.n_squared);
        } while (!(gcd(base, world.n) == Integer(1)));
        const std::size_t exponent_bits = world.n.bit_length() / 2 + 1;
        const auto element = world.modulus.element(base);
        const FixedBaseTable table(element.data(), exponent_bits, world.modulus);
        const std::size_t exponent_limbs = (exponent_bits + 63) / 64;
        for (const std::size_t count : {1u, 7u, 8u, 9u, 17u}) {
            std::vector<Limb> exponents;
            std::vector<Integer> expected;
            for (std::size_t i = 0; i < count; ++i) {
                const Integer exponent = i == 0   ? Integer(0)
                                         : i == 1 ? power_of_two(exponent_bits) - 1
                                                  : random_below(power_of_two(exponent_bits));
                const auto limbs = to_limbs(exponent, exponent_limbs);
                exponents.insert(exponents.end(), limbs.begin(), limbs.end());
                expected.push_back(world.power(base, exponent));
            }
            Secret<std::byte> out(count * world.modulus.element_bytes());
            world.kernel.fixed_base(out.data(), table, exponents.data(), exponent_limbs, count,
                                    world.modulus, world.scratch.data());
            for (std::size_t i = 0; i < count; ++i) REQUIRE(world.at(out, i) == expected[i]);
        }
    });
}

TEST_CASE("residue::mul equals GMP") {
    for_each_world({2, 7, 64, 65, 1536}, [](World& world) {
        const std::size_t h = world.modulus.num_limbs();
        std::vector<Limb> scratch(residue::scratch_limbs(world.modulus));
        for (const Integer& a : digits(world.n)) {
            for (const Integer& b : digits(world.n)) {
                const auto a_limbs = to_limbs(a, h);
                const auto b_limbs = residue::constant(b, 1, world.modulus);
                std::vector<Limb> out(h);
                residue::mul(out.data(), a_limbs.data(), b_limbs.data(), world.modulus,
                             scratch.data());
                REQUIRE(Integer::from_limbs(out) == a * b % world.n);
            }
        }
    });
}

TEST_CASE("batch::product multiplies any number of elements") {
    for_each_world({7, 1024}, [](World& world) {
        for (const std::size_t count : {1u, 2u, 25u}) {
            Secret<std::byte> out(world.modulus.element_bytes());
            batch::product(out.data(), world.elements.data(), count, world.modulus, {});
            Integer expected = world.values[0];
            for (std::size_t i = 1; i < count; ++i) {
                expected = world.montgomery(expected, world.values[i]);
            }
            REQUIRE(world.at(out, 0) == expected);
        }
    });
    // Long ones, with and without a ragged end.
    const Modulus modulus(Integer(77), active_kernel());
    const auto x = modulus.element(Integer(3));
    for (const std::size_t count : {63u, 64u, 65u, 128u, 200u}) {
        Secret<std::byte> in;
        for (std::size_t i = 0; i < count; ++i) in.insert(in.end(), x.begin(), x.end());
        Secret<std::byte> out(modulus.element_bytes());
        batch::product(out.data(), in.data(), count, modulus, {});
        Integer expected;
        mpz_powm_ui(expected.get(), Integer(3).get(), count, Integer(77 * 77).get());
        const auto power = modulus.r_power(1 - static_cast<std::int64_t>(count));
        REQUIRE(modulus.integer(out.data()) ==
                expected * modulus.integer(power.data()) % Integer(77 * 77));
    }
}

TEST_CASE("batch::inverse_vartime inverts units and refuses others") {
    for_each_world({7, 64, 1024}, [](World& world) {
        Secret<std::byte> units;
        for (std::size_t i = 0; i < world.values.size(); ++i) {
            if (!(gcd(world.values[i], world.n) == Integer(1))) continue;
            const std::byte* element = world.operand().at(i);
            units.insert(units.end(), element, element + world.modulus.element_bytes());
        }
        while (units.size() < 130 * world.modulus.element_bytes()) {
            const Secret<std::byte> copy = units;
            units.insert(units.end(), copy.begin(), copy.end());
        }
        const std::size_t total = units.size() / world.modulus.element_bytes();
        for (const std::size_t count : {std::size_t{1}, std::size_t{63}, std::size_t{65}, total}) {
            Secret<std::byte> inverses(
                units.begin(),
                units.begin() + static_cast<std::ptrdiff_t>(count * world.modulus.element_bytes()));
            batch::inverse_vartime(inverses.data(), inverses.data(), count, world.modulus, {});
            batch::mul(inverses.data(), {inverses.data(), world.modulus.element_bytes()},
                       {units.data(), world.modulus.element_bytes()}, count, world.modulus, {});
            for (std::size_t i = 0; i < count; ++i) {
                REQUIRE(world.at(inverses, i) == world.modulus.integer(world.modulus.r()));
            }
        }
        const auto zero = world.modulus.element(Integer(0));
        std::copy(zero.begin(), zero.end(), units.begin());
        CHECK_THROWS_AS(
            batch::inverse_vartime(units.data(), units.data(), total, world.modulus, {}), Error);
    });
}

TEST_CASE("random_prime gives primes of the kind and size asked for") {
    for (const std::size_t bits : {16u, 64u, 200u}) {
        for (const PrimeKind kind : {PrimeKind::blum, PrimeKind::safe}) {
            const Integer p = random_prime(bits, kind, {});
            CHECK(p.bit_length() == bits);
            CHECK(mpz_tstbit(p.get(), bits - 2) == 1);
            CHECK(mpz_fdiv_ui(p.get(), 4) == 3);
            CHECK(mpz_probab_prime_p(p.get(), 30) != 0);
            if (kind == PrimeKind::safe) {
                Integer half;
                mpz_fdiv_q_2exp(half.get(), p.get(), 1);
                CHECK(mpz_probab_prime_p(half.get(), 30) != 0);
            }
        }
    }
    CHECK(!is_probable_prime(Integer(561)));  // A Carmichael number.
}
