#pragma once

#include <atomic>
#include <memory>

#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/rng/hedged_seed.hpp"

namespace veilsum {

/// Elements that are uniformly (classic) or pseudo-uniformly (djn) distributed n-th residues, and
/// the witness of each, which a proof is of: a of hs^a (djn) or r of r^n (classic).
struct Randomisers {
    Secret<std::byte> elements;
    Secret<Limb> witnesses;  ///< As many limbs each.
};

/// Randomisers made ahead of time, each given out once.
///
/// Using one twice would reveal the difference of two plaintexts, so: taking is atomic, a taken one
/// is wiped, a forked child finds the pool empty, and there is no way to copy or save one.
class RandomiserPool {
public:
    /// Witnesses are kept only `for_proofs`.
    RandomiserPool(const PublicKey& key, std::size_t num, bool for_proofs,
                   const Execution& execution);
    RandomiserPool(const RandomiserPool&) = delete;
    RandomiserPool& operator=(const RandomiserPool&) = delete;

    const PublicKey& key() const noexcept { return key_; }
    bool is_for_proofs() const noexcept { return !randomisers_.witnesses.empty(); }
    /// How many are left; 0 in a forked child.
    std::size_t remaining() const noexcept;

    /// Randomisers that were taken: wiped when this goes, whatever became of them.
    class Taken {
    public:
        Taken(std::span<std::byte> elements, std::span<Limb> witnesses, std::size_t num)
            : elements_(elements), witnesses_(witnesses), num_(num) {}
        ~Taken();
        Taken(const Taken&) = delete;
        Taken& operator=(const Taken&) = delete;
        std::span<const std::byte> elements() const noexcept { return elements_; }
        /// Empty unless the pool is for proofs.
        std::span<const Limb> witnesses() const noexcept { return witnesses_; }

        /// Wipes what is secret of those in [begin, end) once they are in ciphertexts, while they
        /// are in a cache: their first digits are those of the ciphertexts. Each once.
        void wipe_sealed(std::size_t begin, std::size_t end) noexcept;

    private:
        std::span<std::byte> elements_;
        std::span<Limb> witnesses_;
        std::size_t num_;
        std::atomic<std::size_t> num_wiped_{0};
    };

    /// Takes `num` at once or none; not to outlive the pool. Throws Error: exhausted.
    Taken take(std::size_t num);

private:
    PublicKey key_;
    std::uint64_t fork_generation_;
    std::size_t size_;
    std::atomic<std::size_t> next_{0};
    Randomisers randomisers_;
};

/// Encrypts each m as (1 + m*n) * rho mod n^2 with a fresh randomiser rho, or the pool's next.
/// Requires |m| < n/2. Secret: m, rho. All checks come before anything is taken from the pool.
/// Throws Error: invalid_argument, key_mismatch (pool of another key), exhausted, entropy,
/// cancelled. Cost: one fixed-base power a value (djn), or one half-size multiplication (pool).
/// Source: Paillier 1999, scheme 1 with g = 1 + n.
Ciphertexts encrypt(const Plaintexts& plaintexts, Ciphertexts::Shape shape, const PublicKey& key,
                    RandomiserPool* pool, const Execution& execution);

/// As encrypt, with randomisers from a seed that is hedged: for plaintexts whose other half is
/// derived from the same seed. Throws Error: invalid_argument, cancelled.
Ciphertexts encrypt_hedged(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                           const PublicKey& key, const HedgedSeed& seed,
                           const Execution& execution);

/// (1 + m*n) * r^n mod n^2 with the r given: for test vectors and research only.
/// Throws Error: invalid_argument (r not a unit modulo n).
Ciphertexts encrypt_with(const Plaintexts& plaintexts, const std::vector<Integer>& r,
                         Ciphertexts::Shape shape, const PublicKey& key,
                         const Execution& execution);

}  // namespace veilsum
