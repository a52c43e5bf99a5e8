#include "veilsum/lattice/prime_ring.hpp"

#include <string>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

using Wide = unsigned __int128;

std::uint64_t product_mod(std::uint64_t a, std::uint64_t b, std::uint64_t q) {
    return static_cast<std::uint64_t>(Wide{a} * b % q);
}

std::uint64_t power_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t q) {
    std::uint64_t power = 1;
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0) power = product_mod(power, base, q);
        base = product_mod(base, base, q);
    }
    return power;
}

/// Miller and Rabin's test with bases that decide every number of 64 bits (Sorenson and Webster,
/// 2015). Requires n odd and above 37.
bool is_prime(std::uint64_t n) {
    std::uint64_t odd = n - 1;
    unsigned twos = 0;
    for (; odd % 2 == 0; odd /= 2) ++twos;
    for (const std::uint64_t base : {2u, 3u, 5u, 7u, 11u, 13u, 17u, 19u, 23u, 29u, 31u, 37u}) {
        std::uint64_t x = power_mod(base, odd, n);
        bool passes = x == 1 || x == n - 1;
        for (unsigned i = 1; i < twos && !passes; ++i) {
            x = product_mod(x, x, n);
            passes = x == n - 1;
        }
        if (!passes) return false;
    }
    return true;
}

std::size_t reversed(std::size_t i, unsigned num_bits) {
    std::size_t result = 0;
    for (unsigned bit = 0; bit < num_bits; ++bit) result |= (i >> bit & 1) << (num_bits - 1 - bit);
    return result;
}

}  // namespace

std::uint64_t largest_prime(unsigned log_dim, unsigned bits, unsigned index) {
    const std::uint64_t step = std::uint64_t{2} << log_dim;
    for (std::uint64_t q = (std::uint64_t{1} << bits) + 1 - step;; q -= step) {
        if (is_prime(q) && index-- == 0) return q;
    }
}

PrimeRing PrimeRing::without_transform(unsigned log_dim, unsigned bits, unsigned index) {
    if (log_dim < kMinLogDim || log_dim > kMaxLogDim || bits < kMinBits || bits > kMaxBits) {
        throw Error(Errc::invalid_argument, "there is no ring of dimension 2^" +
                                                std::to_string(log_dim) + " modulo a prime of " +
                                                std::to_string(bits) + " bits here");
    }
    PrimeRing ring;
    ring.log_dim_ = log_dim;
    ring.bits_ = bits;
    ring.q_ = largest_prime(log_dim, bits, index);
    ring.reciprocal_ = static_cast<std::uint64_t>((Wide{1} << (63 + bits)) / ring.q_);
    ring.dim_inverse_ = ring.factor(power_mod(ring.dim(), ring.q_ - 2, ring.q_));
    ring.one_ = ring.factor(1);
    return ring;
}

PrimeRing::PrimeRing(unsigned log_dim, unsigned bits, unsigned index)
    : PrimeRing(without_transform(log_dim, bits, index)) {
    std::uint64_t psi = 0;
    for (std::uint64_t g = 2; psi == 0; ++g) {
        const std::uint64_t root = power_mod(g, (q_ - 1) / (2 * dim()), q_);
        if (power_mod(root, dim(), q_) == q_ - 1) psi = root;
    }
    std::vector<std::uint64_t> powers(2 * dim());
    powers[0] = 1;
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = product_mod(powers[i - 1], psi, q_);
    for (std::size_t i = 0; i < dim(); ++i) {
        const std::size_t exponent = reversed(i, log_dim);
        const std::uint64_t inverse = powers[(2 * dim() - exponent) % (2 * dim())];
        forward_.push_back(factor(powers[exponent]));
        inverse_.push_back(factor(inverse));
        float_inverse_.push_back(float_factor(inverse));
    }
    for (std::size_t begin = 0; begin < dim(); begin += 64) {
        for (std::size_t distance = 1; distance <= 4; distance *= 2) {
            for (std::size_t pair = 0; pair < 4 / distance; ++pair) {
                FloatFactorRow& row = near_inverse_.emplace_back();
                for (std::size_t lane = 0; lane < 8; ++lane) {
                    const std::size_t group = (begin + 8 * lane) / (2 * distance) + pair;
                    const FloatFactor& of_lane = float_inverse_[dim() / (2 * distance) + group];
                    row.w[lane] = of_lane.w;
                    row.over_q[lane] = of_lane.over_q;
                }
            }
        }
    }
}

Factor PrimeRing::factor(std::uint64_t w) const noexcept {
    return {w, static_cast<std::uint64_t>((Wide{w} << 64) / q_)};
}

FloatFactor PrimeRing::float_factor(std::uint64_t w) const noexcept {
    return {static_cast<double>(w), static_cast<double>(w) * q_inverse()};
}

Factor PrimeRing::secret_factor(std::uint64_t w) const noexcept {
    // Short of w * 2^64 / q by less than 3, which products of numbers below 2^52 do not notice.
    return {w, static_cast<std::uint64_t>(Wide{w} * reciprocal_ >> (bits_ - 1))};
}

std::uint64_t PrimeRing::product_vartime(std::uint64_t a, std::uint64_t b) const noexcept {
    return product_mod(a, b, q_);
}

std::uint64_t PrimeRing::power_vartime(std::uint64_t base, std::uint64_t exponent) const noexcept {
    return power_mod(base, exponent, q_);
}

}  // namespace veilsum
