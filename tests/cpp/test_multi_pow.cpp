#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "bigint_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"

using namespace veilsum;
using namespace veilsum::testing;

namespace {

/// A matrix of exponents: 0, the largest, 1 and random ones in turn, the first row random.
struct Exponents {
    Exponents(std::size_t num_rows, std::size_t num_columns, std::size_t num_bits) {
        const std::size_t num_limbs = num_bits / 64 + 1;
        const Integer bound = power_of_two(num_bits);
        for (std::size_t i = 0; i < num_rows * num_columns; ++i) {
            const std::size_t kind = i < num_columns ? 3 : (i / num_columns + i) % 5;
            values.push_back(kind == 0                    ? Integer(0)
                             : kind == 1                  ? bound - 1
                             : kind == 2 && num_bits != 0 ? Integer(1)
                                                          : random_below(bound));
            const auto value_limbs = to_limbs(values.back(), num_limbs);
            limbs.insert(limbs.end(), value_limbs.begin(), value_limbs.end());
        }
        matrix = {limbs.data(), num_rows, num_columns, num_columns * num_limbs,
                  num_limbs,    num_bits};
    }

    const Integer& at(std::size_t row, std::size_t column) const {
        return values[row * matrix.num_columns + column];
    }

    std::vector<Integer> values;
    std::vector<Limb> limbs;
    ExponentMatrix matrix;
};

/// Bases from the world's values, repeated.
Secret<std::byte> bases_of(const World& world, std::size_t count) {
    Secret<std::byte> bases;
    while (bases.size() < count * world.modulus.element_bytes()) {
        bases.insert(bases.end(), world.elements.begin(), world.elements.end());
    }
    return bases;
}

void require_products(World& world, const Exponents& exponents, const Secret<std::byte>& out) {
    const Integer r = world.modulus.integer(world.modulus.r());
    for (std::size_t row = 0; row < exponents.matrix.num_rows; ++row) {
        Integer expected = r;
        for (std::size_t j = 0; j < exponents.matrix.num_columns; ++j) {
            const Integer& base = world.values[j % world.values.size()];
            expected = expected * world.power(base, exponents.at(row, j)) % world.whole;
        }
        REQUIRE(world.at(out, row) == expected);
    }
}

void check_shape(World& world, std::size_t num_rows, std::size_t num_columns,
                 std::size_t num_bits) {
    CAPTURE(num_rows);
    CAPTURE(num_columns);
    CAPTURE(num_bits);
    const Exponents exponents(num_rows, num_columns, num_bits);
    const auto bases = bases_of(world, num_columns);
    const Operand base{bases.data(), world.modulus.element_bytes()};
    Secret<std::byte> out(num_rows * world.modulus.element_bytes());
    const Kernel& kernel = world.kernel;
    {
        Secret<std::byte> scratch(kernel.multi_pow_scratch_bytes(exponents.matrix, world.modulus));
        kernel.multi_pow(out.data(), base, world.modulus.r_squared(), exponents.matrix,
                         world.modulus, scratch.data());
        require_products(world, exponents, out);
    }
    {
        std::ranges::fill(out, std::byte{0});
        Secret<std::byte> scratch(
            kernel.multi_pow_vartime_scratch_bytes(exponents.matrix, world.modulus));
        kernel.multi_pow_vartime(out.data(), base, world.modulus.r_squared(), exponents.matrix,
                                 world.modulus, scratch.data());
        require_products(world, exponents, out);
    }
}

}  // namespace

TEST_CASE("multi_pow equals GMP for all shapes of a small modulus") {
    for_each_world(
        {7, 65},
        [](World& world) {
            for (const std::size_t num_columns : {1u, 2u, 7u, 8u, 9u, 17u, 64u, 65u, 513u}) {
                for (const std::size_t num_bits : {0u, 1u, 5u, 31u, 64u, 128u}) {
                    check_shape(world, 3, num_columns, num_bits);
                }
            }
        },
        Modulo::n_too);
}

TEST_CASE("multi_pow equals GMP at 2048 bits, over several blocks of columns") {
    for (const SquareKernel* kernel : available_kernels()) {
        for (const Integer& n : moduli(2048)) {
            World world(n, *kernel);
            check_shape(world, 1, 9, 128);
            check_shape(world, 5, 65, 31);
            check_shape(world, 1, 513, 16);
        }
        World world(moduli(2048).back(), *kernel);
        check_shape(world, 1, 513, 128);
    }
}

TEST_CASE("batch::multi_pow puts tiles of any number of threads together") {
    for_each_world(
        {65},
        [](World& world) {
            for (const auto& [num_rows, num_columns] :
                 {std::pair{1, 1}, std::pair{70, 9}, std::pair{3, 700}, std::pair{2, 2100}}) {
                const Exponents exponents(static_cast<std::size_t>(num_rows),
                                          static_cast<std::size_t>(num_columns), 40);
                const auto bases = bases_of(world, exponents.matrix.num_columns);
                const Operand base{bases.data(), world.modulus.element_bytes()};
                for (const unsigned num_threads : {1u, 5u}) {
                    Secret<std::byte> out(exponents.matrix.num_rows *
                                          world.modulus.element_bytes());
                    batch::multi_pow(out.data(), base, world.modulus.r_squared(), exponents.matrix,
                                     world.modulus, {num_threads});
                    require_products(world, exponents, out);
                    std::ranges::fill(out, std::byte{0});
                    batch::multi_pow_vartime(out.data(), base, world.modulus.r_squared(),
                                             exponents.matrix, world.modulus, {num_threads});
                    require_products(world, exponents, out);
                }
            }
        },
        Modulo::n_too);
}

TEST_CASE("multi_pow takes strided bases and rows, and bases with a factor of R") {
    for_each_world({128}, [](World& world) {
        const std::size_t bytes = world.modulus.element_bytes();
        Exponents exponents(4, 9, 20);
        exponents.matrix.num_rows = 2;
        exponents.matrix.row_stride_limbs *= 2;
        const auto to_montgomery = world.modulus.r_power(5);
        Secret<std::byte> out(2 * bytes);
        Secret<std::byte> scratch(
            world.kernel.multi_pow_scratch_bytes(exponents.matrix, world.modulus));
        world.kernel.multi_pow(out.data(), {world.elements.data(), 2 * bytes}, to_montgomery.data(),
                               exponents.matrix, world.modulus, scratch.data());
        const Integer factor = world.modulus.integer(world.modulus.r_power(3).data());
        for (const std::size_t row : {0u, 1u}) {
            Integer expected = world.modulus.integer(world.modulus.r());
            for (std::size_t j = 0; j < 9; ++j) {
                expected = expected *
                           world.power(world.values[2 * j] * factor, exponents.at(2 * row, j)) %
                           world.whole;
            }
            REQUIRE(world.at(out, row) == expected);
        }
    });
}
