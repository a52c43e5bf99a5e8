#pragma once

#include <cstddef>
#include <cstdint>

namespace veilsum {

/// What a strip kernel reads of a distribution; made by StripTable. Nothing in it is secret.
struct StripFilter {
    static constexpr unsigned kNumColumns = 64;
    static constexpr unsigned kTailColumn = 63;

    /// Walker's alias table in integers: threshold (25 bits) << 7 | alias (6 bits). Column c and 25
    /// uniform bits r give column c if r < threshold, else the alias.
    alignas(64) std::uint32_t alias_words[kNumColumns];

    /// 2^16 times the probability to accept a strip's first integer, within 2^-9 + 2^-15. For the
    /// tail it is not a number, so that no comparison holds and the candidate stays undecided.
    alignas(64) float ceilings[kNumColumns];

    /// m: strips are 2^m integers wide. From 0 to 39.
    unsigned strip_bits;

    /// (phi(i*k + y) - phi(i*k)) / ln 2 = y * (linear + slope * i + curve * y) for k = 2^m, y < k
    /// and i < 63, at most 5.7. Each is rounded once.
    float linear;
    float slope;
    float curve;
};

/// Candidates come in groups of 16; lane l of a group is word l of each 16-word vector below.
/// Narrow layout, m <= 16, 32 words a group:
///   A[16]  column (bits 0..5) | sign (bit 6: 1 is minus) | 25 bits for the alias table (7..31)
///   B[16]  y (low m bits of bits 0..15) | the first 16 bits of U (16..31)
/// Wide layout, m > 16, 48 words a group:
///   A[16]  as above
///   B[16]  y, bits 0..31
///   C[16]  y, bits 32..47 (0..15) | the first 16 bits of U (16..31)
/// Bits of y from m on are not used. Words are little-endian in the byte stream.
constexpr std::size_t kGroupLanes = 16;
constexpr std::size_t kNarrowGroupWords = 2 * kGroupLanes;
constexpr std::size_t kWideGroupWords = 3 * kGroupLanes;
constexpr unsigned kMaxNarrowStripBits = 16;

constexpr bool is_wide(const StripFilter& filter) noexcept {
    return filter.strip_bits > kMaxNarrowStripBits;
}

constexpr std::size_t group_words(const StripFilter& filter) noexcept {
    return is_wide(filter) ? kWideGroupWords : kNarrowGroupWords;
}

}  // namespace veilsum
