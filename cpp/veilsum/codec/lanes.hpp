#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/plaintexts.hpp"

namespace veilsum {

/// How fine the grid is. A value times its weight w is rounded once; for every w from
/// 2^-weight_bits to 1 its steps are no larger, beside w, than those of value_bits alone at w = 1.
struct Precision {
    unsigned value_bits;
    unsigned weight_bits = 0;
};

/// The largest magnitude of a value on the grid: (2^(value_bits-1) - 1) * 2^weight_bits.
/// Throws Error: invalid_argument (value_bits below 2, or both together above 40).
std::int64_t grid_max(Precision precision);

/// max_addends * grid_max(precision) + noise_bound: the largest magnitude a lane of a full sum has
/// where noise_bound is the head-room for the noise of all addends together.
/// Throws Error: invalid_argument (max_addends is 0, or a lane would need more than 62 bits).
std::int64_t max_lane_of(Precision precision, std::uint64_t max_addends, std::uint64_t noise_bound);

/// How signed lanes lie in the plaintexts of one modulus n: lane i of a plaintext counts 2^(W*i),
/// so the plaintext is the integer sum of lane_i * 2^(W*i) and adding plaintexts adds all lanes.
///
/// W = lane_bits() is the smallest width with max_lane < 2^(W-1). L = lanes_per_plaintext() is the
/// largest count for which every combination of lanes within +-max_lane stays inside (-n/2, n/2):
/// max_lane * (2^(L*W)-1)/(2^W-1) < n/2. Exact, no estimate.
class LaneLayout {
public:
    /// `modulus` is n as little-endian limbs; high zero limbs are allowed. 1 <= num_lanes.
    /// Throws Error: invalid_argument (no lanes; max_lane outside [1, 2^61); n is too small for
    /// even one lane).
    LaneLayout(std::size_t num_lanes, std::int64_t max_lane,
               std::span<const std::uint64_t> modulus);

    std::size_t num_lanes() const noexcept { return num_lanes_; }
    std::int64_t max_lane() const noexcept { return max_lane_; }
    unsigned lane_bits() const noexcept { return lane_bits_; }
    std::size_t lanes_per_plaintext() const noexcept { return lanes_per_plaintext_; }

    /// ceil(num_lanes / lanes_per_plaintext); only the last plaintext may hold fewer lanes.
    std::size_t num_plaintexts() const noexcept;

    /// ceil(bits(n) / 64): the width of a plaintext in two's complement.
    std::size_t limbs_per_value() const noexcept { return limbs_per_value_; }

private:
    std::size_t num_lanes_;
    std::int64_t max_lane_;
    unsigned lane_bits_;
    std::size_t lanes_per_plaintext_;
    std::size_t limbs_per_value_;
};

/// The plaintexts of `lanes`: plain integer arithmetic, whatever the lanes are.
///
/// A lane outside W bits is neither clamped nor refused (noise must not be), it carries into its
/// neighbours as in any addition. Lanes within +-max_lane always fit; a plaintext that would need
/// more than limbs_per_value limbs wraps in two's complement. Secret: lanes. Time depends on the
/// layout only.
/// Throws Error: invalid_argument (lanes.size() is not layout.num_lanes()).
Plaintexts pack(std::span<const std::int64_t> lanes, const LaneLayout& layout,
                const Execution& execution);

/// Splits plaintexts back into lanes, each read as an integer in [-2^(W-1), 2^(W-1)). The inverse
/// of pack() for lanes in that range, and of sums of packed vectors whose lane sums are.
///
/// Throws Error: invalid_argument (out.size() or the number or width of the plaintexts is not the
/// layout's), capacity (a plaintext lies outside what its lanes can represent).
void unpack(std::span<std::int64_t> out, const Plaintexts& plaintexts, const LaneLayout& layout,
            const Execution& execution);

}  // namespace veilsum
