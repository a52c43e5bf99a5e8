#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "veilsum/base/wire.hpp"
#include "veilsum/bigint/modulus.hpp"

namespace veilsum {

class FixedBaseTable;
struct SquareKernel;

inline constexpr std::size_t kMinKeyBits = 2047;
inline constexpr std::size_t kMaxKeyBits = 16384;

/// PK1. Throws Error: invalid_key.
void require_key_bits(std::size_t bits);

using Fingerprint = std::array<std::byte, 32>;

/// What is known of a modulus, and so how its randomisers are made.
enum class KeyForm : std::uint8_t {
    /// Any odd n. Randomisers are r^n for a random unit r (Paillier 1999).
    classic = 0,
    /// n = p*q with p = q = 3 (mod 4) and gcd(p-1, q-1) = 2, as our generator makes it. Randomisers
    /// are hs^a with a of ceil(|n|/2) bits, hs = h^n, h = -x^2 (Damgard, Jurik, Nielsen 2010).
    djn = 1,
};

/// The public half of a Paillier key: the modulus n. Safe to share.
///
/// Every PublicKey made by the two `from_` functions has passed PK1 to PK4 of docs/validation.md.
/// Copies share one immutable state and may be used from any thread.
class PublicKey {
public:
    /// Reads a key sent by someone else.
    /// Throws Error: malformed (not the wire format), invalid_key (names the rule that failed).
    static PublicKey from_bytes(ByteView wire);

    /// A key known only by its modulus: form classic. Throws Error: invalid_key.
    static PublicKey from_modulus(const Integer& n);

    /// The same for a modulus of any size from 4 bits on, for tests. Throws Error: invalid_key.
    static PublicKey hazmat_from_modulus(const Integer& n);

    /// A key of any size, for secret keys and tests, which vouch for n and the form.
    static PublicKey unchecked(const Integer& n, KeyForm form);
    static PublicKey unchecked(const Integer& n, KeyForm form, const SquareKernel& kernel);

    /// The same key for numbers that come one by one: with the portable kernel, where others take
    /// for one number the time that they take for as many as they have lanes. Its ciphertexts and
    /// those of this key go together by Ciphertexts::under alone.
    PublicKey one_by_one() const;

    Bytes to_bytes() const;

    const SquareModulus& modulus() const noexcept;
    /// n for arithmetic modulo n itself: that of holders, and of proofs.
    const Modulus& modulo_n() const noexcept;
    std::size_t key_bits() const noexcept { return modulus().bits(); }
    KeyForm form() const noexcept;

    /// SHAKE256 of the wire bytes: names the key, in this form, in ciphertexts and files.
    const Fingerprint& fingerprint() const noexcept;

    /// Whether both are one key for ciphertexts, in whichever form each is known.
    bool has_modulus_of(const PublicKey& other) const noexcept;
    /// The same, whatever kernels they compute with.
    bool has_modulus_of_any_kernel(const PublicKey& other) const noexcept;
    /// Whether this is the fingerprint of the key in either form.
    bool is_named_by(ByteView fingerprint) const;

    /// The length of the exponents a of djn randomisers: ceil(key_bits / 2).
    std::size_t randomiser_bits() const noexcept { return (key_bits() + 1) / 2; }

    /// hs = h^n mod n^2 as an element, h derived from n alone: no one can plant a weak one.
    /// Requires form djn. Computed at first use.
    const std::byte* randomiser_base() const;

    /// hs^(2^(64*j*stride_limbs())) mod n for j < kStrides, as elements modulo n: a power of hs
    /// modulo n with a long exponent is a product of powers with short ones, whose squarings are
    /// shared. Requires form djn. Computed at first use.
    const std::byte* stride_bases() const;
    static constexpr std::size_t kStrides = 8;
    /// kStrides times as many limbs hold exponents of randomiser_bits() + kStrideExtraBits.
    std::size_t stride_limbs() const noexcept {
        constexpr std::size_t kBits = 64 * kStrides;
        return (randomiser_bits() + kStrideExtraBits + kBits - 1) / kBits;
    }
    static constexpr std::size_t kStrideExtraBits = 288;

    /// hs^(2^(64*j)) mod n^2 for each limb j of an exponent of randomiser_bits(), as elements: a
    /// power of hs is a product of powers of these, whose squarings are shared. Requires form djn.
    /// Computed at first use.
    const std::byte* limb_bases() const;
    std::size_t randomiser_limbs() const noexcept { return (randomiser_bits() + 63) / 64; }

    /// Counts `num` randomisers more, and tells whether they are now so many that a table pays. Few
    /// are made sooner with limb_bases.
    bool is_table_worth(std::size_t num) const noexcept;
    static constexpr std::size_t kRandomisersWithoutTable = 128;

    /// The table of powers of hs, of some megabytes. Requires form djn. Built at first use, once
    /// or, when threads race, more than once with one kept: no lock that a fork could leave held.
    const FixedBaseTable& randomiser_table(const Execution& execution) const;

    /// The same modulus in the same form.
    friend bool operator==(const PublicKey& a, const PublicKey& b) {
        return a.fingerprint() == b.fingerprint();
    }

private:
    struct State;
    explicit PublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}

    std::shared_ptr<const State> state_;
};

}  // namespace veilsum
