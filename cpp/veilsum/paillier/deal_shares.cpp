// m' = p'*q' for p = 2p' + 1, q = 2q' + 1, is the order of the squares modulo n, a cyclic group.
// With delta = -n^-1 (mod m'), 1 + n*delta = 0 (mod m') and 1 (mod n), so that c^2 raised to it is
// (1 + n)^(2m). f is a polynomial of degree t - 1 over the integers modulo m' with f(0) = delta;
// t_i = f(i). docs/threshold.md, sections 2 and 3.

#include "veilsum/paillier/deal_shares.hpp"

#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/primes.hpp"
#include "veilsum/bigint/uniform_integer.hpp"

namespace veilsum {
namespace {

/// p' of p = 2p' + 1.
Integer checked_half(const Integer& p, std::size_t num_holders, const Execution& execution) {
    Integer half;
    mpz_fdiv_q_2exp(half.get(), p.get(), 1);
    if (!is_probable_prime(half, execution) || mpz_cmp_ui(half.get(), num_holders) <= 0) {
        throw Error(Errc::invalid_key,
                    "SH4: a key to be shared has safe primes p and q, with (p-1)/2 and (q-1)/2 "
                    "above the number of holders; make it with generate_key(safe_primes=True)");
    }
    return half;
}

struct Polynomial {
    std::vector<Integer> coefficients;  // The constant one first.
    Integer modulus;

    Integer at(unsigned long x) const {
        Integer value;
        for (auto a = coefficients.rbegin(); a != coefficients.rend(); ++a) {
            mpz_mul_ui(value.get(), value.get(), x);
            mpz_add(value.get(), value.get(), a->get());
            mpz_mod(value.get(), value.get(), modulus.get());
        }
        return value;
    }
};

Polynomial random_polynomial(const SecretKey& secret, const SharePolicy& policy,
                             const Execution& execution) {
    const Secret<std::byte> primes = secret.to_secret_bytes();
    const auto half = [&](std::size_t i) {
        const std::size_t size_bytes = primes.size() / 2;
        const auto bytes = std::span(primes).subspan(i * size_bytes, size_bytes);
        return checked_half(Integer::from_bytes(bytes), policy.num_holders, execution);
    };
    const Integer order = half(0) * half(1);
    const Integer n = secret.public_key().modulus().n_integer();
    Polynomial f{{(order - 1) * inverse(n % order, order) % order}, order};
    Csprng random;
    while (f.coefficients.size() < policy.threshold) {
        f.coefficients.push_back(uniform_integer(f.modulus, random));
    }
    return f;
}

/// A random square v modulo n, which generates the squares but with negligible probability.
Secret<std::byte> random_square(const Modulus& n, const Execution& execution) {
    const Integer modulus = n.n_integer();
    Csprng random;
    Integer unit;
    do {
        unit = uniform_integer(modulus, random);
    } while (!(gcd(unit, modulus) == Integer(1)));
    Secret<std::byte> v = n.element(unit);
    constexpr Limb kTwo = 2;
    batch::pow_shared_vartime(v.data(), {v.data(), 0}, n.r_squared(), &kTwo, 2, 1, n, execution);
    return v;
}

}  // namespace

DealtKey deal_shares(const SecretKey& secret, const SharePolicy& policy,
                     const Execution& execution) {
    policy.check();
    return deal_shares_unchecked(secret, policy, execution);
}

DealtKey deal_shares_unchecked(const SecretKey& secret, const SharePolicy& policy,
                               const Execution& execution) {
    if (policy.threshold < 1 || policy.threshold > policy.num_holders ||
        policy.num_holders > kMaxHolders) {
        throw Error(Errc::invalid_argument, "there is no such way to share a key");
    }
    const Execution quiet = execution.without_progress();
    // A key without verification keys, for moduli and the length of exponents.
    const ThresholdKey draft(secret.public_key(), policy, {});
    const Modulus& n = draft.modulo_n();
    const Polynomial f = random_polynomial(secret, policy, quiet);
    std::vector<Integer> shares;
    for (std::size_t i = 1; i <= policy.num_holders; ++i) shares.push_back(f.at(i));

    const Secret<std::byte> v = random_square(n, quiet);
    Bytes verification(v.begin(), v.end());
    verification.resize((policy.num_holders + 1) * n.element_bytes());
    const std::size_t num_limbs = draft.exponent_limbs();
    Secret<Limb> exponents(policy.num_holders * num_limbs);
    for (std::size_t i = 0; i < shares.size(); ++i) {
        (shares[i] * draft.factorial())
            .to_limbs(std::span(exponents).subspan(i * num_limbs, num_limbs));
    }
    batch::pow_each(verification.data() + n.element_bytes(), {v.data(), 0}, n.r_squared(),
                    exponents.data(), num_limbs, draft.exponent_bits(), policy.num_holders, n,
                    quiet);

    DealtKey dealt{ThresholdKey(secret.public_key(), policy, std::move(verification)), {}};
    for (std::size_t i = 0; i < shares.size(); ++i) {
        dealt.shares.emplace_back(dealt.key, i + 1, shares[i]);
    }
    return dealt;
}

}  // namespace veilsum
