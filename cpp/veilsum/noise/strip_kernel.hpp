#pragma once

#include <cstddef>
#include <cstdint>

#include "veilsum/noise/exact_decision.hpp"
#include "veilsum/noise/strip_table.hpp"

namespace veilsum {

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

constexpr std::size_t group_words(const StripTable& table) noexcept {
    return table.strip_bits <= kMaxNarrowStripBits ? kNarrowGroupWords : kWideGroupWords;
}

/// How far, in units of 2^-16, the portable filter's p may be from the true p (it is below 2^-4,
/// see strip_kernel.cpp), with room to spare. A larger margin gives the same samples, slower;
/// infinity sends every candidate to ExactDecision.
constexpr float kFilterMargin = 0x1p-3f;

/// The portable filter's 2^16 p for offset y of a strip below 63; tests hold it against the bound.
double filter_estimate(const StripTable& table, unsigned strip, std::uint64_t y);

/// Turns `num_groups` groups of `words` into accepted samples, in the order of the candidates.
/// Writes the samples to `out`, which has room for 16 * num_groups, and returns how many there are.
///
/// Samples, and what `decision` reads from its own stream, depend on the words and the table only:
/// any other kernel gives the same. All candidates are secret. Timing: docs/noise.md.
std::size_t strip_kernel_portable(std::int64_t* out, const std::uint32_t* words,
                                  std::size_t num_groups, const StripTable& table,
                                  ExactDecision& decision, float filter_margin);

}  // namespace veilsum
