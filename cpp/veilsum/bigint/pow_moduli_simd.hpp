// Powers of which each lane has a modulus of its own, over the columns of columns.hpp.
//
// As modulo one n (engine_simd_modulo_n.hpp): digits stay below 1.4n of their lane, because
// R = 2^(radix*h) > 16n holds for each, and T = x*y < 1.96n^2 becomes (T + q*n)/R < 1.13n. Only the
// limbs of n and its inverse are vectors instead of numbers that all lanes share.
// Constant time in bases and exponents: fixed windows from the top, tables read whole.

#pragma once

#include <algorithm>

#include "veilsum/bigint/kernel_table.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/steps_simd.hpp"

namespace veilsum {

template <Simd S>
class SimdModuli : public SimdSteps<S> {
    using Steps = SimdSteps<S>;
    using Steps::B;
    using Steps::kLimbsPerVector;
    using Steps::kRowsBetweenReliefs;
    using Steps::put_lanes;
    using Steps::relieve_at;
    using typename Steps::Vector;

public:
    using Steps::digit_limbs;
    static constexpr unsigned kWindow = std::min(S::kMaxPowWindow, 5u);

    static std::size_t scratch_limbs(std::size_t modulus_bits) {
        const std::size_t num_digits = 6 + (std::size_t{1} << kWindow);
        return (num_digits * digit_limbs(modulus_bits) + B) * kLimbsPerVector;
    }

    SimdModuli(const Powers& in, Limb* scratch)
        : in_(in),
          h_(digit_limbs(in.modulus_bits)),
          n_(Steps::vectors(scratch)),
          t_(n_ + h_),
          power_(t_ + 2 * h_),
          factor_(power_ + h_),
          less_n_(factor_ + h_),
          q_(less_n_ + h_),
          table_(q_ + B) {}

    /// Numbers i, i + 1, ..., so many; other lanes repeat the last.
    void compute(Limb* out, std::size_t i, std::size_t num_lanes) {
        take_moduli(i, num_lanes);
        load(factor_, in_.r_squared, i, num_lanes);
        load(entry(1), in_.bases, i, num_lanes);
        mul(entry(1), entry(1), factor_);
        put_one(entry(0));
        mul(entry(0), entry(0), factor_);
        for (std::size_t j = 2; j < std::size_t{1} << kWindow; j += 2) {
            sqr(entry(j), entry(j / 2));
            mul(entry(j + 1), entry(j), entry(1));
        }
        std::size_t window = (in_.exponent_bits + kWindow - 1) / kWindow;
        if (window == 0) {
            std::copy_n(entry(0), h_, power_);
        } else {
            look_up(power_, --window, i, num_lanes);
        }
        while (window-- > 0) {
            for (unsigned s = 0; s < kWindow; ++s) sqr(power_, power_);
            look_up(factor_, window, i, num_lanes);
            mul(power_, power_, factor_);
        }
        put_one(factor_);
        mul(power_, power_, factor_);
        store(out, num_lanes);
    }

private:
    static std::size_t lane_number(std::size_t lane, std::size_t num_lanes) {
        return std::min(lane, num_lanes - 1);
    }
    Vector* entry(std::size_t j) { return table_ + j * h_; }

    void load(Vector* out, const Limb* numbers, std::size_t i, std::size_t num_lanes) const {
        const std::byte* digits[S::kLanes];
        for (std::size_t lane = 0; lane < S::kLanes; ++lane) {
            const std::size_t number = i + lane_number(lane, num_lanes);
            digits[lane] = reinterpret_cast<const std::byte*>(numbers + number * in_.num_limbs());
        }
        S::load(out, digits, in_.num_bytes(), h_);
    }
    void take_moduli(std::size_t i, std::size_t num_lanes) {
        load(n_, in_.moduli, i, num_lanes);
        Limb inverses[S::kLanes];
        for (std::size_t lane = 0; lane < S::kLanes; ++lane) {
            const std::size_t number = i + lane_number(lane, num_lanes);
            inverses[lane] =
                limbs::inverse_negated(in_.moduli[number * in_.num_limbs()]) & Steps::kLimbMask;
        }
        put_lanes(&inverse_, inverses);
    }
    void put_one(Vector* out) const {
        std::fill_n(out, h_, S::zero());
        out[0] = S::broadcast(1);
    }
    void look_up(Vector* out, std::size_t window, std::size_t i, std::size_t num_lanes) {
        Limb index[S::kLanes];
        for (std::size_t lane = 0; lane < S::kLanes; ++lane) {
            const std::size_t number = i + lane_number(lane, num_lanes);
            index[lane] = limbs::bits_at(in_.exponents + number * in_.exponent_limbs(),
                                         in_.exponent_limbs(), window * kWindow, kWindow);
        }
        S::select(out, table_, h_, std::size_t{1} << kWindow, index);
    }
    /// out = x * y * R^-1. out may be an operand.
    void mul(Vector* out, const Vector* x, const Vector* y) {
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, h_);
            Steps::extend(t_, b, x, h_, y + b);
            reduce(b);
        }
        Steps::expect_zero(columns::carry<S>(out, t_ + h_, h_));
    }
    /// out = x * x * R^-1. out may be x.
    void sqr(Vector* out, const Vector* x) {
        // Its products have no relief before the last.
        if (h_ >= S::kMaxProducts) return mul(out, x, x);
        columns::square<S>(t_, x, h_);
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(t_, 2 * h_);
        for (std::size_t b = 0; b < h_; b += B) {
            relieve_at(b, t_ + b, 2 * h_ - b);
            reduce(b);
        }
        Steps::expect_zero(columns::carry<S>(out, t_ + h_, h_));
    }
    void reduce(std::size_t b) {
        Vector carry[1];
        columns::quotient_blocks<S, 1>({q_}, carry, {t_ + b}, n_, inverse_);
        columns::reduce_block<S>(t_ + b, n_, h_, q_, carry[0]);
    }
    /// The power, less n where that fits.
    void store(Limb* out, std::size_t num_lanes) {
        Vector borrow = S::zero();
        for (std::size_t i = 0; i < h_; ++i) {
            less_n_[i] = S::subtract(S::subtract(power_[i], n_[i]), borrow);
            borrow = S::is_negative(less_n_[i]);
        }
        for (std::size_t i = 0; i < h_; ++i) {
            power_[i] = S::low_bits(S::blend(borrow, less_n_[i], power_[i]));
        }
        std::byte* digits[S::kLanes] = {};
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
            Limb* number = out + lane * in_.num_limbs();
            number[in_.num_limbs() - 1] = 0;
            digits[lane] = reinterpret_cast<std::byte*>(number);
        }
        S::store(digits, power_, in_.num_bytes(), h_);
    }

    const Powers& in_;
    const std::size_t h_;
    Vector* const n_;             // h limbs each, of each lane.
    Vector* const t_;             // 2h columns: a product.
    Vector* const power_;         //
    Vector* const factor_;        //
    Vector* const less_n_;        //
    Vector* const q_;             // B limbs of a quotient.
    Vector* const table_;         // Powers of the base.
    Vector inverse_ = S::zero();  // -n^-1 modulo the radix, of each lane.
};

/// SquareKernel::pow_moduli in lanes.
template <Simd S>
void pow_moduli(Limb* out, const Powers& in, std::size_t count, std::byte* scratch) {
    SimdModuli<S> engine(in, reinterpret_cast<Limb*>(scratch));
    for (std::size_t i = 0; i < count; i += S::kLanes) {
        engine.compute(out + i * in.num_limbs(), i, std::min(S::kLanes, count - i));
    }
}
template <Simd S>
std::size_t pow_moduli_scratch_bytes(const Powers& in) {
    return SimdModuli<S>::scratch_limbs(in.modulus_bits) * sizeof(Limb);
}
template <Simd S>
constexpr PowModuli pow_moduli_of() {
    return {pow_moduli<S>, pow_moduli_scratch_bytes<S>};
}

}  // namespace veilsum
