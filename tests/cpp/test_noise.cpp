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
                                 RandomSource& main, RandomSource& extra, const StripKernel& kernel,
                                 float filter_margin = kFilterMargin) {
    const StripTable table(distribution);
    NoiseSampler sampler(table, main, extra, kernel, filter_margin);
    std::vector<std::int64_t> samples(count);
    sampler.fill(std::span(samples));
    return samples;
}

}  // namespace

TEST_CASE("the filter is within its bound of the enclosed probability") {
    for (const StripKernel* kernel : available_strip_kernels()) {
        double largest = 0;
        for (const auto& distribution : distributions()) {
            const StripTable table(distribution);
            const std::uint64_t k = std::uint64_t{1} << table.filter.strip_bits;
            const std::uint64_t step = k < 48 ? 1 : k / 47;
            for (unsigned strip = 0; strip < 63; ++strip) {
                for (std::uint64_t first = 0; first < k; first += 16 * step) {
                    std::uint64_t offsets[16];
                    float estimates[16];
                    for (std::uint64_t i = 0; i < 16; ++i) {
                        offsets[i] = std::min(first + i * step, k - 1);
                    }
                    kernel->estimate(estimates, offsets, strip, table.filter);
                    for (int i = 0; i < 16; ++i) {
                        Enclosure weight;
                        enclose_weight(weight, ScopedMpz(strip * k + offsets[i]), distribution,
                                       192);
                        mpz_mul_ui(weight.lo, weight.lo, table.scale);
                        const double exact =
                            std::ldexp(mpz_get_d(weight.lo), 16 - 192) / table.weights[strip];
                        largest = std::max(largest, std::abs(double{estimates[i]} - exact));
                    }
                }
            }
        }
        CAPTURE(kernel->name);
        CAPTURE(largest);
        CHECK(largest < 0x1p-4);  // The bound; the margin is twice that.
        CHECK(largest < 0.02);    // 0.0136 was seen.
    }
}

TEST_CASE("samples depend neither on the kernel, nor on the filter, nor on the block size") {
    constexpr std::size_t kCount = 8000;
    for (const auto& distribution : distributions()) {
        CAPTURE(distribution.scale());
        FixedSource main(1);
        FixedSource extra(2);
        const auto expected =
            sample(distribution, kCount, main, extra, *available_strip_kernels().front());
        for (const StripKernel* kernel : available_strip_kernels()) {
            CAPTURE(kernel->name);
            for (const float margin : {kFilterMargin, kForceUndecided}) {
                FixedSource other_main(1);
                FixedSource other_extra(2);
                CHECK(expected ==
                      sample(distribution, kCount, other_main, other_extra, *kernel, margin));
                CHECK(main.num_bytes() == other_main.num_bytes());
                CHECK(extra.num_bytes() == other_extra.num_bytes());
            }
            FixedSource short_main(1);
            FixedSource short_extra(2);
            const auto few = sample(distribution, 333, short_main, short_extra, *kernel);
            CHECK(std::equal(few.begin(), few.end(), expected.begin()));
        }
    }
}

TEST_CASE("candidates are decided alike in doubles and in integers") {
    for (const auto& distribution : distributions()) {
        CAPTURE(distribution.scale());
        const StripTable table(distribution);
        const std::uint64_t k = std::uint64_t{1} << table.filter.strip_bits;
        FixedSource extra(13);
        FixedSource same_extra(13);
        FixedSource candidates(14);
        ExactDecision decision(table, extra);
        ExactDecision in_integers(table, same_extra, std::numeric_limits<double>::infinity());
        for (int i = 0; i < 2000; ++i) {
            std::array<std::uint64_t, 2> words{};
            candidates.fill(std::as_writable_bytes(std::span(words)));
            const auto column = static_cast<unsigned>(words[0] >> 48 & 63);
            const std::uint64_t y = words[1] % k;
            // Half of them where the first 16 bits leave it open, or nearly.
            const double z = static_cast<double>(column * k + y) / distribution.scale();
            const double q = 65536.0 * table.scale / table.weights[column] *
                             std::exp(distribution.kind() == NoiseKind::gaussian ? -z * z / 2 : -z);
            const auto uniform16 = static_cast<std::uint32_t>(
                i % 2 == 0 ? static_cast<double>(words[0] & 0xffff)
                           : std::clamp(q - 1 + static_cast<double>(i % 3), 0.0, 65535.0));
            REQUIRE(decision.resolve(column, y, uniform16) ==
                    in_integers.resolve(column, y, uniform16));
        }
        CHECK(extra.num_bytes() == same_extra.num_bytes());
        CHECK(extra.num_bytes() > 0);
    }
}

TEST_CASE("the three ways to write samples agree, and leave alone what is not theirs") {
    constexpr std::size_t kCount = 1001;
    for (const StripKernel* kernel : available_strip_kernels()) {
        CAPTURE(kernel->name);
        for (const auto& distribution : distributions()) {
            CAPTURE(distribution.scale());
            const StripTable table(distribution);
            const auto draw = [&](auto values, auto how) {
                FixedSource main(9);
                FixedSource extra(10);
                NoiseSampler sampler(table, main, extra, *kernel);
                how(sampler, std::span(values).first(kCount));
                return values;
            };
            std::vector<std::int64_t> base(kCount + 40);
            for (std::size_t i = 0; i < base.size(); ++i) {
                base[i] = (i % 2 == 0 ? 1 : -1) * ((std::int64_t{1} << 62) - 1 - std::int64_t(i));
            }
            const auto samples =
                draw(base, [](NoiseSampler& sampler, auto out) { sampler.fill(out); });
            const auto sums = draw(base, [](NoiseSampler& sampler, auto out) { sampler.add(out); });
            for (std::size_t i = 0; i < base.size(); ++i) {
                CHECK(samples[i] == (i < kCount ? sums[i] - base[i] : base[i]));
            }
            if (!distribution.fits_int32()) continue;
            const auto narrow = draw(std::vector<std::int32_t>(kCount + 40, 77),
                                     [](NoiseSampler& sampler, auto out) { sampler.fill(out); });
            for (std::size_t i = 0; i < base.size(); ++i) {
                CHECK(narrow[i] == (i < kCount ? samples[i] : 77));
            }
        }
    }
}

TEST_CASE("a kernel adds to nothing beyond its samples") {
    for (const StripKernel* kernel : available_strip_kernels()) {
        for (const double scale : {0.3, 1000.7, 0x1p33}) {
            const StripTable table(NoiseDistribution::discrete_gaussian(scale));
            FixedSource main(11);
            FixedSource extra(12);
            ExactDecision decision(table, extra);
            std::vector<std::uint32_t> words(8 * group_words(table.filter));
            main.fill(std::as_writable_bytes(std::span(words)));
            std::vector<std::int64_t> sums(8 * kGroupLanes, 1 << 20);
            const std::size_t count = kernel->add64(sums.data(), words.data(), 8, table.filter,
                                                    kFilterMargin, decision.resolver());
            REQUIRE(count < sums.size());
            CHECK(std::all_of(sums.begin() + static_cast<std::ptrdiff_t>(count), sums.end(),
                              [](std::int64_t value) { return value == 1 << 20; }));
        }
    }
}

TEST_CASE("the same streams give the same samples on every platform") {
    // Taken from this implementation once; a change of the stream layout must show here.
    const auto first = [](const NoiseDistribution& distribution) {
        FixedSource main(1);
        FixedSource extra(2);
        return sample(distribution, 6, main, extra, active_strip_kernel());
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
    constexpr std::size_t kCount = 1000000;
    for (const auto& distribution : distributions()) {
        const StripTable table(distribution);
        FixedSource main(3);
        FixedSource extra(4);
        NoiseSampler sampler(table, main, extra);
        std::vector<std::int64_t> samples(kCount);
        sampler.fill(std::span(samples));
        const std::size_t num_candidates =
            main.num_bytes() / 4 * kGroupLanes / group_words(table.filter);
        // 2^-16 of 1,100,000 candidates is 17.
        CHECK(sampler.num_resolved() < (distribution.scale() < 4 ? 140 : 90));
        // More than half at scale 0.3, where -0 is half of the strip that matters; 0.78 (Laplace)
        // or more from 4 on.
        CHECK(kCount > (distribution.scale() < 4 ? 0.48 : 0.75) * double(num_candidates));
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
    REQUIRE(table.filter.strip_bits == 7);
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
