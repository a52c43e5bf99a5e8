// Checks proofs of plaintext knowledge, one by one and many together; the notation is that of
// plaintext_statement.hpp, the argument that of docs/plaintext-proof.md.

#include <algorithm>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/plaintext_proof_batch.hpp"
#include "veilsum/paillier/plaintext_statement.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kWeightLimbs = 2;
constexpr std::size_t kWeightedLimbs = kChallengeLimbs + kWeightLimbs;

// Together, exponents are twice as long, and a power is saved for each chunk. That pays with few
// ciphertexts a chunk, and with some proofs.
constexpr std::size_t kMostCiphertextsEach = 96;
constexpr std::size_t kFewestTogether = 8;

/// Numbers of size_bytes bytes each, as num_limbs limbs each.
std::vector<Limb> widened(ByteView numbers, std::size_t size_bytes, std::size_t num_limbs) {
    const std::size_t count = numbers.size() / size_bytes;
    std::vector<Limb> limbs(count * num_limbs);
    for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(limbs.data() + i * num_limbs, numbers.data() + i * size_bytes, size_bytes);
    }
    return limbs;
}

/// hs^z or w^n for each chunk.
Secret<std::byte> answered(const PlaintextProof& proof, const Execution& execution) {
    const PublicKey& key = proof.key;
    const std::size_t count = proof.num_chunks();
    if (key.form() == KeyForm::djn) {
        const auto z = widened(proof.responses, PlaintextProof::response_bytes(key, proof.chunk),
                               PublicKey::kStrides * key.stride_limbs());
        return powers_of_randomiser_base(z, count, key, execution);
    }
    const Modulus& n = key.modulo_n();
    Secret<std::byte> out(count * n.element_bytes());
    batch::pow_shared_vartime(out.data(), {proof.responses.data(), n.element_bytes()},
                              n.r_squared(), n.n(), n.bits(), count, n, execution);
    return out;
}

/// A * prod c_j^e_j for each chunk.
Bytes asked(const PlaintextProof& proof, ByteView ciphertexts, ByteView context,
            const Execution& execution) {
    const Modulus& n = proof.key.modulo_n();
    const std::size_t bytes = n.element_bytes();
    // The first digits of the ciphertexts are their residues modulo n.
    const std::size_t stride = proof.key.modulus().element_bytes();
    const std::size_t count = proof.num_chunks();
    Bytes out(count * bytes);
    const ChunkExecutions chunks(proof.chunk, execution);
    parallel_for(count, 1, chunks.between, [&](std::size_t i, std::size_t) {
        const std::size_t begin = i * proof.chunk;
        const std::size_t size = std::min<std::size_t>(proof.chunk, proof.count - begin);
        const PlaintextStatement statement{proof.key, context, proof.first + begin,
                                           ciphertexts.subspan(begin * stride, size * stride)};
        const auto e =
            plaintext_challenges(statement.digest(chunks.within),
                                 ByteView(proof.commitments).subspan(i * bytes, bytes), size);
        const ExponentMatrix matrix{e.data(), 1, size, e.size(), kChallengeLimbs, kChallengeBits};
        batch::multi_pow_vartime(out.data() + i * bytes, {statement.ciphertexts.data(), stride},
                                 n.r_squared(), matrix, n, chunks.within);
    });
    // The products are in Montgomery form, and lose it.
    batch::mul(out.data(), {out.data(), bytes}, {proof.commitments.data(), bytes}, count, n,
               execution.without_progress());
    return out;
}

/// x^2/R mod n of each element x. Both sides of a check have the factor.
Bytes squares(ByteView elements, const Modulus& n, const Execution& execution) {
    const Operand x{elements.data(), n.element_bytes()};
    Bytes out(elements.size());
    batch::mul(out.data(), x, x, elements.size() / n.element_bytes(), n, execution);
    return out;
}

/// That a proof is of these ciphertexts, as far as key and number tell.
void require_match(const PlaintextProof& proof, const Ciphertexts& ciphertexts) {
    if (!ciphertexts.key().has_modulus_of(proof.key)) {
        throw Error(Errc::key_mismatch,
                    "PP3: the plaintext proof is for another key: its modulus differs");
    }
    if (ciphertexts.size() != proof.count) {
        throw Error(Errc::invalid_argument, "PP1: the plaintext proof is of " +
                                                std::to_string(proof.count) + " ciphertexts, not " +
                                                std::to_string(ciphertexts.size()));
    }
}

/// The first chunk whose proof does not hold by itself, or num_chunks().
std::size_t first_wrong_chunk(const PlaintextProof& proof, const Ciphertexts& normal,
                              ByteView context, const Execution& execution) {
    const Execution quiet = execution.without_progress();
    // Squares: a check of many proofs at once misses a sign half of the time, so none may count.
    const Modulus& n = proof.key.modulo_n();
    const Bytes right = squares(asked(proof, normal.elements(), context, execution), n, quiet);
    const Bytes left = squares(answered(proof, quiet), n, quiet);
    const std::size_t bytes = n.element_bytes();
    std::size_t i = 0;
    while (i < proof.num_chunks() &&
           std::memcmp(left.data() + i * bytes, right.data() + i * bytes, bytes) == 0) {
        ++i;
    }
    return i;
}

/// The equations of all chunks of some proofs, ready to be weighted.
class Equations {
public:
    /// Computes the challenges anew, from what is here.
    Equations(const PublicKey& key, std::span<const PlaintextProofBatch::Entry> entries,
              const Execution& execution)
        : key_(key) {
        first_of_.reserve(entries.size() + 1);
        for (std::size_t entry = 0; entry < entries.size(); ++entry) {
            const PlaintextProof& proof = entries[entry].proof;
            first_of_.push_back(chunks_.size());
            for (std::size_t i = 0; i < proof.num_chunks(); ++i) {
                const std::size_t size =
                    std::min<std::size_t>(proof.chunk, proof.count - i * proof.chunk);
                chunks_.push_back({entry, i, num_columns_, size});
                num_columns_ += size + 1;
            }
        }
        first_of_.push_back(chunks_.size());
        bases_.resize(num_columns_ * key.modulo_n().element_bytes());
        challenges_.resize(num_columns_ * kChallengeLimbs);
        const Execution within{.num_threads = 1};
        parallel_for(chunks_.size(), 1, execution.without_progress(),
                     [&](std::size_t i, std::size_t) { take(entries, chunks_[i], within); });
    }

    /// Whether the proofs of entries [begin, end) hold together, under weights drawn now.
    bool hold(std::span<const PlaintextProofBatch::Entry> entries, std::size_t begin,
              std::size_t end, const Execution& execution) const {
        const std::size_t first = first_of_[begin];
        const std::size_t count = first_of_[end] - first;
        std::vector<Limb> weights(count * kWeightLimbs);
        Csprng().fill(std::as_writable_bytes(std::span(weights)));
        const Modulus& n = key_.modulo_n();
        Bytes left = key_.form() == KeyForm::djn
                         ? power_of_sum(entries, first, weights, execution)
                         : power_of_product(entries, first, weights, execution);
        const Bytes right = asked_together(first, weights, execution);
        return squares(left, n, execution) == squares(right, n, execution);
    }

private:
    struct Chunk {
        std::size_t entry;
        std::size_t index;
        /// The column of A; those of the ciphertexts follow.
        std::size_t column;
        std::size_t size;
    };

    void take(std::span<const PlaintextProofBatch::Entry> entries, const Chunk& chunk,
              const Execution& execution) {
        const auto& [proof, ciphertexts, context] = entries[chunk.entry];
        const std::size_t bytes = key_.modulo_n().element_bytes();
        const std::size_t stride = key_.modulus().element_bytes();
        const std::size_t begin = chunk.index * proof.chunk;
        const ByteView elements =
            ByteView(ciphertexts.elements()).subspan(begin * stride, chunk.size * stride);
        const ByteView commitment = ByteView(proof.commitments).subspan(chunk.index * bytes, bytes);
        const PlaintextStatement statement{key_, context, proof.first + begin, elements};
        const auto e = plaintext_challenges(statement.digest(execution), commitment, chunk.size);
        std::byte* base = bases_.data() + chunk.column * bytes;
        std::memcpy(base, commitment.data(), bytes);
        for (std::size_t j = 0; j < chunk.size; ++j) {
            // The first digit of a ciphertext is its residue modulo n.
            std::memcpy(base + (j + 1) * bytes, elements.data() + j * stride, bytes);
        }
        Limb* challenge = challenges_.data() + chunk.column * kChallengeLimbs;
        challenge[0] = 1;  // Of A; the limbs above are zero.
        std::copy(e.begin(), e.end(), challenge + kChallengeLimbs);
    }

    ByteView answer(std::span<const PlaintextProofBatch::Entry> entries, std::size_t i) const {
        const PlaintextProof& proof = entries[chunks_[i].entry].proof;
        const std::size_t bytes = PlaintextProof::response_bytes(key_, proof.chunk);
        return ByteView(proof.responses).subspan(chunks_[i].index * bytes, bytes);
    }

    /// hs to the sum of all weight*z, over the integers: nothing is reduced.
    Bytes power_of_sum(std::span<const PlaintextProofBatch::Entry> entries, std::size_t first,
                       std::span<const Limb> weights, const Execution& execution) const {
        Integer sum;
        for (std::size_t i = 0; i < weights.size() / kWeightLimbs; ++i) {
            const Integer z = Integer::from_bytes(answer(entries, first + i));
            const Integer weight =
                Integer::from_limbs(weights.subspan(i * kWeightLimbs, kWeightLimbs));
            mpz_addmul(sum.get(), z.get(), weight.get());
        }
        std::vector<Limb> exponent(sum.num_limbs());
        sum.to_limbs(exponent);
        const Modulus& n = key_.modulo_n();
        Bytes power(n.element_bytes());
        batch::pow_shared_vartime(power.data(), {key_.stride_bases(), 0}, n.r_squared(),
                                  exponent.data(), sum.bit_length(), 1, n, execution);
        return power;
    }

    /// The n-th power of the product of all w^weight.
    Bytes power_of_product(std::span<const PlaintextProofBatch::Entry> entries, std::size_t first,
                           std::span<const Limb> weights, const Execution& execution) const {
        const Modulus& n = key_.modulo_n();
        const std::size_t count = weights.size() / kWeightLimbs;
        Bytes answers(count * n.element_bytes());
        for (std::size_t i = 0; i < count; ++i) {
            const ByteView w = answer(entries, first + i);
            std::memcpy(answers.data() + i * n.element_bytes(), w.data(), w.size());
        }
        const ExponentMatrix matrix{weights.data(),   1, count, weights.size(), kWeightLimbs,
                                    64 * kWeightLimbs};
        Bytes power = product_of_powers(answers.data(), matrix, execution);
        batch::pow_shared_vartime(power.data(), {power.data(), 0}, n.r_squared(), n.n(), n.bits(),
                                  1, n, execution);
        return power;
    }

    /// The product of all (A * prod d^e)^weight, with exponents e*weight of 256 bits.
    Bytes asked_together(std::size_t first, std::span<const Limb> weights,
                         const Execution& execution) const {
        const std::size_t count = weights.size() / kWeightLimbs;
        const std::size_t begin = chunks_[first].column;
        const Chunk& last = chunks_[first + count - 1];
        const std::size_t columns = last.column + last.size + 1 - begin;
        std::vector<Limb> exponents(columns * kWeightedLimbs);
        for (std::size_t i = 0; i < count; ++i) {
            const Chunk& chunk = chunks_[first + i];
            for (std::size_t j = chunk.column; j <= chunk.column + chunk.size; ++j) {
                mpn_mul_n(exponents.data() + (j - begin) * kWeightedLimbs,
                          challenges_.data() + j * kChallengeLimbs,
                          weights.data() + i * kWeightLimbs, kWeightLimbs);
            }
        }
        const ExponentMatrix matrix{
            exponents.data(), 1, columns, exponents.size(), kWeightedLimbs, 64 * kWeightedLimbs};
        return product_of_powers(bases_.data() + begin * key_.modulo_n().element_bytes(), matrix,
                                 execution);
    }

    Bytes product_of_powers(const std::byte* bases, const ExponentMatrix& exponents,
                            const Execution& execution) const {
        const Modulus& n = key_.modulo_n();
        Bytes product(n.element_bytes());
        batch::multi_pow_vartime(product.data(), {bases, n.element_bytes()}, n.r_squared(),
                                 exponents, n, execution);
        // The product is in Montgomery form, and loses it.
        batch::mul(product.data(), {product.data(), 0}, {n.one(), 0}, 1, n, execution);
        return product;
    }

    const PublicKey& key_;
    std::vector<Chunk> chunks_;
    std::vector<std::size_t> first_of_;
    std::size_t num_columns_ = 0;
    Bytes bases_;
    std::vector<Limb> challenges_;
};

}  // namespace

void PlaintextProof::verify(const Ciphertexts& ciphertexts, ByteView context,
                            const Execution& execution) const {
    require_match(*this, ciphertexts);
    const Ciphertexts normal = ciphertexts.normalise(execution.without_progress());
    const std::size_t i = first_wrong_chunk(*this, normal, context, execution);
    if (i == num_chunks()) return;
    const std::uint64_t begin = first + i * chunk;
    const std::uint64_t end = std::min(begin + chunk, first + count);
    throw Error(Errc::invalid_proof, "PP5: the proof of knowledge of plaintexts " +
                                         std::to_string(begin) + " to " + std::to_string(end - 1) +
                                         " does not hold");
}

void PlaintextProofBatch::add(PlaintextProof proof, const Ciphertexts& ciphertexts, Bytes context,
                              const Execution& execution) {
    if (proof.key.fingerprint() != key_.fingerprint()) {
        throw Error(Errc::key_mismatch, "PP3: the plaintext proof is for another key than others");
    }
    require_match(proof, ciphertexts);
    num_ciphertexts_ += ciphertexts.size();
    num_chunks_ += proof.num_chunks();
    entries_.push_back({std::move(proof), ciphertexts.normalise(execution), std::move(context)});
}

std::vector<std::size_t> PlaintextProofBatch::wrong(const Execution& execution) const {
    std::vector<std::size_t> found;
    const Execution quiet = execution.without_progress();
    const auto check_each = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const auto& [proof, ciphertexts, context] = entries_[i];
            if (first_wrong_chunk(proof, ciphertexts, context, quiet) != proof.num_chunks()) {
                found.push_back(i);
            }
        }
    };
    if (entries_.size() < kFewestTogether ||
        num_ciphertexts_ > kMostCiphertextsEach * num_chunks_) {
        check_each(0, entries_.size());
        return found;
    }
    const Equations equations(key_, entries_, quiet);
    // In halves, until few are left of whom some are wrong.
    const std::function<void(std::size_t, std::size_t)> search = [&](std::size_t begin,
                                                                     std::size_t end) {
        if (end - begin < kFewestTogether) return check_each(begin, end);
        if (equations.hold(entries_, begin, end, quiet)) return;
        const std::size_t middle = begin + (end - begin) / 2;
        search(begin, middle);
        search(middle, end);
    };
    search(0, entries_.size());
    return found;
}

}  // namespace veilsum
