#include "veilsum/paillier/encrypt.hpp"

#include <atomic>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/base/fork.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

// Some hundred microseconds.
constexpr std::size_t kResiduesPerPiece = 2048;

// Far beyond any memory, and far below where sizes in bytes overflow.
constexpr std::size_t kMaxPoolSize = std::size_t{1} << 40;

std::size_t checked_pool_size(std::size_t num) {
    if (num < 1 || num > kMaxPoolSize) {
        throw Error(Errc::invalid_argument, "a randomiser pool holds from 1 to 2^40 randomisers");
    }
    return num;
}

void random_unit(std::span<Limb> r, const Modulus& n, RandomSource& random) {
    const std::span<const Limb> bound(n.n(), n.num_limbs());
    const Integer modulus = n.n_integer();
    const auto is_unit = [&] { return gcd(Integer::from_limbs(r), modulus) == Integer(1); };
    do {
        uniform_below(r, bound, random);
    } while (n.bits() < kUnitCheckBits && !is_unit());
}

/// Residue of plaintext i. Returns 0 if it lies in (-n/2, n/2). Scratch: num_limbs limbs.
Limb write_residue(Limb* residue, const Plaintexts& plaintexts, std::size_t i, const Modulus& n,
                   Limb* scratch) {
    const std::size_t h = n.num_limbs();
    const auto m = plaintexts[i];
    const Limb negative = plaintexts.sign_mask(i);
    for (std::size_t j = 0; j < h; ++j) residue[j] = j < m.size() ? m[j] : negative;
    Limb outside = 0;
    for (std::size_t j = h; j < m.size(); ++j) outside |= m[j] ^ negative;
    // m + n for negative m: the carry out of the top says that it is not negative any more.
    const Limb carry =
        mpn_cnd_add_n(negative & 1, residue, residue, n.n(), static_cast<mp_size_t>(h));
    outside |= (negative & 1) ^ carry;
    // x < n/2 for m >= 0, x > n/2 for m < 0, where n is odd: compare 2x with n.
    const Limb top = mpn_lshift(scratch, residue, static_cast<mp_size_t>(h), 1);
    const Limb below = mpn_sub_n(scratch, scratch, n.n(), static_cast<mp_size_t>(h)) & (top ^ 1);
    outside |= below ^ (1 ^ (negative & 1));
    return outside;
}

}  // namespace

Secret<Limb> plaintext_residues(const Plaintexts& plaintexts, const Modulus& n,
                                const Execution& execution) {
    const std::size_t h = n.num_limbs();
    Secret<Limb> residues(plaintexts.size() * h);
    std::atomic<bool> is_outside{false};
    parallel_for(
        plaintexts.size(), kResiduesPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            Secret<Limb> scratch(h);
            Limb any_outside = 0;
            for (std::size_t i = begin; i < end; ++i) {
                any_outside |=
                    write_residue(residues.data() + i * h, plaintexts, i, n, scratch.data());
            }
            if (any_outside != 0) is_outside = true;
        });
    if (is_outside) {
        throw Error(Errc::invalid_argument,
                    "a plaintext lies outside (-n/2, n/2), which this key cannot represent");
    }
    return residues;
}

std::size_t origin_limbs(const PublicKey& key) {
    return key.form() == KeyForm::djn ? (key.randomiser_bits() + 63) / 64
                                      : key.modulus().num_limbs();
}

Randomisers fresh_randomisers(std::size_t num, const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulus();
    const std::size_t num_limbs = origin_limbs(key);
    Randomisers result{Secret<std::byte>(num * n.element_bytes()), Secret<Limb>(num * num_limbs)};
    Csprng random;
    if (key.form() == KeyForm::djn) {
        for (std::size_t i = 0; i < num; ++i) {
            uniform_bits(std::span(result.origins).subspan(i * num_limbs, num_limbs),
                         key.randomiser_bits(), random);
        }
        batch::fixed_base(result.elements.data(), key.randomiser_table(execution),
                          result.origins.data(), num_limbs, num, n, execution);
    } else {
        for (std::size_t i = 0; i < num; ++i) {
            const auto r = std::span(result.origins).subspan(i * num_limbs, num_limbs);
            random_unit(r, n, random);
            std::memcpy(result.elements.data() + i * n.element_bytes(), r.data(), n.digit_bytes());
        }
        batch::pow_shared(result.elements.data(), {result.elements.data(), n.element_bytes()},
                          n.r_squared(), n.n(), n.bits(), num, n, execution);
    }
    return result;
}

Ciphertexts seal(std::span<const std::byte> randomisers, const Secret<Limb>& residues,
                 Ciphertexts::Shape shape, const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulus();
    Bytes elements(randomisers.size());
    batch::add_plain(elements.data(), {randomisers.data(), n.element_bytes()}, residues.data(),
                     n.num_limbs(), randomisers.size() / n.element_bytes(), n,
                     execution.without_progress());
    return {key, std::move(shape), std::move(elements)};
}

RandomiserPool::RandomiserPool(const PublicKey& key, std::size_t num, const Execution& execution)
    : key_(key),
      fork_generation_(fork_generation()),
      size_(checked_pool_size(num)),
      randomisers_(fresh_randomisers(num, key, execution)) {}

std::size_t RandomiserPool::remaining() const noexcept {
    if (fork_generation_ != fork_generation()) return 0;
    const std::size_t next = next_.load();
    return next < size_ ? size_ - next : 0;
}

RandomiserPool::Taken RandomiserPool::take(std::size_t num) {
    if (fork_generation_ != fork_generation()) {
        // The parent holds the same randomisers. The child's copies are of no use: forget them.
        wipe(randomisers_.elements.data(), randomisers_.elements.size());
        wipe(randomisers_.origins.data(), randomisers_.origins.size() * sizeof(Limb));
        next_.store(size_);
        throw Error(Errc::exhausted,
                    "this randomiser pool was made before a fork and is empty here; call "
                    "precompute in this process");
    }
    std::size_t first = next_.load();
    do {
        if (num > size_ - first) {
            throw Error(Errc::exhausted,
                        "the randomiser pool has " + std::to_string(size_ - first) + " left, " +
                            std::to_string(num) + " are needed; call precompute again");
        }
    } while (!next_.compare_exchange_weak(first, first + num));
    const std::size_t bytes = key_.modulus().element_bytes();
    const std::size_t limbs = origin_limbs(key_);
    return {std::span(randomisers_.elements).subspan(first * bytes, num * bytes),
            std::span(randomisers_.origins).subspan(first * limbs, num * limbs)};
}

void require_pool_of(const PublicKey& key, const RandomiserPool* pool) {
    if (pool != nullptr && !(pool->key() == key)) {
        throw Error(Errc::key_mismatch,
                    "the randomiser pool belongs to another key; make one with "
                    "this key's precompute");
    }
}

Ciphertexts encrypt(const Plaintexts& plaintexts, Ciphertexts::Shape shape, const PublicKey& key,
                    RandomiserPool* pool, const Execution& execution) {
    require_pool_of(key, pool);
    const Secret<Limb> residues =
        plaintext_residues(plaintexts, key.modulus(), execution.without_progress());
    if (pool != nullptr) {
        const RandomiserPool::Taken taken = pool->take(plaintexts.size());
        return seal(taken.elements(), residues, std::move(shape), key, execution);
    }
    const auto randomisers = fresh_randomisers(plaintexts.size(), key, execution);
    return seal(randomisers.elements, residues, std::move(shape), key, execution);
}

Ciphertexts encrypt_with(const Plaintexts& plaintexts, const std::vector<Integer>& r,
                         Ciphertexts::Shape shape, const PublicKey& key,
                         const Execution& execution) {
    const Modulus& n = key.modulus();
    const Integer modulus = n.n_integer();
    if (r.size() != plaintexts.size()) {
        throw Error(Errc::invalid_argument, "there must be one r for each plaintext");
    }
    const Secret<Limb> residues = plaintext_residues(plaintexts, n, execution.without_progress());
    Secret<std::byte> elements;
    for (const Integer& value : r) {
        if (!(gcd(value, modulus) == Integer(1))) {
            throw Error(Errc::invalid_argument, "r must be a unit modulo n");
        }
        const auto element = n.element(value % modulus);
        elements.insert(elements.end(), element.begin(), element.end());
    }
    batch::pow_shared(elements.data(), {elements.data(), n.element_bytes()}, n.r_squared(), n.n(),
                      n.bits(), r.size(), n, execution);
    return seal(elements, residues, std::move(shape), key, execution);
}

}  // namespace veilsum
