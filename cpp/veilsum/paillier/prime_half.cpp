// Decryption modulo p^2, for c = (1 + m*n) * rho with rho an n-th residue.
//
//   c = c0 + c1*p*q, so its base-p digits are (c0 mod p, floor(c0/p) + c1*q mod p).
//   c^(p-1) = (1 + m*n)^(p-1) = 1 + m*(p-1)*p*q = 1 - m*q*p   (mod p^2):
//   first digit 1, second digit -m*q mod p. Times -q^-2 it is u = m*q^-1 mod p.
//   m = u_p*q + u_q*p (mod n), by the Chinese remainder theorem: modulo p the sum is u_p*q = m.
//
// Source: Paillier 1999, section 7 (decryption using Chinese remaindering), in base-p digits.

#include "veilsum/paillier/prime_half.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/residue.hpp"

namespace veilsum {
namespace {

Secret<Limb> to_limbs(const Integer& x) {
    Secret<Limb> limbs(x.num_limbs());
    x.to_limbs(limbs);
    return limbs;
}

mp_size_t size(std::size_t h) { return static_cast<mp_size_t>(h); }

/// out[a_size + b_size] = a * b in constant time, in whichever order mpn_sec_mul allows.
void multiply(Limb* out, const Limb* a, std::size_t a_size, const Limb* b, std::size_t b_size,
              Limb* scratch) {
    if (a_size < b_size) {
        std::swap(a, b);
        std::swap(a_size, b_size);
    }
    mpn_sec_mul(out, a, size(a_size), b, size(b_size), scratch);
}

/// x[num_limbs] += y[num_added], constant time. The sum must fit.
void add_shorter(Limb* x, std::size_t num_limbs, const Limb* y, std::size_t num_added) {
    Limb carry = mpn_add_n(x, x, y, size(num_added));
    for (std::size_t i = num_added; i < num_limbs; ++i) {
        x[i] += carry;
        carry &= static_cast<Limb>(x[i] == 0);
    }
}

}  // namespace

PrimeHalf::PrimeHalf(const Integer& p, const Integer& q, const SquareModulus& n)
    : p_(p, n.kernel()), order_(to_limbs(p - 1)), order_power_(p_), other_(to_limbs(q)) {
    const Integer p_squared = p * p;
    const Integer q_inverse = inverse(q % p_squared, p_squared);
    const Integer q_inverse_squared = q_inverse * q_inverse % p_squared;
    Integer negated;
    mpz_sub(negated.get(), p_squared.get(), q_inverse_squared.get());
    message_factor_ = residue::constant(negated, 1, p_);
    const Integer idempotent = q * q * q_inverse_squared;
    const Integer r = n.integer(n.r());
    lift_factors_[0] = n.element(idempotent * r);
    lift_factors_[1] = n.element(idempotent * p * r);
}

std::size_t PrimeHalf::scratch_limbs(const Modulus& n) const noexcept {
    const mp_size_t h = size(n.num_limbs());
    const mp_size_t hp = size(p_.num_limbs());
    // The longest number divided: the second digit times the other prime, below 2h + 1 limbs.
    const auto division = std::max(mpn_sec_div_qr_itch(h, hp), mpn_sec_div_r_itch(2 * h + 1, hp));
    const auto product = mpn_sec_mul_itch(h, h);
    return 4 * n.num_limbs() + 2 + static_cast<std::size_t>(std::max(division, product)) +
           residue::scratch_limbs(p_);
}

void PrimeHalf::reduce(std::byte* out, const std::byte* c, const Modulus& n,
                       Limb* scratch) const noexcept {
    const std::size_t h = n.num_limbs();
    const std::size_t hp = p_.num_limbs();
    const std::size_t hq = other_.size();
    Limb* digit = scratch;
    Limb* quotient = digit + h;
    Limb* product = quotient + h + 1;
    Limb* rest = product + h + hq + 1;

    digit[h - 1] = 0;
    std::memcpy(digit, c, n.digit_bytes());
    quotient[h - hp] = mpn_sec_div_qr(quotient, digit, size(h), p_.n(), size(hp), rest);
    std::memcpy(out, digit, p_.digit_bytes());

    digit[h - 1] = 0;
    std::memcpy(digit, c + n.digit_bytes(), n.digit_bytes());
    mpn_sec_mul(product, digit, size(h), other_.data(), size(hq), rest);
    product[h + hq] = 0;
    add_shorter(product, h + hq + 1, quotient, h - hp + 1);
    mpn_sec_div_r(product, size(h + hq + 1), p_.n(), size(hp), rest);
    std::memcpy(out + p_.digit_bytes(), product, p_.digit_bytes());
}

Limb PrimeHalf::add_message_part(Limb* sum, const std::byte* power, const Modulus& n,
                                 Limb* scratch) const noexcept {
    const std::size_t h = n.num_limbs();
    const std::size_t hp = p_.num_limbs();
    const std::size_t hq = other_.size();
    std::byte difference{0};
    for (std::size_t i = 0; i < p_.digit_bytes(); ++i) difference |= power[i] ^ p_.one()[i];

    Limb* u = scratch;
    Limb* product = u + hp;
    Limb* rest = product + hp + hq + 1;
    u[hp - 1] = 0;
    std::memcpy(u, power + p_.digit_bytes(), p_.digit_bytes());
    residue::mul(u, u, message_factor_.data(), p_, rest);
    multiply(product, u, hp, other_.data(), hq, rest);
    // u*q < n: limbs beyond h are zero.
    add_shorter(sum, h + 1, product, std::min(h, hp + hq));
    const auto wide = std::to_integer<unsigned>(difference);
    return 1 - ((wide | (0u - wide)) >> 31);
}

const FixedBaseTable& PrimeHalf::randomiser_table(const std::byte* hs, const Modulus& n,
                                                  const Execution& execution) const {
    return randomiser_table_.get([&] {
        Secret<Limb> scratch(scratch_limbs(n));
        Secret<std::byte> base(p_.element_bytes());
        reduce(base.data(), hs, n, scratch.data());
        return FixedBaseTable(base.data(), p_.bits(), p_, execution);
    });
}

}  // namespace veilsum
