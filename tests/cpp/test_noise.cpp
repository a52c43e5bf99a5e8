#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "noise_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/noise/exact_decision.hpp"
#include "veilsum/noise/exp_enclosure.hpp"
#include "veilsum/noise/sampler.hpp"
#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"

namespace {

using namespace veilsum;

constexpr float kForceUndecided = std::numeric_limits<float>::infinity();

std::vector<std::int64_t> sample(const NoiseDistribution& distribution, std::size_t count,
                                 RandomSource& main, RandomSource& extra,
                                 float filter_margin = kFilterMargin,
                                 std::size_t block_size = 1024) {
    const StripTable table(distribution);
    NoiseSampler sampler(table, main, extra, filter_margin);
    std::vector<std::int64_t> samples;
    while (samples.size() < count) {
        const auto block = sampler.next_block(block_size);
        samples.insert(samples.end(), block.begin(), block.end());
    }
    samples.resize(count);
    return samples;
}

}  // namespace

TEST_CASE("the filter is within its bound of the enclosed probability") {
    double largest = 0;
    for (const auto& distribution : distributions()) {
        const StripTable table(distribution);
        const std::uint64_t k = std::uint64_t{1} << table.strip_bits;
        const std::uint64_t step = k < 40 ? 1 : k / 40 + 1;
        for (unsigned strip = 0; strip < 63; ++strip) {
            for (std::uint64_t y = 0; y < k + step; y += step) {
                const std::uint64_t offset = std::min(y, k - 1);
                Enclosure weight;
                enclose_weight(weight, ScopedMpz(strip * k + offset), distribution, 192);
                mpz_mul_ui(weight.lo, weight.lo, table.scale);
                const double exact =
                    std::ldexp(mpz_get_d(weight.lo), 16 - 192) / table.weights[strip];
                largest =
                    std::max(largest, std::abs(filter_estimate(table, strip, offset) - exact));
            }
        }
    }
    CAPTURE(largest);
    CHECK(largest < 0x1p-4);  // The bound; the margin is twice that.
    CHECK(largest < 0.02);    // 0.0136 was seen.
}

TEST_CASE("samples do not depend on the filter, nor on the block size") {
    constexpr std::size_t kCount = 8000;
    for (const auto& distribution : distributions()) {
        CAPTURE(distribution.scale());
        FixedSource main(1);
        FixedSource extra(2);
        const auto filtered = sample(distribution, kCount, main, extra);
        FixedSource forced_main(1);
        FixedSource forced_extra(2);
        const auto forced =
            sample(distribution, kCount, forced_main, forced_extra, kForceUndecided);
        CHECK(filtered == forced);
        CHECK(main.num_bytes() == forced_main.num_bytes());
        CHECK(extra.num_bytes() == forced_extra.num_bytes());
        FixedSource small_main(1);
        FixedSource small_extra(2);
        CHECK(filtered == sample(distribution, kCount, small_main, small_extra, kFilterMargin, 17));
    }
}

TEST_CASE("the same streams give the same samples on every platform") {
    // Taken from this implementation once; a change of the stream layout must show here.
    const auto first = [](const NoiseDistribution& distribution) {
        FixedSource main(1);
        FixedSource extra(2);
        return sample(distribution, 6, main, extra);
    };
    const auto show = [](const std::vector<std::int64_t>& values) {
        std::string text;
        for (const auto value : values) text += std::to_string(value) + " ";
        return text;
    };
    CHECK(show(first(NoiseDistribution::discrete_gaussian(1000.7))) ==
          "133 -158 -580 -705 -1208 51 ");
    CHECK(show(first(NoiseDistribution::discrete_laplace(2.0e6))) ==
          "905989 -39838 -1434692 -1931201 -2725560 459059 ");
}

TEST_CASE("few candidates reach the slow path") {
    for (const auto& distribution : distributions()) {
        const StripTable table(distribution);
        FixedSource main(3);
        FixedSource extra(4);
        NoiseSampler sampler(table, main, extra);
        std::size_t num_samples = 0;
        for (int i = 0; i < 1000; ++i) num_samples += sampler.next_block(1024).size();
        CHECK(sampler.num_resolved() < 80);  // 2^-16 of 1,024,000 candidates is 16.
        // More than half at scale 0.3, where -0 is half of the strip that matters; 0.78 (Laplace)
        // or more from 4 on.
        CHECK(num_samples > (distribution.scale() < 4 ? 0.48 : 0.75) * 1024000);
    }
}

TEST_CASE("tail candidates follow the tail of the distribution") {
    // k = 1 here, and Laplace has no memory: |z| - 63 of an accepted tail candidate is geometric.
    constexpr double kScale = 3.9;
    constexpr int kNumCandidates = 40000;
    const auto distribution = NoiseDistribution::discrete_laplace(kScale);
    const StripTable table(distribution);
    FixedSource extra(5);
    FixedSource uniforms(6);
    ExactDecision decision(table, extra);
    std::array<double, 20> counts{};
    double num_accepted = 0;
    for (int i = 0; i < kNumCandidates; ++i) {
        std::array<std::byte, 2> bytes{};
        uniforms.fill(bytes);
        const auto uniform16 = std::to_integer<std::uint32_t>(bytes[0]) |
                               std::to_integer<std::uint32_t>(bytes[1]) << 8;
        const std::int64_t z = decision.resolve(63, 0, uniform16);
        if (z < 0) continue;
        REQUIRE(z >= 63);
        num_accepted += 1;
        counts[std::min<std::size_t>(static_cast<std::size_t>(z - 63), counts.size() - 1)] += 1;
    }
    const double ratio = std::exp(-1 / kScale);
    double chi2 = 0;
    for (std::size_t g = 0; g < counts.size(); ++g) {
        const double mass =
            std::pow(ratio, static_cast<double>(g)) * (g + 1 < counts.size() ? 1 - ratio : 1.0);
        chi2 += std::pow(counts[g] - num_accepted * mass, 2) / (num_accepted * mass);
    }
    CHECK(num_accepted > 0.4 * kNumCandidates);
    CHECK(chi2 < 80);  // 19 degrees of freedom: above with probability 2e-9.
}

TEST_CASE("an open decision is settled with the right probability") {
    // z = 700 is in strip 5 (k = 128); the first 16 bits of U agree with p, so what decides is the
    // fraction of 2^16 p against fresh bits.
    const auto distribution = NoiseDistribution::discrete_gaussian(1000.7);
    const StripTable table(distribution);
    REQUIRE(table.strip_bits == 7);
    FixedSource extra(7);
    ExactDecision decision(table, extra);
    constexpr int kNumTrials = 40000;
    for (const std::uint64_t y : {60u, 61u, 62u, 63u}) {
        const double q =
            65536.0 * table.scale / table.weights[5] *
            std::exp(-std::pow(640.0 + static_cast<double>(y), 2) / (2 * 1000.7 * 1000.7));
        const double fraction = q - std::floor(q);
        int num_accepted = 0;
        for (int i = 0; i < kNumTrials; ++i) {
            num_accepted += decision.resolve(5, y, static_cast<std::uint32_t>(q)) >= 0 ? 1 : 0;
        }
        const double deviation = std::sqrt(kNumTrials * fraction * (1 - fraction)) + 1;
        CHECK(std::abs(num_accepted - kNumTrials * fraction) < 6 * deviation);
        CHECK(decision.resolve(5, y, static_cast<std::uint32_t>(q) - 1) >= 0);
        CHECK(decision.resolve(5, y, static_cast<std::uint32_t>(q) + 1) < 0);
    }
    CHECK(extra.num_bytes() == std::size_t{4} * kNumTrials * 8);
}

TEST_CASE("every element is filled or added to, for any size and number of threads") {
    const auto distribution = NoiseDistribution::discrete_gaussian(0x1p30);
    for (const std::size_t size : {0u, 1u, 15u, 1000u, 65536u, 200001u}) {
        for (const unsigned num_threads : {1u, 2u}) {
            std::vector<std::int64_t> values(size, 0);
            fill_noise(std::span(values), distribution, {num_threads});
            std::size_t num_zero = 0;
            for (const auto value : values) num_zero += value == 0 ? 1 : 0;
            CHECK(num_zero <= 1);
            constexpr std::int64_t kBase = (std::int64_t{1} << 62) - 1;
            std::vector<std::int64_t> sums(size, kBase);
            add_noise(sums, distribution, {num_threads});
            for (const auto value : sums) CHECK_MESSAGE(value - kBase != 0, "not noised");
        }
    }
}

TEST_CASE("parameters and values outside the range are refused") {
    for (const double bad : {0.29, -1.0, 0.0, 0x1p40 * 1.0000001, std::nan(""), HUGE_VAL}) {
        CHECK_THROWS_AS(NoiseDistribution::discrete_gaussian(bad), Error);
        CHECK_THROWS_AS(NoiseDistribution::discrete_laplace(bad), Error);
    }
    std::vector<std::int32_t> narrow(10, 7);
    fill_noise(std::span(narrow), NoiseDistribution::discrete_gaussian(0x1p27));
    fill_noise(std::span(narrow), NoiseDistribution::discrete_laplace(0x1p24));
    CHECK_THROWS_AS(
        fill_noise(std::span(narrow), NoiseDistribution::discrete_gaussian(0x1.00001p27)), Error);
    CHECK_THROWS_AS(
        fill_noise(std::span(narrow), NoiseDistribution::discrete_laplace(0x1.00001p24)), Error);

    std::vector<std::int64_t> values(100, 5);
    for (const std::int64_t bad :
         {std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::min()}) {
        values.back() = bad;
        const auto before = values;
        CHECK_THROWS_AS(add_noise(values, NoiseDistribution::discrete_gaussian(3)), Error);
        CHECK(values == before);
    }
}
