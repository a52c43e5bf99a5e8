// Makes proofs of plaintext knowledge; the notation is that of plaintext_statement.hpp.
//
// All secrets of a chunk are hashed into its nonce, together with fresh randomness. Making a proof
// takes constant time.

#include <algorithm>
#include <cstring>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/plaintext_statement.hpp"
#include "veilsum/paillier/seal.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

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

/// The smaller of w and n - w, in the place of w: a check cannot tell them apart, and only one of
/// them is an answer. Constant time.
void take_smaller(std::span<std::byte> w, const Modulus& n) {
    const mp_size_t h = size(n.num_limbs());
    Secret<Limb> smaller(n.num_limbs());
    Secret<Limb> negated(n.num_limbs());
    Secret<Limb> difference(n.num_limbs());
    std::memcpy(smaller.data(), w.data(), w.size());
    mpn_sub_n(negated.data(), n.n(), smaller.data(), h);
    const Limb mask = -mpn_sub_n(difference.data(), negated.data(), smaller.data(), h);
    for (std::size_t i = 0; i < smaller.size(); ++i) {
        smaller[i] ^= mask & (smaller[i] ^ negated[i]);
    }
    std::memcpy(w.data(), smaller.data(), w.size());
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
            const Modulus& n = statement.key.modulo_n();
            std::ranges::copy(product_of_units(nonce, witnesses, e, n, execution),
                              response.begin());
            take_smaller(response, n);
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

}  // namespace

ProvedCiphertexts encrypt_and_prove(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                                    const PublicKey& key, RandomiserPool* pool, ByteView context,
                                    std::uint64_t first, std::size_t chunk,
                                    const Execution& execution, const HedgedSeed* seed) {
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
    const Randomisers fresh = fresh_randomisers(plaintexts.size(), key, execution, seed);
    return finish(fresh.elements, fresh.witnesses);
}

}  // namespace veilsum
