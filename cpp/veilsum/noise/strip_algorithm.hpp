// Strip rejection with a filtered exact acceptance test (docs/noise.md), over a type of lanes.
//
// Notation, per candidate: i the strip, y the offset, k = 2^m the strip's width, r the first 16
// bits of U. The filter computes q = 2^16 p as ceilings[i] * 2^-x, x = y (linear + slope i + curve
// y), in single precision: e = 2^-24 is the relative error of one rounding, and 2^16 e = 2^-8.
//
// Bound of |q - 2^16 p|, for i < 63:
//   table  ceilings is a float of at most 2^16: half an ulp is 2^-9, and 2^-15 before rounding.
//   x      All terms are positive. On the longest way each of y (twice), a coefficient, two
//          products and two sums is rounded: at most 7e relative. 2^-x changes by ln(2) x 2^-x 7e,
//          and x 2^-x <= 1 / (2.718 ln(2)): 2^16 * 7e / 2.718 < 0.0101.
//   f      n = round(x), f = n - x in [-1/2, 1/2] is exact: x < 5.7 (Gaussian, scale/k >= 4, i =
//   62;
//          Laplace 0.73; y = 0 for m = 0), so f is a multiple of x's ulp that fits 24 bits.
//   2^f    The polynomial as it is computed, fused or not, is within 2^-16 * 0.0150 of 2^f for
//   every
//          float f in [-1/2, 1/2]: all were tried (tests/cpp/test_noise_filter.cpp).
//   q      The product with ceilings: 2^-9. q - r is exact to 2^-22 where it decides.
// Together less than 0.0020 + 0.0101 + 0.0150 + 0.0020 + 0.0001 < 2^-4. Fusing a product and a sum
// only removes a rounding.
//
// 2^16 U is in [r, r + 1). Accept if q >= r + 1 + margin: then p > U. Reject if q <= r - margin.
//
// Control flow and addresses depend on which candidates are accepted and undecided, and on nothing
// else that is secret. Which ones are accepted says nothing of the values of those that are.

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "veilsum/noise/strip_kernel.hpp"

#if defined(__FAST_MATH__)
#error "The filter's error bound does not hold under -ffast-math"
#endif

namespace veilsum {

/// The polynomial of degree 5 nearest to 2^f on [-1/2, 1/2], by Remez's exchange; it is off by
/// 7.6e-8. From the constant up.
constexpr float kExp2Polynomial[] = {0x1.000002p+0f, 0x1.62e432p-1f, 0x1.ebf906p-3f,
                                     0x1.c6ae2cp-5f, 0x1.3d107ap-7f, 0x1.5f8906p-10f};

/// 64 entries that stay in memory, for types of lanes without the registers to hold them.
template <class T>
struct MemoryTable {
    explicit MemoryTable(const T* data) : entries(data) {}
    const T* entries;
};

enum class Sink { fill32, fill64, add64 };

/// What strip rejection needs of an instruction set: kLanes words at a time, and tables of 64.
template <class L>
concept StripLanes = requires(typename L::Words x, typename L::Floats f, typename L::Mask mask,
                              const typename L::WordTable& words, const std::uint32_t* from,
                              const typename L::FloatTable& floats, std::uint32_t* to,
                              float* floats_to, std::int32_t* out32, std::int64_t* out64) {
    requires kGroupLanes % L::kLanes == 0;
    requires std::constructible_from<typename L::WordTable, const std::uint32_t*>;
    requires std::constructible_from<typename L::FloatTable, const float*>;
    { L::load(from) } -> std::same_as<typename L::Words>;
    L::store(to, x);
    L::store(floats_to, f);
    { L::broadcast(std::uint32_t{}) } -> std::same_as<typename L::Words>;
    { L::broadcast(0.0f) } -> std::same_as<typename L::Floats>;

    { L::bit_and(x, x) } -> std::same_as<typename L::Words>;
    { L::bit_or(x, x) } -> std::same_as<typename L::Words>;
    { L::subtract(x, x) } -> std::same_as<typename L::Words>;
    // By a known count below 32, or by one of any size: 0 from 32 on.
    { L::template shift_left<16>(x) } -> std::same_as<typename L::Words>;
    { L::template shift_right<16>(x) } -> std::same_as<typename L::Words>;
    { L::shift_left(x, 0u) } -> std::same_as<typename L::Words>;
    { L::shift_right(x, 0u) } -> std::same_as<typename L::Words>;

    // The value, below 2^31; and the bits as they are.
    { L::to_float(x) } -> std::same_as<typename L::Floats>;
    { L::to_words(f) } -> std::same_as<typename L::Words>;
    { L::to_floats(x) } -> std::same_as<typename L::Floats>;
    { L::add(f, f) } -> std::same_as<typename L::Floats>;
    { L::subtract(f, f) } -> std::same_as<typename L::Floats>;
    { L::multiply(f, f) } -> std::same_as<typename L::Floats>;
    { L::multiply_add(f, f, f) } -> std::same_as<typename L::Floats>;  // Fused or not.

    // By the low 6 bits of each index.
    { L::look_up(words, x) } -> std::same_as<typename L::Words>;
    { L::look_up(floats, x) } -> std::same_as<typename L::Floats>;

    { L::is_below(x, x) } -> std::same_as<typename L::Mask>;  // Of different words.
    { L::is_at_least(f, f) } -> std::same_as<typename L::Mask>;
    { L::is_zero(x) } -> std::same_as<typename L::Mask>;
    { L::has_bit6(x) } -> std::same_as<typename L::Mask>;
    { L::both(mask, mask) } -> std::same_as<typename L::Mask>;
    { L::either(mask, mask) } -> std::same_as<typename L::Mask>;
    { L::and_not(mask, mask) } -> std::same_as<typename L::Mask>;  // The second without the first.
    { L::all(mask) } -> std::same_as<bool>;
    { L::to_bits(mask) } -> std::same_as<unsigned>;
    { L::from_bits(0u) } -> std::same_as<typename L::Mask>;
    { L::select(mask, x, x) } -> std::same_as<typename L::Words>;  // The first where it holds.
    { L::negate(mask, x) } -> std::same_as<typename L::Words>;

    // Accepted samples in order, of 32 bits; and of 64, from (out, accepted, is_minus, low, high).
    { L::template write<Sink::fill32>(out32, mask, x) } -> std::same_as<std::size_t>;
    { L::template write<Sink::add64>(out64, mask, x) } -> std::same_as<std::size_t>;
    { L::template write_wide<Sink::add64>(out64, mask, mask, x, x) } -> std::same_as<std::size_t>;
};

template <StripLanes L>
class StripRejection {
    using Words = typename L::Words;
    using Floats = typename L::Floats;
    using Mask = typename L::Mask;

public:
    StripRejection(const StripFilter& filter, float margin)
        : filter_(filter),
          alias_words_(filter.alias_words),
          ceilings_(filter.ceilings),
          linear_(L::broadcast(filter.linear)),
          slope_(L::broadcast(filter.slope)),
          curve_(L::broadcast(filter.curve)),
          accept_from_(L::broadcast(1.0f + margin)),
          reject_to_(L::broadcast(-margin)),
          low_mask_(L::broadcast(static_cast<std::uint32_t>(offset_mask(filter)))),
          high_mask_(L::broadcast(static_cast<std::uint32_t>(offset_mask(filter) >> 32))) {}

    template <bool kIsWide, Sink kSink, class T>
    std::size_t run(T* out, const std::uint32_t* words, std::size_t num_groups,
                    const Resolver& resolver) const {
        std::size_t num_samples = 0;
        for (std::size_t g = 0; g < num_groups; ++g) {
#pragma GCC unroll 4
            for (std::size_t lane = 0; lane < kGroupLanes; lane += L::kLanes) {
                num_samples += step<kIsWide, kSink>(out + num_samples, words + lane, resolver);
            }
            words += kIsWide ? kWideGroupWords : kNarrowGroupWords;
        }
        return num_samples;
    }

    /// 2^16 p of the candidates in strips `column` with offsets `y`.
    Floats estimate(Floats y, Words column, Floats ceiling) const {
        // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
        const Floats round = L::broadcast(0x1.8p23f);
        const Floats line = L::multiply_add(slope_, L::to_float(column), linear_);
        const Floats x = L::multiply(y, L::multiply_add(curve_, y, line));
        const Floats shifted = L::add(x, round);
        const Floats f = L::subtract(L::subtract(shifted, round), x);
        Floats sum = L::broadcast(kExp2Polynomial[5]);
#pragma GCC unroll 5
        for (int j = 4; j >= 0; --j)
            sum = L::multiply_add(sum, f, L::broadcast(kExp2Polynomial[j]));
        const Words exponent = L::template shift_left<23>(L::to_words(shifted));
        return L::multiply(L::to_floats(L::subtract(L::to_words(sum), exponent)), ceiling);
    }

    Floats ceiling(Words column) const { return L::look_up(ceilings_, column); }

    /// y of 32 bits or more as a float, rounded once. `high` holds the bits from 32 on.
    static Floats wide_offset(Words low, Words high) {
        const Words top =
            L::bit_or(L::template shift_right<16>(low), L::template shift_left<16>(high));
        const Words bottom = L::bit_and(low, L::broadcast(std::uint32_t{0xffff}));
        return L::multiply_add(L::to_float(top), L::broadcast(0x1p16f), L::to_float(bottom));
    }

private:
    static std::uint64_t offset_mask(const StripFilter& filter) {
        return (std::uint64_t{1} << filter.strip_bits) - 1;
    }

    template <bool kIsWide, Sink kSink, class T>
    [[gnu::always_inline]] inline std::size_t step(T* out, const std::uint32_t* words,
                                                   const Resolver& resolver) const {
        const Words a = L::load(words);
        const Words b = L::load(words + kGroupLanes);
        const Words entry = L::look_up(alias_words_, a);
        // The low 7 bits of an entry are never all ones: below is below in the 25 bits above them.
        const Mask keeps = L::is_below(L::bit_or(a, L::broadcast(std::uint32_t{127})), entry);
        const Words column =
            L::bit_and(L::select(keeps, a, entry), L::broadcast(std::uint32_t{63}));
        const Words y_low = L::bit_and(b, low_mask_);
        const Words with_uniform = kIsWide ? L::load(words + 2 * kGroupLanes) : b;
        const Words y_high = L::bit_and(with_uniform, high_mask_);
        const Words uniform16 = L::template shift_right<16>(with_uniform);

        const Floats y = kIsWide ? wide_offset(y_low, y_high) : L::to_float(y_low);
        const Floats q = estimate(y, column, ceiling(column));
        const Floats gap = L::subtract(q, L::to_float(uniform16));
        Mask accepted = L::is_at_least(gap, accept_from_);
        const Mask decided = L::either(accepted, L::is_at_least(reject_to_, gap));

        const unsigned m = filter_.strip_bits;
        Words low = L::bit_or(L::shift_left(column, m), y_low);
        Words high = y_high;
        if constexpr (kIsWide) {
            high = L::bit_or(
                high, m < 32 ? L::shift_right(column, 32 - m) : L::shift_left(column, m - 32));
        }
        if (!L::all(decided)) [[unlikely]] {
            const Settled settled =
                settle<kIsWide>(words, L::to_bits(decided), {accepted, low, high}, resolver);
            accepted = settled.accepted;
            low = settled.low;
            high = settled.high;
        }
        const Mask is_minus = L::has_bit6(a);
        const Words any = kIsWide && kSink != Sink::fill32 ? L::bit_or(low, high) : low;
        accepted = L::and_not(L::both(is_minus, L::is_zero(any)), accepted);
        if constexpr (kIsWide && kSink != Sink::fill32) {
            return L::template write_wide<kSink>(out, accepted, is_minus, low, high);
        } else {
            return L::template write<kSink>(out, accepted, L::negate(is_minus, low));
        }
    }

    struct Settled {
        Mask accepted;
        Words low;
        Words high;
    };

    /// Asks about the undecided candidates in order.
    template <bool kIsWide>
    [[gnu::noinline]] Settled settle(const std::uint32_t* words, unsigned decided,
                                     const Settled& before, const Resolver& resolver) const {
        alignas(64) std::uint32_t lows[L::kLanes];
        alignas(64) std::uint32_t highs[L::kLanes];
        L::store(lows, before.low);
        L::store(highs, before.high);
        unsigned bits = L::to_bits(before.accepted);
        for (unsigned lane = 0; lane < L::kLanes; ++lane) {
            if ((decided >> lane & 1) != 0) continue;
            const std::uint32_t a = words[lane];
            const std::uint32_t entry = filter_.alias_words[a & 63];
            const unsigned column = (a >> 7 < entry >> 7 ? a : entry) & 63;
            std::uint64_t y = words[kGroupLanes + lane];
            std::uint32_t with_uniform = words[kGroupLanes + lane];
            if constexpr (kIsWide) {
                with_uniform = words[2 * kGroupLanes + lane];
                y |= std::uint64_t{with_uniform} << 32;
            }
            const std::int64_t z = resolver.resolve(resolver.context, column,
                                                    y & offset_mask(filter_), with_uniform >> 16);
            bits = (bits & ~(1u << lane)) | (z >= 0 ? 1u << lane : 0);
            lows[lane] = static_cast<std::uint32_t>(z);
            highs[lane] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(z) >> 32);
        }
        return {L::from_bits(bits), L::load(lows), L::load(highs)};
    }

    const StripFilter& filter_;
    typename L::WordTable alias_words_;
    typename L::FloatTable ceilings_;
    Floats linear_, slope_, curve_, accept_from_, reject_to_;
    Words low_mask_, high_mask_;
};

/// The kernel's functions for a type of lanes.
template <StripLanes L, Sink kSink, class T>
std::size_t strip_run(T* out, const std::uint32_t* words, std::size_t num_groups,
                      const StripFilter& filter, float margin, const Resolver& resolver) {
    const StripRejection<L> rejection(filter, margin);
    return filter.strip_bits > kMaxNarrowStripBits
               ? rejection.template run<true, kSink>(out, words, num_groups, resolver)
               : rejection.template run<false, kSink>(out, words, num_groups, resolver);
}

template <StripLanes L>
void strip_estimate(float* out, const std::uint64_t* y, unsigned strip, const StripFilter& filter) {
    const StripRejection<L> rejection(filter, kFilterMargin);
    const auto column = L::broadcast(static_cast<std::uint32_t>(strip));
    for (std::size_t i = 0; i < kGroupLanes; i += L::kLanes) {
        std::uint32_t low[L::kLanes];
        std::uint32_t high[L::kLanes];
        for (std::size_t lane = 0; lane < L::kLanes; ++lane) {
            low[lane] = static_cast<std::uint32_t>(y[i + lane]);
            high[lane] = static_cast<std::uint32_t>(y[i + lane] >> 32);
        }
        // Both ways to read y give the same where it is below 2^16.
        const auto offset = StripRejection<L>::wide_offset(L::load(low), L::load(high));
        L::store(out + i, rejection.estimate(offset, column, rejection.ceiling(column)));
    }
}

template <StripLanes L>
constexpr StripKernel strip_kernel(const char* name) {
    return {name, strip_run<L, Sink::fill32, std::int32_t>,
            strip_run<L, Sink::fill64, std::int64_t>, strip_run<L, Sink::add64, std::int64_t>,
            strip_estimate<L>};
}

}  // namespace veilsum
