// The arithmetic behind the samplers: enclosures, weights and the alias table.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "noise_fixtures.hpp"
#include "veilsum/noise/exact_decision.hpp"
#include "veilsum/noise/exp_enclosure.hpp"
#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"

namespace {

using namespace veilsum;

/// floor(2^precision * digits / 10^places).
void from_decimal(mpz_ptr out, const char* digits, unsigned long places, unsigned long precision) {
    ScopedMpz power;
    mpz_ui_pow_ui(power, 10, places);
    REQUIRE(mpz_set_str(out, digits, 10) == 0);
    mpz_mul_2exp(out, out, precision);
    mpz_fdiv_q(out, out, power);
}

}  // namespace

TEST_CASE("the enclosure of exp contains known values") {
    struct Known {
        unsigned long numerator, denominator;
        const char* digits;
        unsigned long places;
    };
    const Known all[] = {
        {1, 1, "36787944117144232159552377016146086744581113103176783450783680169746", 68},
        {10, 1, "453999297624848515355915155605506102379180888665649692590713", 64},
        {1, 2, "606530659712633423603799534991180453441918135487186955682892158735", 66},
    };
    for (const Known& known : all) {
        for (const unsigned long precision : {32ul, 64ul, 100ul, 128ul, 180ul}) {
            Enclosure enclosure;
            ScopedMpz value;
            enclose_exp(enclosure, ScopedMpz(known.numerator), ScopedMpz(known.denominator),
                        precision);
            from_decimal(value, known.digits, known.places, precision);
            CHECK(mpz_cmp(enclosure.lo, value) <= 0);  // value is rounded down:
            CHECK(mpz_cmp(enclosure.hi, value) > 0);   // the true one is not an integer
        }
    }
}

TEST_CASE("enclosures of exp are two units wide and nest") {
    for (unsigned long numerator = 0; numerator < 4000; numerator = numerator * 5 / 4 + 1) {
        for (const unsigned long denominator : {1ul, 3ul, 128ul, 9973ul}) {
            Enclosure fine;
            enclose_exp(fine, ScopedMpz(numerator), ScopedMpz(denominator), 1024);
            for (const unsigned long precision : {32ul, 128ul, 256ul, 512ul}) {
                Enclosure coarse;
                enclose_exp(coarse, ScopedMpz(numerator), ScopedMpz(denominator), precision);
                ScopedMpz width;
                mpz_sub(width, coarse.hi, coarse.lo);
                CHECK(mpz_cmp_ui(width, 2) <= 0);
                CHECK(mpz_sgn(width) == (numerator == 0 ? 0 : 1));
                mpz_mul_2exp(coarse.lo, coarse.lo, 1024 - precision);
                mpz_mul_2exp(coarse.hi, coarse.hi, 1024 - precision);
                CHECK(mpz_cmp(coarse.lo, fine.lo) <= 0);
                CHECK(mpz_cmp(coarse.hi, fine.hi) >= 0);
            }
        }
    }
}

TEST_CASE("no enclosure among many misses its value") {
    // The bound of the Taylor sum matters only where a value is close to an integer: about one in
    // a thousand here.
    for (unsigned long numerator = 1; numerator <= 30000; ++numerator) {
        Enclosure fine;
        Enclosure coarse;
        const ScopedMpz x(numerator);
        const ScopedMpz denominator(9973);
        enclose_exp(coarse, x, denominator, 32);
        enclose_exp(fine, x, denominator, 96);
        mpz_mul_2exp(coarse.lo, coarse.lo, 64);
        mpz_mul_2exp(coarse.hi, coarse.hi, 64);
        const bool contains = mpz_cmp(coarse.lo, fine.lo) <= 0 && mpz_cmp(coarse.hi, fine.hi) >= 0;
        REQUIRE(contains);
    }
}

TEST_CASE("the weight of an integer is exp(-phi) of the double parameter") {
    for (const auto& distribution : distributions()) {
        const double scale = distribution.scale();
        for (const double multiple : {0.0, 0.3, 1.0, 2.7, 5.0}) {
            const double z = std::floor(multiple * scale);
            Enclosure enclosure;
            enclose_weight(enclosure, ScopedMpz(static_cast<unsigned long>(z)), distribution, 128);
            const double expected = distribution.kind() == NoiseKind::gaussian
                                        ? std::exp(-z * z / (2 * scale * scale))
                                        : std::exp(-z / scale);
            CHECK(std::ldexp(mpz_get_d(enclosure.lo), -128) ==
                  doctest::Approx(expected).epsilon(1e-13));
        }
    }
}

TEST_CASE("the alias table's marginals are the weights, exactly") {
    for (const auto& distribution : distributions()) {
        const StripTable table(distribution);
        std::array<std::uint64_t, 64> marginals{};
        for (unsigned column = 0; column < 64; ++column) {
            const std::uint32_t threshold = table.filter.alias_words[column] >> 7;
            marginals[column] += threshold;
            marginals[table.filter.alias_words[column] & 63] += (1u << 25) - threshold;
        }
        for (unsigned column = 0; column < 64; ++column) {
            CHECK(marginals[column] == table.weights[column]);
        }
        CHECK(std::accumulate(marginals.begin(), marginals.end(), std::uint64_t{0}) == 1ull << 31);
    }
}

TEST_CASE("the kernel reads the alias table as the marginals say, on both sides of a threshold") {
    for (const auto& distribution : {NoiseDistribution::discrete_gaussian(1000.7),
                                     NoiseDistribution::discrete_laplace(0x1p39)}) {
        const StripTable table(distribution);
        FixedSource extra(8);
        ExactDecision decision(table, extra);
        for (const StripKernel* kernel : available_strip_kernels()) {
            const auto strip_of = [&](std::uint32_t column, std::uint32_t r) {
                std::vector<std::uint32_t> words(group_words(table.filter),
                                                 0);  // y = 0 and U starts with 0
                for (std::size_t lane = 0; lane < kGroupLanes; ++lane)
                    words[lane] = column | r << 7;
                std::array<std::int64_t, kGroupLanes> out{};
                const std::size_t count = kernel->fill64(out.data(), words.data(), 1, table.filter,
                                                         kFilterMargin, decision.resolver());
                REQUIRE(count == kGroupLanes);
                return out[5] >> table.filter.strip_bits;
            };
            for (std::uint32_t column = 0; column < 64; ++column) {
                const std::uint32_t threshold = table.filter.alias_words[column] >> 7;
                const std::uint32_t alias = table.filter.alias_words[column] & 63;
                // A weight of 1 may be a rounded-up next to nothing, accepted next to never.
                if (threshold > 0 && table.weights[column] > 1 &&
                    column != StripTable::kTailColumn) {
                    CHECK(strip_of(column, 0) == column);
                    CHECK(strip_of(column, threshold - 1) == column);
                }
                CHECK(strip_of(column, threshold) == alias);
                CHECK(strip_of(column, (1u << 25) - 1) == alias);
            }
        }
    }
}

TEST_CASE("no acceptance probability is above 1, in the strips and along the tail") {
    for (const auto& distribution : distributions()) {
        const StripTable table(distribution);
        const auto check = [&](std::uint64_t strip, unsigned column, std::uint64_t num_steps) {
            Enclosure weight;
            ScopedMpz power;
            const ScopedMpz z(strip << table.filter.strip_bits);
            enclose_weight(weight, z, distribution, 256);
            mpz_mul_ui(weight.hi, weight.hi, table.scale);
            ScopedMpz proposal(table.weights[column]);
            mpz_mul_2exp(proposal, proposal, 256);
            if (column == 63) {
                mpz_mul_2exp(weight.hi, weight.hi, 3 * (num_steps + 1));
                mpz_ui_pow_ui(power, 7, num_steps);
                mpz_mul(proposal, proposal, power);
            }
            CHECK(mpz_cmp(weight.hi, proposal) <= 0);
        };
        for (unsigned column = 0; column < 63; ++column) check(column, column, 0);
        // Far out the enclosure's last unit outgrows the proposal; by then p < 2^-100 anyway.
        for (std::uint64_t g = 0; g < 60; ++g) check(63 + g, 63, g);
        CHECK(table.weights[0] - table.scale < 200);  // Little is lost by integer weights.
    }
}
