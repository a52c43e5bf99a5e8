// Proofs of plaintext knowledge; docs/plaintext-proof.md has the argument.
//
// Notation: c_j = (1 + m_j*n) * hs^a_j for j of a chunk, a_j the witnesses; challenges e_j of 128
// bits.
//   alpha of plaintext_nonce_bits;  A = hs^alpha mod n;  z = alpha + sum e_j*a_j over the integers.
//   Right if hs^z = A * prod c_j^e_j modulo n.
// Keys of form classic: c_j = (1 + m_j*n) * r_j^n;  A = rho^n,  w = rho * prod r_j^e_j  modulo n,
// and w^n is in the place of hs^z.
//
// All secrets of a chunk are hashed into its nonce, together with fresh randomness. Making a proof
// takes constant time.

#include "veilsum/paillier/plaintext_proof.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/fiat_shamir.hpp"
#include "veilsum/paillier/seal.hpp"
#include "veilsum/paillier/validate.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

// 1 had elements modulo n^2.
constexpr std::uint8_t kWireVersion = 2;
constexpr std::size_t kChallengeBits = 128;
constexpr std::size_t kChallengeLimbs = kChallengeBits / 64;

/// What the proof of one chunk is about, and what it hashes; both sides compute it.
struct PlaintextStatement {
    const PublicKey& key;
    ByteView context;
    /// The position in the batch of the first ciphertext.
    std::uint64_t first;
    /// Elements.
    ByteView ciphertexts;

    std::size_t size() const noexcept { return ciphertexts.size() / key.modulus().element_bytes(); }
    StatementDigest digest(const Execution& execution) const {
        StatementDigest result;
        FiatShamir("veilsum/plaintext-proof/2")
            .bytes(key.fingerprint())
            .sized(context)
            .number(first)
            .number(size())
            .bytes(ciphertexts, execution)
            .squeeze(result);
        return result;
    }
};

/// How the chunks of a proof run: those of usual size side by side, each on one thread; large ones
/// one after another, each on all threads, since a call is stopped between pieces of work.
struct ChunkExecutions {
    ChunkExecutions(std::size_t chunk, const Execution& execution)
        : between(chunk > kMostSideBySide ? execution.on_one_thread() : execution),
          within(chunk > kMostSideBySide ? execution.without_progress()
                                         : Execution{.num_threads = 1}) {}

    static constexpr std::size_t kMostSideBySide = 8192;

    Execution between;
    Execution within;
};

// The nonce hides what has as many bits less.
constexpr std::size_t kHidingBits = 128;
constexpr std::size_t kMaxSumBits = std::bit_width(kMaxProofChunk - 1);

// An answer has one bit more than the nonce, in the largest chunk.
static_assert(kChallengeBits + kMaxSumBits + kHidingBits + 1 <= PublicKey::kStrideExtraBits);

/// One for each ciphertext, kChallengeLimbs limbs each, once the commitment is made.
std::vector<Limb> plaintext_challenges(const StatementDigest& digest, ByteView commitment,
                                       std::size_t count) {
    std::vector<Limb> challenges(count * kChallengeLimbs);
    FiatShamir("veilsum/plaintext-proof/challenges/1")
        .bytes(digest)
        .bytes(commitment)
        .squeeze(std::as_writable_bytes(std::span(challenges)));
    return challenges;
}

/// The bits of the nonce alpha of a chunk of that size (djn): it hides the sum of all e_j*a_j,
/// below 2^(bits - 128), up to 2^-128.
std::size_t plaintext_nonce_bits(const PublicKey& key, std::size_t chunk) {
    const auto ceil_log2 = static_cast<std::size_t>(std::bit_width(chunk - 1));
    return key.randomiser_bits() + kChallengeBits + ceil_log2 + kHidingBits;
}

/// hs^x mod n for each of `count` exponents x of PublicKey::kStrides * stride_limbs() limbs, as
/// elements modulo n. Requires form djn. Constant time in the exponents.
Secret<std::byte> powers_of_randomiser_base(std::span<const Limb> exponents, std::size_t count,
                                            const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    const std::size_t bytes = n.element_bytes();
    const std::size_t limbs = key.stride_limbs();
    const ExponentMatrix matrix{exponents.data(),         count, PublicKey::kStrides,
                                exponents.size() / count, limbs, 64 * limbs};
    Secret<std::byte> powers(count * bytes);
    batch::multi_pow(powers.data(), {key.stride_bases(execution), bytes}, n.r_squared(), matrix, n,
                     execution);
    // The products are in Montgomery form, and lose it.
    batch::mul(powers.data(), {powers.data(), bytes}, {n.one(), 0}, count, n, execution);
    return powers;
}

// ---- making ----

constexpr std::size_t kFreshBytes = 32;
// Some milliseconds.
constexpr std::size_t kProductsPerPiece = 1 << 15;
// Leaves a number reduced modulo n within 2^-128 of uniform.
constexpr std::size_t kExtraLimbs = 2;

mp_size_t size(std::size_t h) { return static_cast<mp_size_t>(h); }

/// sum += the sum of e_j * x_j. The result must fit.
void add_products(std::span<Limb> sum, std::span<const Limb> x, const std::vector<Limb>& e,
                  const Execution& execution) {
    const std::size_t count = e.size() / kChallengeLimbs;
    const std::size_t num_limbs = x.size() / count;
    const std::size_t longer = std::max(num_limbs, kChallengeLimbs);
    const std::size_t shorter = std::min(num_limbs, kChallengeLimbs);
    Secret<Limb> product(sum.size() + kChallengeLimbs);
    Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_mul_itch(size(longer), size(shorter))));
    serial_for(count, kProductsPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t j = begin; j < end; ++j) {
            const Limb* a = x.data() + j * num_limbs;
            const Limb* b = e.data() + j * kChallengeLimbs;
            if (num_limbs < kChallengeLimbs) std::swap(a, b);
            mpn_sec_mul(product.data(), a, size(longer), b, size(shorter), scratch.data());
            mpn_add_n(sum.data(), sum.data(), product.data(), size(sum.size()));
        }
    });
}

/// w = rho * prod r_j^e_j modulo n: rho stands among the r_j, with exponent 1.
Secret<std::byte> product_of_units(std::span<const Limb> rho, std::span<const Limb> r,
                                   std::vector<Limb> e, const Modulus& n,
                                   const Execution& execution) {
    const std::size_t count = e.size() / kChallengeLimbs;
    const std::size_t bytes = n.element_bytes();
    auto elements = make_secret<std::byte>((count + 1) * bytes, execution);
    for (std::size_t j = 0; j <= count; ++j) {
        const Limb* unit = j < count ? r.data() + j * n.num_limbs() : rho.data();
        std::memcpy(elements.data() + j * bytes, unit, n.digit_bytes());
    }
    e.resize(e.size() + kChallengeLimbs);
    e[count * kChallengeLimbs] = 1;
    const ExponentMatrix matrix{e.data(), 1, count + 1, e.size(), kChallengeLimbs, kChallengeBits};
    Secret<std::byte> product(bytes);
    batch::multi_pow_vartime(product.data(), {elements.data(), bytes}, n.r_squared(), matrix, n,
                             execution);
    batch::mul(product.data(), {product.data(), 0}, {n.one(), 0}, 1, n, execution);
    return product;
}

/// One chunk between its commitment and its answer.
struct Chunk {
    PlaintextStatement statement;
    std::span<const Limb> witnesses;
    StatementDigest digest{};
    /// alpha, with room for z; or rho.
    Secret<Limb> nonce;

    Chunk(const PlaintextStatement& about, std::span<const Limb> their_witnesses)
        : statement(about), witnesses(their_witnesses) {}

    void draw_nonce(std::size_t nonce_bits, const Execution& execution) {
        const PublicKey& key = statement.key;
        digest = statement.digest(execution);
        Secret<std::byte> fresh(kFreshBytes);
        Csprng().fill(fresh);
        FiatShamir hash("veilsum/plaintext-proof/nonces/1");
        hash.bytes(digest).bytes(fresh).bytes(std::as_bytes(witnesses), execution);
        if (key.form() == KeyForm::djn) {
            nonce.resize(PublicKey::kStrides * key.stride_limbs());
            const std::span drawn = std::span(nonce).first(nonce_bits / 64 + 1);
            hash.squeeze(std::as_writable_bytes(drawn));
            drawn.back() &= (Limb{1} << nonce_bits % 64) - 1;
            return;
        }
        const Modulus& n = key.modulo_n();
        // A number that is no unit would factor n: it comes up for keys of tests only.
        do {
            draw_below_n(hash, n);
        } while (n.bits() < kUnitCheckBits &&
                 !(gcd(Integer::from_limbs(nonce), n.n_integer()) == Integer(1)));
    }

    void answer(ByteView commitment, std::span<std::byte> response, const Execution& execution) {
        const auto e = plaintext_challenges(digest, commitment, statement.size());
        if (statement.key.form() == KeyForm::djn) {
            add_products(nonce, witnesses, e, execution);
            std::memcpy(response.data(), nonce.data(), response.size());
        } else {
            const auto w =
                product_of_units(nonce, witnesses, e, statement.key.modulo_n(), execution);
            std::ranges::copy(w, response.begin());
        }
    }

private:
    void draw_below_n(FiatShamir& hash, const Modulus& n) {
        const mp_size_t h = size(n.num_limbs());
        Secret<Limb> wide(n.num_limbs() + kExtraLimbs);
        hash.squeeze(std::as_writable_bytes(std::span(wide)));
        Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_div_r_itch(size(wide.size()), h)));
        mpn_sec_div_r(wide.data(), size(wide.size()), n.n(), h, scratch.data());
        nonce.assign(wide.begin(), wide.begin() + h);
    }
};

/// A for each chunk.
Bytes commit(const std::vector<Chunk>& chunks, const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    const std::size_t bytes = n.element_bytes();
    if (key.form() == KeyForm::djn) {
        Secret<Limb> nonces;
        for (const Chunk& chunk : chunks) {
            nonces.insert(nonces.end(), chunk.nonce.begin(), chunk.nonce.end());
        }
        const auto powers = powers_of_randomiser_base(nonces, chunks.size(), key, execution);
        return {powers.begin(), powers.end()};
    }
    Secret<std::byte> units(chunks.size() * bytes);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        std::memcpy(units.data() + i * bytes, chunks[i].nonce.data(), bytes);
    }
    Bytes commitments(units.size());
    batch::pow_shared_vartime(commitments.data(), {units.data(), bytes}, n.r_squared(), n.n(),
                              n.bits(), chunks.size(), n, execution);
    return commitments;
}

PlaintextProof prove(const Ciphertexts& ciphertexts, std::span<const Limb> witnesses,
                     ByteView context, std::uint64_t first, std::size_t chunk,
                     const Execution& execution) {
    const PublicKey& key = ciphertexts.key();
    const std::size_t bytes = key.modulus().element_bytes();
    const std::size_t total = ciphertexts.size();
    const std::size_t num_limbs = witnesses.size() / total;
    std::vector<Chunk> chunks;
    for (std::size_t begin = 0; begin < total; begin += chunk) {
        const std::size_t count = std::min(chunk, total - begin);
        const PlaintextStatement statement{
            key, context, first + begin,
            ByteView(ciphertexts.elements()).subspan(begin * bytes, count * bytes)};
        chunks.emplace_back(statement, witnesses.subspan(begin * num_limbs, count * num_limbs));
    }
    const Execution quiet = execution.without_progress();
    const std::size_t nonce_bits = plaintext_nonce_bits(key, chunk);
    const ChunkExecutions executions(chunk, quiet);
    parallel_for(chunks.size(), 1, executions.between, [&](std::size_t i, std::size_t) {
        chunks[i].draw_nonce(nonce_bits, executions.within);
    });
    PlaintextProof proof{key, first, total, chunk, commit(chunks, key, quiet), {}};
    const std::size_t digit_bytes = key.modulus().digit_bytes();
    const std::size_t response_bytes = PlaintextProof::response_bytes(key, chunk);
    proof.responses.resize(chunks.size() * response_bytes);
    parallel_for(chunks.size(), 1, executions.between, [&](std::size_t i, std::size_t) {
        chunks[i].answer(ByteView(proof.commitments).subspan(i * digit_bytes, digit_bytes),
                         std::span(proof.responses).subspan(i * response_bytes, response_bytes),
                         executions.within);
    });
    return proof;
}

// ---- checking ----

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
                  is_djn ? response_bound(proof.key, proof.chunk) : n.n_integer());
}

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

}  // namespace

ProvedCiphertexts encrypt_and_prove(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                                    const PublicKey& key, RandomiserPool* pool, ByteView context,
                                    std::uint64_t first, std::size_t chunk,
                                    const Execution& execution) {
    require_pool_of(key, pool);
    if (pool != nullptr && !(pool->key() == key)) {
        throw Error(Errc::key_mismatch,
                    "the randomiser pool was made with the same modulus in another form, on which "
                    "proofs rest; make one with this key's precompute");
    }
    if (plaintexts.size() == 0) {
        throw Error(Errc::invalid_argument, "PP1: there are no plaintexts to prove knowledge of");
    }
    if (chunk == 0 || chunk > kMaxProofChunk) {
        throw Error(Errc::invalid_argument, "PP2: a proof is for a chunk of 1 to 2^20 ciphertexts");
    }
    if (pool != nullptr && !pool->is_for_proofs()) {
        throw Error(Errc::invalid_argument,
                    "this randomiser pool is not for proofs; make one with precompute(..., "
                    "for_proofs=True)");
    }
    require_representable(plaintexts, key.modulus(), execution.without_progress());
    const auto finish = [&](std::span<const std::byte> elements, std::span<const Limb> witnesses) {
        Ciphertexts ciphertexts = seal(elements, plaintexts, std::move(shape), key, execution);
        PlaintextProof proof = prove(ciphertexts, witnesses, context, first, chunk, execution);
        return ProvedCiphertexts{std::move(ciphertexts), std::move(proof)};
    };
    if (pool != nullptr) {
        const RandomiserPool::Taken taken = pool->take(plaintexts.size());
        return finish(taken.elements(), taken.witnesses());
    }
    const Randomisers fresh = fresh_randomisers(plaintexts.size(), key, execution);
    return finish(fresh.elements, fresh.witnesses);
}

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

void PlaintextProof::verify(const Ciphertexts& ciphertexts, ByteView context,
                            const Execution& execution) const {
    if (!ciphertexts.key().has_modulus_of(key)) {
        throw Error(Errc::key_mismatch,
                    "PP3: the plaintext proof is for another key: its modulus differs");
    }
    if (ciphertexts.size() != count) {
        throw Error(Errc::invalid_argument, "PP1: the plaintext proof is of " +
                                                std::to_string(count) + " ciphertexts, not " +
                                                std::to_string(ciphertexts.size()));
    }
    const Execution quiet = execution.without_progress();
    const Ciphertexts normal = ciphertexts.normalise(quiet);
    const Bytes right = asked(*this, normal.elements(), context, execution);
    const Secret<std::byte> left = answered(*this, quiet);
    const std::size_t bytes = key.modulo_n().element_bytes();
    for (std::size_t i = 0; i < num_chunks(); ++i) {
        if (std::memcmp(left.data() + i * bytes, right.data() + i * bytes, bytes) == 0) continue;
        const std::uint64_t begin = first + i * chunk;
        const std::uint64_t end = std::min(begin + chunk, first + count);
        throw Error(Errc::invalid_proof, "PP5: the proof of knowledge of plaintexts " +
                                             std::to_string(begin) + " to " +
                                             std::to_string(end - 1) + " does not hold");
    }
}

}  // namespace veilsum
