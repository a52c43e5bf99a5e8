// The proof of the filter's bound by trying every float and every candidate. The argument around it
// is in docs/noise.md, "The filter's bound".

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "noise_fixtures.hpp"
#include "veilsum/noise/strip_algorithm.hpp"
#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"

namespace {

using namespace veilsum;

/// In units of 2^-16, how far the polynomial may be from 2^f as it is computed.
constexpr double kPolynomialBound = 0.0150;

float horner(float f) {
    float sum = kExp2Polynomial[5];
    for (int j = 4; j >= 0; --j) {
        const float product = sum * f;  // Rounded here: this file is compiled without FMA.
        sum = product + kExp2Polynomial[j];
    }
    return sum;
}

float fused_horner(float f) {
    float sum = kExp2Polynomial[5];
    for (int j = 4; j >= 0; --j) sum = std::fma(sum, f, kExp2Polynomial[j]);
    return sum;
}

/// The largest error over every `stride`-th float between 2^-30 and 1/2 in size, both signs.
/// Below, what is added to the constant is less than a quarter of its last place.
double largest_polynomial_error(std::uint32_t stride) {
    double largest = 0;
    for (const float sign : {1.0f, -1.0f}) {
        const auto last = std::bit_cast<std::uint32_t>(0.5f);
        for (auto bits = std::bit_cast<std::uint32_t>(0x1p-30f); bits <= last; bits += stride) {
            const float f = sign * std::bit_cast<float>(bits);
            const double exact = std::exp2(double{f});
            largest = std::max({largest, std::abs(double{horner(f)} - exact),
                                std::abs(double{fused_horner(f)} - exact)});
        }
        const float half = 0.5f * sign;
        largest = std::max(largest, std::abs(double{horner(half)} - std::exp2(double{half})));
    }
    return 0x1p16 * largest;
}

/// The largest error of a kernel over every candidate of a narrow distribution.
double largest_estimate_error(const StripKernel& kernel, const NoiseDistribution& distribution) {
    const StripTable table(distribution);
    const std::uint64_t k = std::uint64_t{1} << table.filter.strip_bits;
    const auto scale = static_cast<long double>(distribution.scale());
    long double largest = 0;
    for (unsigned strip = 0; strip < 63; ++strip) {
        const long double factor = 0x1p16L * table.scale / table.weights[strip];
        for (std::uint64_t first = 0; first < k; first += kGroupLanes) {
            std::uint64_t offsets[kGroupLanes];
            float estimates[kGroupLanes];
            for (std::uint64_t i = 0; i < kGroupLanes; ++i) {
                offsets[i] = std::min(first + i, k - 1);
            }
            kernel.estimate(estimates, offsets, strip, table.filter);
            for (std::size_t i = 0; i < kGroupLanes; ++i) {
                const auto z = static_cast<long double>(strip * k + offsets[i]);
                const long double phi = distribution.kind() == NoiseKind::gaussian
                                            ? z * z / (2 * scale * scale)
                                            : z / scale;
                const long double exact = factor * std::exp(-phi);
                largest = std::max(largest, std::abs(estimates[i] - exact));
            }
        }
    }
    return static_cast<double>(largest);
}

void check_every_candidate(double scale) {
    for (const auto& distribution : {NoiseDistribution::discrete_gaussian(scale),
                                     NoiseDistribution::discrete_laplace(scale)}) {
        for (const StripKernel* kernel : available_strip_kernels()) {
            CAPTURE(kernel->name);
            const double largest = largest_estimate_error(*kernel, distribution);
            CAPTURE(largest);
            CHECK(largest < 0x1p-4);
            CHECK(largest > 0);
        }
    }
}

}  // namespace

TEST_CASE("the polynomial is within its bound for many floats") {
    const double largest = largest_polynomial_error(9973);
    CAPTURE(largest);
    CHECK(largest < kPolynomialBound);
    CHECK(largest > 0.8 * kPolynomialBound);
}

TEST_CASE("slow: the polynomial is within its bound for every float" * doctest::skip()) {
    const double largest = largest_polynomial_error(1);
    CAPTURE(largest);
    CHECK(largest < kPolynomialBound);
    MESSAGE("largest error of 2^16 * 2^f: " << largest);
}

TEST_CASE("the filter is within its bound for every candidate of a few distributions") {
    for (const double scale : {0.3, 3.9999, 5.3, 31.9, 1000.7}) check_every_candidate(scale);
}

TEST_CASE("slow: the filter is within its bound for every candidate" * doctest::skip()) {
    // Strips of 2^15 and 2^16 integers, with as many scales as they have: the ends, and between.
    for (int step = 0; step <= 16; ++step) {
        check_every_candidate(std::nextafter(0x1p18 * std::exp2(step / 16.0), 0.0));
    }
}
