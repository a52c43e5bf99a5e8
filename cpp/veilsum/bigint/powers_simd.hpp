// Long powers whose factors are first digits, over the digits of digits_simd.hpp.
//
// Power.  x = t + n*w, where w is that of the step before: a step by y, which is t in a square, is
//   t' = t*y*R^-1 with quotient q,   w' = (w*f + R - q + q'*n)/R + n - 1,   f = 2t or y,
//   as in a product whose second operand has the second digit 0. Only t' is needed for the next t',
//   so w' is computed beside that: every quotient of T has one of U beside it. What waits for that
//   is f and the complement of q.
//   t and w are bounded as a product's digits, from factors y < 1.4n.
// Start.  w = 0, f = 0 and q = 0: U = R, which makes w' = n.

#pragma once

#include "veilsum/bigint/chains_simd.hpp"

namespace veilsum {

template <Simd S>
class SimdPowers : public SimdChains<S> {
    using Chains = SimdChains<S>;
    using Vector = typename S::Vector;

protected:
    using Chains::B;
    using Chains::kLimbsPerVector;
    using Chains::kRowsBetweenReliefs;

public:
    using Chains::Chains;
    using Chains::digit_limbs;

    static std::size_t digit_limbs_of(const Modulus& n) {
        return digit_limbs(n.bits()) * kLimbsPerVector;
    }
    static std::size_t power_limbs(const Modulus& n) { return 4 * digit_limbs_of(n); }

    /// out = a*b*R^-1, below 1.13n, for which out*R = a*b + quotient*n; quotient < R. out and
    /// quotient are no operands.
    void digit_product(Limb* out_limbs, Limb* quotient_limbs, const Limb* a, const Limb* b) {
        Vector* kept = vectors(quotient_limbs);
        if (a == b && h_ < S::kMaxProducts) {
            square(vectors(a));
        } else {
            multiply(vectors(a), vectors(b));
        }
        for (std::size_t block = 0; block < h_; block += B) {
            relieve_at(block, t_ + block, 2 * h_ - block);
            quotient(t_ + block);
            std::copy_n(q1_, B, kept + block);
            reduce(t_ + block, q1_, carry1_);
        }
        expect_zero(columns::carry<S>(vectors(out_limbs), t_ + h_, h_));
    }

    /// out = a*b*R^-1 + addend modulo n, below a*b/R + n + addend; null is zero.
    void digit_multiply(Limb* out, const Limb* a, const Limb* b, const Limb* addend) {
        multiply_digits(vectors(out), vectors(a), vectors(b),
                        addend == nullptr ? nullptr : vectors(addend));
    }

    void digit_select(Limb* out, const Limb* table, std::size_t num_entries,
                      const Limb* index) const {
        S::select(vectors(out), vectors(table), h_, num_entries, index);
    }

    void power_start(Limb* power, const Limb* digit) const {
        const Power x(power, h_);
        std::copy_n(vectors(digit), h_, x.t);
        std::fill_n(x.w, h_, S::zero());
        std::fill_n(x.factor, h_, S::zero());
        std::fill_n(x.complement, h_, S::complement(S::zero()));
    }
    void power_square(Limb* power) {
        const Power x(power, h_);
        if (h_ < S::kMaxProducts) {
            square(x.t);
        } else {
            multiply(x.t, x.t);
        }
        step(x);
        double_digit(x.factor, x.t, h_);
        expect_zero(columns::carry<S>(x.t, t_ + h_, h_));
    }
    void power_multiply(Limb* power, const Limb* digit) {
        const Power x(power, h_);
        multiply(x.t, vectors(digit));
        step(x);
        std::copy_n(vectors(digit), h_, x.factor);
        expect_zero(columns::carry<S>(x.t, t_ + h_, h_));
    }
    const Limb* power_digit(const Limb* power) const { return power; }
    void power_finish(Limb* out_limbs, Limb* power) {
        const Power x(power, h_);
        Vector* out = vectors(out_limbs);
        for (std::size_t b = 0; b < h_; b += B) {
            extend_second(x, b);
            quotient(u_ + b);
            reduce(u_ + b, q1_, carry1_);
        }
        std::copy_n(x.t, h_, out);
        expect_zero(columns::carry_plus<S>(out + h_, u_ + h_, n_minus_1_, h_));
    }

protected:
    /// out = 2x, which fits.
    static void double_digit(Vector* out, const Vector* x, std::size_t h) {
        Vector carried = S::zero();
        for (std::size_t i = 0; i < h; ++i) {
            const Vector sum = S::add(S::add(x[i], x[i]), carried);
            out[i] = S::low_bits(sum);
            carried = S::carry(sum);
        }
        expect_zero(carried);
    }

private:
    /// Views a power's parts.
    struct Power {
        Power(Limb* limbs, std::size_t h)
            : t(vectors(limbs)), w(t + h), factor(w + h), complement(factor + h) {}
        Vector* t;
        Vector* w;
        Vector* factor;
        Vector* complement;
    };

    /// T = x^2, relieved where it may have to be. Requires h < kMaxProducts.
    void square(const Vector* x) const {
        columns::square<S>(t_, x, h_);
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(t_, 2 * h_);
    }
    void multiply(const Vector* x, const Vector* y) const {
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, h_);
            extend(t_, b, x, y + b);
        }
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(t_, 2 * h_);
    }
    /// A block of U: w*f and the complement of the last step's quotient.
    void extend_second(const Power& x, std::size_t b) const {
        relieve_at(b, u_ + b, h_);
        extend(u_, b, x.factor, x.w + b);
        for (std::size_t i = 0; i < B; ++i) u_[b + i] = S::add(u_[b + i], x.complement[b + i]);
        if (b == 0) u_[0] = S::add(u_[0], S::broadcast(1));
    }
    /// With T in its columns: reduces it, and the last step's U beside it, which gives w.
    void step(const Power& x) {
        for (std::size_t b = 0; b < h_; b += B) {
            extend_second(x, b);
            relieve_at(b, t_ + b, 2 * h_ - b);
            quotients(t_ + b, u_ + b);
            for (std::size_t i = 0; i < B; ++i) x.complement[b + i] = S::complement(q1_[i]);
            reduce(t_ + b, q1_, carry1_);
            reduce(u_ + b, q2_, carry2_);
        }
        expect_zero(columns::carry_plus<S>(x.w, u_ + h_, n_minus_1_, h_));
    }

protected:
    using Chains::carry1_;
    using Chains::carry2_;
    using Chains::expect_zero;
    using Chains::extend;
    using Chains::h_;
    using Chains::multiply_digits;
    using Chains::n_minus_1_;
    using Chains::q1_;
    using Chains::q2_;
    using Chains::quotient;
    using Chains::quotients;
    using Chains::reduce;
    using Chains::relieve_at;
    using Chains::t_;
    using Chains::u_;
    using Chains::vectors;
};

}  // namespace veilsum
