// Arithmetic modulo n^2 over the digits of digits_simd.hpp: the Engine of the vector kernels
// (engine.hpp). docs/kernels.md derives the formulas; this says how far values may grow.
//
// Product.  x*y*R^-1 = t + n*(x0*y1 + x1*y0 - q)*R^-1. The bracket is collected as
//   U = x0*y1 + x1*y0 + (R-1-q) + 1, which is R too much, and (U + q'*n)/R + n - 1 takes that back.
//   t < 1.96n^2/R + n < 1.13n.   x1' < (7n^2 + R)/R + n + n - 1 < 2.5n.
// Adding m.  x1 + x0*m*R*R^-1 < n + (1.1n * n)/R + n < 2.2n: as a product's second digit.
// Square.  The same with x0^2 and (2*x0)*x1.

#pragma once

#include "veilsum/bigint/powers_simd.hpp"

namespace veilsum {

template <Simd S>
class SimdEngine : public SimdPowers<S> {
    using Chains = SimdPowers<S>;
    using Vector = typename S::Vector;
    using Chains::B;
    using Chains::kLimbsPerVector;
    using Chains::kRowsBetweenReliefs;

public:
    using Chains::Chains;
    using Chains::kLanes;

    /// out = x * y * R^-1. out may be x or y.
    void mul(Limb* out_limbs, const Limb* x_limbs, const Limb* y_limbs) {
        const Vector* x = vectors(x_limbs);
        const Vector* y = vectors(y_limbs);
        extend(t_, 0, x, y);
        quotient(t_);
        // T's quotients run one block ahead, so that each has one of U's beside it.
        for (std::size_t b = 0;; b += B) {
            ahead_.step();
            relieve_at(b, u_ + b, h_);
            extend(u_, b, x, y + h_ + b);
            columns::sweep<S, columns::Filled::all>(u_ + b, x + h_, h_, y + b);
            ahead_.step();
            subtract_quotient(b);
            reduce(t_ + b, q1_, carry1_);
            if (b + B == h_) break;
            relieve_at(b + B, t_ + b + B, h_);
            extend(t_, b + B, x, y + b + B);
            quotients(t_ + b + B, u_ + b);
            reduce(u_ + b, q2_, carry2_);
        }
        finish(vectors(out_limbs));
    }

    /// out = x * x * R^-1. out may be x.
    void sqr(Limb* out_limbs, const Limb* x_limbs) {
        // Its products have no relief before the last.
        if (h_ >= S::kMaxProducts) return mul(out_limbs, x_limbs, x_limbs);
        const Vector* x = vectors(x_limbs);
        double_digit(doubled_, x, h_);
        columns::square<S>(t_, x, h_);
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(t_, 2 * h_);
        quotient(t_);
        for (std::size_t b = 0;; b += B) {
            relieve_at(b, u_ + b, h_);
            extend(u_, b, doubled_, x + h_ + b);
            subtract_quotient(b);
            reduce(t_ + b, q1_, carry1_);
            if (b + B == h_) break;
            relieve_at(b + B, t_ + b + B, 2 * h_ - b - B);
            quotients(t_ + b + B, u_ + b);
            reduce(u_ + b, q2_, carry2_);
        }
        finish(vectors(out_limbs));
    }

    /// out = table[index of each lane], reading all of it.
    void select(Limb* out_limbs, const Limb* table_limbs, std::size_t num_entries,
                const Limb* index) const {
        S::select(vectors(out_limbs), vectors(table_limbs), 2 * h_, num_entries, index);
    }

    /// As select, of one block of a table that keeps its entries by blocks of so many limbs.
    std::size_t block_limbs() const { return B * kLimbsPerVector; }
    void select_block(Limb* out_limbs, const Limb* table_limbs, std::size_t num_entries,
                      const Limb* index) const {
        S::select(vectors(out_limbs), vectors(table_limbs), B, num_entries, index);
    }

    /// Makes the constants for plaintexts of so many limbs; call once before they are added.
    void plain_prepare(std::size_t num_limbs) {
        prepare_signed(num_limbs);
        load_digit(doubled_, {modulus_.r_squared(), 0}, 0, 0, kLanes);
    }

    /// out = x * (1 + m*n) of elements x and plaintexts m from number i on. Elements are canonical,
    /// so the first digit stays what it is.
    void add_plain(std::byte* out, Operand x, const SignedOperand& m, std::size_t i,
                   std::size_t num_lanes) {
        load_signed(p_, m, i, num_lanes);
        load_digit(complement_, x, 0, i, num_lanes);
        multiply_digits(p_, p_, doubled_, nullptr);  // m*R, where doubled_ is R^2.
        load_digit(u_, x, 1, i, num_lanes);
        multiply_digits(complement_, complement_, p_, u_);  // x0*m + x1
        put_plain(out, x, i, num_lanes);
    }

    /// Multiplies the first digit of `product`, below 1.1n, by that of x, below n, and R^-1.
    void mul_first_digits(Limb* product, const Limb* x) {
        multiply_digits(vectors(product), vectors(x), vectors(product), nullptr);
    }

private:
    /// U += c(q1) of one block, and the one that completes R - q.
    void subtract_quotient(std::size_t b) {
        for (std::size_t i = 0; i < B; ++i) {
            u_[b + i] = S::add(u_[b + i], S::complement(q1_[i]));
        }
        if (b == 0) u_[0] = S::add(u_[0], S::broadcast(1));
    }
    /// The end of a product: U's last block, and both digits from their columns.
    void finish(Vector* out) {
        Vector carry[1];
        columns::quotient_blocks<S, 1>({q2_}, carry, {u_ + h_ - B}, n_, S::broadcast(k_));
        expect_zero(columns::carry<S>(out, t_ + h_, h_));
        reduce(u_ + h_ - B, q2_, carry[0]);
        expect_zero(columns::carry_plus<S>(out + h_, u_ + h_, n_minus_1_, h_));
    }
    /// Writes complement_, below 2.2n, as second digits, beside first digits as they are.
    void put_plain(std::byte* out, Operand x, std::size_t i, std::size_t num_lanes) {
        choose_second_digit(t_, complement_, S::zero());
        store_digit(out, t_, 1, num_lanes);
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
            std::memmove(out + lane * modulus_.element_bytes(), x.at(i + lane),
                         modulus_.digit_bytes());
        }
    }

    using Chains::ahead_;
    using Chains::carry1_;
    using Chains::carry2_;
    using Chains::choose_second_digit;
    using Chains::complement_;
    using Chains::double_digit;
    using Chains::doubled_;
    using Chains::expect_zero;
    using Chains::extend;
    using Chains::h_;
    using Chains::k_;
    using Chains::load_digit;
    using Chains::load_signed;
    using Chains::modulus_;
    using Chains::multiply_digits;
    using Chains::n_;
    using Chains::n_minus_1_;
    using Chains::p_;
    using Chains::prepare_signed;
    using Chains::q1_;
    using Chains::q2_;
    using Chains::quotient;
    using Chains::quotients;
    using Chains::reduce;
    using Chains::relieve_at;
    using Chains::store_digit;
    using Chains::t_;
    using Chains::u_;
    using Chains::vectors;
};

}  // namespace veilsum
