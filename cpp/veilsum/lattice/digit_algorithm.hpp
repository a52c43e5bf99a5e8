// The slots of opened coefficients in floating point, written once over a type of lanes.
//
// All numbers are integers in doubles, and a number beyond 53 bits is the sum of two: high, the
// double nearest to it, and low. Notation: u = 2^-53; q1 > q2 the primes, Q their product, < 2^92.
//
// Join.  X = r1 + q1*d with r1 in (-q1/2, q1/2] and d = (r2 - r1)/q1 modulo q2, |d| < 0.51 q2. A
//   coefficient that is as it should be has |X| < 0.493 Q, by the room that max_slot leaves below
//   (B-1)/2, so d, which is (X - r1)/q1, is this one. high = q1*d rounded and its error are exact
//   by a fused product; r1, less than q1 <= |high| unless d = 0, is added with the error of the
//   sum.
// Digit.  The largest weight W first: k is X/W rounded, of high alone, and so within 1/2 + 2^-8 of
//   X/W for |X/W| < 2^50 as rounded there; the digits below are within 0.493 W of nothing, so this
//   is the digit. X - k*W = (high - k*Wh) + (low - k*Wl): the first is exact, by a fused product,
//   since it is at most as long as W and a multiple of half of Wh's last bit; the others are
//   integers below 2^53. Their sum is made high and low again (Knuth's two-sum: six operations,
//   whatever comes first), or is one double if W <= 2^53.
// Error.  What is left is slot 0 times the power of two, and the error, which may take all its
//   range: slot 0 is rounded, and moved by one where that leaves the error outside.
//
// Whatever X is, X = e + sum of k*W holds exactly where all |k| <= max_slot and e is in its range:
// what is no sum of slots is refused.

#pragma once

#include "veilsum/lattice/ring_lanes.hpp"

namespace veilsum {

template <RingLanes L>
class DigitAlgorithm {
    using Floats = typename L::Floats;
    using Words = typename L::Words;
    static constexpr double kRound = 0x1.8p52;
    static constexpr std::size_t kParts = kRowLanes / L::kLanes;

public:
    static bool digits(std::int64_t* out, const std::uint64_t* const* residues, std::size_t count,
                       const FloatDigits& digits, std::int64_t& largest_error) {
        const std::size_t num_digits = digits.weights.size();
        Found found(digits.max_slot);
        // Rows of eight, step by step: each number waits for itself, and the others run meanwhile.
        for (std::size_t i = 0; i < count; i += kRowLanes) {
            Number x[kParts];
#pragma GCC unroll 4
            for (std::size_t part = 0; part < kParts; ++part) {
                x[part] = join(residues, i + part * L::kLanes, digits);
            }
            for (std::size_t k = num_digits; k-- > 1;) {
#pragma GCC unroll 4
                for (std::size_t part = 0; part < kParts; ++part) {
                    const Floats slot = take_digit(x[part], digits.weights[k]);
                    put(out + k * count + i + part * L::kLanes, slot, found);
                }
            }
#pragma GCC unroll 4
            for (std::size_t part = 0; part < kParts; ++part) {
                const Floats slot = take_last(x[part], digits, found);
                put(out + i + part * L::kLanes, slot, found);
            }
        }
        double sizes[L::kLanes];
        L::store(sizes, found.largest_error);
        for (const double size : sizes) {
            const auto whole = static_cast<std::int64_t>(size);
            if (whole > largest_error) largest_error = whole;
        }
        return !L::has_top_bit(found.beyond);
    }

private:
    struct Number {
        Floats high;
        Floats low;
    };

    /// Of all slots so far.
    struct Found {
        explicit Found(double most) : max_slot(L::broadcast(most)) {}
        Floats max_slot;
        Words beyond = L::broadcast(std::uint64_t{0});  // The top bit, where one is.
        Floats largest_error = L::broadcast(0.0);
    };

    [[gnu::always_inline]] static inline void put(std::int64_t* out, Floats slot, Found& found) {
        found.beyond =
            L::bit_or(found.beyond, L::bit_or(L::to_words(L::subtract(found.max_slot, slot)),
                                              L::to_words(L::add(found.max_slot, slot))));
        const Floats round = L::broadcast(kRound);
        L::store_words(reinterpret_cast<std::byte*>(out),
                       L::subtract(L::to_words(L::add(slot, round)), L::to_words(round)));
    }
    [[gnu::always_inline]] static inline Floats take_digit(Number& x,
                                                           const FloatDigits::Weight& weight) {
        const Floats slot = rounded_quotient(x.high, weight.inverse);
        const Floats high = L::subtract_product(x.high, slot, L::broadcast(weight.high));
        const Floats low = L::subtract(x.low, L::multiply(slot, L::broadcast(weight.low)));
        // What is left is at most 0.51 W.
        x = weight.high <= 0x1p53 ? Number{L::add(high, low), L::broadcast(0.0)} : sum(high, low);
        return slot;
    }
    [[gnu::always_inline]] static inline Floats take_last(const Number& x,
                                                          const FloatDigits& digits, Found& found) {
        const Floats range = L::broadcast(digits.error_range);
        const Floats one = L::broadcast(1.0);
        const Floats slot = rounded_quotient(x.high, digits.weights[0].inverse);
        const Floats error = L::add(L::subtract_product(x.high, slot, range), x.low);
        const Floats above = L::subtract(L::broadcast(digits.error_range / 2 - 1), error);
        const Floats below = L::add(L::broadcast(digits.error_range / 2), error);
        const Floats size = magnitude(
            L::add(L::subtract(error, L::if_negative(above, range)), L::if_negative(below, range)));
        const Floats less = L::subtract(found.largest_error, size);
        found.largest_error = L::subtract(found.largest_error, L::if_negative(less, less));
        return L::subtract(L::add(slot, L::if_negative(above, one)), L::if_negative(below, one));
    }

    static const std::byte* bytes_of(const std::uint64_t* words) {
        return reinterpret_cast<const std::byte*>(words);
    }
    [[gnu::always_inline]] static inline Floats to_floats(Words x) {
        const Floats round = L::broadcast(kRound);
        return L::subtract(L::to_floats(L::add(x, L::to_words(round))), round);
    }
    [[gnu::always_inline]] static inline Floats rounded_quotient(Floats x, double inverse) {
        const Floats round = L::broadcast(kRound);
        return L::subtract(L::multiply_add(x, L::broadcast(inverse), round), round);
    }
    [[gnu::always_inline]] static inline Floats magnitude(Floats x) {
        return L::subtract(x, L::if_negative(x, L::add(x, x)));
    }
    /// x*w modulo q, as ring_algorithm.hpp has it.
    [[gnu::always_inline]] static inline Floats product(Floats x, FloatFactor f, double q) {
        const Floats w = L::broadcast(f.w);
        const Floats high = L::multiply(x, w);
        const Floats low = L::multiply_subtract(x, w, high);
        const Floats quotient = rounded_quotient(x, f.over_q);
        return L::add(L::subtract_product(high, quotient, L::broadcast(q)), low);
    }
    [[gnu::always_inline]] static inline Number sum(Floats a, Floats b) {
        const Floats high = L::add_rounded(a, b);
        const Floats of_b = L::subtract_rounded(high, a);
        const Floats of_a = L::subtract_rounded(high, of_b);
        return {high, L::add_rounded(L::subtract_rounded(a, of_a), L::subtract_rounded(b, of_b))};
    }
    /// Coefficients i, i + 1, ...
    [[gnu::always_inline]] static inline Number join(const std::uint64_t* const* residues,
                                                     std::size_t i, const FloatDigits& digits) {
        const Floats q = L::broadcast(digits.q[0]);
        Floats first = to_floats(L::load_words(bytes_of(residues[0] + i)));
        const Floats above = L::subtract(L::broadcast((digits.q[0] - 1) / 2), first);
        first = L::subtract(first, L::if_negative(above, q));
        if (digits.q[1] == 0) return {first, L::broadcast(0.0)};
        const Floats second = to_floats(L::load_words(bytes_of(residues[1] + i)));
        const Floats d = product(L::subtract(second, first), digits.first_inverse, digits.q[1]);
        const Floats high = L::multiply(d, q);
        const Floats low = L::add(L::multiply_subtract(d, q, high), first);
        const Floats total = L::add_rounded(high, low);
        return {total, L::subtract(low, L::subtract(total, high))};
    }
};

}  // namespace veilsum
