// Floats to integers in a unit and back, against GMP's exact rationals.

#include <doctest/doctest.h>
#include <gmp.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/floats.hpp"
#include "veilsum/bigint/integer.hpp"
#include "veilsum/rng/csprng.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;
using Doubles = std::vector<double>;
using Limbs = std::vector<Limb>;

constexpr std::size_t kRoom = 16384;
const Limbs kNoBound(kRoom / 64, ~Limb{0});

double random_double(Csprng& random) {
    double value = 0;
    do {
        std::uint64_t bits = 0;
        random.fill(std::as_writable_bytes(std::span(&bits, 1)));
        value = std::bit_cast<double>(bits);
    } while (!std::isfinite(value));
    return value;
}

Doubles odd_doubles() {
    Csprng random;
    using Limits = std::numeric_limits<double>;
    Doubles values{0.0, 0.5, 1.5, 2.5, 0.75, 1.0, 3.0, 1e-320, 1e300, 0x1p52, 0x1.8p52, 0x1p53};
    values.insert(values.end(),
                  {Limits::denorm_min(), Limits::min(), Limits::max(), std::nextafter(0.5, 0),
                   std::nextafter(0.5, 1), std::nextafter(1.5, 2), std::nextafter(1.5, 1)});
    const std::size_t size = values.size();
    for (std::size_t i = 0; i < size; ++i) values.push_back(-values[i]);
    for (int i = 0; i < 100; ++i) values.push_back(random_double(random));
    return values;
}

/// A two's complement value as a GMP integer.
void set(mpz_t out, std::span<const Limb> limbs) {
    mpz_import(out, limbs.size(), -1, sizeof(Limb), 0, 0, limbs.data());
    if ((limbs.back() >> 63) != 0) {
        mpz_t power;
        mpz_init_set_ui(power, 1);
        mpz_mul_2exp(power, power, limbs.size() * 64);
        mpz_sub(out, out, power);
        mpz_clear(power);
    }
}

/// 2 * |value * 2^-unit - rounded| <= 1, and in a tie `rounded` is even.
bool is_nearest(double value, std::int64_t unit, std::span<const Limb> rounded) {
    mpq_t exact, found;
    mpq_inits(exact, found, nullptr);
    mpq_set_d(exact, value);
    if (unit < 0) {
        mpq_mul_2exp(exact, exact, static_cast<mp_bitcnt_t>(-unit));
    } else {
        mpq_div_2exp(exact, exact, static_cast<mp_bitcnt_t>(unit));
    }
    set(mpq_numref(found), rounded);
    const bool is_even = mpz_even_p(mpq_numref(found)) != 0;
    mpq_sub(exact, exact, found);
    mpq_abs(exact, exact);
    const int sign = mpq_cmp_ui(exact, 1, 2);
    mpq_clears(exact, found, nullptr);
    return sign < 0 || (sign == 0 && is_even);
}

double decoded(std::int64_t value, std::int64_t unit) {
    Plaintexts plaintexts(1, 1);
    plaintexts[0][0] = static_cast<Limb>(value);
    double out = 0;
    nearest_floats({&out, 1}, plaintexts, unit, kNoBound);
    return out;
}

TEST_CASE("floats are rounded to the nearest multiple of the unit") {
    const Doubles values = odd_doubles();
    for (const std::int64_t unit : {-1200, -1074, -1000, -64, -30, -1, 0, 1, 5, 52, 64, 900}) {
        const Plaintexts rounded = round_to_unit(values, unit, kRoom);
        for (std::size_t i = 0; i < values.size(); ++i) {
            CAPTURE(values[i]);
            CAPTURE(unit);
            CHECK(is_nearest(values[i], unit, rounded[i]));
        }
    }
}

TEST_CASE("floats come back as they were from a unit that is fine enough") {
    const Doubles values = odd_doubles();
    Doubles out(values.size());
    nearest_floats(out, round_to_unit(values, -1074, kRoom), -1074, kNoBound);
    CHECK(out == values);
}

TEST_CASE("integers become the float that is nearest") {
    // One bit more than a float has: ties, and what lies on both sides of them.
    for (const std::int64_t value :
         {0x20000000000001, 0x20000000000002, 0x20000000000003, 0x40000000000001, 0x40000000000002,
          0x40000000000003, 0x40000000000005, 0x40000000000006, 0x40000000000007}) {
        for (const std::int64_t sign : {1, -1}) {
            for (const std::int64_t unit : {-1074, -30, 0, 900}) {
                // The conversion of an int64 is rounded by the processor; so is ldexp.
                const double nearest =
                    std::ldexp(static_cast<double>(sign * value), static_cast<int>(unit));
                CHECK(decoded(sign * value, unit) == nearest);
            }
        }
    }
    CHECK(decoded(0, 1 << 20) == 0);
    CHECK(decoded(1, -1075) == 0);  // A tie with 0, which is even.
    CHECK(decoded(-3, -1075) == -2 * std::numeric_limits<double>::denorm_min());
    CHECK(decoded(3, -1076) == std::numeric_limits<double>::denorm_min());
    CHECK(decoded(5, -1 << 20) == 0);
    CHECK(code_of([] { decoded(1, 1024); }) == Errc::capacity);
    CHECK(code_of([] { decoded(-0x3fffffffffffff, 1024 - 54); }) == Errc::capacity);
    CHECK(code_of([] { decoded(1, 1 << 20); }) == Errc::capacity);
    CHECK(decoded(0x1fffffffffffff, 1024 - 53) == std::numeric_limits<double>::max());
}

TEST_CASE("long integers become floats as short ones of a larger unit") {
    for (const std::int64_t value :
         std::initializer_list<std::int64_t>{1, -1, 3, 0x40000000000001, -0x40000000000003}) {
        for (const std::size_t shift : {0U, 1U, 63U, 64U, 65U, 700U}) {
            Plaintexts plaintexts(1, 1);
            plaintexts[0][0] = static_cast<Limb>(value);
            const Plaintexts shifted = shifted_left(plaintexts, shift, kRoom);
            double out = 0;
            nearest_floats({&out, 1}, shifted, -700, kNoBound);
            CHECK(out == decoded(value, static_cast<std::int64_t>(shift) - 700));
        }
    }
}

TEST_CASE("a value beyond the bound is refused") {
    Plaintexts plaintexts(2, 2);
    for (std::size_t i = 0; i < 2; ++i) plaintexts[i][1] = i == 0 ? 1 : ~Limb{0};
    Doubles out(2);
    nearest_floats(out, plaintexts, 0, Limbs{0, 1});
    CHECK(out == Doubles{0x1p64, -0x1p64});
    nearest_floats(out, plaintexts, 0, Limbs{0, 1, 0});
    for (const Limbs& bound : {Limbs{~Limb{0}}, Limbs{}, Limbs{~Limb{0}, 0, 0}}) {
        CHECK(code_of([&] { nearest_floats(out, plaintexts, 0, bound); }) ==
              Errc::invalid_ciphertext);
    }
}

TEST_CASE("what has no integer in a unit is refused") {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double value : {infinity, -infinity, std::nan("")}) {
        CHECK(code_of([&] { round_to_unit(Doubles{value}, 0, kRoom); }) == Errc::invalid_argument);
    }
    CHECK(code_of([] { round_to_unit(Doubles{1e300}, -1000, 1024); }) == Errc::invalid_argument);
    for (const std::int64_t unit : {kMaxUnitExponent + 1, -kMaxUnitExponent - 1}) {
        CHECK(code_of([&] { round_to_unit(Doubles{0}, unit, kRoom); }) == Errc::invalid_argument);
        CHECK(code_of([&] { decoded(0, unit); }) == Errc::invalid_argument);
    }
    CHECK(code_of([] { shifted_left(Plaintexts(1, 1), kRoom + 1, kRoom); }) ==
          Errc::invalid_argument);
    CHECK(round_to_unit(Doubles{}, 0, kRoom).size() == 0);
}

}  // namespace
