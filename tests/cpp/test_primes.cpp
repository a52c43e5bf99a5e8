#include <doctest/doctest.h>

#include <set>

#include "veilsum/bigint/primes.hpp"
#include "veilsum/bigint/safe_prime_sieve.hpp"

using namespace veilsum;

namespace {

Integer half(const Integer& p) {
    Integer result;
    mpz_fdiv_q_2exp(result.get(), p.get(), 1);
    return result;
}

}  // namespace

TEST_CASE("random_prime gives primes of the kind and size asked for") {
    for (const std::size_t bits : {16u, 64u, 200u}) {
        for (const PrimeKind kind : {PrimeKind::blum, PrimeKind::safe}) {
            const Integer p = random_prime(bits, kind, {});
            CHECK(p.bit_length() == bits);
            CHECK(mpz_tstbit(p.get(), bits - 2) == 1);
            CHECK(mpz_fdiv_ui(p.get(), 4) == 3);
            CHECK(mpz_probab_prime_p(p.get(), 30) != 0);
            if (kind == PrimeKind::safe) {
                CHECK(mpz_probab_prime_p(half(p).get(), 30) != 0);
            }
        }
    }
    CHECK(!is_probable_prime(Integer(561), {}));  // A Carmichael number.
}

TEST_CASE(
    "a window of the sieve that spans all numbers of 16 bits holds the safe primes among them") {
    std::vector<Integer> safe_primes;
    for (unsigned long p = 0xc003; p < 0x10000; p += 4) {
        if (is_probable_prime(Integer(p), {}) && is_probable_prime(half(Integer(p)), {})) {
            safe_primes.emplace_back(p);
        }
    }
    REQUIRE(safe_primes.size() > 50);
    Csprng random;
    CHECK(SafePrimeSieve(16).draw_window(random) == safe_primes);
}

TEST_CASE("windows of the sieve are drawn from the whole range and lose no safe prime") {
    constexpr std::size_t kBits = 24;
    constexpr unsigned long kWindow = 4 << 16;
    const SafePrimeSieve sieve(kBits);
    Csprng random;
    std::set<unsigned long> places;
    for (int round = 0; round < 100; ++round) {
        const auto candidates = sieve.draw_window(random);
        const unsigned long place = mpz_get_ui(candidates.front().get()) / kWindow * kWindow;
        if (!places.insert(place).second) continue;
        auto next = candidates.begin();
        for (unsigned long p = place + 3; p < place + kWindow; p += 4) {
            if (!is_probable_prime(Integer(p), {}) || !is_probable_prime(half(Integer(p)), {}))
                continue;
            while (next != candidates.end() && !(*next == Integer(p))) ++next;
            REQUIRE(next != candidates.end());
        }
    }
    // 2^22 numbers have both top bits set. 100 draws miss one of 16 windows once in 40 runs.
    CHECK(places.size() >= 14);
    CHECK(*places.begin() >= 3ul << 22);
    CHECK(*places.rbegin() < 1ul << 24);
}
