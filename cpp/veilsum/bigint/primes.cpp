#include "veilsum/bigint/primes.hpp"

#include <atomic>
#include <vector>

#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

constexpr int kPrimalityRounds = 40;
constexpr unsigned long kTrialDivisionBound = 4096;
constexpr std::size_t kCandidatesPerRound = 16;

/// The product of the odd primes below the bound: one gcd with it is trial division by all.
Integer odd_primorial(unsigned long bound) {
    Integer product;
    mpz_primorial_ui(product.get(), bound);
    mpz_fdiv_q_2exp(product.get(), product.get(), 1);
    return product;
}

Integer half(const Integer& p) {
    Integer result;
    mpz_fdiv_q_2exp(result.get(), p.get(), 1);
    return result;
}

bool has_small_factor(const Integer& p, const Integer& primorial) {
    return !(gcd(p, primorial) == Integer(1));
}

bool passes(const Integer& p, int num_rounds) {
    return mpz_probab_prime_p(p.get(), num_rounds) != 0;
}

bool is_prime_of_kind(const Integer& p, PrimeKind kind) {
    if (kind == PrimeKind::blum) return passes(p, kPrimalityRounds);
    // One quick test of each first: nearly all candidates fail it.
    return passes(half(p), 1) && passes(p, 1) && passes(half(p), kPrimalityRounds) &&
           passes(p, kPrimalityRounds);
}

Integer random_candidate(std::size_t num_bits, RandomSource& random) {
    Secret<Limb> limbs((num_bits + 63) / 64);
    uniform_bits(limbs, num_bits, random);
    Integer p = Integer::from_limbs(limbs);
    mpz_setbit(p.get(), num_bits - 1);
    mpz_setbit(p.get(), num_bits - 2);
    mpz_setbit(p.get(), 0);
    mpz_setbit(p.get(), 1);
    return p;
}

}  // namespace

bool is_probable_prime(const Integer& p) { return passes(p, kPrimalityRounds); }

Integer random_prime(std::size_t num_bits, PrimeKind kind, const Execution& execution) {
    Csprng random;
    // Below 2^16 a candidate can be a small prime itself; then there is nothing to sieve with.
    const Integer primorial = num_bits > 16 ? odd_primorial(kTrialDivisionBound) : Integer(1);
    // How far a search has come cannot be told.
    const Execution quiet = execution.without_progress();
    for (;;) {
        std::vector<Integer> candidates;
        while (candidates.size() < kCandidatesPerRound) {
            Integer p = random_candidate(num_bits, random);
            if (has_small_factor(p, primorial)) continue;
            if (kind == PrimeKind::safe && has_small_factor(half(p), primorial)) continue;
            candidates.push_back(std::move(p));
        }
        // The first prime in order of drawing, whichever thread finishes first.
        std::atomic<std::size_t> first{candidates.size()};
        parallel_for(candidates.size(), 1, quiet, [&](std::size_t i, std::size_t) {
            if (i > first.load() || !is_prime_of_kind(candidates[i], kind)) return;
            std::size_t current = first.load();
            while (i < current && !first.compare_exchange_weak(current, i)) {
            }
        });
        if (first < candidates.size()) return std::move(candidates[first]);
    }
}

}  // namespace veilsum
