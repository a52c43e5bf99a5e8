// Shared keys: every (t, n) with n <= 7 and every subset of holders at toy size, forgeries of every
// part of a message, and 2048 bits.

#include <doctest/doctest.h>

#include <bit>
#include <numeric>
#include <string>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/combination.hpp"
#include "veilsum/paillier/deal_shares.hpp"
#include "veilsum/paillier/encrypt.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;

constexpr std::size_t kMostHolders = 7;

/// The smallest safe primes that can be shared among seven and make a Paillier key.
SecretKey smallest_key() { return SecretKey::hazmat_from_primes(Integer(23), Integer(59), {}); }

/// So large that no wrong subset opens anything by chance.
const SecretKey& small_key() {
    static const SecretKey key = SecretKey::hazmat_from_primes(Integer(0xc000000000000683UL),
                                                               Integer(0xc000000000002447UL), {});
    return key;
}

Bytes text(const std::string& value) {
    const auto bytes = std::as_bytes(std::span(value.data(), value.size()));
    return {bytes.begin(), bytes.end()};
}

const Bytes kContext = text("round 1");

Plaintexts messages(std::int64_t begin, std::int64_t end) {
    Plaintexts result(static_cast<std::size_t>(end - begin), 1);
    for (std::int64_t m = begin; m < end; ++m) {
        result[static_cast<std::size_t>(m - begin)][0] = static_cast<Limb>(m);
    }
    return result;
}

bool equal(const Plaintexts& a, const Plaintexts& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const std::size_t limbs = std::max(a.limbs_per_value(), b.limbs_per_value());
        for (std::size_t j = 0; j < limbs; ++j) {
            const Limb x = j < a.limbs_per_value() ? a[i][j] : a.sign_mask(i);
            const Limb y = j < b.limbs_per_value() ? b[i][j] : b.sign_mask(i);
            if (x != y) return false;
        }
    }
    return true;
}

struct World {
    World(const SecretKey& secret, const SharePolicy& policy, std::int64_t begin, std::int64_t end)
        : dealt(deal_shares_unchecked(secret, policy, {})),
          plaintexts(messages(begin, end)),
          ciphertexts(secret.encrypt(plaintexts, {plaintexts.size()}, {})) {
        for (const KeyShare& share : dealt.shares) {
            partials.push_back(share.decrypt(ciphertexts, 0, kContext, {}));
        }
    }

    Combination combination() const { return {dealt.key, ciphertexts, kContext, {}}; }

    DealtKey dealt;
    Plaintexts plaintexts;
    Ciphertexts ciphertexts;
    std::vector<PartialDecryption> partials;
};

/// Calls check(subset, world) for every subset of the holders that has `size` members.
template <class Check>
void for_each_subset(const World& world, std::size_t size, Check&& check) {
    const std::size_t num_holders = world.partials.size();
    for (unsigned mask = 0; mask < 1u << num_holders; ++mask) {
        if (static_cast<std::size_t>(std::popcount(mask)) != size) continue;
        std::vector<PartialDecryption> subset;
        for (std::size_t i = 0; i < num_holders; ++i) {
            if ((mask >> i & 1) != 0) subset.push_back(world.partials[i]);
        }
        CAPTURE(mask);
        check(subset);
    }
}

template <class Check>
void for_each_policy(Check&& check) {
    for (std::size_t num_holders = 1; num_holders <= kMostHolders; ++num_holders) {
        for (std::size_t threshold = 1; threshold <= num_holders; ++threshold) {
            CAPTURE(num_holders);
            CAPTURE(threshold);
            check(SharePolicy{num_holders, threshold, 0});
        }
    }
}

/// The message of the Error that function() throws, which has that code.
template <class Function>
std::string message_of(Errc code, Function&& function) {
    try {
        function();
    } catch (const Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    FAIL("no error");
    return {};
}

/// A world of real policy at small size.
const World& usual_world() {
    static const World world(small_key(), {5, 4, 2}, -10, 10);
    return world;
}

}  // namespace

TEST_CASE("every threshold of holders opens every message of a tiny key") {
    const SecretKey key = smallest_key();
    constexpr std::int64_t kHalf = 23 * 59 / 2;
    for_each_policy([&](const SharePolicy& policy) {
        const World world(key, policy, -kHalf, kHalf + 1);
        for_each_subset(world, policy.threshold, [&](const auto& subset) {
            REQUIRE(equal(combine_unproved(world.dealt.key, world.ciphertexts, subset, {}),
                          world.plaintexts));
        });
    });
}

TEST_CASE("every threshold of holders opens, whatever more there are, and no fewer do") {
    for_each_policy([&](const SharePolicy& policy) {
        const World world(small_key(), policy, -3, 3);
        for (std::size_t size = 0; size <= policy.num_holders; ++size) {
            for_each_subset(world, size, [&](const auto& subset) {
                Combination combination = world.combination();
                for (const auto& partial : subset) combination.add(partial, {});
                if (size >= policy.threshold) {
                    CHECK(combination.num_missing() == 0);
                    REQUIRE(equal(combination.open({}), world.plaintexts));
                } else {
                    CHECK(combination.num_missing() == world.ciphertexts.size());
                    REQUIRE(code_of([&] { combination.open({}); }) == Errc::not_enough_shares);
                    if (size == 0) return;
                    REQUIRE(code_of([&] {
                                combine_unproved(world.dealt.key, world.ciphertexts, subset, {});
                            }) == Errc::invalid_proof);
                }
            });
        }
    });
}

TEST_CASE("a corrupted partial decryption is named, by holder and by position") {
    for_each_policy([&](const SharePolicy& policy) {
        const World world(small_key(), policy, 0, 5);
        const Modulus& n = world.dealt.key.modulo_n();
        // 4 times R: one multiplication makes a partial decryption another square or its negative.
        const auto element = n.element(Integer(4) * n.integer(n.r()));
        for (std::size_t holder = 1; holder <= policy.num_holders; ++holder) {
            for (std::size_t position = 0; position < world.ciphertexts.size(); ++position) {
                PartialDecryption wrong = world.partials[holder - 1];
                std::byte* target = wrong.elements.data() + position * n.element_bytes();
                batch::mul(target, {target, 0}, {element.data(), 0}, 1, n, {});
                Combination combination = world.combination();
                const std::string who = "holder " + std::to_string(holder) + ", ciphertexts 0 to 4";
                const std::string where = "wrong at " + std::to_string(position);
                CHECK(message_of(Errc::invalid_proof, [&] {
                          combination.add(wrong, {});
                      }).find(who) != std::string::npos);
                std::size_t num_right = 0;
                for (const auto& partial : world.partials) {
                    if (partial.holder == holder || num_right == policy.threshold) continue;
                    combination.add(partial, {});
                    ++num_right;
                }
                const std::string message =
                    message_of(Errc::invalid_proof, [&] { combination.add(wrong, {}); });
                CHECK(message.find(who) != std::string::npos);
                CHECK((num_right == policy.threshold) == message.ends_with(where));
                combination.add(world.partials[holder - 1], {});
                REQUIRE(equal(combination.open({}), world.plaintexts));
            }
        }
    });
}

TEST_CASE("holders share the work: any threshold of them for each part of a batch") {
    const World& world = usual_world();
    Combination combination = world.combination();
    const auto add = [&](std::size_t holder, std::size_t begin, std::size_t end) {
        std::vector<std::int64_t> positions(end - begin);
        std::iota(positions.begin(), positions.end(), static_cast<std::int64_t>(begin));
        const Ciphertexts slice = world.ciphertexts.take(positions, {positions.size()}, {});
        const KeyShare& share = world.dealt.shares[holder - 1];
        combination.add(share.decrypt(slice, begin, kContext, {}), {});
    };
    add(1, 0, 16);
    add(2, 0, 12);
    add(2, 16, 20);
    add(3, 0, 8);
    add(3, 12, 20);
    add(4, 0, 4);
    add(4, 8, 20);
    CHECK(combination.num_missing() == 16);
    add(5, 4, 20);
    CHECK(combination.num_missing() == 0);
    CHECK(equal(combination.open({}), world.plaintexts));
}

TEST_CASE("ciphertexts that carry Montgomery factors are opened as they are") {
    const World& world = usual_world();
    const Ciphertexts sum = world.ciphertexts.add(world.ciphertexts, {});
    REQUIRE(sum.exponent() != 0);
    Combination combination(world.dealt.key, sum, kContext, {});
    for (std::size_t i = 0; i < 4; ++i) {
        combination.add(world.dealt.shares[i].decrypt(sum, 0, kContext, {}), {});
    }
    Plaintexts doubled = messages(-10, 10);
    for (std::size_t i = 0; i < doubled.size(); ++i) doubled[i][0] *= 2;
    CHECK(equal(combination.open({}), doubled));
}

TEST_CASE("a proof holds for its statement only, and every bit of it matters") {
    const World& world = usual_world();
    const auto refuses = [&](const PartialDecryption& partial, ByteView context) {
        Combination combination(world.dealt.key, world.ciphertexts, context, {});
        return code_of([&] { combination.add(partial, {}); }) == Errc::invalid_proof;
    };
    const PartialDecryption& right = world.partials[2];
    CHECK(refuses(right, text("round 2")));
    CHECK(refuses(right, {}));
    PartialDecryption wrong = right;
    wrong.holder = 2;
    CHECK(refuses(wrong, kContext));
    wrong = right;
    wrong.first = 1;
    wrong.elements.resize(wrong.elements.size() - world.dealt.key.modulo_n().element_bytes());
    CHECK(refuses(wrong, kContext));
    for (std::size_t bit = 0; bit < 8 * ShareProof::kChallengeBytes; ++bit) {
        wrong = right;
        wrong.proof.challenge[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK(refuses(wrong, kContext));
    }
    for (std::size_t bit = 0; bit < 8 * right.proof.response.size(); ++bit) {
        wrong = right;
        wrong.proof.response[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        REQUIRE(refuses(wrong, kContext));
    }
    wrong = right;
    wrong.proof.response.pop_back();
    CHECK(refuses(wrong, kContext));
}

TEST_CASE("a response is below its bound") {
    const World& world = usual_world();
    PartialDecryption wrong = world.partials[0];
    const auto refusal = [&](const Integer& z) {
        z.to_bytes(wrong.proof.response);
        Combination combination = world.combination();
        return message_of(Errc::invalid_proof, [&] { combination.add(wrong, {}); }).substr(0, 4);
    };
    // |n| = 128, D = 120: A = 135.
    Integer bound;
    mpz_setbit(bound.get(), 135 + 256);
    mpz_setbit(bound.get(), 135 + 126);
    CHECK(refusal(bound - 1) == "SH10");
    CHECK(refusal(bound) == "SH9:");
}

TEST_CASE("nonces differ between proofs of one statement") {
    const World& world = usual_world();
    const auto again = world.dealt.shares[0].decrypt(world.ciphertexts, 0, kContext, {});
    CHECK(again.elements == world.partials[0].elements);
    CHECK(again.proof.challenge != world.partials[0].proof.challenge);
    CHECK(again.proof.response != world.partials[0].proof.response);
}

TEST_CASE("a combination refuses what is not of its batch, and changes nothing") {
    const World& world = usual_world();
    Combination combination = world.combination();
    combination.add(world.partials[0], {});
    CHECK(code_of([&] { combination.add(world.partials[0], {}); }) == Errc::invalid_argument);
    const auto beyond = world.dealt.shares[1].decrypt(world.ciphertexts, 1, kContext, {});
    CHECK(code_of([&] { combination.add(beyond, {}); }) == Errc::invalid_argument);
    const World other(small_key(), {5, 4, 2}, 0, 1);
    CHECK(code_of([&] { combination.add(other.partials[1], {}); }) == Errc::key_mismatch);
    for (std::size_t i = 1; i < 4; ++i) combination.add(world.partials[i], {});
    CHECK(equal(combination.open({}), world.plaintexts));
    const auto foreign = smallest_key().encrypt(messages(0, 1), {1}, {});
    CHECK(code_of([&] { Combination(world.dealt.key, foreign, kContext, {}); }) ==
          Errc::key_mismatch);
    CHECK(code_of([&] { world.dealt.shares[0].decrypt(foreign, 0, kContext, {}); }) ==
          Errc::key_mismatch);
    CHECK(code_of([&] {
              world.dealt.shares[0].decrypt(world.ciphertexts.take({}, {0}, {}), 0, kContext, {});
          }) == Errc::invalid_argument);
}

TEST_CASE("a policy keeps two sums from both being opened") {
    for (std::size_t n = 0; n <= 9; ++n) {
        for (std::size_t t = 0; t <= 10; ++t) {
            for (std::size_t f = 0; f <= 10; ++f) {
                // Two sets of t holders meet in 2t - n or more; one of those is honest.
                const bool is_safe = n >= 2 && t <= n && 2 * t > n + f && f + 1 <= t;
                bool is_accepted = true;
                try {
                    SharePolicy{n, t, f}.check();
                } catch (const Error& error) {
                    is_accepted = false;
                    CHECK(error.code() == Errc::invalid_argument);
                }
                CHECK(is_accepted == is_safe);
            }
        }
    }
    CHECK(code_of([] { SharePolicy{65, 65, 0}.check(); }) == Errc::invalid_argument);
    CHECK(code_of([] { deal_shares(small_key(), {5, 3, 1}, {}); }) == Errc::invalid_argument);
    CHECK(code_of([] { deal_shares_unchecked(small_key(), {3, 4, 0}, {}); }) ==
          Errc::invalid_argument);
    CHECK(code_of([] { deal_shares_unchecked(small_key(), {3, 0, 0}, {}); }) ==
          Errc::invalid_argument);
}

TEST_CASE("only safe primes are shared, and only among fewer holders than their halves") {
    const auto share = [](unsigned long p, unsigned long q, std::size_t num_holders) {
        const auto key = SecretKey::hazmat_from_primes(Integer(p), Integer(q), {});
        return code_of([&] { deal_shares(key, {num_holders, num_holders, 0}, {}); });
    };
    CHECK(share(23, 61, 3) == Errc::invalid_key);
    CHECK(share(61, 23, 3) == Errc::invalid_key);
    CHECK(share(23, 59, 11) == Errc::invalid_key);
    CHECK(deal_shares(smallest_key(), {10, 10, 0}, {}).shares.size() == 10);
}

TEST_CASE("a key of 2048 bits is shared, sent, kept and used") {
    const SecretKey secret = SecretKey::generate(2048, true, {});
    const World world(secret, {5, 4, 2}, -20, 20);
    const ThresholdKey key = ThresholdKey::from_bytes(world.dealt.key.to_bytes(), {});
    CHECK(key == world.dealt.key);
    CHECK(key.policy().threshold == 4);
    Combination combination(key, world.ciphertexts, kContext, {});
    for (const std::size_t i : {4u, 0u, 2u, 3u}) {
        const KeyShare share =
            KeyShare::from_secret_bytes(world.dealt.shares[i].to_secret_bytes(), key, {});
        CHECK(share.holder() == i + 1);
        const auto partial = share.decrypt(world.ciphertexts, 0, kContext, {});
        CHECK(partial.elements == world.partials[i].elements);
        combination.add(PartialDecryption::from_bytes(partial.to_bytes(), key, {}), {});
    }
    CHECK(equal(combination.open({}), world.plaintexts));

    auto bytes = world.dealt.shares[0].to_secret_bytes();
    const auto is_refused = [&] {
        return code_of([&] { KeyShare::from_secret_bytes(bytes, key, {}); });
    };
    bytes[0] = std::byte{2};
    CHECK(is_refused() == Errc::invalid_key);
    bytes[0] = std::byte{6};
    CHECK(is_refused() == Errc::invalid_key);
    bytes[0] = std::byte{1};
    bytes[100] ^= std::byte{1};
    CHECK(is_refused() == Errc::invalid_key);
    bytes.back() = std::byte{255};
    CHECK(is_refused() == Errc::invalid_key);
    bytes.pop_back();
    CHECK(is_refused() == Errc::malformed);
}
