// Blocks modulo a prime in floating point, written once over a type of lanes.
//
// All numbers are integers in doubles, so that a sum is exact below 2^53 and a fused a*b + c is
// exact where its result is an integer below 2^53. Notation: u = 2^-53; q < 2^46 is the prime.
//
// Product x*w modulo q, for integers |x| <= 2^51 and 0 <= w < q, and v = w * (1/q) as rounded
// twice, so |v - w/q| <= (2u + u^2) w/q:
//   h = x*w rounded          |h - x*w| <= u |x| w < q/2
//   l = fma(x, w, -h)        exact: the error of a product is a double; h + l = x*w
//   k = fma(x, v, M) - M     M = 1.5 * 2^52. |x*v| < 2^51, so the sum is in [2^52, 2^53], where
//                            doubles are the integers: x*v is rounded once, to an integer
//   r = fma(-k, q, h) + l    = x*w - k*q. Both steps are exact: integers below 2^53, by
//   |r| <= q/2 + q |x*v - x*w/q| <= (1/2 + 1.01 * 2^-52 |x|) q                                (1)
// and below q + q/2 before l is added. Likewise x - k*q with k = fma(x, 1/q, M) - M is below
// 0.51q for |x| <= 2^50 (one rounding of 1/q: q/2 + u |x|, and q > 2^23).                    (2)
//
// The transform adds without reductions. A pass of three stages on eight numbers of magnitude m
// multiplies differences of at most 8m. What was only added is v[0], at most 8m; v[1] is the sum of
// four products, v[2] and v[3] are sums of two, and the others are products. After each pass but
// the last v[0] and v[1] are reduced, so that m <= 2p, where p is the largest product. By (1)
//   p <= (1/2 + 1.01 * 2^-52 * 16p) q <= q/2 + 0.2525p,  so  p < 0.67q,  m < 1.34q,
//   and no number in a pass is beyond 8m < 11q < 2^49.5                                       (3)
// a*s is within m to begin with, as |a| < q: 0.52q, by (1).
//
// What `protect` adds to that: an error below 2^20 < q/8, and at most 16 slots, one product each if
// |slot| < 2^50: 0.76q. Else slots have a low part below 2^30 and a high part of at most 2^33: two
// products, 1.02q. So sums stay below 11q + q + 16 * 1.02q < 29q < 2^51, and (2) holds of them.
//
// Constant time: no branch, address or division depends on a value, and multiplications and
// additions of doubles take longer for subnormal numbers only. There are none: all are integers,
// but for w/q and 1/q, which are 0 or above 2^-46.

#pragma once

#include <cstddef>
#include <cstdint>

#include "veilsum/base/secret.hpp"
#include "veilsum/lattice/digit_algorithm.hpp"

#if defined(__FAST_MATH__)
#error "Sums are reordered under -ffast-math, and products would not be exact"
#endif

namespace veilsum {

template <RingLanes L>
class RingAlgorithm {
    using Floats = typename L::Floats;
    using Words = typename L::Words;

    /// Of a row of eight.
    static constexpr std::size_t kParts = kRowLanes / L::kLanes;
    static constexpr std::size_t kBlock = 64;  // A square of rows of eight.
    static constexpr std::size_t kNear = 8 * kBlock;
    static constexpr double kRound = 0x1.8p52;

    struct Factors {
        Floats w;
        Floats over_q;
    };

    struct Modulus {
        explicit Modulus(const PrimeRing& ring)
            : q(L::broadcast(static_cast<double>(ring.q()))),
              q_inverse(L::broadcast(ring.q_inverse())),
              round(L::broadcast(kRound)) {}
        Floats q;
        Floats q_inverse;
        Floats round;
    };

public:
    static void prepare(std::uint64_t* prepared, const std::uint64_t* transformed,
                        const PrimeRing& ring) {
        const Modulus m(ring);
        auto* out = reinterpret_cast<double*>(prepared);
        for (std::size_t i = 0; i < ring.dim(); i += L::kLanes) {
            const Floats w = to_floats(L::load_words(bytes_of(transformed + i)), m);
            double* row = out + i / kRowLanes * (2 * kRowLanes) + i % kRowLanes;
            L::store(row, w);
            L::store(row + kRowLanes, L::multiply(w, m.q_inverse));
        }
    }

    static void protect(std::byte* out, std::uint64_t* a, const std::uint64_t* prepared,
                        const BlockTerms& terms, const PrimeRing& ring) {
        multiply(a, prepared, ring);
        if (terms.slots_are_short) {
            add_terms<true>(out, a, terms, ring);
        } else {
            add_terms<false>(out, a, terms, ring);
        }
    }

    static bool are_residues(const std::byte* packed, std::size_t num_coefficients,
                             const PrimeRing& ring) {
        const Words largest = L::broadcast(ring.q() - 1);
        Words differences = L::broadcast(std::uint64_t{0});
        unpack(packed, num_coefficients, ring.bits(), [&](std::size_t, Words x) {
            differences = L::bit_or(differences, L::subtract(largest, x));
        });
        const std::size_t num_bits = num_coefficients / kRowLanes * ring.bits();
        if (num_bits % 64 == 0) return !L::has_top_bit(differences);
        // What is behind the last residue: any of it, moved to the top.
        Words rest = L::broadcast(std::uint64_t{0});
        for (std::size_t part = 0; part < kParts; ++part) {
            rest = L::bit_or(
                rest, L::shift_right(load_packed(packed, num_bits / 64, part), num_bits % 64));
        }
        rest = L::subtract(L::broadcast(std::uint64_t{0}), rest);
        return !L::has_top_bit(L::bit_or(differences, rest));
    }

    static void add(std::uint64_t* sums, const std::byte* packed, std::size_t num_coefficients,
                    unsigned bits) {
        unpack(packed, num_coefficients, bits, [&](std::size_t i, Words x) {
            L::store_words(bytes_of(sums + i), L::add(L::load_words(bytes_of(sums + i)), x));
        });
    }

    static void unmask(std::uint64_t* a, const std::uint64_t* sums, std::size_t num_coefficients,
                       const std::uint64_t* prepared, const PrimeRing& ring) {
        multiply(a, prepared, ring);
        const Modulus m(ring);
        const FloatFactor high_factor =
            ring.float_factor((std::uint64_t{1} << kSlotLowBits) % ring.q());
        const Factors high{L::broadcast(high_factor.w), L::broadcast(high_factor.over_q)};
        alignas(64) std::uint64_t residues[kBlock];
        for (std::size_t begin = 0; begin < num_coefficients; begin += kBlock) {
            const std::size_t rest = num_coefficients - begin;
            const std::size_t count = rest < kBlock ? rest : kBlock;
            for (std::size_t i = 0; i < count; i += L::kLanes) {
                const Words sum = L::load_words(bytes_of(sums + begin + i));
                const Floats x =
                    L::add(to_floats(low_bits(sum), m),
                           product(to_floats(L::shift_right(sum, kSlotLowBits), m), high, m));
                const Floats difference = L::subtract(x, L::load(place(a, begin + i)));
                L::store_words(bytes_of(residues + i), canonical(difference, m));
            }
            for (std::size_t i = 0; i < count; ++i) a[begin + i] = residues[i];
        }
        wipe(residues, sizeof residues);
    }

private:
    static const std::byte* bytes_of(const std::uint64_t* words) {
        return reinterpret_cast<const std::byte*>(words);
    }
    static std::byte* bytes_of(std::uint64_t* words) { return reinterpret_cast<std::byte*>(words); }

    // ---- numbers modulo q ----

    [[gnu::always_inline]] static inline Floats product(Floats x, Factors f, const Modulus& m) {
        const Floats high = L::multiply(x, f.w);
        const Floats low = L::multiply_subtract(x, f.w, high);
        const Floats quotient = L::subtract(L::multiply_add(x, f.over_q, m.round), m.round);
        return L::add(L::subtract_product(high, quotient, m.q), low);
    }
    [[gnu::always_inline]] static inline Floats reduced(Floats x, const Modulus& m) {
        const Floats quotient = L::subtract(L::multiply_add(x, m.q_inverse, m.round), m.round);
        return L::subtract_product(x, quotient, m.q);
    }
    /// Of integers of at most 50 bits and a sign.
    [[gnu::always_inline]] static inline Floats to_floats(Words x, const Modulus& m) {
        return L::subtract(L::to_floats(L::add(x, L::to_words(m.round))), m.round);
    }
    /// x modulo q, at least 0 and below q.
    [[gnu::always_inline]] static inline Words canonical(Floats x, const Modulus& m) {
        const Floats balanced = reduced(x, m);
        const Floats positive = L::add(balanced, L::if_negative(balanced, m.q));
        return L::subtract(L::to_words(L::add(positive, m.round)), L::to_words(m.round));
    }
    [[gnu::always_inline]] static inline Words low_bits(Words x) {
        return L::bit_and(x, L::broadcast((std::uint64_t{1} << kSlotLowBits) - 1));
    }

    // ---- the transform ----

    /// One of Gentleman and Sande's stages, on numbers v[i] and v[i + kDistance].
    template <std::size_t kDistance, std::size_t kSize, class FactorsAt>
    [[gnu::always_inline]] static inline void stage(Floats (&v)[kSize], const Modulus& m,
                                                    const FactorsAt& factors_at) {
#pragma GCC unroll 4
        for (std::size_t group = 0; group < kSize / (2 * kDistance); ++group) {
            const Factors factors = factors_at(kDistance, group);
#pragma GCC unroll 4
            for (std::size_t i = 0; i < kDistance; ++i) {
                Floats& x = v[2 * kDistance * group + i];
                Floats& y = v[2 * kDistance * group + i + kDistance];
                const Floats difference = L::subtract(x, y);
                x = L::add(x, y);
                y = product(difference, factors, m);
            }
        }
    }

    template <std::size_t kSize, class FactorsAt>
    [[gnu::always_inline]] static inline void stages(Floats (&v)[kSize], const Modulus& m,
                                                     const FactorsAt& factors_at) {
        stage<1>(v, m, factors_at);
        stage<2>(v, m, factors_at);
        if constexpr (kSize == 8) stage<4>(v, m, factors_at);
    }

    /// The factors of numbers that are `distance` apart, the first of them in group `group`.
    template <std::size_t kSize>
    [[gnu::always_inline]] static inline auto far_factors(const PrimeRing& ring,
                                                          std::size_t distance, std::size_t group) {
        const FloatFactor* inverse = ring.float_inverse().data();
        const std::size_t groups = ring.dim() / (2 * distance);
        return [=](std::size_t apart, std::size_t i) {
            const FloatFactor& f = inverse[groups / apart + group * (kSize / (2 * apart)) + i];
            return Factors{L::broadcast(f.w), L::broadcast(f.over_q)};
        };
    }

    /// Stages on kSize numbers that are `distance` apart.
    template <std::size_t kSize, bool kIsLast>
    [[gnu::always_inline]] static inline void pass(double* x, std::size_t distance,
                                                   std::size_t group, const PrimeRing& ring,
                                                   const Modulus& m) {
        Floats v[kSize];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kSize; ++i) v[i] = L::load(x + i * distance);
        stages(v, m, far_factors<kSize>(ring, distance, group));
        if constexpr (!kIsLast) {
            v[0] = reduced(v[0], m);
            v[1] = reduced(v[1], m);
        }
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kSize; ++i) L::store(x + i * distance, v[i]);
    }

    /// Coefficient i of a block of 64 after `transform_block`, if i is a multiple of kLanes:
    /// squares of kLanes by kLanes are transposed where they are.
    static constexpr std::size_t place(std::size_t i) {
        const std::size_t row = i / kRowLanes;
        const std::size_t part = i % kRowLanes / L::kLanes;
        return kRowLanes * (L::kLanes * part + row % L::kLanes) + row / L::kLanes * L::kLanes;
    }
    static const double* place(const std::uint64_t* a, std::size_t i) {
        return reinterpret_cast<const double*>(a) + i / kBlock * kBlock + place(i % kBlock);
    }

    /// a*s and six stages, from lane order.
    [[gnu::always_inline]] static inline void transform_block(std::uint64_t* a,
                                                              const std::uint64_t* prepared,
                                                              std::size_t block,
                                                              const PrimeRing& ring,
                                                              const Modulus& m) {
        auto* x = reinterpret_cast<double*>(a) + block * kBlock;
        const auto* secret = reinterpret_cast<const double*>(prepared) + 2 * block * kBlock;
        const FloatFactorRow* near = ring.near_inverse().data() + 7 * block;
        for (std::size_t lane = 0; lane < kRowLanes; lane += L::kLanes) {
            Floats v[8];
#pragma GCC unroll 8
            for (std::size_t row = 0; row < 8; ++row) {
                const double* factors = secret + 2 * kRowLanes * row + lane;
                v[row] = product(
                    to_floats(L::load_words(bytes_of(a + block * kBlock + kRowLanes * row + lane)),
                              m),
                    {L::load(factors), L::load(factors + kRowLanes)}, m);
            }
            stages(v, m, [=](std::size_t apart, std::size_t i) {
                const FloatFactorRow& f = near[8 - 8 / apart + i];
                return Factors{L::load(f.w + lane), L::load(f.over_q + lane)};
            });
            v[0] = reduced(v[0], m);
            v[1] = reduced(v[1], m);
#pragma GCC unroll 8
            for (std::size_t part = 0; part < kParts; ++part) L::transpose(v + L::kLanes * part);
#pragma GCC unroll 8
            for (std::size_t row = 0; row < 8; ++row) L::store(x + kRowLanes * row + lane, v[row]);
        }
        const auto factors = far_factors<8>(ring, 8, block);
        for (std::size_t lane = 0; lane < kRowLanes; lane += L::kLanes) {
            Floats v[8];
#pragma GCC unroll 8
            for (std::size_t row = 0; row < 8; ++row) {
                v[row] = L::load(x + place(kRowLanes * row + lane));
            }
            stages(v, m, factors);
            v[0] = reduced(v[0], m);
            v[1] = reduced(v[1], m);
#pragma GCC unroll 8
            for (std::size_t row = 0; row < 8; ++row) {
                L::store(x + place(kRowLanes * row + lane), v[row]);
            }
        }
    }

    /// a*s in the place of a: doubles below 11q in magnitude, of which place() tells where they
    /// are.
    static void multiply(std::uint64_t* a, const std::uint64_t* prepared, const PrimeRing& ring) {
        const Modulus m(ring);
        auto* x = reinterpret_cast<double*>(a);
        const std::size_t dim = ring.dim();
        for (std::size_t begin = 0; begin < dim; begin += kNear) {
            for (std::size_t block = 0; block < kNear / kBlock; ++block) {
                transform_block(a, prepared, begin / kBlock + block, ring, m);
            }
            for (std::size_t column = 0; column < kBlock; column += L::kLanes) {
                pass<8, false>(x + begin + column, kBlock, begin / kNear, ring, m);
            }
        }
        static_assert(PrimeRing::kMinLogDim == 11 && PrimeRing::kMaxLogDim == 12);
        for (std::size_t column = 0; column < kNear; column += L::kLanes) {
            if (dim == 8 * kNear) {
                pass<8, true>(x + column, kNear, 0, ring, m);
            } else {
                pass<4, true>(x + column, kNear, 0, ring, m);
            }
        }
    }

    // ---- residues on the wire ----

    static Words load_packed(const std::byte* packed, std::size_t word, std::size_t part) {
        return L::load_words(packed + 8 * (word * kRowLanes + part * L::kLanes));
    }

    /// Calls take(i, the kLanes residues from i on).
    template <class Take>
    [[gnu::always_inline]] static inline void unpack(const std::byte* packed,
                                                     std::size_t num_coefficients, unsigned bits,
                                                     const Take& take) {
        const Words mask = L::broadcast((std::uint64_t{1} << bits) - 1);
        for (std::size_t row = 0; row < num_coefficients / kRowLanes; ++row) {
            const std::size_t first_bit = row * bits;
            const unsigned offset = first_bit % 64;
            // In the same word, the second part is the first one again, and moved out by the mask.
            const std::size_t first_word = first_bit / 64;
            const std::size_t last_word = (first_bit + bits - 1) / 64;
            for (std::size_t part = 0; part < kParts; ++part) {
                const Words low = L::shift_right(load_packed(packed, first_word, part), offset);
                const Words high = L::shift_left(load_packed(packed, last_word, part), 64 - offset);
                take(row * kRowLanes + part * L::kLanes, L::bit_and(L::bit_or(low, high), mask));
            }
        }
    }

    /// Writes a*s + terms, packed.
    template <bool kSlotsAreShort>
    static void add_terms(std::byte* out, const std::uint64_t* a, const BlockTerms& terms,
                          const PrimeRing& ring) {
        const Modulus m(ring);
        const unsigned bits = ring.bits();
        Words pending[kParts];
        for (Words& each : pending) each = L::broadcast(std::uint64_t{0});
        unsigned num_pending = 0;
        for (std::size_t row = 0; row < terms.num_coefficients; row += kRowLanes) {
            const bool is_full = num_pending + bits >= 64;
#pragma GCC unroll 8
            for (std::size_t part = 0; part < kParts; ++part) {
                const std::size_t i = row + part * L::kLanes;
                const Words x = canonical(sum_at<kSlotsAreShort>(a, i, terms, m), m);
                pending[part] = L::bit_or(pending[part], L::shift_left(x, num_pending));
                if (!is_full) continue;
                L::store_words(out + 8 * part * L::kLanes, pending[part]);
                pending[part] = L::shift_right(x, 64 - num_pending);
            }
            if (is_full) out += 8 * kRowLanes;
            num_pending = (num_pending + bits) % 64;
        }
        if (num_pending == 0) return;
        for (std::size_t part = 0; part < kParts; ++part) {
            L::store_words(out + 8 * part * L::kLanes, pending[part]);
        }
    }

    template <bool kSlotsAreShort>
    [[gnu::always_inline]] static inline Floats sum_at(const std::uint64_t* a, std::size_t i,
                                                       const BlockTerms& terms, const Modulus& m) {
        Floats sum = L::add(L::load(place(a, i)), L::load_errors(terms.errors + i));
        const std::int64_t* slots = terms.slots + i;
        for (const DigitWeight& weight : terms.weights) {
            const Words slot = L::load_words(reinterpret_cast<const std::byte*>(slots));
            const Factors low{L::broadcast(weight.float_factor.w),
                              L::broadcast(weight.float_factor.over_q)};
            if constexpr (kSlotsAreShort) {
                sum = L::add(sum, product(to_floats(slot, m), low, m));
            } else {
                // An arithmetic shift: by 2^63 up before and down after.
                const Words sign = L::broadcast(std::uint64_t{1} << 63);
                const Words high =
                    L::subtract(L::shift_right(L::add(slot, sign), kSlotLowBits),
                                L::broadcast(std::uint64_t{1} << (63 - kSlotLowBits)));
                const Factors high_factors{L::broadcast(weight.float_high_factor.w),
                                           L::broadcast(weight.float_high_factor.over_q)};
                sum = L::add(sum, product(to_floats(low_bits(slot), m), low, m));
                sum = L::add(sum, product(to_floats(high, m), high_factors, m));
            }
            slots += terms.num_coefficients;
        }
        return sum;
    }
};

/// The kernel's functions for a type of lanes.
template <RingLanes L>
constexpr RingKernel ring_kernel(const char* name) {
    using Algorithm = RingAlgorithm<L>;
    return {.name = name,
            .prepare = Algorithm::prepare,
            .protect = Algorithm::protect,
            .are_residues = Algorithm::are_residues,
            .add = Algorithm::add,
            .unmask = Algorithm::unmask,
            .digits = DigitAlgorithm<L>::digits};
}

}  // namespace veilsum
