#include "veilsum/paillier/encrypt.hpp"
#include "veilsum/paillier/seal.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/base/fork.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/rng/seeded_source.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

// Some tens of microseconds.
constexpr std::size_t kChecksPerPiece = 2048;

// Some milliseconds, beside which a new generator is nothing.
constexpr std::size_t kWitnessesPerPiece = 4096;

// Randomisers are read, used and wiped while they and what they become are in the second cache.
constexpr std::size_t kBytesPerPiece = std::size_t{1} << 17;

// Each takes some tens of microseconds.
constexpr std::size_t kUnitsPerPiece = 256;

// Far beyond any memory, and far below where sizes in bytes overflow.
constexpr std::size_t kMaxPoolSize = std::size_t{1} << 40;

std::size_t checked_pool_size(std::size_t num) {
    if (num < 1 || num > kMaxPoolSize) {
        throw Error(Errc::invalid_argument, "a randomiser pool holds from 1 to 2^40 randomisers");
    }
    return num;
}

std::size_t witness_limbs(const PublicKey& key) {
    return key.form() == KeyForm::djn ? key.randomiser_limbs() : key.modulus().num_limbs();
}

void random_unit(std::span<Limb> r, const Modulus& n, RandomSource& random) {
    const std::span<const Limb> bound(n.n(), n.num_limbs());
    const Integer modulus = n.n_integer();
    const auto is_unit = [&] { return gcd(Integer::from_limbs(r), modulus) == Integer(1); };
    do {
        uniform_below(r, bound, random);
    } while (n.bits() < kUnitCheckBits && !is_unit());
}

/// Calls draw(witness, its number, a generator) for each witness of num_limbs limbs. Generators are
/// those of the seed, if there is one.
template <class Draw>
void for_each_witness(std::span<Limb> witnesses, std::size_t num_limbs, const HedgedSeed* seed,
                      const Execution& execution, const Draw& draw) {
    parallel_for(witnesses.size() / num_limbs, kWitnessesPerPiece, execution.without_progress(),
                 [&](std::size_t begin, std::size_t end) {
                     std::unique_ptr<RandomSource> random;
                     if (seed == nullptr) {
                         random = std::make_unique<Csprng>();
                     } else {
                         random = std::make_unique<SeededSource>(*seed, "randomisers", begin);
                     }
                     for (std::size_t i = begin; i < end; ++i) {
                         draw(witnesses.subspan(i * num_limbs, num_limbs), i, *random);
                     }
                 });
}

/// out[i] = hs^exponents[i], exponents of randomiser_limbs() limbs.
void raise_randomiser_base(std::byte* out, const Limb* exponents, std::size_t num,
                           const PublicKey& key, const Execution& execution) {
    const SquareModulus& n = key.modulus();
    const std::size_t limbs = key.randomiser_limbs();
    if (key.is_table_worth(num)) {
        batch::fixed_base(out, key.randomiser_table(execution), exponents, limbs, num, n,
                          execution);
        return;
    }
    const std::size_t bytes = n.element_bytes();
    batch::multi_pow(out, {key.limb_bases(), bytes}, n.r_squared(),
                     {exponents, num, limbs, limbs, 1, 64}, n, execution.without_progress());
    // The products are in Montgomery form, and lose it; then it is told that all are done.
    batch::mul(out, {out, bytes}, {n.one(), 0}, num, n, execution);
}

/// Not zero if x lies outside (-n/2, n/2). `bound` is 0, then the limbs of (n - 1)/2; scratch is as
/// long.
Limb is_outside(std::span<const Limb> x, Limb sign_mask, std::span<const Limb> bound,
                Limb* scratch) {
    const std::size_t h = bound.size() - 1;
    const std::size_t num_inside = std::min(h, x.size());
    // |x| for x >= 0 and |x| - 1 for x < 0; the lowest limb borrows the 1.
    scratch[0] = sign_mask;
    for (std::size_t j = 0; j < num_inside; ++j) scratch[j + 1] = x[j] ^ sign_mask;
    std::fill(scratch + num_inside + 1, scratch + h + 1, Limb{0});
    Limb outside = mpn_sub_n(scratch, bound.data(), scratch, static_cast<mp_size_t>(h + 1));
    for (const Limb limb : x.subspan(num_inside)) outside |= limb ^ sign_mask;
    return outside;
}

}  // namespace

void require_representable(const Plaintexts& plaintexts, const Modulus& n,
                           const Execution& execution, const char* what) {
    // |m| <= 2^(bits of a value - 1) <= 2^(bits of n - 2) < n/2, since n is odd.
    if (64 * plaintexts.limbs_per_value() + 1 <= n.bits()) return;
    std::vector<Limb> bound(n.num_limbs() + 1);
    mpn_rshift(bound.data() + 1, n.n(), static_cast<mp_size_t>(n.num_limbs()), 1);
    std::atomic<bool> any_outside{false};
    parallel_for(
        plaintexts.size(), kChecksPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            Secret<Limb> scratch(bound.size());
            Limb outside = 0;
            for (std::size_t i = begin; i < end; ++i) {
                outside |=
                    is_outside(plaintexts[i], plaintexts.sign_mask(i), bound, scratch.data());
            }
            if (outside != 0) any_outside = true;
        });
    if (any_outside) {
        throw Error(
            Errc::invalid_argument,
            std::string(what) + " lies outside (-n/2, n/2), which this key cannot represent");
    }
}

SignedOperand signed_operand(const Plaintexts& plaintexts) {
    const std::size_t num_limbs = plaintexts.limbs_per_value();
    return {plaintexts[0].data(), num_limbs, plaintexts.size() == 1 ? 0 : num_limbs};
}

Randomisers fresh_randomisers(std::size_t num, const PublicKey& key, const Execution& execution,
                              const HedgedSeed* seed) {
    const SquareModulus& n = key.modulus();
    const std::size_t num_limbs = witness_limbs(key);
    Randomisers result{make_secret<std::byte>(num * n.element_bytes(), execution),
                       make_secret<Limb>(num * num_limbs, execution)};
    if (key.form() == KeyForm::djn) {
        for_each_witness(result.witnesses, num_limbs, seed, execution,
                         [&](std::span<Limb> a, std::size_t /*i*/, RandomSource& random) {
                             uniform_bits(a, key.randomiser_bits(), random);
                         });
        raise_randomiser_base(result.elements.data(), result.witnesses.data(), num, key, execution);
    } else {
        for_each_witness(result.witnesses, num_limbs, seed, execution,
                         [&](std::span<Limb> r, std::size_t i, RandomSource& random) {
                             random_unit(r, n, random);
                             std::memcpy(result.elements.data() + i * n.element_bytes(), r.data(),
                                         n.digit_bytes());
                         });
        batch::pow_shared_vartime(result.elements.data(),
                                  {result.elements.data(), n.element_bytes()}, n.r_squared(), n.n(),
                                  n.bits(), num, n, execution);
    }
    return result;
}

Ciphertexts seal(std::span<const std::byte> randomisers, const Plaintexts& plaintexts,
                 Ciphertexts::Shape shape, const PublicKey& key, const Execution& execution) {
    const SquareModulus& n = key.modulus();
    Bytes elements(randomisers.size());
    batch::add_plain(elements.data(), {randomisers.data(), n.element_bytes()},
                     signed_operand(plaintexts), randomisers.size() / n.element_bytes(), n,
                     execution.without_progress());
    return {key, std::move(shape), std::move(elements)};
}

Ciphertexts seal_with(const MakeRandomisers& make, const Plaintexts& plaintexts,
                      Ciphertexts::Shape shape, const PublicKey& key, const Execution& execution) {
    const SquareModulus& n = key.modulus();
    const std::size_t bytes = n.element_bytes();
    const SignedOperand m = signed_operand(plaintexts);
    Bytes elements(plaintexts.size() * bytes);
    for_each_block(plaintexts.size(), kRandomisersPerBlock, execution,
                   [&](std::size_t begin, std::size_t end, const Execution& part) {
                       const Secret<std::byte> randomisers = make(end - begin, part);
                       batch::add_plain(elements.data() + begin * bytes,
                                        {randomisers.data(), bytes}, m.from(begin), end - begin, n,
                                        part.without_progress());
                   });
    return {key, std::move(shape), std::move(elements)};
}

RandomiserPool::RandomiserPool(const PublicKey& key, std::size_t num, bool for_proofs,
                               const Execution& execution)
    : key_(key),
      fork_generation_(fork_generation()),
      size_(checked_pool_size(num)),
      randomisers_(fresh_randomisers(num, key, execution)) {
    // Not "= {}", which would keep the memory, and what is in it.
    if (!for_proofs) randomisers_.witnesses = Secret<Limb>();
}

std::size_t RandomiserPool::remaining() const noexcept {
    if (fork_generation_ != fork_generation()) return 0;
    const std::size_t next = next_.load();
    return next < size_ ? size_ - next : 0;
}

RandomiserPool::Taken::~Taken() {
    if (num_wiped_ == num_) return;
    wipe(elements_.data(), elements_.size());
    wipe(witnesses_.data(), witnesses_.size_bytes());
}

void RandomiserPool::Taken::wipe_sealed(std::size_t begin, std::size_t end) noexcept {
    const std::size_t bytes = elements_.size() / num_;
    for (std::size_t i = begin; i < end; ++i) {
        wipe(elements_.data() + i * bytes + bytes / 2, bytes / 2);
    }
    const std::size_t limbs = witnesses_.size() / num_;
    wipe(witnesses_.data() + begin * limbs, (end - begin) * limbs * sizeof(Limb));
    num_wiped_ += end - begin;
}

RandomiserPool::Taken RandomiserPool::take(std::size_t num) {
    if (fork_generation_ != fork_generation()) {
        // The parent holds the same randomisers. The child's copies are of no use: forget them.
        wipe(randomisers_.elements.data(), randomisers_.elements.size());
        wipe(randomisers_.witnesses.data(), randomisers_.witnesses.size() * sizeof(Limb));
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
    const std::size_t limbs = randomisers_.witnesses.size() / size_;
    return {std::span(randomisers_.elements).subspan(first * bytes, num * bytes),
            std::span(randomisers_.witnesses).subspan(first * limbs, num * limbs), num};
}

namespace {

/// As seal, with randomisers of the pool, and each is wiped while it is in a cache.
Ciphertexts seal_from(RandomiserPool& pool, const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                      const PublicKey& key, const Execution& execution) {
    const std::size_t num = plaintexts.size();
    const SquareModulus& n = pool.key().modulus();
    const SquareKernel& kernel = n.kernel();
    const std::size_t bytes = n.element_bytes();
    const SignedOperand m = signed_operand(plaintexts);
    const std::size_t groups_in_cache = kBytesPerPiece / (bytes * kernel.num_lanes);
    const std::size_t piece_size =
        std::min(std::max<std::size_t>(1, groups_in_cache) * kernel.num_lanes,
                 batch::piece_size(num, 1, n, execution));
    RandomiserPool::Taken taken = pool.take(num);
    const Operand randomisers{taken.elements().data(), bytes};
    Bytes elements(num * bytes);
    parallel_for(num, piece_size, execution.without_progress(),
                 [&](std::size_t begin, std::size_t end) {
                     Secret<std::byte> scratch(kernel.product_scratch_bytes(n));
                     kernel.add_plain(elements.data() + begin * bytes, randomisers.from(begin),
                                      m.from(begin), end - begin, n, scratch.data());
                     taken.wipe_sealed(begin, end);
                 });
    return {key, std::move(shape), std::move(elements)};
}

}  // namespace

void require_pool_of(const PublicKey& key, const RandomiserPool* pool) {
    if (pool == nullptr || pool->key() == key) return;
    if (!pool->key().has_modulus_of(key)) {
        throw Error(Errc::key_mismatch,
                    "the randomiser pool belongs to another key; make one with "
                    "this key's precompute");
    }
    // Randomisers of form classic are right for any key.
    if (pool->key().form() != KeyForm::classic) {
        throw Error(Errc::key_mismatch,
                    "the randomiser pool was made with the same modulus, but in a form whose short "
                    "randomisers rest on what its owner says of the primes; this key says nothing "
                    "of them: make a pool with its precompute");
    }
}

Ciphertexts encrypt(const Plaintexts& plaintexts, Ciphertexts::Shape shape, const PublicKey& key,
                    RandomiserPool* pool, const Execution& execution) {
    require_pool_of(key, pool);
    require_representable(plaintexts, key.modulus(), execution.without_progress());
    if (pool != nullptr) return seal_from(*pool, plaintexts, std::move(shape), key, execution);
    const auto make = [&](std::size_t num, const Execution& part) {
        return fresh_randomisers(num, key, part).elements;
    };
    return seal_with(make, plaintexts, std::move(shape), key, execution);
}

Ciphertexts encrypt_hedged(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                           const PublicKey& key, const HedgedSeed& seed,
                           const Execution& execution) {
    require_representable(plaintexts, key.modulus(), execution.without_progress());
    const Randomisers randomisers = fresh_randomisers(plaintexts.size(), key, execution, &seed);
    return seal(randomisers.elements, plaintexts, std::move(shape), key, execution);
}

Ciphertexts encrypt_with(const Plaintexts& plaintexts, const std::vector<Integer>& r,
                         Ciphertexts::Shape shape, const PublicKey& key,
                         const Execution& execution) {
    const SquareModulus& n = key.modulus();
    const Integer modulus = n.n_integer();
    if (r.size() != plaintexts.size()) {
        throw Error(Errc::invalid_argument, "there must be one r for each plaintext");
    }
    require_representable(plaintexts, n, execution.without_progress());
    auto elements = make_secret<std::byte>(r.size() * n.element_bytes(), execution);
    parallel_for(r.size(), kUnitsPerPiece, execution.without_progress(),
                 [&](std::size_t begin, std::size_t end) {
                     for (std::size_t i = begin; i < end; ++i) {
                         if (!(gcd(r[i], modulus) == Integer(1))) {
                             throw Error(Errc::invalid_argument, "r must be a unit modulo n");
                         }
                         std::ranges::copy(n.element(r[i] % modulus),
                                           elements.data() + i * n.element_bytes());
                     }
                 });
    batch::pow_shared_vartime(elements.data(), {elements.data(), n.element_bytes()}, n.r_squared(),
                              n.n(), n.bits(), r.size(), n, execution);
    return seal(elements, plaintexts, std::move(shape), key, execution);
}

}  // namespace veilsum
