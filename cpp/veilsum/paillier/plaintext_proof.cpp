// Reads and writes proofs of plaintext knowledge; the notation is that of plaintext_statement.hpp.

#include "veilsum/paillier/plaintext_proof.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/plaintext_statement.hpp"
#include "veilsum/paillier/validate.hpp"

namespace veilsum {
namespace {

// 1 had elements modulo n^2; 2 had w up to n, and its check compared no squares.
constexpr std::uint8_t kWireVersion = 3;

[[noreturn]] void malformed(const std::string& message) { throw Error(Errc::malformed, message); }

[[noreturn]] void out_of_range() {
    throw Error(Errc::invalid_proof, "PP4: a number in a plaintext proof is out of its range");
}

void require_below(ByteView numbers, std::size_t size_bytes, const Integer& bound) {
    for (std::size_t i = 0; i < numbers.size(); i += size_bytes) {
        if (mpz_cmp(Integer::from_bytes(numbers.subspan(i, size_bytes)).get(), bound.get()) >= 0) {
            out_of_range();
        }
    }
}

/// 2^bits + 2^(bits - 128), beyond any alpha plus sum of e_j*a_j.
Integer response_bound(const PublicKey& key, std::size_t chunk) {
    const std::size_t bits = plaintext_nonce_bits(key, chunk);
    Integer bound;
    mpz_setbit(bound.get(), bits);
    mpz_setbit(bound.get(), bits - kChallengeBits);
    return bound;
}

/// (n + 1)/2, beyond the smaller of any w and n - w.
Integer upper_half(const Modulus& n) {
    Integer half;
    mpz_add_ui(half.get(), n.n_integer().get(), 1);
    mpz_tdiv_q_2exp(half.get(), half.get(), 1);
    return half;
}

/// PP4. What kernels read has to be in its range, and what is hashed has to have one form.
void check_ranges(const PlaintextProof& proof, const Execution& execution) {
    const Modulus& n = proof.key.modulo_n();
    try {
        validate_ciphertexts(proof.commitments, n, execution);
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_ciphertext) throw;
        out_of_range();
    }
    const bool is_djn = proof.key.form() == KeyForm::djn;
    require_below(proof.responses, PlaintextProof::response_bytes(proof.key, proof.chunk),
                  is_djn ? response_bound(proof.key, proof.chunk) : upper_half(n));
}

}  // namespace

std::size_t PlaintextProof::response_bytes(const PublicKey& key, std::size_t chunk) {
    if (key.form() != KeyForm::djn) return key.modulus().digit_bytes();
    return plaintext_nonce_bits(key, chunk) / 8 + 1;
}

Bytes PlaintextProof::to_bytes() const {
    Writer writer(WireKind::plaintext_proof, kWireVersion);
    writer.bytes(key.fingerprint());
    writer.u64(first);
    writer.u64(count);
    writer.u32(static_cast<std::uint32_t>(chunk));
    writer.bytes(commitments);
    writer.bytes(responses);
    return std::move(writer).finish();
}

PlaintextProof PlaintextProof::from_bytes(ByteView wire, const PublicKey& key,
                                          const Execution& execution) {
    Reader reader(wire, WireKind::plaintext_proof, kWireVersion);
    const ByteView fingerprint = reader.bytes(key.fingerprint().size());
    if (!std::ranges::equal(fingerprint, key.fingerprint())) {
        throw Error(Errc::key_mismatch,
                    key.is_named_by(fingerprint)
                        ? "PP3: the plaintext proof is for the other form of this key, on which "
                          "the argument rests; read it with the public key that its maker used"
                        : "PP3: the plaintext proof is for another key");
    }
    PlaintextProof proof{key, reader.u64(), reader.u64(), reader.u32(), {}, {}};
    if (proof.count == 0 || proof.first > ~std::uint64_t{0} - proof.count) {
        malformed("PP1: a plaintext proof is of one or more ciphertexts, at a possible position");
    }
    if (proof.chunk == 0 || proof.chunk > kMaxProofChunk) {
        malformed("PP2: a plaintext proof has chunks of 1 to 2^20 ciphertexts");
    }
    const std::size_t digit_bytes = key.modulus().digit_bytes();
    const std::size_t size_bytes = digit_bytes + response_bytes(key, proof.chunk);
    const std::uint64_t num_chunks = (proof.count - 1) / proof.chunk + 1;
    if (reader.remaining() % size_bytes != 0 || reader.remaining() / size_bytes != num_chunks) {
        malformed("PP2: a plaintext proof has other bytes than its chunks ask for");
    }
    const auto take = [&](Bytes& target, std::size_t bytes) {
        const ByteView view = reader.bytes(num_chunks * bytes);
        target.assign(view.begin(), view.end());
    };
    take(proof.commitments, digit_bytes);
    take(proof.responses, response_bytes(key, proof.chunk));
    reader.finish();
    check_ranges(proof, execution);
    return proof;
}

PlaintextProof PlaintextProof::of_chunk(std::size_t i) const {
    const auto item = [&](const Bytes& items, std::size_t bytes) {
        const ByteView view = ByteView(items).subspan(i * bytes, bytes);
        return Bytes(view.begin(), view.end());
    };
    return {key,
            first + i * chunk,
            std::min<std::uint64_t>(chunk, count - i * chunk),
            chunk,
            item(commitments, key.modulus().digit_bytes()),
            item(responses, response_bytes(key, chunk))};
}

}  // namespace veilsum
