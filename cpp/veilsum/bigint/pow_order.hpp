// c^(p-1) modulo p^2 for a prime p, cheaper than other powers: what decryption takes.
//
// The table holds first digits only, y[k] near c^k*R: products by them cost 4h^2, not 5h^2, and
// look-ups half. How far off they are is made good at the end, all at once. Entry y of a and b has
//   y*R = a*b + q*p,   so that   a*b*R^-1 = y * (1 - q/(y*R) * p)   (mod p^2):
// if the power takes entry k E[k] times, by itself and in the making of other entries, then it is
//   x * (1 - p * sum over k of E[k]*q[k]*R^-1/y[k]),
// x = t + p*w the power of the y's. At the end t = R, for c^(p-1) = 1 (mod p), and y[k] = c^k*R, so
// t/y[k] = c^-k: the second digit is w - sum of E[k]*q[k]*R^-1*c^-k, by Horner's rule. Entries 0
// and 1, R and c*R, have their own second digits in place of -q*R^-1.
//   c^-1 needs no inversion: one power before the last, of p - 1 - 31, is c^-31.
// The E[k] modulo p depend on p only (order_power.hpp).
//
// Constant time: control flow depends on counts and the length of p only.

#pragma once

#include "veilsum/bigint/powers.hpp"

namespace veilsum::algorithms {

/// out[i] = base[i]^(p-1).
template <SquareEngine E>
void pow_order(std::byte* out, Operand base, const OrderPower& order, std::size_t count,
               const Modulus& p, std::byte* scratch) {
    if (order.is_short()) {
        return pow_shared<E>(out, base, p.r_squared(), order.exponent(), p.bits(), count, p,
                             scratch);
    }
    constexpr std::size_t kLast = OrderPower::kNumEntries - 1;
    constexpr unsigned w = OrderPower::kWindow;
    Workspace<E> work(p, scratch);
    E& engine = work.engine;
    const std::size_t digit_limbs = E::digit_limbs_of(p);
    const std::size_t second = work.element_limbs / 2;
    Limb* table = work.take(OrderPower::kNumEntries * digit_limbs);
    Limb* quotients = work.take(OrderPower::kNumEntries * digit_limbs);
    Limb* power = work.take(E::power_limbs(p));
    Limb* factor = work.take(digit_limbs);
    Limb* inverse = work.take(digit_limbs);
    Limb* sum = work.take(digit_limbs);
    Limb* element = work.element();
    Limb* constant = work.element();
    const auto entry = [&](std::size_t k) { return table + k * digit_limbs; };
    const auto quotient = [&](std::size_t k) { return quotients + k * digit_limbs; };

    Limb index[E::kLanes];
    const auto look_up = [&](std::size_t window) {
        std::fill_n(index, E::kLanes,
                    limbs::bits_at(order.exponent(), p.num_limbs(), window * w, w));
        engine.digit_select(factor, table, OrderPower::kNumEntries, index);
    };
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        engine.load(constant, {p.r(), 0}, 0, E::kLanes);
        std::copy_n(constant, second, entry(0));
        engine.load(element, base, i, lanes);
        engine.load(constant, {p.r_squared(), 0}, 0, E::kLanes);
        engine.mul(element, element, constant);
        std::copy_n(element, second, entry(1));
        std::copy_n(element + second, second, quotient(1));
        for (std::size_t k = 2; k <= kLast; k += 2) {
            engine.digit_product(entry(k), quotient(k), entry(k / 2), entry(k / 2));
            engine.digit_product(entry(k + 1), quotient(k + 1), entry(k), entry(1));
        }

        std::size_t window = num_windows(p.bits(), w);
        look_up(--window);
        engine.power_start(power, factor);
        while (window-- > 0) {
            for (unsigned s = 0; s < w; ++s) engine.power_square(power);
            look_up(window);
            engine.power_multiply(power, factor);
        }
        engine.digit_multiply(inverse, engine.power_digit(power), entry(kLast - 1), nullptr);
        engine.power_multiply(power, entry(kLast));
        engine.power_finish(element, power);

        std::fill_n(sum, digit_limbs, Limb{0});
        for (std::size_t pair = kLast / 2 + 1; pair-- > 0;) {
            engine.load(constant, {order.coefficients(pair), 0}, 0, E::kLanes);
            for (std::size_t k : {2 * pair + 1, 2 * pair}) {
                Limb* term = constant + (k - 2 * pair) * second;
                if (k != 0) engine.digit_multiply(term, term, quotient(k), nullptr);
                engine.digit_multiply(sum, sum, inverse, term);
            }
        }
        // sum*R*R^-1 + w.
        engine.digit_multiply(element + second, sum, entry(0), element + second);
        engine.load(constant, {p.one(), 0}, 0, E::kLanes);
        engine.mul(element, element, constant);
        engine.store(out + i * work.element_bytes, element, lanes);
    }
}

}  // namespace veilsum::algorithms
