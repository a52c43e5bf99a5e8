#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "bigint_fixtures.hpp"
#include "veilsum/base/cpu.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/residue.hpp"

using namespace veilsum;
using namespace veilsum::testing;

TEST_CASE("a modulus must be odd and at least 3") {
    for (const unsigned long n : {0ul, 1ul, 2ul, 4ul, 1000ul}) {
        CHECK_THROWS_AS(Modulus(Integer(n), active_kernel()), Error);
    }
    CHECK(Modulus(Integer(3), active_kernel()).bits() == 2);
}

TEST_CASE("mul equals GMP on edge and random values") {
    for_each_world(
        {2, 3, 7, 63, 64, 65, 128, 1024, 1536, 2047, 2048, 3072, 4096},
        [](World& world) {
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
        },
        Modulo::n_too);
}

TEST_CASE("every product of a tiny modulus is right and canonical") {
    for (const SquareKernel* kernel : tested_kernels()) {
        // The kernel in use on nearly all pairs, others on a sample.
        const unsigned long step = kernel == &active_kernel() ? 1 : 61;
        for (const unsigned long n : {3ul, 5ul, 15ul, 35ul, 77ul}) {
            const Modulus modulus(Integer(n), *kernel);
            Secret<std::byte> scratch(kernel->scratch_bytes(modulus));
            const Integer n_squared(n * n);
            const Integer r_inverse = inverse(modulus.integer(modulus.r()), n_squared);
            for (unsigned long a = 0; a < n * n; ++a) {
                const auto x = modulus.element(Integer(a));
                for (unsigned long b = a % step; b < n * n; b += n > 40 ? 11 * step : step) {
                    const auto y = modulus.element(Integer(b));
                    Secret<std::byte> out(modulus.element_bytes());
                    kernel->mul(out.data(), {x.data(), 0}, {y.data(), 0}, 1, modulus,
                                scratch.data());
                    REQUIRE(std::to_integer<unsigned long>(out[0]) < n);
                    REQUIRE(std::to_integer<unsigned long>(out[1]) < n);
                    REQUIRE(modulus.integer(out.data()) ==
                            Integer(a) * Integer(b) * r_inverse % n_squared);
                }
            }
        }
    }
    REQUIRE(violations.take_count() == 0);
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

TEST_CASE("a running product equals a chain of products") {
    for_each_world({2, 64, 65, 2048}, [](World& world) {
        for (const std::size_t count : {1u, 7u, 8u, 9u, 17u}) {
            const Kernel& kernel = world.kernel;
            const std::size_t bytes = world.modulus.element_bytes();
            Secret<std::byte> lanes(kernel.lane_bytes(count, world.modulus));
            kernel.enter_lanes(lanes.data(), world.operand(), count, world.modulus,
                               world.scratch.data());
            for (std::size_t shift = 1; shift < 4; ++shift) {
                kernel.mul_lanes(lanes.data(), {world.operand().at(shift), bytes}, count,
                                 world.modulus, world.scratch.data());
            }
            Secret<std::byte> out(count * bytes);
            kernel.leave_lanes(out.data(), lanes.data(), count, world.modulus,
                               world.scratch.data());
            for (std::size_t i = 0; i < count; ++i) {
                Integer expected = world.values[i];
                for (std::size_t shift = 1; shift < 4; ++shift) {
                    expected = world.montgomery(expected, world.values[i + shift]);
                }
                REQUIRE(world.at(out, i) == expected);
            }
        }
    });
}

TEST_CASE("inspect refuses any digit from n on and multiplies first digits") {
    for_each_world(
        {7, 8, 60, 63, 64, 65, 2047, 2048, 2049},
        [](World& world) {
            const Modulus& n = world.modulus;
            const std::size_t bytes = n.element_bytes();
            const std::size_t lanes = world.kernel.num_lanes;
            Secret<std::byte> products(lanes * bytes);
            const auto inspect = [&](const Secret<std::byte>& elements) {
                return world.kernel.inspect(products.data(), {elements.data(), bytes},
                                            elements.size() / bytes, n, world.scratch.data());
            };
            for (const std::size_t count : {1u, 7u, 8u, 9u, 21u}) {
                // Elements without a zero among their first digits: units and multiples of others.
                Secret<std::byte> elements;
                Integer expected(1);
                for (std::size_t i = 0; i < count; ++i) {
                    const Integer x = random_below(world.n - 1);
                    Integer unit = x;
                    mpz_add_ui(unit.get(), unit.get(), 1);
                    const auto element = n.element(unit);
                    elements.insert(elements.end(), element.begin(), element.end());
                    expected = expected * unit % world.n;
                }
                REQUIRE(inspect(elements));
                Integer product(1);
                for (std::size_t lane = 0; lane < lanes; ++lane) {
                    product =
                        product *
                        Integer::from_bytes({products.data() + lane * bytes, n.digit_bytes()}) %
                        world.n;
                }
                const Integer one(1);
                REQUIRE((gcd(product, world.n) == one) == (gcd(expected, world.n) == one));

                for (std::size_t digit = 0; digit < bytes; digit += n.digit_bytes()) {
                    for (const std::size_t position : {std::size_t{0}, count / 2, count - 1}) {
                        std::byte* target = elements.data() + position * bytes + digit;
                        Secret<std::byte> kept(target, target + n.digit_bytes());
                        world.n.to_bytes({target, n.digit_bytes()});
                        REQUIRE_FALSE(inspect(elements));
                        std::fill_n(target, n.digit_bytes(), std::byte{0xff});
                        REQUIRE_FALSE(inspect(elements));
                        std::fill_n(target, n.digit_bytes(), std::byte{0});
                        target[n.digit_bytes() - 1] = std::byte{0x80};
                        const Integer high = Integer::from_bytes({target, n.digit_bytes()});
                        REQUIRE(inspect(elements) == (mpz_cmp(high.get(), world.n.get()) < 0));
                        (world.n - 1).to_bytes({target, n.digit_bytes()});
                        REQUIRE(inspect(elements));
                        std::copy(kept.begin(), kept.end(), target);
                    }
                }
            }
        },
        Modulo::n_too);
}

TEST_CASE("add_plain multiplies by 1 + m*n") {
    for_each_world({2, 7, 64, 65, 2048, 3072}, [](SquareWorld& world) {
        const std::size_t count = world.values.size();
        Secret<std::byte> out(world.elements.size());
        for (const auto& [m, limbs] : signed_values(world.n)) {
            Integer factor = m * world.n;
            mpz_add_ui(factor.get(), factor.get(), 1);
            world.kernel.add_plain(out.data(), world.operand(), {limbs.data(), limbs.size(), 0},
                                   count, world.modulus, world.scratch.data());
            for (std::size_t i = 0; i < count; ++i) {
                REQUIRE(world.at(out, i) == world.values[i] * factor % world.whole);
            }
        }
    });
}

TEST_CASE("add_plain reads one plaintext a lane, of both signs and any width") {
    for_each_world({129, 137, 511, 2048}, [](SquareWorld& world) {
        const std::size_t bytes = world.modulus.element_bytes();
        for (std::size_t width = 1; width <= world.modulus.num_limbs() + 1; ++width) {
            std::vector<Integer> residues;
            std::vector<Limb> limbs;
            for (const auto& [m, m_limbs] : signed_values(world.n)) {
                if (m_limbs.size() != width) continue;
                residues.push_back(m);
                limbs.insert(limbs.end(), m_limbs.begin(), m_limbs.end());
                limbs.push_back(~Limb{0});  // Nothing that belongs to it.
            }
            Secret<std::byte> out(residues.size() * bytes);
            world.kernel.add_plain(out.data(), world.operand(), {limbs.data(), width, width + 1},
                                   residues.size(), world.modulus, world.scratch.data());
            for (std::size_t i = 0; i < residues.size(); ++i) {
                Integer factor = residues[i] * world.n;
                mpz_add_ui(factor.get(), factor.get(), 1);
                REQUIRE(world.at(out, i) == world.values[i] * factor % world.whole);
            }
        }
    });
}

TEST_CASE("powers to a shared exponent equal GMP's for exponents at the edges") {
    for_each_world(
        {2, 7, 64, 65, 1024},
        [](World& world) {
            const std::size_t count = std::min<std::size_t>(world.values.size(), 9);
            const std::size_t first = world.values.size() - count;
            const Operand base{world.operand().at(first), world.modulus.element_bytes()};
            Secret<std::byte> out(count * world.modulus.element_bytes());
            for (const std::size_t exponent_bits : {0u, 1u, 2u, 5u, 31u, 64u, 65u, 200u}) {
                const Integer end = power_of_two(exponent_bits);
                for (const Integer& exponent :
                     {Integer(0), end - 1, random_below(end), power_of_two(exponent_bits / 2)}) {
                    if (exponent.bit_length() > exponent_bits) continue;
                    const auto exponent_limbs = to_limbs(exponent, (exponent_bits + 63) / 64 + 1);
                    for (const auto pow :
                         {world.kernel.pow_shared, world.kernel.pow_shared_vartime}) {
                        pow(out.data(), base, world.modulus.r_squared(), exponent_limbs.data(),
                            exponent_bits, count, world.modulus, world.scratch.data());
                        for (std::size_t i = 0; i < count; ++i) {
                            REQUIRE(world.at(out, i) ==
                                    world.power(world.values[first + i], exponent));
                        }
                    }
                }
            }
        },
        Modulo::n_too);
}

TEST_CASE("pow_each takes one exponent for each base") {
    for_each_world(
        {7, 128, 2048},
        [](World& world) {
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
        },
        Modulo::n_too);
}

TEST_CASE("fixed_base equals GMP, in batches around the block size and with all windows") {
    for_each_world({7, 64, 65, 1024, 2048}, [](SquareWorld& world) {
        Integer base;
        do {
            base = random_below(world.whole);
        } while (!(gcd(base, world.n) == Integer(1)));
        const std::size_t exponent_bits = world.n.bit_length() / 2 + 1;
        const auto element = world.modulus.element(base);
        const std::size_t exponent_limbs = (exponent_bits + 63) / 64;
        for (unsigned window = 6; window <= world.kernel.max_table_window; ++window) {
            const FixedBaseTable table(element.data(), exponent_bits, window, world.modulus, {});
            // 33 is one group of lanes more than look-ups are made for at once.
            for (const std::size_t count : {1u, 7u, 8u, 9u, 17u, 33u}) {
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
        }
    });
}

TEST_CASE("a table takes the largest window whose rows the second cache holds") {
    const SquareModulus n(moduli(2048)[1], active_kernel());
    const auto base = n.element(Integer(2));
    const FixedBaseTable table(base.data(), 70, n, {});
    const auto pair_bytes = [&](unsigned window) {
        return 2 * active_kernel().row_limbs(window, n) * sizeof(Limb);
    };
    const unsigned w = table.window_bits();
    CHECK(w >= 6);
    CHECK((w == 6 || pair_bytes(w) <= second_cache_bytes() / 2));
    CHECK((w == active_kernel().max_table_window || pair_bytes(w + 1) > second_cache_bytes() / 2));
    CHECK(table.size_bytes() == table.num_rows() * pair_bytes(w) / 2);
}

TEST_CASE("a table refuses more rows than chains can sum") {
    const SquareModulus n(Integer(35), active_kernel());
    const auto base = n.element(Integer(2));
    CHECK(FixedBaseTable(base.data(), 6 * 4095, 6, n, {}).num_rows() == 4095);
    CHECK_THROWS_AS(FixedBaseTable(base.data(), 6 * 4095 + 1, 6, n, {}), Error);
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
