// Making proofs of plaintext knowledge.
//
// Notation: c_j = (1 + m_j*n) * hs^a_j for j of a chunk; challenges e_j of 128 bits.
//   mu uniform modulo n, alpha of plaintext_nonce_bits;  A = (1 + mu*n) * hs^alpha
//   M = mu + sum e_j*m_j mod n,  z = alpha + sum e_j*a_j over the integers.
// Keys of form classic: c_j = (1 + m_j*n) * r_j^n, A = (1 + mu*n) * rho^n, w = rho * prod r_j^e_j.
//
// All secrets of a chunk are hashed into its nonces, together with fresh randomness. Constant time.

#include <algorithm>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/plaintext_proof.hpp"
#include "veilsum/paillier/plaintext_statement.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kChallengeLimbs = PlaintextStatement::kChallengeLimbs;
constexpr std::size_t kFreshBytes = 32;
// Leaves a number reduced modulo n within 2^-128 of uniform.
constexpr std::size_t kExtraLimbs = 2;
// Room for a sum of 2^20 products by 128-bit challenges.
constexpr std::size_t kSumLimbs = kChallengeLimbs + 1;

mp_size_t size(std::size_t h) { return static_cast<mp_size_t>(h); }

/// out = x mod n, below n. Destroys x, which is as long as n or longer.
void reduce(Limb* out, std::span<Limb> x, const Modulus& n) {
    const mp_size_t h = size(n.num_limbs());
    Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_div_r_itch(size(x.size()), h)));
    mpn_sec_div_r(x.data(), size(x.size()), n.n(), h, scratch.data());
    std::copy_n(x.data(), n.num_limbs(), out);
}

/// sum += the sum of e_j * x_j. The result must fit.
void add_products(std::span<Limb> sum, std::span<const Limb> x, const std::vector<Limb>& e) {
    const std::size_t count = e.size() / kChallengeLimbs;
    const std::size_t num_limbs = x.size() / count;
    const std::size_t longer = std::max(num_limbs, kChallengeLimbs);
    const std::size_t shorter = std::min(num_limbs, kChallengeLimbs);
    Secret<Limb> product(sum.size() + kChallengeLimbs);
    Secret<Limb> scratch(static_cast<std::size_t>(mpn_sec_mul_itch(size(longer), size(shorter))));
    for (std::size_t j = 0; j < count; ++j) {
        const Limb* a = x.data() + j * num_limbs;
        const Limb* b = e.data() + j * kChallengeLimbs;
        if (num_limbs < kChallengeLimbs) std::swap(a, b);
        mpn_sec_mul(product.data(), a, size(longer), b, size(shorter), scratch.data());
        mpn_add_n(sum.data(), sum.data(), product.data(), size(sum.size()));
    }
}

/// rho * prod r_j^e_j as an element, whose first digit is w: rho stands among the r_j, with
/// exponent 1.
Secret<std::byte> product_of_units(std::span<const Limb> rho, std::span<const Limb> r,
                                   std::vector<Limb> e, const Modulus& n) {
    const std::size_t count = e.size() / kChallengeLimbs;
    const std::size_t bytes = n.element_bytes();
    Secret<std::byte> elements((count + 1) * bytes);
    for (std::size_t j = 0; j <= count; ++j) {
        const Limb* unit = j < count ? r.data() + j * n.num_limbs() : rho.data();
        std::memcpy(elements.data() + j * bytes, unit, n.digit_bytes());
    }
    e.resize(e.size() + kChallengeLimbs);
    e[count * kChallengeLimbs] = 1;
    const ExponentMatrix matrix{
        e.data(), 1, count + 1, e.size(), kChallengeLimbs, PlaintextStatement::kChallengeBits};
    Secret<std::byte> product(bytes);
    batch::multi_pow_vartime(product.data(), {elements.data(), bytes}, n.r_squared(), matrix, n,
                             {.num_threads = 1});
    batch::mul(product.data(), {product.data(), 0}, {n.one(), 0}, 1, n, {.num_threads = 1});
    return product;
}

/// One chunk between its commitment and its answer.
struct Chunk {
    PlaintextStatement statement;
    std::span<const Limb> residues;
    std::span<const Limb> origins;
    StatementDigest digest{};
    Secret<Limb> mu;
    /// alpha, or rho.
    Secret<Limb> nonce;

    Chunk(const PlaintextStatement& about, std::span<const Limb> m, std::span<const Limb> made_of)
        : statement(about), residues(m), origins(made_of) {}

    void draw_nonces(std::size_t nonce_bits) {
        const PublicKey& key = statement.key;
        const Modulus& n = key.modulus();
        digest = statement.digest();
        Secret<std::byte> fresh(kFreshBytes);
        Csprng().fill(fresh);
        Transcript transcript("veilsum/plaintext-proof/nonces/1");
        transcript.bytes(digest)
            .bytes(fresh)
            .bytes(std::as_bytes(residues))
            .bytes(std::as_bytes(origins));
        Secret<Limb> wide(n.num_limbs() + kExtraLimbs);
        const auto draw = [&](Secret<Limb>& out) {
            out.resize(n.num_limbs());
            transcript.squeeze(std::as_writable_bytes(std::span(wide)));
            reduce(out.data(), wide, n);
        };
        draw(mu);
        if (key.form() == KeyForm::djn) {
            nonce.resize(nonce_bits / 64 + 1);
            transcript.squeeze(std::as_writable_bytes(std::span(nonce)));
            nonce.back() &= (Limb{1} << nonce_bits % 64) - 1;
            return;
        }
        // A number that is no unit would factor n: it comes up for keys of tests only.
        do {
            draw(nonce);
        } while (n.bits() < kUnitCheckBits &&
                 !(gcd(Integer::from_limbs(nonce), n.n_integer()) == Integer(1)));
    }

    void answer(ByteView commitment, std::byte* plaintext, std::span<std::byte> response) {
        const Modulus& n = statement.key.modulus();
        const auto e = plaintext_challenges(digest, commitment, statement.size());
        Secret<Limb> sum(n.num_limbs() + kSumLimbs);
        std::ranges::copy(mu, sum.begin());
        add_products(sum, residues, e);
        Secret<Limb> m(n.num_limbs());
        reduce(m.data(), sum, n);
        std::memcpy(plaintext, m.data(), n.digit_bytes());
        if (statement.key.form() == KeyForm::djn) {
            add_products(nonce, origins, e);
            std::memcpy(response.data(), nonce.data(), response.size());
        } else {
            const auto w = product_of_units(nonce, origins, e, n);
            std::copy_n(w.begin(), response.size(), response.begin());
        }
    }
};

/// Representable plaintexts modulo n, num_limbs limbs each.
Secret<Limb> plaintext_residues(const Plaintexts& plaintexts, const Modulus& n) {
    const std::size_t h = n.num_limbs();
    Secret<Limb> residues(plaintexts.size() * h);
    for (std::size_t i = 0; i < plaintexts.size(); ++i) {
        Limb* residue = residues.data() + i * h;
        const auto m = plaintexts[i];
        const Limb sign = plaintexts.sign_mask(i);
        for (std::size_t j = 0; j < h; ++j) residue[j] = j < m.size() ? m[j] : sign;
        // The carry is that of the two's complement.
        mpn_cnd_add_n(sign & 1, residue, residue, n.n(), static_cast<mp_size_t>(h));
    }
    return residues;
}

/// A for each chunk.
Bytes commit(const std::vector<Chunk>& chunks, const PublicKey& key, std::size_t nonce_bits,
             const Execution& execution) {
    const Modulus& n = key.modulus();
    const std::size_t bytes = n.element_bytes();
    const std::size_t num_limbs = chunks[0].nonce.size();
    Secret<Limb> nonces(chunks.size() * num_limbs);
    const std::size_t mu_limbs = n.num_limbs() + 1;  // A limb for the sign.
    Secret<Limb> mu(chunks.size() * mu_limbs);
    Secret<std::byte> randomisers(chunks.size() * bytes);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        std::copy_n(chunks[i].nonce.data(), num_limbs, nonces.data() + i * num_limbs);
        std::copy_n(chunks[i].mu.data(), n.num_limbs(), mu.data() + i * mu_limbs);
        std::memcpy(randomisers.data() + i * bytes, chunks[i].nonce.data(),
                    std::min(n.digit_bytes(), num_limbs * sizeof(Limb)));
    }
    if (key.form() == KeyForm::djn) {
        batch::pow_each(randomisers.data(), {key.randomiser_base(execution), 0}, n.r_squared(),
                        nonces.data(), num_limbs, nonce_bits, chunks.size(), n, execution);
    } else {
        batch::pow_shared(randomisers.data(), {randomisers.data(), bytes}, n.r_squared(), n.n(),
                          n.bits(), chunks.size(), n, execution);
    }
    Bytes commitments(randomisers.size());
    batch::add_plain(commitments.data(), {randomisers.data(), bytes},
                     {mu.data(), mu_limbs, mu_limbs}, chunks.size(), n, execution);
    return commitments;
}

PlaintextProof prove(const Ciphertexts& ciphertexts, std::span<const Limb> residues,
                     std::span<const Limb> origins, ByteView context, std::uint64_t first,
                     std::size_t chunk, const Execution& execution) {
    const PublicKey& key = ciphertexts.key();
    const Modulus& n = key.modulus();
    const std::size_t bytes = n.element_bytes();
    const std::size_t total = ciphertexts.size();
    const std::size_t nonce_bits = plaintext_nonce_bits(key, chunk);
    std::vector<Chunk> chunks;
    for (std::size_t begin = 0; begin < total; begin += chunk) {
        const std::size_t count = std::min(chunk, total - begin);
        const auto part = [&](std::span<const Limb> all) {
            return all.subspan(begin * (all.size() / total), count * (all.size() / total));
        };
        const PlaintextStatement statement{
            key, context, first + begin,
            ByteView(ciphertexts.elements()).subspan(begin * bytes, count * bytes)};
        chunks.emplace_back(statement, part(residues), part(origins));
    }
    const Execution quiet = execution.without_progress();
    parallel_for(chunks.size(), 1, quiet,
                 [&](std::size_t i, std::size_t) { chunks[i].draw_nonces(nonce_bits); });
    PlaintextProof proof{key, first, total, chunk, commit(chunks, key, nonce_bits, quiet), {}, {}};
    const std::size_t response_bytes = PlaintextProof::response_bytes(key, chunk);
    proof.plaintexts.resize(chunks.size() * n.digit_bytes());
    proof.responses.resize(chunks.size() * response_bytes);
    parallel_for(chunks.size(), 1, quiet, [&](std::size_t i, std::size_t) {
        chunks[i].answer(ByteView(proof.commitments).subspan(i * bytes, bytes),
                         proof.plaintexts.data() + i * n.digit_bytes(),
                         std::span(proof.responses).subspan(i * response_bytes, response_bytes));
    });
    return proof;
}

}  // namespace

ProvedCiphertexts encrypt_and_prove(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                                    const PublicKey& key, RandomiserPool* pool, ByteView context,
                                    std::uint64_t first, std::size_t chunk,
                                    const Execution& execution) {
    require_pool_of(key, pool);
    if (plaintexts.size() == 0) {
        throw Error(Errc::invalid_argument, "PP1: there are no plaintexts to prove knowledge of");
    }
    if (chunk == 0 || chunk > kMaxProofChunk) {
        throw Error(Errc::invalid_argument, "PP2: a proof is for a chunk of 1 to 2^20 ciphertexts");
    }
    require_representable(plaintexts, key.modulus(), execution.without_progress());
    const Secret<Limb> residues = plaintext_residues(plaintexts, key.modulus());
    const auto finish = [&](std::span<const std::byte> elements, std::span<const Limb> origins) {
        Ciphertexts ciphertexts = seal(elements, plaintexts, std::move(shape), key, execution);
        PlaintextProof proof =
            prove(ciphertexts, residues, origins, context, first, chunk, execution);
        return ProvedCiphertexts{std::move(ciphertexts), std::move(proof)};
    };
    if (pool != nullptr) {
        const RandomiserPool::Taken taken = pool->take(plaintexts.size());
        return finish(taken.elements(), taken.origins());
    }
    const Randomisers fresh = fresh_randomisers(plaintexts.size(), key, execution);
    return finish(fresh.elements, fresh.origins);
}

}  // namespace veilsum
