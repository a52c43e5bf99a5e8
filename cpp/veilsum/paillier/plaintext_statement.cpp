#include "veilsum/paillier/plaintext_statement.hpp"

#include <bit>

#include "veilsum/bigint/batch.hpp"

namespace veilsum {
namespace {

// The nonce hides what has as many bits less.
constexpr std::size_t kHidingBits = 128;
constexpr std::size_t kMaxSumBits = std::bit_width(kMaxProofChunk - 1);

// An answer has one bit more than the nonce, in the largest chunk.
static_assert(kChallengeBits + kMaxSumBits + kHidingBits + 1 <= PublicKey::kStrideExtraBits);

}  // namespace

StatementDigest PlaintextStatement::digest(const Execution& execution) const {
    StatementDigest result;
    FiatShamir("veilsum/plaintext-proof/3")
        .bytes(key.fingerprint())
        .sized(context)
        .number(first)
        .number(size())
        .bytes(ciphertexts, execution)
        .squeeze(result);
    return result;
}

std::vector<Limb> plaintext_challenges(const StatementDigest& digest, ByteView commitment,
                                       std::size_t count) {
    std::vector<Limb> challenges(count * kChallengeLimbs);
    FiatShamir("veilsum/plaintext-proof/challenges/1")
        .bytes(digest)
        .bytes(commitment)
        .squeeze(std::as_writable_bytes(std::span(challenges)));
    return challenges;
}

std::size_t plaintext_nonce_bits(const PublicKey& key, std::size_t chunk) {
    const auto ceil_log2 = static_cast<std::size_t>(std::bit_width(chunk - 1));
    return key.randomiser_bits() + kChallengeBits + ceil_log2 + kHidingBits;
}

Secret<std::byte> powers_of_randomiser_base(std::span<const Limb> exponents, std::size_t count,
                                            const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    const std::size_t bytes = n.element_bytes();
    const std::size_t limbs = key.stride_limbs();
    const ExponentMatrix matrix{exponents.data(),         count, PublicKey::kStrides,
                                exponents.size() / count, limbs, 64 * limbs};
    Secret<std::byte> powers(count * bytes);
    batch::multi_pow(powers.data(), {key.stride_bases(), bytes}, n.r_squared(), matrix, n,
                     execution);
    // The products are in Montgomery form, and lose it.
    batch::mul(powers.data(), {powers.data(), bytes}, {n.one(), 0}, count, n, execution);
    return powers;
}

}  // namespace veilsum
