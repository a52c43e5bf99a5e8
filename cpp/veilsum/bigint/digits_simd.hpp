// Numbers modulo n^2 as base-n digits, one number a lane, over the columns of columns.hpp: their
// sizes, how they are read and written, and the steps that products are made of.
//
// Notation: h limbs, R = 2^(radix*h) > 16n; B limbs make a block; x = x0 + x1*n. docs/kernels.md
// derives the formulas; this says how far values may grow.
//
// Lane form: digits have carried limbs, x0 < 1.4n and x1 < 2.5n, so nothing is ever subtracted
// between operations. Montgomery reduction of any T gives a quotient q < R and t with
// T = t*R - q*n, t < T/R + n.
// Columns: steps_simd.hpp. A square brings its h products to T at once, so that T gets its first
//   relief there.

#pragma once

#include <algorithm>
#include <cstring>

#include "veilsum/bigint/ahead.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/steps_simd.hpp"

namespace veilsum {

/// kDigits is 2, or 1 for arithmetic modulo n.
template <Simd S, std::size_t kDigits = 2>
class SimdDigits : public SimdSteps<S> {
    using Steps = SimdSteps<S>;

protected:
    using Steps::B;
    using Steps::expect_zero;
    using Steps::kLimbMask;
    using Steps::kLimbsPerVector;
    using Steps::kRowsBetweenReliefs;
    using Steps::lane_of;
    using Steps::put_lanes;
    using Steps::relieve_at;
    using Steps::vectors;
    using typename Steps::Vector;

public:
    using Steps::digit_limbs;
    static constexpr std::size_t kNumDigits = kDigits;
    static constexpr std::size_t kLanes = S::kLanes;
    static constexpr std::size_t kLookUps = S::kLookUps;
    static constexpr unsigned kMaxPowWindow = S::kMaxPowWindow;
    static constexpr unsigned kMaxTableWindow = S::kMaxTableWindow;

    static std::size_t r_bits(std::size_t modulus_bits) {
        return S::kRadixBits * digit_limbs(modulus_bits);
    }
    static std::size_t element_limbs(const Modulus& n) {
        return kDigits * digit_limbs(n.bits()) * kLimbsPerVector;
    }
    static std::size_t lane_limbs(const Modulus& n) { return kDigits * digit_limbs(n.bits()); }
    static std::size_t scratch_limbs(const Modulus& n) {
        const std::size_t h = digit_limbs(n.bits());
        return (7 * h + 2 * B) * kLimbsPerVector + 5 * padded(h);
    }

    SimdDigits(const Modulus& n, Limb* scratch)
        : modulus_(n),
          h_(digit_limbs(n.bits())),
          k_(n.n_inverse_negated() & kLimbMask),
          t_(reinterpret_cast<Vector*>(scratch)),
          u_(t_ + 2 * h_),
          p_(u_ + 2 * h_),
          complement_(p_ + h_),
          doubled_(complement_ + h_),
          q1_(doubled_ + h_),
          q2_(q1_ + B),
          n_(reinterpret_cast<Limb*>(q2_ + B)),
          n_minus_1_(n_ + padded(h_)),
          twice_n_(n_minus_1_ + padded(h_)),
          chain_constant_(twice_n_ + padded(h_)),
          sign_constant_(chain_constant_ + padded(h_)) {
        split(n_, n.n(), n.num_limbs());
        std::copy_n(n_, h_, n_minus_1_);
        n_minus_1_[0] -= 1;  // n is odd.
        for (std::size_t i = 0; i < h_; ++i) {
            const Limb below = i == 0 ? 0 : n_[i - 1] >> (S::kRadixBits - 1);
            twice_n_[i] = (n_[i] << 1 & kLimbMask) | below;
        }
    }

    /// What the next product asks for meanwhile.
    Ahead<SimdDigits>& ahead() {
        ahead_.begin(2 * h_ / B);
        return ahead_;
    }

    /// Elements i, i + 1, ...; lanes beyond num_lanes are zero.
    void load(Limb* out, Operand in, std::size_t i, std::size_t num_lanes) const {
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            load_digit(vectors(out) + digit * h_, in, digit, i, num_lanes);
        }
    }

    /// One element for each lane, from anywhere.
    void load_each(Limb* out, const std::byte* const* elements) const {
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            const std::byte* digits[kLanes];
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                digits[lane] = elements[lane] + digit * modulus_.digit_bytes();
            }
            S::load(vectors(out) + digit * h_, digits, modulus_.digit_bytes(), h_);
        }
    }

    /// Makes digits canonical: n is subtracted where it fits, once from x0 and twice from x1, which
    /// takes in the n that x0 loses.
    void store(std::byte* out, const Limb* in, std::size_t num_lanes) {
        const Vector* x = vectors(in);
        const Vector lost = choose_first_digit(t_, x);
        if constexpr (kDigits == 2) choose_second_digit(t_ + h_, x + h_, lost);
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            store_digit(out, t_ + digit * h_, digit, num_lanes);
        }
    }

    /// Lane l of out = lanes[l], of lane_limbs limbs.
    void join_lanes(Limb* out, const Limb* const* lanes) const {
        for (std::size_t i = 0; i < kDigits * h_; ++i) {
            Limb limbs[kLanes];
            for (std::size_t lane = 0; lane < kLanes; ++lane) limbs[lane] = lanes[lane][i];
            put_lanes(vectors(out) + i, limbs);
        }
    }
    void split_lanes(Limb* const* lanes, const Limb* in) const {
        for (std::size_t i = 0; i < kDigits * h_; ++i) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                lanes[lane][i] = lane_of(vectors(in) + i, lane);
            }
        }
    }
    /// All lanes of out = that lane of in.
    void broadcast_lane(Limb* out, const Limb* in, std::size_t lane) const {
        for (std::size_t i = 0; i < kDigits * h_; ++i) {
            Limb limbs[kLanes];
            std::fill_n(limbs, kLanes, lane_of(vectors(in) + i, lane));
            put_lanes(vectors(out) + i, limbs);
        }
    }

    /// Whether all digits are below n in all lanes. For public values.
    bool is_canonical(const Limb* x_limbs) const {
        bool is_below = true;
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            const Vector* x = vectors(x_limbs) + digit * h_;
            Vector borrow = S::zero();
            for (std::size_t i = 0; i < h_; ++i) subtract_step(x[i], n_[i], borrow);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                is_below = is_below && lane_of(&borrow, lane) == 1;
            }
        }
        return is_below;
    }

protected:
    void load_digit(Vector* out, Operand in, std::size_t digit, std::size_t i,
                    std::size_t num_lanes) const {
        const std::byte* digits[kLanes] = {};
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
            digits[lane] = in.at(i + lane) + digit * modulus_.digit_bytes();
        }
        S::load(out, digits, modulus_.digit_bytes(), h_);
    }
    void store_digit(std::byte* out, const Vector* in, std::size_t digit,
                     std::size_t num_lanes) const {
        std::byte* digits[kLanes] = {};
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
            digits[lane] = out + lane * modulus_.element_bytes() + digit * modulus_.digit_bytes();
        }
        S::store(digits, in, modulus_.digit_bytes(), h_);
    }

    /// For numbers of so many limbs in two's complement: what turns the negative ones, read without
    /// their sign, into residues modulo n. Modulo R, n - 2^s is n and ones from bit s on.
    void prepare_signed(std::size_t num_limbs) {
        const std::size_t num_bits = 64 * num_limbs;
        for (std::size_t i = 0; i < h_; ++i) {
            const std::size_t position = i * S::kRadixBits;
            const std::size_t below = num_bits > position ? num_bits - position : 0;
            sign_constant_[i] =
                n_[i] + (below < S::kRadixBits ? kLimbMask << below & kLimbMask : 0);
        }
    }
    /// out = residues of numbers i, i + 1, ...; lanes beyond num_lanes are zero.
    void load_signed(Vector* out, const SignedOperand& m, std::size_t i,
                     std::size_t num_lanes) const {
        const std::byte* numbers[kLanes] = {};
        Limb is_negative[kLanes] = {};
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
            const Limb* number = m.at(i + lane);
            numbers[lane] = reinterpret_cast<const std::byte*>(number);
            is_negative[lane] = number[m.num_limbs - 1] >> 63;
        }
        // Beyond R are signs only.
        S::load(out, numbers, std::min(m.num_limbs * sizeof(Limb), (h_ * S::kRadixBits + 7) / 8),
                h_);
        Vector flag[1];
        put_lanes(flag, is_negative);
        Vector carried = S::zero();
        for (std::size_t j = 0; j < h_; ++j) {
            const Vector added = S::blend(*flag, S::zero(), S::broadcast(sign_constant_[j]));
            const Vector sum = S::add(S::add(out[j], added), carried);
            out[j] = S::low_bits(sum);
            carried = S::carry(sum);
        }
        // The last carry is R, which sign_constant_ has too much.
    }

    static std::size_t padded(std::size_t h) {
        return (h + kLimbsPerVector - 1) / kLimbsPerVector * kLimbsPerVector;
    }
    /// out = the limbs of x[num_limbs] in this radix.
    void split(Limb* out, const Limb* x, std::size_t num_limbs) const {
        for (std::size_t i = 0; i < h_; ++i) out[i] = limb_at(x, num_limbs, i);
    }
    static Limb limb_at(const Limb* x, std::size_t num_limbs, std::size_t i) {
        const std::size_t position = i * S::kRadixBits;
        constexpr unsigned kHalf = S::kRadixBits / 2;
        return limbs::bits_at(x, num_limbs, position, kHalf) |
               limbs::bits_at(x, num_limbs, position + kHalf, S::kRadixBits - kHalf) << kHalf;
    }

    // ---- columns with this modulus ----

    void extend(Vector* column, std::size_t b, const Vector* a, const Vector* block) const {
        Steps::extend(column, b, a, h_, block);
    }
    /// One block's quotient of T: q1 and its carry.
    void quotient(const Vector* t) {
        Vector carry[1];
        columns::quotient_blocks<S, 1>({q1_}, carry, {t}, n_, S::broadcast(k_));
        carry1_ = carry[0];
    }
    /// A block's quotient of T, q1, and one of U, q2, with their carries.
    void quotients(const Vector* t, const Vector* u) {
        Vector carries[2];
        columns::quotient_blocks<S, 2>({q1_, q2_}, carries, {t, u}, n_, S::broadcast(k_));
        carry1_ = carries[0];
        carry2_ = carries[1];
    }
    void reduce(Vector* column, const Vector* q, Vector carry) const {
        columns::reduce_block<S>(column, n_, h_, q, carry);
    }
    /// out = the number in column[0, 2h) times R^-1, modulo n.
    void reduce_digit(Vector* out, Vector* column) {
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, column + b, 2 * h_ - b);
            quotient(column + b);
            reduce(column + b, q1_, carry1_);
        }
        expect_zero(columns::carry<S>(out, column + h_, h_));
    }
    /// out = a*b*R^-1 modulo n, plus `addend` unless that is null. out may be an operand.
    void multiply_digits(Vector* out, const Vector* a, const Vector* b, const Vector* addend) {
        for (std::size_t block = 0; block < h_; block += B) {
            ahead_.step();
            relieve_at(block, t_ + block, h_);
            extend(t_, block, a, b + block);
            ahead_.step();
            quotient(t_ + block);
            reduce(t_ + block, q1_, carry1_);
        }
        for (std::size_t i = 0; addend != nullptr && i < h_; ++i) {
            t_[h_ + i] = S::add(t_[h_ + i], addend[i]);
        }
        expect_zero(columns::carry<S>(out, t_ + h_, h_));
    }

    /// One step of x - y: the difference's low bits are a limb, above them are signs.
    static Vector subtract_step(Vector x, Limb y, Vector& borrow) {
        const Vector difference = S::subtract(S::subtract(x, S::broadcast(y)), borrow);
        borrow = S::is_negative(difference);
        return difference;
    }

    /// out = x0, less n where it fits. Returns 1 where it did.
    Vector choose_first_digit(Vector* out, const Vector* x0) const {
        Vector borrow = S::zero();
        for (std::size_t i = 0; i < h_; ++i) u_[i] = subtract_step(x0[i], n_[i], borrow);
        for (std::size_t i = 0; i < h_; ++i) {
            out[i] = S::low_bits(S::blend(borrow, u_[i], x0[i]));
        }
        return S::subtract(S::broadcast(1), borrow);
    }

    /// out = x1 + lost, less n or 2n where they fit. The three candidates are made side by side.
    /// n is odd, so limb 0 of n and of 2n is at least 1, and `lost` carries in the first only.
    void choose_second_digit(Vector* out, const Vector* x1, Vector lost) const {
        Vector* whole = p_;
        Vector* less_n = u_;
        Vector* less_2n = u_ + h_;
        Vector carry = lost;
        Vector borrow = S::zero();
        Vector borrow_twice = S::zero();
        for (std::size_t i = 0; i < h_; ++i) {
            whole[i] = S::add(x1[i], carry);
            carry = S::carry(whole[i]);
            const Vector x = i == 0 ? whole[i] : x1[i];
            less_n[i] = subtract_step(x, n_[i], borrow);
            less_2n[i] = subtract_step(x, twice_n_[i], borrow_twice);
        }
        expect_zero(carry);
        for (std::size_t i = 0; i < h_; ++i) {
            const Vector below_2n = S::blend(borrow, less_n[i], whole[i]);
            out[i] = S::low_bits(S::blend(borrow_twice, less_2n[i], below_2n));
        }
    }

    const Modulus& modulus_;
    const std::size_t h_;
    const Limb k_;              // -n^-1 modulo the radix.
    Vector* const t_;           // 2h columns: products of first digits.
    Vector* const u_;           // 2h columns: what makes the second digit.
    Vector* const p_;           // h limbs: the product of a pair, or an operand.
    Vector* const complement_;  // h limbs: R - 1 - q1 of a pair.
    Vector* const doubled_;     // h limbs: 2*x0.
    Vector* const q1_;          // B limbs of T's quotient.
    Vector* const q2_;          // B limbs of U's quotient.
    Ahead<SimdDigits> ahead_;
    Vector carry1_ = S::zero();  // What the block of q1 carries on.
    Vector carry2_ = S::zero();
    Limb* const n_;               // h limbs each.
    Limb* const n_minus_1_;       //
    Limb* const twice_n_;         //
    Limb* const chain_constant_;  // 2 - 2R modulo n.
    Limb* const sign_constant_;   // Columns of n - 2^s, s the bits of signed numbers.
};

}  // namespace veilsum
