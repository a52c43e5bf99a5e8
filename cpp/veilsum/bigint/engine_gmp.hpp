// Arithmetic modulo n^2 in base-n digits, one number at a time, over GMP's mpn functions.
//
// Notation: h limbs of 64 bits, R = 2^(64h), n < R odd, x = x0 + x1*n with x0, x1 < n. Montgomery
// reduction of T < R*n gives q < R and t = (T + q*n)/R, so T = t*R - q*n exactly; where t >= n one
// n moves into the second digit: t = (t - n) + 1*n, k = 1 (else k = 0).
//
// Product.  x*y*R^-1 = (x0*y0 + n*(x0*y1 + x1*y0)) * R^-1
//                    = t + n*(k + (x0*y1 + x1*y0 - q) * R^-1)            (mod n^2)
//   U = x0*y1 + x1*y0 - q + k*R lies above -R, and the integer (U + q'*n)/R above -1, so it is not
//   negative; U < 2(n-1)^2 + R and q' < R put it below 2(n-1) + 1 + n < 3n: two conditional
//   subtractions make it canonical.
// Square: the same with 2*x0*x1.
// Chain: multiplication by table entries y = y0*(1 + l*n), two at a time. Hold
//   x = t*(1 + L*n) + n*w*R^-1.
// Entries a, b give p from T = a0*b0 with (q1, k1), then t' from T = t*p with (q2, k2), and
//   x*a*b*R^-2 = t'*(1 + (L+la+lb)*n) + n*w'*R^-1,
//   w' = (w*p - t*q1)*R^-1 + k1*t - q2 + k2*R               (mod n):
// four products but three reductions, because the quotient q1 needs none of its own.
//   w is needed modulo n only. It is kept below K, the multiple n*2^s of n with R/2 <= K < R: then
// (w*p - t*q1 + q'*n)/R lies in (-n, 2n) and w' in (-n - R, 3n + R), inside (-3K, 5K). Adding 3K
// and subtracting 4K, 2K and K where they fit makes it canonical.
//   L is summed lazily in h + 1 limbs, good for 2^64 steps.
// Source of the digit form: docs/kernels.md. Constant time: see limbs.hpp.

#pragma once

#include <algorithm>
#include <cstring>

#include "veilsum/bigint/ahead.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum {

class GmpEngine {
public:
    static constexpr std::size_t kNumDigits = 2;
    static constexpr std::size_t kLanes = 1;
    static constexpr std::size_t kLookUps = 1;
    static constexpr unsigned kMaxPowWindow = 5;
    // 7 is no faster and takes 1.7 times the memory.
    static constexpr unsigned kMaxTableWindow = 6;

    static std::size_t r_bits(std::size_t modulus_bits) { return (modulus_bits + 63) / 64 * 64; }
    static std::size_t element_limbs(const Modulus& n) { return 2 * n.num_limbs(); }
    static std::size_t lane_limbs(const Modulus& n) { return element_limbs(n); }
    /// A chain's t, w, a pair of entries, and L; kept 16-byte aligned.
    static std::size_t chain_limbs(const Modulus& n) { return (5 * n.num_limbs() + 2) / 2 * 2; }
    static std::size_t row_limbs(unsigned window_bits, const Modulus& n) {
        return (std::size_t{2} << window_bits) * n.num_limbs();
    }
    static void put_entry(Limb* row, unsigned /*window_bits*/, std::size_t j, const Limb* digit0,
                          const Limb* digit1, const Modulus& n) {
        const std::size_t h = n.num_limbs();
        std::memcpy(row + j * 2 * h, digit0, h * sizeof(Limb));
        std::memcpy(row + j * 2 * h + h, digit1, h * sizeof(Limb));
    }
    static std::size_t scratch_limbs(const Modulus& n) {
        const std::size_t h = n.num_limbs();
        return (16 * h + limbs::mul_scratch(h) + 1) / 2 * 2;
    }

    GmpEngine(const Modulus& n, Limb* scratch)
        : n_(n),
          h_(n.num_limbs()),
          t_(scratch),
          u_(scratch + 2 * h_),
          w_(scratch + 4 * h_),
          q_(scratch + 6 * h_),
          k_(scratch + 8 * h_),
          p_(scratch + 9 * h_),
          multiples_(scratch + 10 * h_),
          entry_(scratch + 14 * h_),
          rest_(scratch + 16 * h_) {
        // The upper half of q_ and all but the first limb of k_ stay zero from here on.
        std::memset(q_, 0, 3 * h_ * sizeof(Limb));
    }

    Ahead<GmpEngine>& ahead() {
        ahead_.begin(1);
        return ahead_;
    }

    void load(Limb* out, Operand in, std::size_t i, std::size_t /*num_lanes*/) const {
        load_digit(out, in.at(i));
        load_digit(out + h_, in.at(i) + n_.digit_bytes());
    }
    void load_each(Limb* out, const std::byte* const* elements) const {
        load(out, {*elements, 0}, 0, 1);
    }
    void store(std::byte* out, const Limb* in, std::size_t /*num_lanes*/) const {
        std::memcpy(out, in, n_.digit_bytes());
        std::memcpy(out + n_.digit_bytes(), in + h_, n_.digit_bytes());
    }

    /// out = x * y * R^-1. out may be x or y.
    void mul(Limb* out, const Limb* x, const Limb* y) {
        ahead_.step();
        limbs::mul(t_, x, y, h_, rest_);
        limbs::mul(u_, x, y + h_, h_, rest_);
        limbs::mul(w_, x + h_, y, h_, rest_);
        const Limb carry = mpn_add_n(u_, u_, w_, size(2 * h_));
        first_digit(out);
        second_digit(out + h_, carry);
    }

    /// out = x * x * R^-1. out may be x.
    void sqr(Limb* out, const Limb* x) {
        limbs::sqr(t_, x, h_, rest_);
        limbs::mul(u_, x, x + h_, h_, rest_);
        const Limb carry = mpn_add_n(u_, u_, u_, size(2 * h_));
        first_digit(out);
        second_digit(out + h_, carry);
    }

    /// out = table[index[0]], reading all of it.
    void select(Limb* out, const Limb* table, std::size_t num_entries, const Limb* index) const {
        limbs::select(out, table, 2 * h_, num_entries, index[0]);
    }

    /// As select, of one block of a table that keeps its entries by blocks of so many limbs.
    std::size_t block_limbs() const { return 2 * h_; }
    void select_block(Limb* out, const Limb* table, std::size_t num_entries,
                      const Limb* index) const {
        select(out, table, num_entries, index);
    }

    /// Makes the multiples of K that chains need; call once before the first chain.
    void chain_prepare() {
        const std::size_t shift = 64 * h_ - n_.bits();
        std::memcpy(multiple(1), n_.n(), h_ * sizeof(Limb));
        if (shift != 0) mpn_lshift(multiple(1), n_.n(), size(h_), static_cast<unsigned>(shift));
        for (const int k : {2, 4}) {
            tops_[k] = 2 * tops_[k / 2] + mpn_lshift(multiple(k), multiple(k / 2), size(h_), 1);
        }
        tops_[3] = tops_[2] + mpn_add_n(multiple(3), multiple(2), multiple(1), size(h_));
    }

    /// Looks an entry up in a row; count is 1.
    void chain_take(Limb* const* chains, std::size_t /*count*/, const Limb* row,
                    unsigned window_bits, const Limb* index, ChainPart part) const {
        limbs::select(entry_, row, 2 * h_, std::size_t{1} << window_bits, index[0]);
        Limb* chain = *chains;
        Limb* sum = chain + 4 * h_;
        if (part == ChainPart::start) std::memset(chain, 0, (5 * h_ + 1) * sizeof(Limb));
        const std::size_t position = part == ChainPart::start ? 0 : part == ChainPart::left ? 2 : 3;
        std::memcpy(chain + position * h_, entry_, h_ * sizeof(Limb));
        sum[h_] += mpn_add_n(sum, sum, entry_ + h_, size(h_));
    }

    /// Multiplies the pair of entries, left and right, into a chain.
    void chain_multiply(Limb* chain) {
        Limb* t = chain;
        Limb* w = chain + h_;
        const Limb* left = chain + 2 * h_;
        const Limb* right = chain + 3 * h_;
        limbs::mul(t_, left, right, h_, rest_);
        const Limb k1 = first_digit(p_);
        limbs::mul(u_, w, p_, h_, rest_);
        limbs::mul(w_, t, q_, h_, rest_);
        Limb carry = 0 - mpn_sub_n(u_, u_, w_, size(2 * h_));
        carry += mpn_cnd_add_n(k1, u_ + h_, u_ + h_, t, size(h_));
        chain_absorb(t, w, p_, carry);
    }

    /// out = t + n*(w*R^-1 + t*L), where the chain holds the sum of entries' l*R^2.
    void chain_finish(Limb* out, const Limb* chain) {
        const Limb* t = chain;
        const Limb* w = chain + h_;
        std::memset(u_, 0, 2 * h_ * sizeof(Limb));
        std::memcpy(u_, chain + 4 * h_, (h_ + 1) * sizeof(Limb));
        // The sum is below 2^64 * n <= R*n, so this is below 2n: L*R mod n.
        reduce_mod_n(w_, u_);
        limbs::mul(u_, w_, t, h_, rest_);
        reduce_mod_n(out + h_, u_);  // t*L
        std::memset(u_, 0, 2 * h_ * sizeof(Limb));
        std::memcpy(u_, w, h_ * sizeof(Limb));
        reduce_mod_n(w_, u_);  // w*R^-1
        Limb carry = mpn_add_n(out + h_, out + h_, w_, size(h_));
        limbs::subtract_once(out + h_, carry, n_.n(), h_, t_);
        std::memcpy(out, t, h_ * sizeof(Limb));
    }

    /// Even, as limbs::select asks.
    static std::size_t digit_limbs_of(const Modulus& n) { return (n.num_limbs() + 1) / 2 * 2; }
    static std::size_t power_limbs(const Modulus& n) { return element_limbs(n); }

    /// out = a*b*R^-1, for which out*R = a*b + quotient*n modulo n^2: q - k*R, and R = r modulo n.
    void digit_product(Limb* out, Limb* quotient, const Limb* a, const Limb* b) {
        limbs::mul(t_, a, b, h_, rest_);
        const Limb k = first_digit(out);
        load_digit(w_, n_.r());
        mpn_sub_n(w_, n_.n(), w_, size(h_));
        Limb carry = mpn_cnd_add_n(k, quotient, q_, w_, size(h_));
        limbs::subtract_once(quotient, carry, n_.n(), h_, t_);
    }

    /// out = a*b*R^-1 + addend modulo n, for a*b < R*n; null is zero.
    void digit_multiply(Limb* out, const Limb* a, const Limb* b, const Limb* addend) {
        limbs::mul(u_, a, b, h_, rest_);
        reduce_mod_n(w_, u_);
        Limb carry = addend == nullptr ? 0 : mpn_add_n(w_, w_, addend, size(h_));
        limbs::subtract_once(w_, carry, n_.n(), h_, t_);
        std::copy_n(w_, h_, out);
    }

    void digit_select(Limb* out, const Limb* table, std::size_t num_entries,
                      const Limb* index) const {
        limbs::select(out, table, digit_limbs_of(n_), num_entries, index[0]);
    }

    void power_start(Limb* power, const Limb* digit) const {
        std::copy_n(digit, h_, power);
        std::fill_n(power + h_, h_, Limb{0});
    }
    void power_square(Limb* power) { sqr(power, power); }
    void power_multiply(Limb* power, const Limb* digit) {
        limbs::mul(t_, power, digit, h_, rest_);
        limbs::mul(u_, power + h_, digit, h_, rest_);
        first_digit(power);
        second_digit(power + h_, 0);
    }
    const Limb* power_digit(const Limb* power) const { return power; }
    void power_finish(Limb* out, const Limb* power) const { std::copy_n(power, 2 * h_, out); }

    void plain_prepare(std::size_t /*num_limbs*/) const {}

    /// out = x * (1 + m*n) of element and plaintext number i.
    void add_plain(std::byte* out, Operand x, const SignedOperand& m, std::size_t i,
                   std::size_t /*num_lanes*/) {
        load_digit(p_, x.at(i));
        load_signed(w_, m.at(i), m.num_limbs);
        limbs::mul(u_, p_, w_, h_, rest_);
        reduce_mod_n(w_, u_);  // x0*m*R^-1
        load_digit(t_, n_.r_squared());
        ahead_.step();
        limbs::mul(u_, w_, t_, h_, rest_);
        reduce_mod_n(w_, u_);  // x0*m
        load_digit(t_, x.at(i) + n_.digit_bytes());
        Limb carry = mpn_add_n(w_, w_, t_, size(h_));
        limbs::subtract_once(w_, carry, n_.n(), h_, t_);
        std::memcpy(out, p_, n_.digit_bytes());
        std::memcpy(out + n_.digit_bytes(), w_, n_.digit_bytes());
    }

    void join_lanes(Limb* out, const Limb* const* lanes) const {
        std::memcpy(out, *lanes, 2 * h_ * sizeof(Limb));
    }
    void split_lanes(Limb* const* lanes, const Limb* in) const {
        std::memcpy(*lanes, in, 2 * h_ * sizeof(Limb));
    }
    void broadcast_lane(Limb* out, const Limb* in, std::size_t /*lane*/) const {
        if (out != in) std::memcpy(out, in, 2 * h_ * sizeof(Limb));
    }

    /// Whether both digits are below n. For public values.
    bool is_canonical(const Limb* x) const {
        return mpn_cmp(x, n_.n(), size(h_)) < 0 && mpn_cmp(x + h_, n_.n(), size(h_)) < 0;
    }

    /// Multiplies the first digit of `product` by that of x and R^-1.
    void mul_first_digits(Limb* product, const Limb* x) {
        limbs::mul(u_, product, x, h_, rest_);
        reduce_mod_n(product, u_);
    }

private:
    static mp_size_t size(std::size_t length) { return static_cast<mp_size_t>(length); }

    void load_digit(Limb* out, const std::byte* in) const {
        out[h_ - 1] = 0;
        std::memcpy(out, in, n_.digit_bytes());
    }

    /// out = m modulo n.
    void load_signed(Limb* out, const Limb* m, std::size_t num_limbs) const {
        const Limb sign = value_barrier(0 - (m[num_limbs - 1] >> 63));
        const std::size_t num_read = std::min(num_limbs, h_);
        std::copy_n(m, num_read, out);
        std::fill_n(out + num_read, h_ - num_read, sign);
        // The carry is that of the two's complement.
        mpn_cnd_add_n(sign & 1, out, out, n_.n(), size(h_));
    }

    /// K, 2K, 3K and 4K, whose limbs beyond h are in tops_.
    Limb* multiple(int k) const { return multiples_ + static_cast<std::size_t>(k - 1) * h_; }

    /// Reduces t_ into the canonical first digit; leaves q in q_, and k in k_ and as the result.
    Limb first_digit(Limb* out) {
        Limb carry = limbs::reduce(out, q_, t_, n_.n(), n_.n_inverse_negated(), h_);
        k_[0] = limbs::subtract_once(out, carry, n_.n(), h_, t_);
        return k_[0];
    }

    /// t = t*p*R^-1 mod n and w = (carry*R^2 + u_)*R^-1 - q2 + k2*R mod n, below K.
    void chain_absorb(Limb* t, Limb* w, const Limb* p, Limb carry) {
        limbs::mul(t_, t, p, h_, rest_);
        carry += first_digit(t);
        carry += limbs::reduce(w, w_, u_, n_.n(), n_.n_inverse_negated(), h_);
        carry -= mpn_sub_n(w, w, q_, size(h_));
        carry += tops_[3] + mpn_add_n(w, w, multiple(3), size(h_));
        for (const int k : {4, 2, 1}) {
            limbs::subtract_once(w, carry, multiple(k), h_, w_, tops_[k]);
        }
    }

    /// Reduces carry*R^2 + u_ - q + k*R into the canonical second digit.
    void second_digit(Limb* out, Limb carry) {
        carry -= mpn_sub_n(u_, u_, q_, size(2 * h_));
        carry += mpn_add_n(u_ + h_, u_ + h_, k_, size(h_));
        carry += limbs::reduce(out, w_, u_, n_.n(), n_.n_inverse_negated(), h_);
        limbs::subtract_once(out, carry, n_.n(), h_, w_);
        limbs::subtract_once(out, carry, n_.n(), h_, w_);
    }

    /// out = x*R^-1 mod n of x[2h] < R*n. Destroys x; out may be anything but x and t_.
    void reduce_mod_n(Limb* out, Limb* x) {
        Limb carry = limbs::reduce(out, t_, x, n_.n(), n_.n_inverse_negated(), h_);
        limbs::subtract_once(out, carry, n_.n(), h_, t_);
    }

    const Modulus& n_;
    const std::size_t h_;
    Ahead<GmpEngine> ahead_;
    Limb* const t_;          // 2h: product of first digits.
    Limb* const u_;          // 2h: products that make the second digit.
    Limb* const w_;          // 2h: a second product, then a quotient or a result.
    Limb* const q_;          // 2h: the first digit's quotient, upper half zero.
    Limb* const k_;          // h: 0 or 1 in the first limb, the others zero.
    Limb* const p_;          // h: the product of a pair of entries.
    Limb* const multiples_;  // 4h: K, 2K, 3K, 4K.
    Limb* const entry_;      // 2h: a fixed-base entry.
    Limb* const rest_;       // For limbs::mul.
    Limb tops_[5] = {};      // tops_[k] is the limb of k*K beyond h.
};

}  // namespace veilsum
