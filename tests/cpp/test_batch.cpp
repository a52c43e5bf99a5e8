#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "bigint_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"

using namespace veilsum;
using namespace veilsum::testing;

TEST_CASE("batch::product multiplies any number of elements") {
    for_each_world(
        {7, 1024},
        [](World& world) {
            for (const std::size_t count : {1u, 2u, 25u}) {
                Secret<std::byte> out(world.modulus.element_bytes());
                batch::product(out.data(), world.elements.data(), count, world.modulus, {});
                Integer expected = world.values[0];
                for (std::size_t i = 1; i < count; ++i) {
                    expected = world.montgomery(expected, world.values[i]);
                }
                REQUIRE(world.at(out, 0) == expected);
            }
        },
        Modulo::n_too);
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

TEST_CASE("batch::mul_reduce shares the terms of few positions among threads") {
    for_each_world(
        {65, 1024},
        [](World& world) {
            constexpr std::size_t kTerms = 300;
            const std::size_t bytes = world.modulus.element_bytes();
            for (const std::size_t count : {1u, 2u, 9u}) {
                Secret<std::byte> in(kTerms * count * bytes);
                for (std::size_t i = 0; i < kTerms * count; ++i) {
                    std::copy_n(world.elements.data() + i % world.values.size() * bytes, bytes,
                                in.data() + i * bytes);
                }
                Secret<std::byte> alone(count * bytes);
                Secret<std::byte> shared(count * bytes);
                batch::mul_reduce(alone.data(), {in.data(), bytes}, kTerms, count * bytes, count,
                                  world.modulus, {.num_threads = 1});
                batch::mul_reduce(shared.data(), {in.data(), bytes}, kTerms, count * bytes, count,
                                  world.modulus, {.num_threads = 4});
                REQUIRE(shared == alone);
            }
        },
        Modulo::n_too);
}

TEST_CASE("batch::mul_lists multiplies lists of any lengths, column by column") {
    for_each_world(
        {7, 65, 1024},
        [](World& world) {
            const std::size_t bytes = world.modulus.element_bytes();
            for (const std::size_t num_columns : {1u, 3u}) {
                const std::size_t num_rows = world.values.size() / num_columns;
                // Longest first, as they should be, and not: 21 lists, more than any lanes.
                for (const bool is_sorted : {true, false}) {
                    std::vector<std::vector<std::size_t>> rows;
                    for (std::size_t i = 0; i < 21; ++i) {
                        rows.emplace_back();
                        const std::size_t size = is_sorted ? 1 + (20 - i) / 3 : 1 + 5 * i % 7;
                        for (std::size_t j = 0; j < size; ++j) {
                            rows.back().push_back((7 * i + 3 * j) % num_rows);
                        }
                    }
                    std::vector<RowList> lists;
                    for (const auto& list : rows) lists.push_back({list.data(), list.size()});
                    Secret<std::byte> out(lists.size() * num_columns * bytes);
                    for (const unsigned num_threads : {1u, 3u}) {
                        batch::mul_lists(out.data(),
                                         {world.elements.data(), num_columns, lists.data()},
                                         lists.size(), world.modulus, {.num_threads = num_threads});
                        for (std::size_t i = 0; i < lists.size() * num_columns; ++i) {
                            const auto& list = rows[i / num_columns];
                            const auto value = [&](std::size_t j) {
                                return world.values[list[j] * num_columns + i % num_columns];
                            };
                            Integer expected = value(0);
                            for (std::size_t j = 1; j < list.size(); ++j) {
                                expected = world.montgomery(expected, value(j));
                            }
                            REQUIRE(world.at(out, i) == expected);
                        }
                    }
                }
            }
            batch::mul_lists(nullptr, {world.elements.data(), 1, nullptr}, 0, world.modulus, {});
        },
        Modulo::n_too);
}

TEST_CASE("batch::horner weighs terms by powers of two") {
    for_each_world(
        {7, 65, 1024},
        [](World& world) {
            const std::size_t bytes = world.modulus.element_bytes();
            constexpr std::size_t kCount = 5;
            for (const std::size_t num_terms : {1u, 2u, 4u}) {
                for (const std::size_t num_squarings : {1u, 2u, 13u}) {
                    Secret<std::byte> out(kCount * bytes);
                    batch::horner(out.data(), {world.elements.data(), num_terms * bytes}, num_terms,
                                  bytes, num_squarings, kCount, world.modulus, {});
                    for (std::size_t i = 0; i < kCount; ++i) {
                        Integer expected = world.values[(i + 1) * num_terms - 1];
                        for (std::size_t term = num_terms - 1; term-- > 0;) {
                            for (std::size_t j = 0; j < num_squarings; ++j) {
                                expected = world.montgomery(expected, expected);
                            }
                            expected =
                                world.montgomery(expected, world.values[i * num_terms + term]);
                        }
                        REQUIRE(world.at(out, i) == expected);
                    }
                }
            }
        },
        Modulo::n_too);
}

TEST_CASE("batch::inverse_vartime inverts units and refuses others") {
    for_each_world(
        {7, 64, 1024},
        [](World& world) {
            Secret<std::byte> units;
            for (std::size_t i = 0; i < world.values.size(); ++i) {
                if (!(gcd(world.values[i], world.n) == Integer(1))) continue;
                const std::byte* element = world.operand().at(i);
                units.insert(units.end(), element, element + world.modulus.element_bytes());
            }
            while (units.size() < 1100 * world.modulus.element_bytes()) {
                const Secret<std::byte> copy = units;
                units.insert(units.end(), copy.begin(), copy.end());
            }
            const std::size_t total = units.size() / world.modulus.element_bytes();
            for (const std::size_t count :
                 {std::size_t{1}, std::size_t{63}, std::size_t{65}, total}) {
                for (const std::int64_t r_power : {-3, 0, 2}) {
                    Secret<std::byte> inverses(
                        units.begin(), units.begin() + static_cast<std::ptrdiff_t>(
                                                           count * world.modulus.element_bytes()));
                    batch::inverse_vartime(inverses.data(), inverses.data(), count, r_power,
                                           world.modulus, {});
                    batch::mul(inverses.data(), {inverses.data(), world.modulus.element_bytes()},
                               {units.data(), world.modulus.element_bytes()}, count, world.modulus,
                               {});
                    const auto expected = world.modulus.r_power(r_power - 1);
                    for (std::size_t i = 0; i < count; ++i) {
                        REQUIRE(world.at(inverses, i) == world.modulus.integer(expected.data()));
                    }
                }
            }
            const auto zero = world.modulus.element(Integer(0));
            std::copy(zero.begin(), zero.end(), units.begin());
            CHECK_THROWS_AS(
                batch::inverse_vartime(units.data(), units.data(), total, 2, world.modulus, {}),
                Error);
        },
        Modulo::n_too);
}
