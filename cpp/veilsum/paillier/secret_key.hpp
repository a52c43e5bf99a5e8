#pragma once

#include <memory>

#include "veilsum/paillier/ciphertexts.hpp"

namespace veilsum {

/// The secret half of a Paillier key: the primes p and q. Never printed, pickled or compared.
///
/// Copies share one immutable state that is wiped with the last of them.
class SecretKey {
public:
    /// Makes a new key of `key_bits` bits: even, kMinKeyBits + 1 to kMaxKeyBits. Primes are equal
    /// in size, 3 (mod 4), with gcd(p-1, q-1) = 2 and gcd(n, (p-1)(q-1)) = 1, and differ in their
    /// upper half; with safe_primes (p-1)/2 and (q-1)/2 are prime too.
    /// Throws Error: invalid_argument, cancelled, entropy.
    static SecretKey generate(std::size_t key_bits, bool safe_primes, const Execution& execution);

    /// A key made elsewhere, from its primes: distinct, of about equal size and not close to each
    /// other, with gcd(n, (p-1)(q-1)) = 1 and a modulus as long as keys are. It has the form that
    /// its primes allow. Throws Error: invalid_key (names the rule), cancelled.
    static SecretKey from_primes(const Integer& p, const Integer& q, const Execution& execution);

    /// The same from primes of any sizes, for tests: the modulus has kMaxKeyBits bits at most.
    static SecretKey hazmat_from_primes(const Integer& p, const Integer& q,
                                        const Execution& execution);

    const PublicKey& public_key() const noexcept;

    /// As PublicKey::one_by_one: its public key is that of this one's.
    SecretKey one_by_one() const;

    /// p then q, (key_bits + 7)/8 little-endian bytes each.
    /// For key files only, which encrypt it.
    Secret<std::byte> to_secret_bytes() const;
    /// Throws Error: malformed, invalid_key, cancelled.
    static SecretKey from_secret_bytes(ByteView bytes, const Execution& execution);

    /// The plaintexts as signed integers in (-n/2, n/2), key_bits/64 limbs rounded up each.
    /// Constant time. Throws Error: key_mismatch, internal (the fault check of the computation
    /// failed; nothing is returned), cancelled. Cost: two powers with half-size numbers a value.
    Plaintexts decrypt(const Ciphertexts& ciphertexts, const Execution& execution) const;

    /// As veilsum::encrypt, faster: the owner computes the randomiser modulo p^2 and q^2.
    /// Keys of form classic take the public way.
    Ciphertexts encrypt(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                        const Execution& execution) const;

private:
    struct State;
    explicit SecretKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}

    std::shared_ptr<const State> state_;
};

}  // namespace veilsum
