// Proofs of plaintext knowledge, for keys of both forms: chunks of every length, every bit of every
// field, and ciphertexts that are another's.

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/paillier/plaintext_proof_batch.hpp"
#include "veilsum/paillier/secret_key.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;

Bytes text(const std::string& value) {
    const auto bytes = std::as_bytes(std::span(value.data(), value.size()));
    return {bytes.begin(), bytes.end()};
}

const Bytes kContext = text("round 1, contributor a");

/// The same modulus in both forms.
std::vector<PublicKey> keys() {
    const PublicKey key = SecretKey::hazmat_from_primes(Integer(0xc000000000000683UL),
                                                        Integer(0xc000000000002447UL), {})
                              .public_key();
    return {key, PublicKey::unchecked(key.modulus().n_integer(), KeyForm::classic)};
}

ProvedCiphertexts prove(const PublicKey& key, std::size_t count, std::size_t chunk,
                        RandomiserPool* pool = nullptr) {
    Plaintexts plaintexts(count, 1);
    for (std::size_t i = 0; i < count; ++i) plaintexts[i][0] = i - count / 2;
    return encrypt_and_prove(plaintexts, {count}, key, pool, kContext, 3, chunk, {});
}

bool holds(const PlaintextProof& proof, const Ciphertexts& ciphertexts) {
    try {
        PlaintextProof::from_bytes(proof.to_bytes(), proof.key, {})
            .verify(ciphertexts, kContext, {});
    } catch (const Error& error) {
        CHECK(error.code() == Errc::invalid_proof);
        return false;
    }
    return true;
}

}  // namespace

TEST_CASE("proofs of plaintexts hold for chunks of every length") {
    for (const PublicKey& key : keys()) {
        for (std::size_t count = 1; count <= 12; ++count) {
            for (std::size_t chunk = 1; chunk <= count + 1; ++chunk) {
                const auto [ciphertexts, proof] = prove(key, count, chunk);
                REQUIRE(holds(proof, ciphertexts));
            }
        }
        RandomiserPool pool(key, 9, true, {});
        const auto [ciphertexts, proof] = prove(key, 9, 4, &pool);
        CHECK(holds(proof, ciphertexts));
        CHECK(pool.remaining() == 0);
    }
}

TEST_CASE("every bit of a proof of plaintexts matters") {
    for (const PublicKey& key : keys()) {
        const ProvedCiphertexts proved = prove(key, 5, 2);
        const Ciphertexts& ciphertexts = proved.ciphertexts;
        const PlaintextProof& proof = proved.proof;
        for (Bytes PlaintextProof::* field :
             {&PlaintextProof::commitments, &PlaintextProof::responses}) {
            for (std::size_t bit = 0; bit < 8 * (proof.*field).size(); ++bit) {
                PlaintextProof forged = proof;
                (forged.*field)[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
                REQUIRE(!holds(forged, ciphertexts));
            }
        }
        PlaintextProof forged = proof;
        forged.first = 2;
        CHECK(!holds(forged, ciphertexts));
        CHECK(code_of([&] { proof.verify(ciphertexts, text("round 2"), {}); }) ==
              Errc::invalid_proof);
        forged.first = 3;
        const auto size = static_cast<std::ptrdiff_t>(forged.commitments.size() / 3);
        std::swap_ranges(forged.commitments.begin(), forged.commitments.begin() + size,
                         forged.commitments.begin() + size);
        CHECK(!holds(forged, ciphertexts));
        CHECK(holds(proof, ciphertexts));
    }
}

TEST_CASE("ciphertexts that are another's, or made of another's, have no proof") {
    for (const PublicKey& key : keys()) {
        const ProvedCiphertexts stolen = prove(key, 4, 4);
        const ProvedCiphertexts own = prove(key, 4, 4);
        const Ciphertexts& victims = stolen.ciphertexts;
        for (const Ciphertexts& copied :
             {victims, victims.negate({}), victims.add(victims, {}), victims.rerandomise({})}) {
            const Ciphertexts attempt = copied.add(own.ciphertexts, {});
            CHECK(!holds(own.proof, attempt));
            CHECK(!holds(stolen.proof, attempt));
        }
        CHECK(code_of([&] {
                  own.proof.verify(own.ciphertexts.take(std::vector<std::int64_t>{0}, {1}, {}),
                                   kContext, {});
              }) == Errc::invalid_argument);
    }
    const auto both = keys();
    const auto proof = prove(both[0], 1, 1).proof;
    // Two forms of one modulus: ciphertexts know no form, proofs do.
    CHECK(code_of([&] { proof.verify(prove(both[1], 1, 1).ciphertexts, kContext, {}); }) ==
          Errc::invalid_proof);
    CHECK(code_of([&] { PlaintextProof::from_bytes(proof.to_bytes(), both[1], {}); }) ==
          Errc::key_mismatch);
    CHECK(code_of([&] { prove(both[0], 0, 1); }) == Errc::invalid_argument);
    CHECK(code_of([&] { prove(both[0], 1, 0); }) == Errc::invalid_argument);
}

TEST_CASE("proofs of many makers are checked together as they are one by one") {
    for (const PublicKey& key : keys()) {
        for (const std::size_t count : std::vector<std::size_t>{1, 2, 8, 9, 33}) {
            // Nobody, everybody, and each one of some is wrong.
            std::vector<std::size_t> everybody(count);
            std::iota(everybody.begin(), everybody.end(), std::size_t{0});
            std::vector<std::vector<std::size_t>> cases{{}, everybody};
            if (count <= 9) {
                for (const std::size_t i : everybody) cases.push_back({i});
            }
            if (count > 9) cases.insert(cases.end(), {{0}, {count - 1}, {3, 4, 17}, {15, 16}});
            for (const auto& wrong : cases) {
                PlaintextProofBatch batch(key);
                for (std::size_t i = 0; i < count; ++i) {
                    // Of different lengths, of one chunk and of several.
                    auto [ciphertexts, proof] = prove(key, 1 + i % 4, 1 + i % 3);
                    const bool is_wrong = std::ranges::find(wrong, i) != wrong.end();
                    if (is_wrong) proof.responses[0] ^= std::byte{1};
                    REQUIRE(holds(proof, ciphertexts) == !is_wrong);
                    batch.add(proof, ciphertexts, kContext, {});
                }
                CHECK(batch.size() == count);
                REQUIRE(batch.wrong({}) == wrong);
                REQUIRE(batch.wrong({.num_threads = 1}) == wrong);
            }
        }
    }
}

TEST_CASE("proofs of many ciphertexts each are checked one by one") {
    for (const PublicKey& key : keys()) {
        PlaintextProofBatch batch(key);
        for (std::size_t i = 0; i < 4; ++i) {
            auto [ciphertexts, proof] = prove(key, 200, 100);
            if (i == 2) proof.commitments.back() ^= std::byte{1};
            batch.add(proof, ciphertexts, kContext, {});
        }
        CHECK(batch.num_ciphertexts() == 800);
        CHECK(batch.wrong({}) == std::vector<std::size_t>{2});
    }
}

TEST_CASE("a batch of proofs takes those of its key, with their ciphertexts") {
    const auto both = keys();
    PlaintextProofBatch batch(both[0]);
    const ProvedCiphertexts own = prove(both[0], 2, 2);
    const Ciphertexts& ciphertexts = own.ciphertexts;
    const PlaintextProof& proof = own.proof;
    const auto other = prove(both[1], 2, 2);
    CHECK(code_of([&] { batch.add(other.proof, other.ciphertexts, kContext, {}); }) ==
          Errc::key_mismatch);
    CHECK(code_of([&] {
              batch.add(proof, ciphertexts.take(std::vector<std::int64_t>{0}, {1}, {}), kContext,
                        {});
          }) == Errc::invalid_argument);
    CHECK(batch.size() == 0);
    CHECK(batch.wrong({}).empty());
    batch.add(proof, ciphertexts, kContext, {});
    batch.add(proof, ciphertexts.rerandomise({}), kContext, {});
    batch.add(proof, ciphertexts, text("round 2"), {});
    CHECK(batch.wrong({}) == std::vector<std::size_t>{1, 2});
}
