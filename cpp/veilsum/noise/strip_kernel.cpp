// Strip rejection with a filtered exact acceptance test (docs/noise.md).
//
// Notation, per candidate: i the strip, y the offset, u = y / k in [0, 1), r the first 16 bits of
// U. The filter computes q = 2^16 p as ceilings[i] * 2^-x, x = u (linear + slope i + curve u), in
// single precision: e = 2^-24 is the relative error of one rounding, and 2^16 e = 2^-8.
//
// Bound of |q - 2^16 p|, for i < 63:
//   table  ceilings is a float of at most 2^16: half an ulp is 2^-9, and 2^-15 before rounding.
//   x      All terms are positive. On the longest way each of u (twice), a coefficient, two
//   products
//          and two sums is rounded: less than 7e relative. 2^-x changes by ln(2) x 2^-x 7e, and
//          x 2^-x <= 1 / (2.718 ln(2)): 2^16 * 7e / 2.718 < 0.0101.
//   f      n = round(x), f = n - x in [-1/2, 1/2] is exact: x < 5.7 (Gaussian, scale/k >= 4, i =
//   62;
//          Laplace 0.73; u = 0 for m = 0), so f is a multiple of x's ulp that fits 24 bits.
//   2^f    The Taylor sum up to f^6 omits less than e^0.35 0.35^7 / 5040 < 1.82e-7: 0.0120.
//          In Horner's scheme at |f| = 1/2 the partial sums from the last are at most 1.42, 0.83,
//          0.27, 0.06, ... and their errors at most 2.9e, 2.0e, 0.7e, 0.2e, ...: 2^16 * 2.9e <
//          0.0114.
//   q      The product with ceilings: 2^-9. q - r is exact to 2^-22 where it decides.
// Together less than 0.0020 + 0.0101 + 0.0120 + 0.0114 + 0.0020 + 0.0001 < 2^-4. Fusing a product
// and a sum only removes a rounding.
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
constexpr float kTaylor[] = {1.0f,
                             6.931471805599453e-1f,
                             2.4022650695910072e-1f,
                             5.5504108664821576e-2f,
                             9.618129107628477e-3f,
                             1.3333558146428443e-3f,
                             1.5403530393381606e-4f};

/// The filter's q for u = y / k. Branch-free, so that compilers vectorise it.
inline float estimate(const StripTable& table, float u, std::uint32_t strip, float ceiling) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    constexpr float kRound = 0x1.8p23f;
    const float i = static_cast<float>(static_cast<std::int32_t>(strip));
    const float x = u * ((table.linear + table.slope * i) + table.curve * u);
    const float shifted = x + kRound;
    const float n = shifted - kRound;
    const float f = n - x;
    float sum = kTaylor[6];
    sum = sum * f + kTaylor[5];
    sum = sum * f + kTaylor[4];
    sum = sum * f + kTaylor[3];
    sum = sum * f + kTaylor[2];
    sum = sum * f + kTaylor[1];
    sum = sum * f + kTaylor[0];
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(sum) - exponent) * ceiling;
}

/// 16 candidates. Flags are 0 or 1.
struct Group {
    alignas(64) std::uint32_t column[kGroupLanes];
    alignas(64) float ceiling[kGroupLanes];
    alignas(64) float u[kGroupLanes];
    alignas(64) std::uint32_t uniform16[kGroupLanes];
    alignas(64) std::uint32_t is_accepted[kGroupLanes];
    alignas(64) std::uint32_t is_undecided[kGroupLanes];
    alignas(64) std::int64_t magnitude[kGroupLanes];
};

/// The y of a lane.
template <bool kIsWide>
inline std::uint64_t offset(const std::uint32_t* words, std::size_t lane, std::uint64_t mask) {
    std::uint64_t y = words[kGroupLanes + lane];
    if constexpr (kIsWide) y |= std::uint64_t{words[2 * kGroupLanes + lane]} << 32;
    return y & mask;
}

template <bool kIsWide>
inline void split(Group& group, const std::uint32_t* words, const StripTable& table) {
    const unsigned m = table.strip_bits;
    const std::uint64_t mask = (std::uint64_t{1} << m) - 1;
    const float inverse_k = 1.0f / static_cast<float>(std::int64_t{1} << m);
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        const std::uint32_t a = words[lane];
        const std::uint32_t column = a & 63;
        const std::uint32_t entry = table.alias_words[column];
        const std::uint32_t keep =
            std::uint32_t{0} - static_cast<std::uint32_t>(a >> 7 < entry >> 7);
        const std::uint32_t chosen = (column & keep) | (entry & 63 & ~keep);
        group.column[lane] = chosen;
        group.ceiling[lane] = table.ceilings[chosen];
        const std::uint64_t y = offset<kIsWide>(words, lane, mask);
        group.magnitude[lane] = static_cast<std::int64_t>((std::uint64_t{chosen} << m) + y);
        if constexpr (kIsWide) group.u[lane] = static_cast<float>(static_cast<std::int64_t>(y));
    }
    const auto narrow_mask = static_cast<std::int32_t>(mask & 0xffff);
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        if constexpr (kIsWide) {
            group.uniform16[lane] = words[2 * kGroupLanes + lane] >> 16;
            group.u[lane] *= inverse_k;
        } else {
            const std::uint32_t b = words[kGroupLanes + lane];
            group.uniform16[lane] = b >> 16;
            group.u[lane] =
                static_cast<float>(static_cast<std::int32_t>(b) & narrow_mask) * inverse_k;
        }
    }
}

inline void filter(Group& group, const StripTable& table, float filter_margin) {
    const float accept_from = 1.0f + filter_margin;
    const float reject_to = -filter_margin;
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        const std::uint32_t column = group.column[lane];
        const float q = estimate(table, group.u[lane], column, group.ceiling[lane]);
        const float gap = q - static_cast<float>(static_cast<std::int32_t>(group.uniform16[lane]));
        const std::uint32_t accept = gap >= accept_from ? 1 : 0;
        const std::uint32_t reject = gap <= reject_to ? 1 : 0;
        const std::uint32_t tail = column == StripTable::kTailColumn ? 1 : 0;
        group.is_accepted[lane] = accept;
        group.is_undecided[lane] = tail | ((accept | reject) ^ 1);
    }
}

/// Settles the undecided candidates in order.
template <bool kIsWide>
[[gnu::noinline]] void settle(Group& group, const std::uint32_t* words, const StripTable& table,
                              ExactDecision& decision) {
    const std::uint64_t mask = (std::uint64_t{1} << table.strip_bits) - 1;
    for (std::size_t lane = 0; lane < kGroupLanes; ++lane) {
        if (group.is_undecided[lane] == 0) continue;
        const std::int64_t result = decision.resolve(
            group.column[lane], offset<kIsWide>(words, lane, mask), group.uniform16[lane]);
        group.is_accepted[lane] = result >= 0 ? 1 : 0;
        group.magnitude[lane] = result;
    }
}

template <bool kIsWide>
std::size_t run(std::int64_t* out, const std::uint32_t* words, std::size_t num_groups,
                const StripTable& table, ExactDecision& decision, float filter_margin) {
    std::size_t num_samples = 0;
    Group group;
    for (std::size_t g = 0; g < num_groups; ++g) {
        split<kIsWide>(group, words, table);
        filter(group, table, filter_margin);
        std::uint32_t any_undecided = 0;
        for (const std::uint32_t flag : group.is_undecided) any_undecided |= flag;
        if (any_undecided != 0) [[unlikely]]
            settle<kIsWide>(group, words, table, decision);
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
    const float u = std::ldexp(static_cast<float>(y), -static_cast<int>(table.strip_bits));
    return static_cast<double>(estimate(table, u, strip, table.ceilings[strip]));
}

std::size_t strip_kernel_portable(std::int64_t* out, const std::uint32_t* words,
                                  std::size_t num_groups, const StripTable& table,
                                  ExactDecision& decision, float filter_margin) {
    return table.strip_bits <= kMaxNarrowStripBits
               ? run<false>(out, words, num_groups, table, decision, filter_margin)
               : run<true>(out, words, num_groups, table, decision, filter_margin);
}

}  // namespace veilsum
