// c^(p-1) modulo p^2 on every kernel, on emulated lanes too, is what GMP says.

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

#include "bigint_fixtures.hpp"

using namespace veilsum;
using namespace veilsum::testing;

namespace {

Integer next_prime(const Integer& x) {
    Integer p;
    mpz_nextprime(p.get(), x.get());
    return p;
}

/// For the last values of a world, which are random, or all of them; units and others.
void require_equal_to_gmp(const SquareWorld& world, std::initializer_list<std::size_t> counts) {
    const Modulus& p = world.modulus;
    const std::size_t bytes = p.element_bytes();
    const OrderPower order(world.modulus);
    Secret<std::byte> scratch(world.kernel.scratch_bytes(p));
    for (const std::size_t count : counts) {
        const std::size_t first = world.values.size() - count;
        Secret<std::byte> out(count * bytes);
        world.kernel.pow_order(out.data(), {world.operand().at(first), bytes}, order, count, p,
                               scratch.data());
        for (std::size_t i = 0; i < count; ++i) {
            const Integer& x = world.values[first + i];
            if (gcd(x, world.n) == Integer(1)) {
                REQUIRE(world.at(out, i) == world.power(x, world.n - 1));
            } else {
                REQUIRE(Integer::from_bytes({out.data() + i * bytes, p.digit_bytes()}) ==
                        Integer(0));
            }
        }
    }
}
void check_some(const SquareWorld& world) {
    require_equal_to_gmp(world, {1, 9, world.values.size()});
}

std::vector<Integer> primes(std::size_t bits) {
    std::vector<Integer> result{next_prime(power_of_two(bits - 1))};
    Integer random = random_below(power_of_two(bits - 1));
    mpz_setbit(random.get(), bits - 1);
    result.push_back(next_prime(random));
    return result;
}

}  // namespace

TEST_CASE("the power p - 1 equals GMP's for short primes and all lengths of windows") {
    for (const SquareKernel* kernel : tested_kernels()) {
        for (const unsigned long p : {3ul, 5ul, 31ul, 37ul, 32749ul, 32771ul, 65521ul, 65537ul}) {
            check_world<SquareWorld>(Integer(p), *kernel, check_some);
        }
        for (const std::size_t bits : {19u, 20u, 21u, 22u, 23u, 63u, 64u, 65u, 127u, 128u}) {
            for (const Integer& p : primes(bits)) {
                check_world<SquareWorld>(p, *kernel, check_some);
            }
        }
    }
}

TEST_CASE("the power p - 1 equals GMP's for primes with all bits set") {
    for (const SquareKernel* kernel : tested_kernels()) {
        for (const std::size_t bits : {61u, 127u, 521u}) {
            check_world<SquareWorld>(power_of_two(bits) - 1, *kernel, check_some);
        }
    }
}

TEST_CASE("the power p - 1 equals GMP's for primes of keys") {
    for (const SquareKernel* kernel : available_kernels()) {
        for (const std::size_t bits : {512u, 1023u, 1024u, 1536u, 2048u}) {
            check_world<SquareWorld>(primes(bits).back(), *kernel, check_some);
        }
    }
}

// Where columns need relief, and on cramped lanes a square has more limbs than a column products.
TEST_CASE("emulated lanes find nothing in the power p - 1 for long primes") {
    for (const SquareKernel* kernel : emulated_kernels()) {
        for (const std::size_t bits : {1279u, 2281u}) {
            CAPTURE(bits);
            check_world<SquareWorld>(power_of_two(bits) - 1, *kernel, [](const SquareWorld& world) {
                require_equal_to_gmp(world, {1});
            });
        }
    }
}
