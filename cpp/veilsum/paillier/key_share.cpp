#include "veilsum/paillier/key_share.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/secret_exponent.hpp"

namespace veilsum {
namespace {

// Elements whose power with the magnitude is theirs with the exponent.
Secret<std::byte> bases_for(const SecretExponent& exponent, Operand bases, std::size_t count,
                            const ThresholdKey& key, const Execution& execution) {
    if (key.has_signed_exponents()) {
        return exponent.signed_bases(bases, count, key.modulo_n(), execution);
    }
    const std::size_t bytes = key.modulo_n().element_bytes();
    Secret<std::byte> same(count * bytes);
    for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(same.data() + i * bytes, bases.at(i), bytes);
    }
    return same;
}

bool matches_verification_key(const ThresholdKey& key, std::size_t holder,
                              const SecretExponent& exponent, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    const auto base = bases_for(exponent, {key.verification_base(), 0}, 1, key, execution);
    Bytes power(n.element_bytes());
    batch::pow_shared(power.data(), {base.data(), 0}, n.r_squared(), exponent.magnitude.data(),
                      key.exponent_bits(), 1, n, execution.without_progress());
    return std::memcmp(power.data(), key.verification_key(holder), power.size()) == 0;
}

[[noreturn]] void refuse_share() {
    throw Error(Errc::invalid_key, "SH6: the share does not belong to its verification key");
}

bool is_holder(const ThresholdKey& key, std::size_t holder) {
    return holder >= 1 && holder <= key.policy().num_holders;
}

}  // namespace

KeyShare::KeyShare(ThresholdKey key, std::size_t holder, SecretExponent exponent)
    : key_(std::move(key)),
      holder_(holder),
      exponent_(std::make_shared<const SecretExponent>(std::move(exponent))) {}

KeyShare::KeyShare(ThresholdKey key, std::size_t holder, const Integer& share)
    : KeyShare(key, holder, SecretExponent(share * key.factorial(), false, key.exponent_limbs())) {
    Secret<Limb> limbs(key_.exponent_limbs());
    share.to_limbs(limbs);
    share_ = std::make_shared<const Secret<Limb>>(std::move(limbs));
}

KeyShare KeyShare::checked(KeyShare share, const Execution& execution) {
    if (!matches_verification_key(share.key_, share.holder_, *share.exponent_, execution)) {
        refuse_share();
    }
    return share;
}

KeyShare KeyShare::of_exponent(const ThresholdKey& key, std::size_t holder,
                               const Integer& magnitude, bool is_negative,
                               const Execution& execution) {
    if (!key.has_signed_exponents()) {
        throw Error(Errc::invalid_argument,
                    "the key was dealt: its dealer has the shares, deal_shares makes them");
    }
    if (!is_holder(key, holder)) {
        throw Error(Errc::invalid_argument, "holders count from 1 to " +
                                                std::to_string(key.policy().num_holders) +
                                                ", and there is no " + std::to_string(holder));
    }
    if (mpz_cmp(magnitude.get(), key.exponent_bound().get()) >= 0) {
        throw Error(Errc::invalid_key, "SH6: the exponent of the share is beyond its bound");
    }
    return checked(
        KeyShare(key, holder, SecretExponent(magnitude, is_negative, key.exponent_limbs())),
        execution);
}

Secret<std::byte> KeyShare::to_secret_bytes() const {
    return key_.has_signed_exponents() ? signed_bytes() : dealt_bytes();
}

Secret<std::byte> KeyShare::dealt_bytes() const {
    Secret<std::byte> bytes(1 + key_.modulo_n().element_bytes());
    bytes[0] = static_cast<std::byte>(holder_);
    std::memcpy(bytes.data() + 1, share_->data(),
                std::min(bytes.size() - 1, share_->size() * sizeof(Limb)));
    return bytes;
}

Secret<std::byte> KeyShare::signed_bytes() const {
    Secret<std::byte> bytes(2 + (key_.exponent_bits() + 7) / 8);
    bytes[0] = static_cast<std::byte>(holder_);
    bytes[1] = static_cast<std::byte>(exponent_->sign[0] & 1);
    std::memcpy(bytes.data() + 2, exponent_->magnitude.data(), bytes.size() - 2);
    return bytes;
}

KeyShare KeyShare::from_secret_bytes(ByteView bytes, const ThresholdKey& key,
                                     const Execution& execution) {
    const bool is_signed = key.has_signed_exponents();
    if (bytes.size() !=
        (is_signed ? 2 + (key.exponent_bits() + 7) / 8 : 1 + key.modulo_n().element_bytes())) {
        throw Error(Errc::malformed, "the secret part of the share has a wrong length");
    }
    const auto holder = std::to_integer<std::size_t>(bytes[0]);
    const Integer number = Integer::from_bytes(bytes.subspan(is_signed ? 2 : 1));
    if (!is_holder(key, holder)) refuse_share();
    if (is_signed) {
        const auto sign = std::to_integer<std::uint8_t>(bytes[1]);
        if (sign > 1) refuse_share();
        return of_exponent(key, holder, number, sign == 1, execution);
    }
    if (number.bit_length() > key.modulus().bits() - 2) refuse_share();
    return checked(KeyShare(key, holder, number), execution);
}

PartialDecryption KeyShare::decrypt(const Ciphertexts& ciphertexts, std::uint64_t first,
                                    ByteView context, const Execution& execution) const {
    if (!ciphertexts.key().has_modulus_of(key_.public_key())) {
        throw Error(Errc::key_mismatch,
                    "the ciphertexts were made under another key: its modulus differs");
    }
    if (ciphertexts.size() == 0) {
        throw Error(Errc::invalid_argument, "there are no ciphertexts to decrypt");
    }
    const Modulus& n = key_.modulo_n();
    const Ciphertexts normal = ciphertexts.normalise(execution.without_progress());
    Secret<Limb> doubled(key_.exponent_limbs());
    mpn_lshift(doubled.data(), exponent_->magnitude.data(), static_cast<mp_size_t>(doubled.size()),
               1);

    // The first digits of the ciphertexts are their residues modulo n.
    const auto bases =
        bases_for(*exponent_, {normal.elements().data(), key_.modulus().element_bytes()},
                  normal.size(), key_, execution);
    PartialDecryption result{key_, holder_, first, Bytes(normal.size() * n.element_bytes()), {}};
    batch::pow_shared(result.elements.data(), {bases.data(), n.element_bytes()}, n.r_squared(),
                      doubled.data(), key_.exponent_bits() + 1, normal.size(), n, execution);
    result.proof = prove_share({key_, holder_, first, context, normal.elements(), result.elements},
                               *exponent_, execution);
    return result;
}

}  // namespace veilsum
