#pragma once

#include <array>
#include <cstdint>

#include "veilsum/noise/distribution.hpp"

namespace veilsum {

/// What the strip sampler needs to know about one distribution. Nothing in it is secret.
///
/// The half line 0, 1, 2, ... is cut into strips of k = 2^strip_bits integers: column i < 63 is
/// strip i, column 63 stands for all strips from 63 on. A candidate takes column i with probability
/// exactly weights[i] / 2^31 and is accepted with probability scale * exp(-phi(z)) / weights[i]
/// (see exact_decision.hpp for the tail). The argument is in docs/noise.md.
struct StripTable {
    static constexpr unsigned kNumColumns = 64;
    static constexpr unsigned kTailColumn = 63;

    /// Throws nothing of its own; costs about 0.1 ms.
    explicit StripTable(const NoiseDistribution& distribution);

    NoiseDistribution distribution;

    /// m, from 0 to 39.
    unsigned strip_bits;

    /// S of the argument: 0 < scale * exp(-phi(i*k)) <= weights[i], and for the tail
    /// 8 * scale * exp(-phi(63*k)) <= weights[63].
    std::uint32_t scale;

    /// Their sum is 2^31.
    std::array<std::uint32_t, kNumColumns> weights;

    /// Walker's alias table in integers: threshold (25 bits) << 7 | alias (6 bits). Column c and 25
    /// uniform bits r give column c if r < threshold, else the alias.
    alignas(64) std::array<std::uint32_t, kNumColumns> alias_words;

    /// For the filter: 2^16 * scale * exp(-phi(i*k)) / weights[i], within 2^-9 + 2^-15.
    alignas(64) std::array<float, kNumColumns> ceilings;

    /// For the filter, each rounded once, with u = y / k in [0, 1) and i < 63:
    /// (phi(i*k + y) - phi(i*k)) / ln 2 = u * (linear + slope * i + curve * u), at most 5.7.
    float linear;
    float slope;
    float curve;
};

}  // namespace veilsum
