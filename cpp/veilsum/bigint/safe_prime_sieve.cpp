// The window of P, a multiple of 4*2^w, holds p_i = P + 3 + 4i for 0 <= i < 2^w. For a small odd
// prime s,
//   s divides p_i            where  4i = -(P + 3)      (mod s),
//   s divides (p_i - 1)/2    where  4i = -(P + 3) + 1  (mod s),
// so with r = P mod s and 1/4 mod s both classes of i are struck out. Of all numbers 3 (mod 4),
// what is left by the primes below B is a fraction of about 0.83 / ln^2 B.

#include "veilsum/bigint/safe_prime_sieve.hpp"

#include <algorithm>

#include "veilsum/base/secret.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

// 2^22: the division by one more prime costs what it saves in tests, at 1536 bits.
constexpr unsigned kMaxBoundLog2 = 22;

constexpr unsigned kMaxWindowLog2 = 16;

/// All odd primes below the bound.
std::vector<std::uint32_t> odd_primes(std::size_t bound) {
    std::vector<bool> is_composite(bound);
    std::vector<std::uint32_t> primes;
    for (std::size_t s = 3; s < bound; s += 2) {
        if (is_composite[s]) continue;
        primes.push_back(static_cast<std::uint32_t>(s));
        for (std::size_t multiple = s * s; multiple < bound; multiple += 2 * s) {
            is_composite[multiple] = true;
        }
    }
    return primes;
}

void strike_out(Secret<std::uint8_t>& is_struck, std::size_t first, std::size_t step) {
    for (std::size_t i = first; i < is_struck.size(); i += step) is_struck[i] = 1;
}

}  // namespace

SafePrimeSieve::SafePrimeSieve(std::size_t num_bits)
    : num_bits_(num_bits),
      // The two top bits and the two low ones are given.
      window_log2_(static_cast<unsigned>(std::min<std::size_t>(kMaxWindowLog2, num_bits - 4))),
      // Below p' >= 3 * 2^(num_bits - 3), which must not strike out itself.
      primes_(odd_primes(std::size_t{1} << std::min<std::size_t>(kMaxBoundLog2, num_bits - 3))) {
    for (std::size_t i = 0; i < primes_.size(); ++i) {
        Limb product = 0;
        if (groups_.empty() ||
            __builtin_mul_overflow(groups_.back().product, Limb{primes_[i]}, &product)) {
            groups_.push_back({primes_[i], i, i});
        } else {
            groups_.back().product = product;
        }
        groups_.back().end = i + 1;
    }
}

std::vector<Integer> SafePrimeSieve::draw_window(RandomSource& random) const {
    Secret<Limb> limbs((num_bits_ + 63) / 64);
    uniform_bits(limbs, num_bits_, random);
    limbs[0] &= ~Limb{0} << (window_log2_ + 2);
    Integer start = Integer::from_limbs(limbs);
    mpz_setbit(start.get(), num_bits_ - 1);
    mpz_setbit(start.get(), num_bits_ - 2);
    mpz_setbit(start.get(), 0);
    mpz_setbit(start.get(), 1);

    Secret<std::uint8_t> is_struck(std::size_t{1} << window_log2_);
    for (const Group& group : groups_) {
        const Limb remainder = mpz_fdiv_ui(start.get(), group.product);
        for (std::size_t k = group.begin; k < group.end; ++k) {
            const Limb s = primes_[k];
            const Limb quarter = s % 4 == 3 ? (s + 1) / 4 : (3 * s + 1) / 4;
            const Limb first = (s - remainder % s) * quarter % s;
            strike_out(is_struck, first, s);
            strike_out(is_struck, first + quarter < s ? first + quarter : first + quarter - s, s);
        }
    }
    std::vector<Integer> candidates;
    for (std::size_t i = 0; i < is_struck.size(); ++i) {
        if (is_struck[i] != 0) continue;
        candidates.push_back(start);
        mpz_add_ui(candidates.back().get(), start.get(), 4 * i);
    }
    return candidates;
}

}  // namespace veilsum
