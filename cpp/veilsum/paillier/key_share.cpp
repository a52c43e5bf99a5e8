#include "veilsum/paillier/key_share.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"

namespace veilsum {
namespace {

std::shared_ptr<const Secret<Limb>> to_limbs(const Integer& x, const ThresholdKey& key) {
    Secret<Limb> limbs(key.exponent_limbs());
    x.to_limbs(limbs);
    return std::make_shared<const Secret<Limb>>(std::move(limbs));
}

bool matches_verification_key(const ThresholdKey& key, std::size_t holder,
                              const Secret<Limb>& exponent, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    Bytes power(n.element_bytes());
    batch::pow_shared(power.data(), {key.verification_base(), 0}, n.r_squared(), exponent.data(),
                      key.exponent_bits(), 1, n, execution.without_progress());
    return std::memcmp(power.data(), key.verification_key(holder), power.size()) == 0;
}

}  // namespace

KeyShare::KeyShare(ThresholdKey key, std::size_t holder, const Integer& share)
    : key_(std::move(key)),
      holder_(holder),
      share_(to_limbs(share, key_)),
      exponent_(to_limbs(share * key_.factorial(), key_)) {}

Secret<std::byte> KeyShare::to_secret_bytes() const {
    Secret<std::byte> bytes(1 + key_.modulo_n().element_bytes());
    bytes[0] = static_cast<std::byte>(holder_);
    std::memcpy(bytes.data() + 1, share_->data(),
                std::min(bytes.size() - 1, share_->size() * sizeof(Limb)));
    return bytes;
}

KeyShare KeyShare::from_secret_bytes(ByteView bytes, const ThresholdKey& key,
                                     const Execution& execution) {
    if (bytes.size() != 1 + key.modulo_n().element_bytes()) {
        throw Error(Errc::malformed, "the secret part of the share has a wrong length");
    }
    const auto holder = std::to_integer<std::size_t>(bytes[0]);
    const Integer share = Integer::from_bytes(bytes.subspan(1));
    const bool is_in_range = holder >= 1 && holder <= key.policy().num_holders &&
                             share.bit_length() <= key.modulus().bits() - 2;
    if (is_in_range) {
        KeyShare result(key, holder, share);
        if (matches_verification_key(key, holder, *result.exponent_, execution)) return result;
    }
    throw Error(Errc::invalid_key, "SH6: the share does not belong to its verification key");
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
    mpn_lshift(doubled.data(), exponent_->data(), static_cast<mp_size_t>(doubled.size()), 1);

    // The first digits of the ciphertexts are their residues modulo n.
    PartialDecryption result{key_, holder_, first, Bytes(normal.size() * n.element_bytes()), {}};
    batch::pow_shared(result.elements.data(),
                      {normal.elements().data(), key_.modulus().element_bytes()}, n.r_squared(),
                      doubled.data(), key_.exponent_bits() + 1, normal.size(), n, execution);
    result.proof = prove_share({key_, holder_, first, context, normal.elements(), result.elements},
                               *exponent_, execution);
    return result;
}

}  // namespace veilsum
