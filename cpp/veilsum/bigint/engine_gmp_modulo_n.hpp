// Arithmetic modulo n itself, one number at a time, over GMP's mpn functions: the Engine
// (engine.hpp) of the portable kernel for numbers of one digit. Digits are canonical. For x, y
// < n the reduced product is below n*n/R + n < 2n: one conditional subtraction. Constant time: see
// limbs.hpp.

#pragma once

#include <cstring>

#include "veilsum/bigint/ahead.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum {

class GmpEngineModuloN {
public:
    static constexpr std::size_t kNumDigits = 1;
    static constexpr std::size_t kLanes = 1;
    static constexpr unsigned kMaxPowWindow = 5;

    static std::size_t r_bits(std::size_t modulus_bits) { return (modulus_bits + 63) / 64 * 64; }
    /// An even number, which limbs::select asks for.
    static std::size_t element_limbs(const Modulus& n) { return (n.num_limbs() + 1) / 2 * 2; }
    static std::size_t lane_limbs(const Modulus& n) { return element_limbs(n); }
    static std::size_t scratch_limbs(const Modulus& n) {
        const std::size_t h = n.num_limbs();
        return (3 * h + limbs::mul_scratch(h) + 1) / 2 * 2;
    }

    GmpEngineModuloN(const Modulus& n, Limb* scratch)
        : n_(n),
          h_(n.num_limbs()),
          lane_limbs_(lane_limbs(n)),
          t_(scratch),
          q_(scratch + 2 * h_),
          rest_(scratch + 3 * h_) {}

    Ahead<GmpEngineModuloN>& ahead() {
        ahead_.begin(1);
        return ahead_;
    }

    void load(Limb* out, Operand in, std::size_t i, std::size_t /*num_lanes*/) const {
        std::memset(out + h_ - 1, 0, (lane_limbs_ - h_ + 1) * sizeof(Limb));
        std::memcpy(out, in.at(i), n_.digit_bytes());
    }
    void load_each(Limb* out, const std::byte* const* elements) const {
        load(out, {*elements, 0}, 0, 1);
    }
    void store(std::byte* out, const Limb* in, std::size_t /*num_lanes*/) const {
        std::memcpy(out, in, n_.digit_bytes());
    }

    /// out = x * y * R^-1. out may be x or y.
    void mul(Limb* out, const Limb* x, const Limb* y) {
        ahead_.step();
        limbs::mul(t_, x, y, h_, rest_);
        reduce(out);
    }
    /// out = x * x * R^-1. out may be x.
    void sqr(Limb* out, const Limb* x) {
        limbs::sqr(t_, x, h_, rest_);
        reduce(out);
    }

    /// out = table[index[0]], reading all of it.
    void select(Limb* out, const Limb* table, std::size_t num_entries, const Limb* index) const {
        limbs::select(out, table, lane_limbs_, num_entries, index[0]);
    }
    std::size_t block_limbs() const { return lane_limbs_; }
    void select_block(Limb* out, const Limb* table, std::size_t num_entries,
                      const Limb* index) const {
        select(out, table, num_entries, index);
    }

    void join_lanes(Limb* out, const Limb* const* lanes) const {
        std::memcpy(out, *lanes, lane_limbs_ * sizeof(Limb));
    }
    void split_lanes(Limb* const* lanes, const Limb* in) const {
        std::memcpy(*lanes, in, lane_limbs_ * sizeof(Limb));
    }
    void broadcast_lane(Limb* out, const Limb* in, std::size_t /*lane*/) const {
        if (out != in) std::memcpy(out, in, lane_limbs_ * sizeof(Limb));
    }

    /// Whether x is below n. For public values.
    bool is_canonical(const Limb* x) const {
        return mpn_cmp(x, n_.n(), static_cast<mp_size_t>(h_)) < 0;
    }
    void mul_first_digits(Limb* product, const Limb* x) { mul(product, product, x); }

private:
    /// out = t_ * R^-1 modulo n, for t_ below n^2; its last limb, if it has one more, is zero.
    void reduce(Limb* out) {
        out[lane_limbs_ - 1] = 0;
        Limb carry = limbs::reduce(out, q_, t_, n_.n(), n_.n_inverse_negated(), h_);
        limbs::subtract_once(out, carry, n_.n(), h_, q_);
    }

    const Modulus& n_;
    const std::size_t h_;
    const std::size_t lane_limbs_;
    Ahead<GmpEngineModuloN> ahead_;
    Limb* const t_;     // 2h: a product.
    Limb* const q_;     // h: its quotient.
    Limb* const rest_;  // For limbs::mul.
};

}  // namespace veilsum
