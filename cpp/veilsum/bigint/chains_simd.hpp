// Chains of multiplications by entries of a fixed-base table, over the digits of digits_simd.hpp.
//
// Chain.  x = t*(1 + L*n) + n*w*R^-1 takes in pairs of entries a, b: p, q1 from a0*b0, t', q2 from
//   t*p, and w' = (w*p - t*q1)*R^-1 - q2. With complements c(q) = R-1-q, where -t*q1 is
//   t*c(q1) + t - t*R,
//   w' = (w*p + t*c(q1) + t + q'*n)/R + c(t) + c(q2) + (2 - 2R mod n).
//   Entries are below n, so p and t below 1.1n, and w < 2.6R: w is h limbs and a small top limb,
//   whose product with p goes straight to the upper columns.
//   L is summed in columns and never carried before the end.
//   A sum of 2^(64-radix) entries fits a column: 4096 rows at radix 2^52, so exponents of 24,570
//   bits; a table for a key of 16,384 bits has 1367 rows.

#pragma once

#include "veilsum/bigint/digits_simd.hpp"

namespace veilsum {

template <Simd S>
class SimdChains : public SimdDigits<S> {
    using Digits = SimdDigits<S>;
    using Vector = typename S::Vector;
    using TableLimb = typename S::TableLimb;

protected:
    using Digits::B;
    using Digits::kLimbsPerVector;
    using Digits::kRowsBetweenReliefs;

public:
    using Digits::digit_limbs;
    using Digits::kLookUps;

    using Digits::Digits;

    /// A chain's t, w, the top of w, a pair of entries, and L.
    static std::size_t chain_limbs(const Modulus& n) {
        return (5 * digit_limbs(n.bits()) + 1) * kLimbsPerVector;
    }
    /// A row of a fixed-base table: for each limb of both digits, those of all entries.
    static std::size_t row_limbs(unsigned window_bits, const Modulus& n) {
        return (digit_limbs(n.bits()) << (window_bits + 1)) * sizeof(TableLimb) / sizeof(Limb);
    }
    static void put_entry(Limb* row, unsigned window_bits, std::size_t j, const Limb* digit0,
                          const Limb* digit1, const Modulus& n) {
        const std::size_t h = digit_limbs(n.bits());
        auto* entries = reinterpret_cast<TableLimb*>(row);
        for (std::size_t i = 0; i < h; ++i) {
            entries[(i << window_bits) + j] =
                static_cast<TableLimb>(limb_at(digit0, n.num_limbs(), i));
            entries[((h + i) << window_bits) + j] =
                static_cast<TableLimb>(limb_at(digit1, n.num_limbs(), i));
        }
    }

    /// Makes the constant that chains need; call once before the first chain.
    void chain_prepare() {
        // 2*(n - r) + 2 with r = R mod n, the first digit of R. Its lowest limb may hold a bit
        // more.
        const std::size_t num_limbs = modulus_.num_limbs();
        Limb* r = reinterpret_cast<Limb*>(t_);
        Limb* difference = r + num_limbs;
        r[num_limbs - 1] = 0;
        std::memcpy(r, modulus_.r(), modulus_.digit_bytes());
        mpn_sub_n(difference, modulus_.n(), r, static_cast<mp_size_t>(num_limbs));
        difference[num_limbs] =
            mpn_lshift(difference, difference, static_cast<mp_size_t>(num_limbs), 1);
        split(chain_constant_, difference, num_limbs + 1);
        chain_constant_[0] += 2;
    }

    /// Looks entries up in a row, one for each lane of `count` <= kLookUps chains.
    void chain_take(Limb* const* chains, std::size_t count, const Limb* row, unsigned window_bits,
                    const Limb* index, ChainPart part) const {
        Vector* first[kLookUps] = {};
        Vector* sums[kLookUps] = {};
        for (std::size_t i = 0; i < count; ++i) {
            const Chain chain(chains[i], h_);
            sums[i] = chain.sum;
            first[i] = part == ChainPart::start  ? chain.t
                       : part == ChainPart::left ? chain.left
                                                 : chain.right;
            if (part == ChainPart::start) {
                std::fill_n(chain.w, h_ + 1, S::zero());
                std::fill_n(chain.sum, h_, S::zero());
            }
        }
        S::template look_up<false>(first, count, table(row), window_bits, h_, index);
        S::template look_up<true>(sums, count, table(row) + (h_ << window_bits), window_bits, h_,
                                  index);
    }

    /// Multiplies the pair of entries, left and right, into a chain.
    void chain_multiply(Limb* chain_limbs) {
        const Chain chain(chain_limbs, h_);
        // T = a0*b0 makes p and q1; U = t*c(q1) follows one block behind.
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, h_);
            extend(t_, b, chain.left, chain.right + b);
            quotient(t_ + b);
            if (b != 0) extend_complement(chain, b - B);
            for (std::size_t i = 0; i < B; ++i) complement_[b + i] = S::complement(q1_[i]);
            reduce(t_ + b, q1_, carry1_);
        }
        expect_zero(columns::carry<S>(p_, t_ + h_, h_));
        extend_complement(chain, h_ - B);
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(u_, 2 * h_);
        for (std::size_t i = 0; i < h_; ++i) {
            u_[i] = S::add(u_[i], chain.t[i]);
            u_[h_ + i] =
                S::mul_low(S::add(u_[h_ + i], S::complement(chain.t[i])), *chain.w_top, p_[i]);
        }
        for (std::size_t i = 0; i + 1 < h_; ++i) {
            u_[h_ + i + 1] = S::mul_high(u_[h_ + i + 1], *chain.w_top, p_[i]);
        }
        // T = t*p makes t' and q2; U += w*p.
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, h_);
            extend(t_, b, chain.t, p_ + b);
            relieve_at(b, u_ + b, 2 * h_ - b);
            columns::sweep<S, columns::Filled::all>(u_ + b, chain.w, h_, p_ + b);
            quotients(t_ + b, u_ + b);
            for (std::size_t i = 0; i < B; ++i) {
                u_[h_ + b + i] = S::add(u_[h_ + b + i], S::complement(q1_[i]));
            }
            reduce(t_ + b, q1_, carry1_);
            reduce(u_ + b, q2_, carry2_);
        }
        expect_zero(columns::carry<S>(chain.t, t_ + h_, h_));
        *chain.w_top = columns::carry_plus<S>(chain.w, u_ + h_, chain_constant_, h_);
    }

    /// out = t + n*(w*R^-1 + t*L), where the chain holds the sum of entries' l*R^2.
    void chain_finish(Limb* out_limbs, Limb* chain_limbs) {
        const Chain chain(chain_limbs, h_);
        Vector* out = vectors(out_limbs);
        std::fill_n(t_ + h_, h_, S::zero());
        t_[h_] = columns::carry<S>(t_, chain.sum, h_);
        reduce_digit(p_, t_);  // L*R
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, h_);
            extend(t_, b, chain.t, p_ + b);
        }
        for (std::size_t i = 0; i < h_; ++i) t_[i] = S::add(t_[i], chain.w[i]);
        t_[h_] = S::add(t_[h_], *chain.w_top);
        reduce_digit(out + h_, t_);
        std::copy_n(chain.t, h_, out);
    }

private:
    /// Views a chain's parts.
    struct Chain {
        Chain(Limb* limbs, std::size_t h)
            : t(vectors(limbs)),
              w(t + h),
              w_top(w + h),
              left(w_top + 1),
              right(left + h),
              sum(right + h) {}
        Vector* t;
        Vector* w;
        Vector* w_top;
        Vector* left;
        Vector* right;
        Vector* sum;
    };

    static const TableLimb* table(const Limb* row) {
        return reinterpret_cast<const TableLimb*>(row);
    }
    /// A block of t*c(q1) in a chain's U.
    void extend_complement(const Chain& chain, std::size_t b) const {
        relieve_at(b, u_ + b, h_);
        extend(u_, b, chain.t, complement_ + b);
    }

protected:
    using Digits::carry1_;
    using Digits::carry2_;
    using Digits::chain_constant_;
    using Digits::complement_;
    using Digits::expect_zero;
    using Digits::extend;
    using Digits::h_;
    using Digits::limb_at;
    using Digits::modulus_;
    using Digits::p_;
    using Digits::q1_;
    using Digits::q2_;
    using Digits::quotient;
    using Digits::quotients;
    using Digits::reduce;
    using Digits::reduce_digit;
    using Digits::relieve_at;
    using Digits::split;
    using Digits::t_;
    using Digits::u_;
    using Digits::vectors;
};

}  // namespace veilsum
