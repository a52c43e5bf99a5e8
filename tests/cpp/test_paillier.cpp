// All of a tiny world (n = 35 and 77: every message, randomiser and pair), and the operations at
// real sizes against GMP.

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "bigint_fixtures.hpp"
#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/paillier/seal.hpp"
#include "veilsum/paillier/secret_key.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;

Plaintexts plaintexts(const std::vector<std::int64_t>& values, std::size_t num_limbs = 1) {
    Plaintexts result(values.size(), num_limbs);
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = 0; j < num_limbs; ++j) {
            result[i][j] = static_cast<Limb>(j == 0 ? values[i] : values[i] >> 63);
        }
    }
    return result;
}

std::vector<std::int64_t> values(const Plaintexts& decrypted) {
    std::vector<std::int64_t> result;
    for (std::size_t i = 0; i < decrypted.size(); ++i) {
        const auto limbs = decrypted[i];
        for (std::size_t j = 1; j < limbs.size(); ++j) {
            REQUIRE(limbs[j] == static_cast<Limb>(static_cast<std::int64_t>(limbs[0]) >> 63));
        }
        result.push_back(static_cast<std::int64_t>(limbs[0]));
    }
    return result;
}

std::int64_t centred(std::int64_t x, std::int64_t n) {
    x %= n;
    if (x < 0) x += n;
    return x > n / 2 ? x - n : x;
}

struct Toy {
    Toy(unsigned long p, unsigned long q)
        : n(static_cast<std::int64_t>(p * q)),
          key(SecretKey::hazmat_from_primes(Integer(p), Integer(q), {})) {
        for (std::int64_t m = -(n / 2); m <= n / 2; ++m) messages.push_back(m);
        for (unsigned long r = 1; r < p * q; ++r) {
            if (std::gcd(r, p * q) == 1) units.push_back(r);
        }
    }

    Ciphertexts encrypt(const std::vector<std::int64_t>& m) const {
        return veilsum::encrypt(plaintexts(m), {m.size()}, key.public_key(), nullptr, {});
    }

    std::int64_t n;
    SecretKey key;
    std::vector<std::int64_t> messages;
    std::vector<unsigned long> units;
};

const std::vector<Toy>& toys() {
    static const std::vector<Toy> result{{5, 7}, {7, 11}, {11, 7}, {3, 5}, {251, 13}};
    return result;
}

/// A key of real size; from primes made once.
const SecretKey& big_key() {
    static const SecretKey key = SecretKey::generate(2048, false, {});
    return key;
}

}  // namespace

TEST_CASE("toy world: every message under every randomiser is what the formula says") {
    for (const Toy& toy : {toys()[0], toys()[1]}) {
        const auto n = static_cast<unsigned long>(toy.n);
        const Integer n_squared(n * n);
        for (const std::int64_t m : toy.messages) {
            const std::vector<std::int64_t> repeated(toy.units.size(), m);
            std::vector<Integer> r;
            for (const unsigned long unit : toy.units) r.emplace_back(unit);
            const Ciphertexts c =
                encrypt_with(plaintexts(repeated), r, {r.size()}, toy.key.public_key(), {});
            const auto integers = c.to_integers({});
            for (std::size_t i = 0; i < r.size(); ++i) {
                // (1 + n)^m * r^n mod n^2
                Integer expected;
                mpz_powm_ui(expected.get(), r[i].get(), n, n_squared.get());
                const auto exponent = static_cast<unsigned long>((m + toy.n) % toy.n);
                Integer g;
                mpz_powm_ui(g.get(), Integer(n + 1).get(), exponent, n_squared.get());
                REQUIRE(integers[i] == expected * g % n_squared);
            }
            REQUIRE(values(toy.key.decrypt(c, {})) == repeated);
        }
    }
}

TEST_CASE("toy world: sums, differences and products of every pair") {
    for (const Toy& toy : {toys()[0], toys()[1]}) {
        const Ciphertexts all = toy.encrypt(toy.messages);
        for (const std::int64_t m : toy.messages) {
            const Ciphertexts one = toy.encrypt({m});
            const auto check = [&](const Ciphertexts& result, auto&& formula) {
                std::vector<std::int64_t> expected;
                for (const std::int64_t a : toy.messages) {
                    expected.push_back(centred(formula(a), toy.n));
                }
                REQUIRE(values(toy.key.decrypt(result, {})) == expected);
            };
            check(all.add(one, {}), [&](std::int64_t a) { return a + m; });
            check(one.subtract(all, {}), [&](std::int64_t a) { return m - a; });
            check(all.subtract(one, {}), [&](std::int64_t a) { return a - m; });
            check(all.add(plaintexts({m}), {}), [&](std::int64_t a) { return a + m; });
            check(all.multiply(plaintexts({m}), {}), [&](std::int64_t a) { return a * m; });
            check(all.multiply_vartime(plaintexts({m}), {}), [&](std::int64_t a) { return a * m; });
        }
        std::vector<std::int64_t> negated;
        for (const std::int64_t m : toy.messages) negated.push_back(-m);
        REQUIRE(values(toy.key.decrypt(all.negate({}), {})) == negated);
    }
}

TEST_CASE("toy world: every way to encrypt decrypts, also with primes of unequal size") {
    for (const Toy& toy : toys()) {
        for (int round = 0; round < 5; ++round) {
            REQUIRE(values(toy.key.decrypt(toy.encrypt(toy.messages), {})) == toy.messages);
            const Ciphertexts own =
                toy.key.encrypt(plaintexts(toy.messages), {toy.messages.size()}, {});
            REQUIRE(values(toy.key.decrypt(own, {})) == toy.messages);
            const Ciphertexts fresh = own.rerandomise({});
            REQUIRE(values(toy.key.decrypt(fresh, {})) == toy.messages);
        }
    }
    CHECK(toys()[1].key.public_key().form() == KeyForm::djn);
    CHECK(toys()[0].key.public_key().form() == KeyForm::classic);
}

TEST_CASE("toy world: every unit modulo n^2 is a ciphertext, and nothing else is") {
    const Toy& toy = toys()[0];
    const auto n = static_cast<unsigned long>(toy.n);
    for (unsigned long c = 0; c < n * n; ++c) {
        const auto read = [&] {
            return Ciphertexts::from_integers({Integer(c)}, {1}, toy.key.public_key(), {});
        };
        if (std::gcd(c, n) == 1) {
            const Ciphertexts ciphertext = read();
            REQUIRE(ciphertext.to_integers({})[0] == Integer(c));
            REQUIRE(toy.key.decrypt(ciphertext, {}).size() == 1);
        } else {
            REQUIRE(code_of(read) == Errc::invalid_ciphertext);
        }
    }
    CHECK(code_of([&] {
              Ciphertexts::from_integers({Integer(n * n + 1)}, {1}, toy.key.public_key(), {});
          }) == Errc::invalid_ciphertext);
}

TEST_CASE("toy world: messages outside (-n/2, n/2) are refused, whatever their width") {
    for (const Toy& toy : toys()) {
        for (const std::size_t num_limbs : {1u, 3u}) {
            const auto try_one = [&](std::int64_t m) {
                encrypt(plaintexts({m}, num_limbs), {1}, toy.key.public_key(), nullptr, {});
            };
            try_one(toy.n / 2);
            try_one(-(toy.n / 2));
            for (const std::int64_t m : {toy.n / 2 + 1, -(toy.n / 2) - 1, toy.n, -toy.n, 2 * toy.n,
                                         INT64_MAX, INT64_MIN}) {
                REQUIRE(code_of([&] { try_one(m); }) == Errc::invalid_argument);
            }
        }
    }
}

TEST_CASE("plaintexts up to n/2 are representable and no others, in keys of real sizes") {
    const Modulus& n = big_key().public_key().modulus();
    Integer half;
    mpz_tdiv_q_2exp(half.get(), n.n_integer().get(), 1);
    for (const std::size_t num_limbs : {n.num_limbs(), n.num_limbs() + 1}) {
        for (const int sign : {1, -1}) {
            const auto try_one = [&](const Integer& magnitude) {
                Plaintexts m(2, num_limbs);
                magnitude.to_limbs(m[1]);
                if (sign < 0) mpn_neg(m[1].data(), m[1].data(), static_cast<mp_size_t>(num_limbs));
                require_representable(m, n, {});
            };
            try_one(half);
            try_one(half - 1);
            Integer next = half;
            mpz_add_ui(next.get(), half.get(), 1);
            Integer most;
            mpz_setbit(most.get(), 64 * num_limbs - 1);
            for (const Integer& magnitude : {next, most - 1}) {
                REQUIRE(code_of([&] { try_one(magnitude); }) == Errc::invalid_argument);
            }
        }
    }
}

TEST_CASE("exponents of R never overflow in long chains") {
    const Toy& toy = toys()[1];
    Ciphertexts c = toy.encrypt({1});
    std::int64_t expected = 1;
    for (int i = 0; i < 200; ++i) {
        c = c.add(c, {});
        expected = centred(2 * expected, toy.n);
        REQUIRE(values(toy.key.decrypt(c, {})) == std::vector<std::int64_t>{expected});
        REQUIRE(std::abs(c.exponent()) < (std::int64_t{1} << 40));
    }
}

TEST_CASE("sums over axes, slices and concatenation") {
    const SecretKey& key = big_key();
    const std::vector<std::int64_t> m{1, 2, 3, 40, 50, 60};
    const Ciphertexts matrix = encrypt(plaintexts(m), {2, 3}, key.public_key(), nullptr, {});
    const auto open = [&](const Ciphertexts& c) { return values(key.decrypt(c, {})); };
    using Values = std::vector<std::int64_t>;
    CHECK(open(matrix.sum(0, {})) == Values{41, 52, 63});
    CHECK(open(matrix.sum(1, {})) == Values{6, 150});
    CHECK(open(matrix.sum(std::nullopt, {})) == Values{156});
    const Ciphertexts row = matrix.take(std::vector<std::int64_t>{3, 4, 5}, {3}, {});
    CHECK(open(row) == Values{40, 50, 60});
    CHECK(open(row.matrix_product(plaintexts({1, -2, 3, 0, 0, -1}), 2, {})) == Values{120, -60});
    const Plaintexts signs = plaintexts({1, -2, 7, -1});
    const Plaintexts counts = plaintexts({1, 2, 7, 0});
    for (const bool doubled : {false, true}) {
        const Ciphertexts c = doubled ? matrix.add(matrix, {}) : matrix;
        const std::int64_t f = doubled ? 2 : 1;
        const Values by_signs{f * -79, f * -98, f * -117, f * -33, f * -36, f * -39};
        const Values by_counts{f * 81, f * 102, f * 123, f * 7, f * 14, f * 21};
        CHECK(c.matrix_product(signs, 2, {}).shape() == Ciphertexts::Shape{2, 3});
        CHECK(open(c.matrix_product(signs, 2, {})) == by_signs);
        CHECK(open(c.matrix_product_vartime(signs, 2, {})) == by_signs);
        CHECK(open(c.matrix_product(counts, 2, {})) == by_counts);
        CHECK(open(c.matrix_product_vartime(counts, 2, {})) == by_counts);
    }
    // Parts with different exponents of R.
    const Ciphertexts joined = Ciphertexts::concatenate({row, row.add(row, {})}, {});
    CHECK(open(joined) == Values{40, 50, 60, 80, 100, 120});
    CHECK(code_of([&] { matrix.sum(2, {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { matrix.add(row, {}); }) == Errc::invalid_argument);
}

TEST_CASE("wire bytes read back, and every single damaged byte of the header is refused") {
    const SecretKey& key = big_key();
    const PublicKey& pk = key.public_key();
    const Ciphertexts c = encrypt(plaintexts({7, -7}), {2}, pk, nullptr, {});
    const Ciphertexts sum = c.add(c, {});
    REQUIRE(sum.exponent() != 0);
    const Bytes wire = sum.to_bytes({});
    const Ciphertexts back = Ciphertexts::from_bytes(wire, pk, {});
    CHECK(back.exponent() == 0);
    CHECK(values(key.decrypt(back, {})) == std::vector<std::int64_t>{14, -14});
    const std::size_t header = wire.size() - 2 * pk.modulus().element_bytes();
    for (std::size_t i = 0; i < header; ++i) {
        Bytes damaged = wire;
        damaged[i] ^= std::byte{1};
        const Errc code = code_of([&] { Ciphertexts::from_bytes(damaged, pk, {}); });
        CHECK((code == Errc::malformed || code == Errc::key_mismatch));
    }
    const PublicKey read = PublicKey::from_bytes(pk.to_bytes());
    CHECK(read == pk);
    CHECK(read.form() == KeyForm::djn);
}

TEST_CASE("randomisers are powers of hs, few without a table or many with it") {
    const Integer n = testing::moduli(testing::kMaxEmulatedBits).back();
    for (const SquareKernel* kernel : testing::tested_kernels()) {
        CAPTURE(kernel->name);
        for (const unsigned threads : {1u, 2u}) {
            const PublicKey key = PublicKey::unchecked(n, KeyForm::djn, *kernel);
            const SquareModulus& modulus = key.modulus();
            const Integer hs = modulus.integer(key.randomiser_base());
            // The last of them is the first with the table.
            for (const std::size_t num : {1u, 2u, 5u, 20u, 99u, 2u}) {
                const Randomisers made = fresh_randomisers(num, key, {.num_threads = threads});
                const std::span<const Limb> witnesses = made.witnesses;
                for (std::size_t i = 0; i < num; ++i) {
                    const std::size_t limbs = key.randomiser_limbs();
                    const Integer exponent =
                        Integer::from_limbs(witnesses.subspan(i * limbs, limbs));
                    CHECK(exponent.bit_length() <= key.randomiser_bits());
                    Integer power;
                    mpz_powm(power.get(), hs.get(), exponent.get(), (n * n).get());
                    const std::byte* element = made.elements.data() + i * modulus.element_bytes();
                    CHECK(modulus.integer(element) == power);
                }
            }
        }
    }
}

TEST_CASE("a randomiser pool gives each randomiser once, to none in a forked child") {
    const PublicKey& pk = big_key().public_key();
    RandomiserPool pool(pk, 3, false, {});
    encrypt(plaintexts({1}), {1}, pk, &pool, {});
    CHECK(pool.remaining() == 2);
    CHECK(code_of([&] { encrypt(plaintexts({1, 2, 3}), {3}, pk, &pool, {}); }) == Errc::exhausted);
    CHECK(pool.remaining() == 2);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool refused = pool.remaining() == 0;
        try {
            pool.take(1);
            refused = false;
        } catch (const Error& error) {
            refused = refused && error.code() == Errc::exhausted;
        }
        _exit(refused ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    const Ciphertexts c = encrypt(plaintexts({5, 6}), {2}, pk, &pool, {});
    CHECK(values(big_key().decrypt(c, {})) == std::vector<std::int64_t>{5, 6});
    CHECK(pool.remaining() == 0);
    RandomiserPool foreign(toys()[1].key.public_key(), 1, false, {});
    CHECK(code_of([&] { encrypt(plaintexts({1}), {1}, pk, &foreign, {}); }) == Errc::key_mismatch);
    CHECK(foreign.remaining() == 1);
}

TEST_CASE("what is secret of a pool's randomisers is wiped once they are used, in batches too") {
    const PublicKey& pk = big_key().public_key();
    constexpr std::size_t kNum = 600;
    for (const bool for_proofs : {false, true}) {
        RandomiserPool pool(pk, kNum + 1, for_proofs, {});
        const Plaintexts m(kNum, 1);
        const Ciphertexts c = encrypt(m, {kNum}, pk, &pool, {.num_threads = 2});
        // The next one lies behind those that were used.
        const RandomiserPool::Taken next = pool.take(1);
        const std::size_t bytes = next.elements().size();
        const std::byte* used = next.elements().data() - kNum * bytes;
        bool is_wiped = true;
        for (std::size_t i = 0; i < kNum; ++i) {
            const std::byte* second_digit = used + i * bytes + bytes / 2;
            const auto is_zero = [](std::byte x) { return x == std::byte{}; };
            is_wiped &= std::all_of(second_digit, second_digit + bytes / 2, is_zero);
            // The first is that of the ciphertext.
            is_wiped &=
                std::memcmp(used + i * bytes, c.elements().data() + i * bytes, bytes / 2) == 0;
        }
        CHECK(is_wiped);
        REQUIRE(next.witnesses().empty() == !for_proofs);
        // Memory that is gone was wiped.
        if (!for_proofs) CHECK(next.witnesses().data() == nullptr);
        const Limb* end = next.witnesses().data();
        CHECK(
            std::all_of(end - kNum * next.witnesses().size(), end, [](Limb x) { return x == 0; }));
        CHECK(values(big_key().decrypt(c, {})) == std::vector<std::int64_t>(kNum));
    }
}

TEST_CASE("generated keys have the promised form") {
    const PublicKey& pk = big_key().public_key();
    CHECK(pk.key_bits() == 2048);
    CHECK(pk.form() == KeyForm::djn);
    const Secret<std::byte> secret = big_key().to_secret_bytes();
    const SecretKey copy = SecretKey::from_secret_bytes(secret, {});
    CHECK(copy.public_key() == pk);
    for (const std::size_t bits : {0u, 1024u, 2047u, 2049u, 20000u}) {
        CHECK(code_of([&] { SecretKey::generate(bits, false, {}); }) == Errc::invalid_argument);
    }
}

TEST_CASE("primes that make no key are refused by name") {
    const auto make = [](unsigned long p, unsigned long q) {
        return code_of([=] { SecretKey::hazmat_from_primes(Integer(p), Integer(q), {}); });
    };
    CHECK(make(9, 7) == Errc::invalid_key);
    CHECK(make(2, 7) == Errc::invalid_key);
    CHECK(make(7, 7) == Errc::invalid_key);
    CHECK(make(3, 7) == Errc::invalid_key);  // 3 divides 7 - 1.
}
