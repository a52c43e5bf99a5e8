#include "veilsum/paillier/plaintext_statement.hpp"

#include <bit>

namespace veilsum {

StatementDigest PlaintextStatement::digest() const {
    StatementDigest result;
    Transcript("veilsum/plaintext-proof/1")
        .bytes(key.fingerprint())
        .sized(context)
        .number(first)
        .number(size())
        .bytes(ciphertexts)
        .squeeze(result);
    return result;
}

std::vector<Limb> plaintext_challenges(const StatementDigest& digest, ByteView commitment,
                                       std::size_t count) {
    std::vector<Limb> challenges(count * PlaintextStatement::kChallengeLimbs);
    Transcript("veilsum/plaintext-proof/challenges/1")
        .bytes(digest)
        .bytes(commitment)
        .squeeze(std::as_writable_bytes(std::span(challenges)));
    return challenges;
}

std::size_t plaintext_nonce_bits(const PublicKey& key, std::size_t chunk) {
    constexpr std::size_t kHidingBits = 128;
    const auto ceil_log2 = static_cast<std::size_t>(std::bit_width(chunk - 1));
    return key.randomiser_bits() + PlaintextStatement::kChallengeBits + ceil_log2 + kHidingBits;
}

}  // namespace veilsum
