#pragma once

#include <cstdint>

#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// The slow, exact end of the strip sampler: decides any candidate as real arithmetic would, in
/// doubles where they suffice, else in integers of any size.
///
/// A candidate is a column, m bits y and the first 16 bits of a uniform U in [0, 1). It is accepted
/// iff U < p. Further bits of U come from `extra`, and only where the bits so far leave the answer
/// open, so what is read from `extra` does not depend on any filter in front.
/// Not constant time: see docs/noise.md, "What timing tells".
class ExactDecision {
public:
    /// A sampler gives |z| below 2^kMaxBits, in the narrow layout 2^kMaxNarrowBits; values beyond
    /// are rejected. Their mass is below exp(-2^12) for every allowed distribution.
    static constexpr unsigned kMaxBits = 62;
    static constexpr unsigned kMaxNarrowBits = 31;

    /// How far, in units of 2^-16, p in double precision may be from the true p
    /// (exact_decision.cpp), with ample room. Infinity asks integers only: the same answers,
    /// slower.
    static constexpr double kEstimateMargin = 0x1p-16;

    ExactDecision(const StripTable& table, RandomSource& extra,
                  double estimate_margin = kEstimateMargin)
        : table_(table), extra_(extra), margin_(estimate_margin) {}

    /// Returns |z| of the candidate if it is accepted, else -1. Requires y < 2^m, uniform16 < 2^16.
    /// A tail candidate first reads its strip from `extra`.
    std::int64_t resolve(unsigned column, std::uint64_t y, std::uint32_t uniform16);

    /// This, as a kernel asks it.
    Resolver resolver() noexcept;

    /// How many candidates have been resolved. Tells nothing else; for tests and measurements.
    std::uint64_t num_resolved() const noexcept { return num_resolved_; }

private:
    std::uint64_t draw_word();
    std::uint64_t draw_tail_steps();
    bool estimate(unsigned column, std::uint64_t magnitude, std::uint32_t uniform16);
    bool enclose(unsigned column, std::uint64_t num_steps, std::uint64_t magnitude,
                 std::uint32_t uniform16, const std::uint64_t* next_word);

    const StripTable& table_;
    RandomSource& extra_;
    double margin_;
    std::uint64_t num_resolved_ = 0;
};

}  // namespace veilsum
