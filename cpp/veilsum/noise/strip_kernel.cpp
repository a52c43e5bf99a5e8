// Strip rejection with a filtered exact acceptance test (docs/noise.md).
//
// Notation, per candidate: i the strip, y the offset, u = y / k in [0, 1), r the first 16 bits of U.
// The filter computes q = 2^16 p as ceilings[i] * 2^-x, x = u (linear + slope i + curve u).
//
// Bound of |q - 2^16 p|, for i < 63:
//   x      y < 2^39 and u are exact. linear, slope and curve carry at most 4 rounding errors, the
//          sum of positive terms and the product at most 4 more (fewer where they are fused): x has
//          a relative error below 2^-49. x <= 125/32 log2(e) < 5.7 (Gaussian, scale/k >= 4, i = 62)
//          and x <= 0.73 (Laplace); m = 0 has u = 0. So q moves by less than 2^16 2^-46 = 2^-30.
//   2^-x   n = round(x), f = n - x in [-1/2, 1/2] up to 2^-50; the polynomial is the Taylor sum of
//          2^f up to f^7. What it omits is below e^0.35 0.35^8 / 8! < 2^-26.9: 2^-10.9 in q. Its own
//          rounding is below 2^-48 relative.
//   table  ceilings is a float of at most 2^16: half an ulp is 2^-8, and 2^-15 before rounding.
// Together below 2^-8 + 2^-10.9 + 2^-15 + 2^-29 < 2^-7.7.
//
// 2^16 U is in [r, r + 1). Accept if q >= r + 1 + margin: then p > U. Reject if q <= r - margin.
//
// Control flow depends on which candidates are undecided, and on nothing else that is secret.

#include "veilsum/noise/strip_kernel.hpp"

#include <bit>
#include <cmath>

#if defined(__FAST_MATH__)
#error "The filter's error bound does not hold under -ffast-math"
#endif

namespace veilsum {
namespace {

// ln(2)^j / j!
constexpr double kTaylor[] = {
    1.0,
    6.931471805599453e-1,
    2.4022650695910072e-1,
    5.5504108664821576e-2,
    9.618129107628477e-3,
    1.3333558146428443e-3,
    1.5403530393381606e-4,
    1.5252733804059838e-5,
};

/// 2^-x for 0 <= x < 1000. Branch-free, so that compilers vectorise it.
inline double exp2_negative(double x) {
    // Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
    constexpr double kRound = 0x1.8p52;
    const double shifted = x + kRound;
    const double n = shifted - kRound;
    const double f = n - x;
    double sum = kTaylor[7];
    sum = sum * f + kTaylor[6];
    sum = sum * f + kTaylor[5];
    sum = sum * f + kTaylor[4];
    sum = sum * f + kTaylor[3];
    sum = sum * f + kTaylor[2];
    sum = sum * f + kTaylor[1];
    sum = sum * f + kTaylor[0];
    const std::uint64_t exponent = std::bit_cast<std::uint64_t>(shifted) << 52;
    return std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum) - exponent);
}

inline double estimate(const StripTable& table, double u, double i, double ceiling) {
    return exp2_negative(u * (table.linear + table.slope * i + table.curve * u)) * ceiling;
}

struct Group {
    std::uint32_t column[kGroupLanes];
    float ceiling[kGroupLanes];
    std::int64_t offset[kGroupLanes];
    std::uint32_t uniform16[kGroupLanes];
    std::uint32_t is_accepted[kGroupLanes];   // 0 or 1
    std::uint32_t is_undecided[kGroupLanes];  // 0 or 1
    std::int64_t magnitude[kGroupLanes];
};

template <bool kIsWide>
inline void split(Group& group, const std::uint32_t* words, const StripTable& table) {
    const std::int64_t y_mask = (std::int64_t{1} << table.strip_bits) - 1;
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        const std::uint32_t a = words[lane];
        const std::uint32_t column = a & 63;
        const std::uint32_t entry = table.alias_words[column];
        const std::uint32_t keep = std::uint32_t{0} - static_cast<std::uint32_t>(a >> 7 < entry >> 7);
        const std::uint32_t chosen = (column & keep) | (entry & 63 & ~keep);
        group.column[lane] = chosen;
        group.ceiling[lane] = table.ceilings[chosen];
    }
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        const std::uint32_t b = words[kGroupLanes + lane];
        if constexpr (kIsWide) {
            const std::uint32_t c = words[2 * kGroupLanes + lane];
            group.offset[lane] =
                static_cast<std::int64_t>(std::uint64_t{c & 0xffff} << 32 | b) & y_mask;
            group.uniform16[lane] = c >> 16;
        } else {
            group.offset[lane] = static_cast<std::int64_t>(b & 0xffff) & y_mask;
            group.uniform16[lane] = b >> 16;
        }
    }
}

inline void filter(Group& group, const StripTable& table, double filter_margin) {
    const double inverse_k = 1.0 / static_cast<double>(std::int64_t{1} << table.strip_bits);
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        const double u = static_cast<double>(group.offset[lane]) * inverse_k;
        const double i = static_cast<std::int32_t>(group.column[lane]);
        const double q = estimate(table, u, i, static_cast<double>(group.ceiling[lane]));
        const double gap = q - static_cast<std::int32_t>(group.uniform16[lane]);
        const bool is_tail = group.column[lane] == StripTable::kTailColumn;
        const bool accept = gap >= 1.0 + filter_margin;
        const bool reject = gap <= -filter_margin;
        group.is_accepted[lane] = accept;
        group.is_undecided[lane] = static_cast<std::uint32_t>(is_tail) |
                                   (static_cast<std::uint32_t>(!accept) &
                                    static_cast<std::uint32_t>(!reject));
        group.magnitude[lane] =
            (std::int64_t{group.column[lane]} << table.strip_bits) + group.offset[lane];
    }
}

template <bool kIsWide>
std::size_t run(std::int64_t* out, const std::uint32_t* words, std::size_t num_groups,
                const StripTable& table, ExactDecision& decision, double filter_margin) {
    std::size_t num_samples = 0;
    Group group;
    for (std::size_t g = 0; g < num_groups; ++g) {
        split<kIsWide>(group, words, table);
        filter(group, table, filter_margin);
        std::uint32_t any_undecided = 0;
        for (const std::uint32_t flag : group.is_undecided) any_undecided |= flag;
        if (any_undecided != 0) [[unlikely]] {
            for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
                if (group.is_undecided[lane] == 0) continue;
                const std::int64_t result =
                    decision.resolve(group.column[lane],
                                     static_cast<std::uint64_t>(group.offset[lane]),
                                     group.uniform16[lane]);
                group.is_accepted[lane] = result >= 0;
                group.magnitude[lane] = result;
            }
        }
        for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
            const std::uint32_t sign = words[lane] >> 6 & 1;
            const std::int64_t z = group.magnitude[lane];
            const std::uint32_t is_minus_zero = sign & static_cast<std::uint32_t>(z == 0);
            out[num_samples] = (z ^ -std::int64_t{sign}) + sign;
            num_samples += group.is_accepted[lane] & ~is_minus_zero;
        }
        words += kIsWide ? kWideGroupWords : kNarrowGroupWords;
    }
    return num_samples;
}

}  // namespace

double filter_estimate(const StripTable& table, unsigned strip, std::uint64_t y) {
    const double u = std::ldexp(static_cast<double>(y), -static_cast<int>(table.strip_bits));
    return estimate(table, u, strip, static_cast<double>(table.ceilings[strip]));
}

std::size_t strip_kernel_portable(std::int64_t* out, const std::uint32_t* words,
                                  std::size_t num_groups, const StripTable& table,
                                  ExactDecision& decision, double filter_margin) {
    return table.strip_bits <= kMaxNarrowStripBits
               ? run<false>(out, words, num_groups, table, decision, filter_margin)
               : run<true>(out, words, num_groups, table, decision, filter_margin);
}

}  // namespace veilsum
