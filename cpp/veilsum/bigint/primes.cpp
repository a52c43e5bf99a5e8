#include "veilsum/bigint/primes.hpp"

#include <atomic>
#include <optional>
#include <vector>

#include "veilsum/bigint/safe_prime_sieve.hpp"
#include "veilsum/bigint/uniform_integer.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

// For which mpz_probab_prime_p is the test of Baillie, Pomerance, Selfridge and Wagstaff.
constexpr int kBpswRounds = 24;
constexpr std::size_t kMillerRabinRounds = 16;
// Without a composite number that passes the first test.
constexpr std::size_t kSmallBits = 64;
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

bool passes_bpsw(const Integer& p) { return mpz_probab_prime_p(p.get(), kBpswRounds) != 0; }

/// The test of Miller and Rabin with a random base. Requires an odd p > 4.
bool passes_miller_rabin(const Integer& p, RandomSource& random) {
    const Integer minus_one = p - 1;
    Integer base = uniform_integer(p - 3, random);  // Bases are 2 to p - 2.
    mpz_add_ui(base.get(), base.get(), 2);
    const mp_bitcnt_t num_squarings = mpz_scan1(minus_one.get(), 0);
    Integer x;
    mpz_fdiv_q_2exp(x.get(), minus_one.get(), num_squarings);
    mpz_powm(x.get(), base.get(), x.get(), p.get());
    if (x == Integer(1) || x == minus_one) return true;
    for (mp_bitcnt_t i = 1; i < num_squarings; ++i) {
        x = x * x % p;
        if (x == minus_one) return true;
    }
    return false;
}

/// What is left of the whole test for a p that passed the first one. The rounds are pieces of work:
/// each takes a sixth of a second for the largest primes.
bool passes_all_rounds(const Integer& p, const Execution& execution) {
    if (p.bit_length() <= kSmallBits) return true;
    std::atomic<bool> has_passed{true};
    parallel_for(kMillerRabinRounds, 1, execution, [&](std::size_t, std::size_t) {
        Csprng random;
        if (!passes_miller_rabin(p, random)) has_passed = false;
    });
    return has_passed;
}

/// The first test of all. Nearly all candidates fail it.
bool may_be_prime_of_kind(const Integer& p, PrimeKind kind) {
    return (kind == PrimeKind::blum || passes_bpsw(half(p))) && passes_bpsw(p);
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
        if (i > first.load() || !may_be_prime_of_kind(candidates[i], kind)) return;
        std::size_t current = first.load();
        while (i < current && !first.compare_exchange_weak(current, i)) {
        }
    });
    if (first == candidates.size()) return std::nullopt;
    Integer& p = candidates[first];
    // No composite number is known that would fail here only.
    if (kind == PrimeKind::safe && !passes_all_rounds(half(p), execution)) return std::nullopt;
    if (!passes_all_rounds(p, execution)) return std::nullopt;
    return std::move(p);
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

bool is_probable_prime(const Integer& p, const Execution& execution) {
    return passes_bpsw(p) && passes_all_rounds(p, execution.without_progress());
}

Integer random_prime(std::size_t num_bits, PrimeKind kind, const Execution& execution) {
    // How far a search has come cannot be told.
    const Execution quiet = execution.without_progress();
    return kind == PrimeKind::blum ? random_blum_prime(num_bits, quiet)
                                   : random_safe_prime(num_bits, quiet);
}

std::vector<char> have_common_divisor(std::span<const Integer> numbers, const Integer& product,
                                      const Execution& execution) {
    std::vector<char> found(numbers.size());
    parallel_for(numbers.size(), 1, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            found[i] = gcd(product % numbers[i], numbers[i]) == Integer(1) ? 0 : 1;
        }
    });
    return found;
}

}  // namespace veilsum
