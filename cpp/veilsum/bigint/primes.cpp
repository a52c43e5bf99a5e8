#include "veilsum/bigint/primes.hpp"

#include <atomic>
#include <optional>
#include <vector>

#include "veilsum/bigint/safe_prime_sieve.hpp"
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

std::vector<Integer> blum_candidates(std::size_t num_bits, const Integer& primorial,
                                     RandomSource& random) {
    std::vector<Integer> candidates;
    while (candidates.size() < kCandidatesPerRound) {
        Integer p = random_candidate(num_bits, random);
        if (!has_small_factor(p, primorial)) candidates.push_back(std::move(p));
    }
    return candidates;
}

/// Those of one window for each thread, in the order of the windows.
std::vector<Integer> safe_candidates(const SafePrimeSieve& sieve, const Execution& execution) {
    std::vector<std::vector<Integer>> windows(num_threads(execution));
    parallel_for(windows.size(), 1, execution, [&](std::size_t i, std::size_t) {
        Csprng random;
        windows[i] = sieve.draw_window(random);
    });
    std::vector<Integer> candidates;
    for (auto& window : windows) {
        candidates.insert(candidates.end(), std::make_move_iterator(window.begin()),
                          std::make_move_iterator(window.end()));
    }
    return candidates;
}

/// The first prime in their order, whichever thread finishes first.
std::optional<Integer> first_prime(std::vector<Integer> candidates, PrimeKind kind,
                                   const Execution& execution) {
    std::atomic<std::size_t> first{candidates.size()};
    parallel_for(candidates.size(), 1, execution, [&](std::size_t i, std::size_t) {
        if (i > first.load() || !is_prime_of_kind(candidates[i], kind)) return;
        std::size_t current = first.load();
        while (i < current && !first.compare_exchange_weak(current, i)) {
        }
    });
    if (first == candidates.size()) return std::nullopt;
    return std::move(candidates[first]);
}

Integer random_blum_prime(std::size_t num_bits, const Execution& execution) {
    Csprng random;
    // Below 2^16 a candidate can be a small prime itself; then there is nothing to sieve with.
    const Integer primorial = num_bits > 16 ? odd_primorial(kTrialDivisionBound) : Integer(1);
    for (;;) {
        auto p =
            first_prime(blum_candidates(num_bits, primorial, random), PrimeKind::blum, execution);
        if (p) return *std::move(p);
    }
}

Integer random_safe_prime(std::size_t num_bits, const Execution& execution) {
    const SafePrimeSieve sieve(num_bits);
    for (;;) {
        auto p = first_prime(safe_candidates(sieve, execution), PrimeKind::safe, execution);
        if (p) return *std::move(p);
    }
}

}  // namespace

bool is_probable_prime(const Integer& p) { return passes(p, kPrimalityRounds); }

Integer random_prime(std::size_t num_bits, PrimeKind kind, const Execution& execution) {
    // How far a search has come cannot be told.
    const Execution quiet = execution.without_progress();
    return kind == PrimeKind::blum ? random_blum_prime(num_bits, quiet)
                                   : random_safe_prime(num_bits, quiet);
}

}  // namespace veilsum
