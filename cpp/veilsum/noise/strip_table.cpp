// Weights: let h_i be an upper bound of exp(-phi(i k)) (for the tail, of 8 exp(-phi(63 k))), h_0
// = 1. With S = floor((2^31 - 64) / sum h_i) and G_i = floor(S h_i) + 1 for i > 0, the sum over i >
// 0 is at most S (sum h_i - 1) + 63 <= 2^31 - 1 - S. What is left to 2^31 goes to G_0 > S.
//
// Tail: strip 63 + g is proposed with probability G_63 2^-31 (1/8)(7/8)^g, so G_63 must be at least
// S exp(-phi((63 + g) k)) 8 (8/7)^g for every g. From one g to the next this grows by at most
//   Laplace:  8/7 exp(-k / scale)                   <= 8/7 exp(-1/4)     < 0.9   (scale/k < 4),
//   Gaussian: 8/7 exp(-(2 (63 + g) + 1) k^2/(2 s^2)) <= 8/7 exp(-127/128) < 0.43  (sigma/k < 8),
// so the bound at g = 0 is enough.

#include "veilsum/noise/strip_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "veilsum/noise/exp_enclosure.hpp"

namespace veilsum {
namespace {

constexpr unsigned kNumColumns = StripTable::kNumColumns;
constexpr std::uint32_t kTotalWeight = std::uint32_t{1} << 31;
constexpr std::uint32_t kColumnWeight = kTotalWeight / kNumColumns;
constexpr unsigned long kPrecision = 96;

unsigned choose_strip_bits(const NoiseDistribution& distribution) {
    // scale / 2^m is then in [4, 8) for the Gaussian and [2, 4) for Laplace, or below at m = 0.
    const int spare_bits = distribution.kind() == NoiseKind::gaussian ? 2 : 1;
    return static_cast<unsigned>(std::max(0, std::ilogb(distribution.scale()) - spare_bits));
}

/// Vose's construction; integers only, so the marginals are the weights exactly.
void fill_alias_table(std::uint32_t (&words)[kNumColumns],
                      const std::array<std::uint32_t, kNumColumns>& weights) {
    std::array<std::uint32_t, kNumColumns> left = weights;
    std::array<unsigned, kNumColumns> small{};
    std::array<unsigned, kNumColumns> large{};
    unsigned num_small = 0;
    unsigned num_large = 0;
    const auto sort_in = [&](unsigned column) {
        if (left[column] < kColumnWeight) {
            small[num_small++] = column;
        } else {
            large[num_large++] = column;
        }
    };
    for (unsigned column = 0; column < kNumColumns; ++column) sort_in(column);
    while (num_small > 0) {
        // The columns not yet closed hold kColumnWeight on average: a small one implies a large.
        const unsigned column = small[--num_small];
        const unsigned donor = large[--num_large];
        words[column] = left[column] << 7 | donor;
        left[donor] -= kColumnWeight - left[column];
        sort_in(donor);
    }
    // Exactly full; the threshold 2^25 does not fit its field, so the column is its own alias.
    while (num_large > 0) {
        const unsigned column = large[--num_large];
        words[column] = column;
    }
}

}  // namespace

StripTable::StripTable(const NoiseDistribution& noise)
    : distribution(noise), scale(0), weights{}, filter{} {
    filter.strip_bits = choose_strip_bits(noise);
    std::array<Enclosure, kNumColumns> starts;  // exp(-phi(i k)), 8 times that for the tail
    ScopedMpz z;
    ScopedMpz total;
    for (unsigned i = 0; i < kNumColumns; ++i) {
        mpz_set_ui(z, i);
        mpz_mul_2exp(z, z, filter.strip_bits);
        enclose_weight(starts[i], z, noise, kPrecision);
        if (i == kTailColumn) {
            mpz_mul_2exp(starts[i].lo, starts[i].lo, 3);
            mpz_mul_2exp(starts[i].hi, starts[i].hi, 3);
        }
        mpz_add(total, total, starts[i].hi);
    }
    ScopedMpz product(kTotalWeight - kNumColumns);
    mpz_mul_2exp(product, product, kPrecision);
    mpz_fdiv_q(product, product, total);
    scale = static_cast<std::uint32_t>(mpz_get_ui(product));
    weights[0] = kTotalWeight;
    for (unsigned i = 1; i < kNumColumns; ++i) {
        mpz_mul_ui(product, starts[i].hi, scale);
        mpz_fdiv_q_2exp(product, product, kPrecision);
        weights[i] = static_cast<std::uint32_t>(mpz_get_ui(product)) + 1;
        weights[0] -= weights[i];
    }
    fill_alias_table(filter.alias_words, weights);

    for (unsigned i = 0; i < kTailColumn; ++i) {
        // The enclosure's width, 2^-95, moves this by less than 2^(16 + 31 - 95).
        const double start = std::ldexp(mpz_get_d(starts[i].hi), -static_cast<int>(kPrecision));
        const double ceiling = 65536.0 * scale * start / weights[i];
        // Far out at small scales it is next to nothing. Nothing is as good, and never subnormal.
        filter.ceilings[i] = ceiling < 0x1p-16 ? 0.0f : static_cast<float>(ceiling);
    }
    filter.ceilings[kTailColumn] = std::numeric_limits<float>::quiet_NaN();
    const double inverse_scale = 1 / noise.scale();
    if (noise.kind() == NoiseKind::gaussian) {
        const double curve = std::numbers::log2e / 2 * inverse_scale * inverse_scale;
        filter.curve = static_cast<float>(curve);
        filter.slope =
            static_cast<float>(std::ldexp(2 * curve, static_cast<int>(filter.strip_bits)));
    } else {
        filter.linear = static_cast<float>(std::numbers::log2e * inverse_scale);
    }
}

}  // namespace veilsum
