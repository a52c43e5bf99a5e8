// Equality of logarithms (Chaum and Pedersen 1992) in the group of squares modulo n, whose order
// p'*q' nobody but the dealer knows, for a random combination of a batch (Bellare, Garay and Rabin
// 1998). docs/threshold.md, section 5, has the argument.
//
// Notation: x is the holder's exponent, of a dealt key D*t_i; c_j the first digits of the
// ciphertexts, y_j = c_j^(2x) the partial decryptions; 128-bit weights w_j; C = prod c_j^w_j, E =
// prod y_j^w_j; B = exponent_bits, so that |x| < 2^B. All modulo n.
//
//   prover     r in [0, 2^(B+258)),  a = v^r,  b = (C^4)^r,  e = hash(statement, a, b), 128 bits,
//              z = r + e*x over the integers: below 2^(B+258) + 2^(B+128).
//              Where x may be negative 2^(B+128) > |e*x| is added to r at first, so that z never
//              is: then it is below 2^(B+258) + 2^(B+129).
//   verifier   a = v^z * v_i^-e,  b = (C^4)^z * (E^2)^-e,  e == hash(statement, a, b).
//
// Source: Shoup 2000, section 3.

#include "veilsum/paillier/share_proof.hpp"

#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/fiat_shamir.hpp"
#include "veilsum/paillier/secret_exponent.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kChallengeLimbs = ShareProof::kChallengeBytes / sizeof(Limb);
constexpr std::size_t kWeightBits = 128;
constexpr std::size_t kWeightLimbs = kWeightBits / 64;
// r hides e*x, which is nearer to 0 than 2^(B+128), up to 2^-129.
constexpr std::size_t kHidingBits = 258;
constexpr std::size_t kFreshBytes = 32;

using Challenge = std::array<std::byte, ShareProof::kChallengeBytes>;

/// B + 258: bits of the nonce r before anything is added to it.
std::size_t nonce_bits(const ThresholdKey& key) { return key.exponent_bits() + kHidingBits; }

/// B + 128: bits of e*x.
std::size_t hidden_bits(const ThresholdKey& key) {
    return key.exponent_bits() + 8 * ShareProof::kChallengeBytes;
}

std::size_t nonce_limbs(const ThresholdKey& key) { return nonce_bits(key) / 64 + 1; }

std::size_t num_ciphertexts(const ShareStatement& s) {
    return s.ciphertexts.size() / s.key.modulus().element_bytes();
}

Operand first_digits(const ShareStatement& s) {
    return {s.ciphertexts.data(), s.key.modulus().element_bytes()};
}

Operand partials_of(const ShareStatement& s) {
    return {s.partials.data(), s.key.modulo_n().element_bytes()};
}

StatementDigest digest_of(const ShareStatement& s, const Execution& execution) {
    StatementDigest digest;
    FiatShamir("veilsum/partial/2")
        .bytes(s.key.fingerprint())
        .sized(s.context)
        .number(s.holder)
        .number(s.first)
        .number(num_ciphertexts(s))
        .bytes(s.ciphertexts, execution)
        .bytes(s.partials, execution)
        .squeeze(digest);
    return digest;
}

std::vector<Limb> weights_of(const StatementDigest& digest, std::size_t count) {
    std::vector<Limb> weights(count * kWeightLimbs);
    FiatShamir("veilsum/partial/weights/1")
        .bytes(digest)
        .squeeze(std::as_writable_bytes(std::span(weights)));
    return weights;
}

/// prod x_j^(w_j), to the power 2^num_squarings, as an element.
Bytes combined(Operand elements, const std::vector<Limb>& weights, unsigned num_squarings,
               const Modulus& n, const Execution& execution) {
    const std::size_t count = weights.size() / kWeightLimbs;
    const ExponentMatrix matrix{weights.data(), 1,          count, weights.size(),
                                kWeightLimbs,   kWeightBits};
    Bytes out(n.element_bytes());
    batch::multi_pow_vartime(out.data(), elements, n.r_squared(), matrix, n, execution);
    // The product is in Montgomery form: it stands for itself times R^-1.
    const Limb power = Limb{1} << num_squarings;
    batch::pow_shared_vartime(out.data(), {out.data(), 0}, n.r(), &power, num_squarings + 1, 1, n,
                              execution.without_progress());
    return out;
}

/// Elements side by side.
Bytes pair_of(const std::byte* first, const std::byte* second, const Modulus& n) {
    Bytes pair(first, first + n.element_bytes());
    pair.insert(pair.end(), second, second + n.element_bytes());
    return pair;
}

void power_of_pair(Bytes& pair, std::span<const Limb> exponent, std::size_t exponent_bits,
                   const Modulus& n, const Execution& execution) {
    batch::pow_shared(pair.data(), {pair.data(), n.element_bytes()}, n.r_squared(), exponent.data(),
                      exponent_bits, 2, n, execution.without_progress());
}

Challenge challenge_of(const StatementDigest& digest, ByteView commitments) {
    Challenge challenge;
    FiatShamir("veilsum/partial/challenge/1").bytes(digest).bytes(commitments).squeeze(challenge);
    return challenge;
}

std::array<Limb, kChallengeLimbs> limbs_of(const Challenge& challenge) {
    std::array<Limb, kChallengeLimbs> limbs{};
    std::memcpy(limbs.data(), challenge.data(), challenge.size());
    return limbs;
}

Secret<Limb> hedged_nonce(const ThresholdKey& key, const SecretExponent& exponent,
                          const StatementDigest& digest) {
    Secret<std::byte> fresh(kFreshBytes);
    Csprng().fill(fresh);
    Secret<Limb> nonce(nonce_limbs(key));
    FiatShamir("veilsum/partial/nonce/1")
        .bytes(std::as_bytes(std::span(exponent.magnitude)))
        .bytes(fresh)
        .bytes(digest)
        .squeeze(std::as_writable_bytes(std::span(nonce)));
    nonce.back() &= (Limb{1} << nonce_bits(key) % 64) - 1;
    if (key.has_signed_exponents()) {
        const std::size_t bit = hidden_bits(key);
        const auto above = static_cast<mp_size_t>(nonce.size() - bit / 64);
        Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_add_1_itch(above)));
        Limb* const from = nonce.data() + bit / 64;
        mpn_sec_add_1(from, from, above, Limb{1} << bit % 64, scratch.data());
    }
    return nonce;
}

/// z = r + e*x, in the place of r. Constant time in r and x.
void add_product(Secret<Limb>& r, const Challenge& challenge, const SecretExponent& exponent) {
    const auto e = limbs_of(challenge);
    const Secret<Limb>& x = exponent.magnitude;
    const auto x_size = static_cast<mp_size_t>(x.size());
    constexpr mp_size_t kESize = kChallengeLimbs;
    Secret<Limb> product(r.size());
    Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_mul_itch(x_size, kESize)));
    mpn_sec_mul(product.data(), x.data(), x_size, e.data(), kESize, scratch.data());
    // -y = ~y + 1 modulo 2^(64 * size).
    const Limb negative = value_barrier(exponent.sign[0]);
    for (Limb& limb : product) limb ^= negative;
    Secret<Limb> carry(r.size());
    carry[0] = negative & 1;
    const auto size = static_cast<mp_size_t>(r.size());
    mpn_add_n(r.data(), r.data(), product.data(), size);
    mpn_add_n(r.data(), r.data(), carry.data(), size);
}

[[noreturn]] void refuse(const ShareStatement& s, const std::string& why) {
    throw Error(Errc::invalid_proof, why + ", holder " + std::to_string(s.holder) +
                                         ", ciphertexts " + std::to_string(s.first) + " to " +
                                         std::to_string(s.first + num_ciphertexts(s) - 1));
}

/// z as limbs, if it is in the range that provers reach.
std::vector<Limb> checked_response(const ShareStatement& statement, const ShareProof& proof) {
    Integer limit;
    mpz_setbit(limit.get(), nonce_bits(statement.key));
    mpz_setbit(limit.get(),
               hidden_bits(statement.key) + (statement.key.has_signed_exponents() ? 1 : 0));
    const Integer z = Integer::from_bytes(proof.response);
    if (proof.response.size() != ShareProof::response_bytes(statement.key) ||
        mpz_cmp(z.get(), limit.get()) >= 0) {
        refuse(statement, "SH9: the response of a proof is out of its range");
    }
    std::vector<Limb> limbs(nonce_limbs(statement.key));
    z.to_limbs(limbs);
    return limbs;
}

}  // namespace

std::size_t ShareProof::response_bytes(const ThresholdKey& key) { return nonce_bits(key) / 8 + 1; }

ShareProof prove_share(const ShareStatement& statement, const SecretExponent& exponent,
                       const Execution& execution) {
    const ThresholdKey& key = statement.key;
    const Modulus& n = key.modulo_n();
    const StatementDigest digest = digest_of(statement, execution);
    const auto weights = weights_of(digest, num_ciphertexts(statement));
    const Bytes c4 = combined(first_digits(statement), weights, 2, n, execution.without_progress());

    Secret<Limb> z = hedged_nonce(key, exponent, digest);
    Bytes commitments = pair_of(key.verification_base(), c4.data(), n);
    power_of_pair(commitments, z, nonce_bits(key) + (key.has_signed_exponents() ? 1 : 0), n,
                  execution);

    ShareProof proof;
    proof.challenge = challenge_of(digest, commitments);
    add_product(z, proof.challenge, exponent);
    const auto bytes = std::as_bytes(std::span(z)).first(ShareProof::response_bytes(key));
    proof.response.assign(bytes.begin(), bytes.end());
    return proof;
}

void verify_share(const ShareStatement& statement, const ShareProof& proof,
                  const Execution& execution) {
    const ThresholdKey& key = statement.key;
    const Modulus& n = key.modulo_n();
    const Execution quiet = execution.without_progress();
    const auto z = checked_response(statement, proof);
    const StatementDigest digest = digest_of(statement, execution);
    const auto weights = weights_of(digest, num_ciphertexts(statement));
    const Bytes c4 = combined(first_digits(statement), weights, 2, n, quiet);
    const Bytes e2 = combined(partials_of(statement), weights, 1, n, quiet);

    Bytes commitments = pair_of(key.verification_base(), c4.data(), n);
    power_of_pair(commitments, z, nonce_bits(key) + 1, n, quiet);
    Bytes claimed = pair_of(key.verification_key(statement.holder), e2.data(), n);
    power_of_pair(claimed, limbs_of(proof.challenge), 8 * ShareProof::kChallengeBytes, n, quiet);
    // R/x: the product loses the factor.
    batch::inverse_vartime(claimed.data(), claimed.data(), 2, 1, n, quiet);
    batch::mul(commitments.data(), {commitments.data(), n.element_bytes()},
               {claimed.data(), n.element_bytes()}, 2, n, quiet);
    if (challenge_of(digest, commitments) != proof.challenge) {
        refuse(statement, "SH10: a partial decryption is not what its holder's share gives");
    }
}

}  // namespace veilsum
