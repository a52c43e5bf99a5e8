#pragma once

#include <array>
#include <cstdint>

#include "veilsum/noise/distribution.hpp"
#include "veilsum/noise/strip_filter.hpp"

namespace veilsum {

/// What the strip sampler needs to know about one distribution. Nothing in it is secret.
///
/// The half line 0, 1, 2, ... is cut into strips of k = 2^filter.strip_bits integers: column i < 63
/// is strip i, column 63 stands for all strips from 63 on. A candidate takes column i with
/// probability exactly weights[i] / 2^31 and is accepted with probability scale * exp(-phi(z)) /
/// weights[i] (see exact_decision.hpp for the tail). The argument is in docs/noise.md.
struct StripTable {
    static constexpr unsigned kNumColumns = StripFilter::kNumColumns;
    static constexpr unsigned kTailColumn = StripFilter::kTailColumn;

    /// Throws nothing of its own; costs about 0.1 ms.
    explicit StripTable(const NoiseDistribution& distribution);

    NoiseDistribution distribution;

    /// S of the argument: 0 < scale * exp(-phi(i*k)) <= weights[i], and for the tail
    /// 8 * scale * exp(-phi(63*k)) <= weights[63].
    std::uint32_t scale;

    /// Their sum is 2^31.
    std::array<std::uint32_t, kNumColumns> weights;

    StripFilter filter;
};

}  // namespace veilsum
