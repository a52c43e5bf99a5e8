#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "veilsum/base/parallel.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/lattice/mask_shape.hpp"
#include "veilsum/rng/hedged_seed.hpp"

namespace veilsum {

class Mask;

/// Some consecutive blocks of one vector, masked: of one contributor, or summed. Public. Residues
/// are below their primes and packed as ring_kernel.hpp has it, block by block and prime by prime.
struct MaskedBlocks {
    MaskShape shape;
    std::size_t first;
    std::size_t count;
    Bytes residues;

    bool operator==(const MaskedBlocks&) const = default;

    /// Reads kind 22, which must be blocks of a vector of this shape. What it costs is in
    /// proportion to the message, whatever the shape: tables are not made for it.
    /// Throws Error: invalid_argument (as MaskShape::check), malformed (not the wire format, other
    /// blocks, MB1: a residue that is not below its prime, or bits behind the last one).
    static MaskedBlocks from_bytes(ByteView wire, const MaskShape& shape,
                                   const Execution& execution);
    /// Throws Error: cancelled.
    Bytes to_bytes(const Execution& execution) const;

    /// So many blocks from `from` on. Throws Error: invalid_argument (they are not all here).
    MaskedBlocks part(std::size_t from, std::size_t num) const;

    /// The sum with the same blocks of another vector, for a few blocks; a MaskSum adds vectors.
    /// Throws Error: invalid_argument (they are of another shape, or other blocks).
    MaskedBlocks plus(const MaskedBlocks& other) const;
};

/// What hides the slots of a vector in a sum: b_j = a_j s + e_j + 2^slack m_j for each block j,
/// with a_j hashed from the context, a secret s that is new for each vector, and new errors e_j
/// (docs/masks.md). Whoever has the sum of the secrets opens the sum of the blocks, and no more.
///
/// Immutable; for any number of threads.
class Mask {
public:
    /// Throws Error: invalid_argument (as MaskShape::check). Cost: about a millisecond.
    explicit Mask(const MaskShape& shape);
    ~Mask();
    Mask(const Mask&);
    Mask(Mask&&) noexcept;
    Mask& operator=(const Mask&);
    Mask& operator=(Mask&&) noexcept;

    const MaskShape& shape() const noexcept;

    struct Protected {
        MaskedBlocks blocks;
        /// N coefficients, within max_secret().
        Secret<std::int64_t> secret;
    };

    /// Masks a vector under a new secret.
    ///
    /// `context` names the sum: the same for all its vectors, and another one for every sum. The
    /// seed is for this vector only. Constant time in slots, secret and errors, but for what the
    /// noise sampler's timing tells (docs/noise.md). A slot beyond max_slot is neither clamped nor
    /// refused: it carries, and one of 2^51 or more garbles the sum.
    /// Throws Error: invalid_argument (not num_slots slots, an empty context), cancelled.
    Protected protect(std::span<const std::int64_t> slots, ByteView context, const HedgedSeed& seed,
                      const Execution& execution) const;

    /// Opens a sum with the sum of its secrets, and writes its num_slots slots. All is public;
    /// variable time. Returns the largest |error|: beyond max_error() somebody sent what is no
    /// masked vector.
    /// Throws Error: invalid_argument (other blocks than all of this shape, not N secrets, or no
    /// room for the slots), capacity (a secret is beyond max_secret(), or a slot beyond max_slot),
    /// cancelled.
    std::int64_t open(std::span<std::int64_t> out, const MaskedBlocks& sum,
                      std::span<const std::int64_t> secret, ByteView context,
                      const Execution& execution) const;

    struct State;

private:
    std::shared_ptr<const State> state_;
    friend class MaskSum;
};

/// A sum of masked vectors of one mask, in the memory of one: 8 bytes a residue. Public.
class MaskSum {
public:
    explicit MaskSum(const Mask& mask);

    std::uint64_t num_addends() const noexcept { return num_addends_; }

    /// Adds a vector, or a sum of several, given all its blocks in order.
    /// Throws Error: invalid_argument (other blocks than these, no addends), capacity (more than
    /// max_addends); nothing is changed then.
    void add(std::span<const MaskedBlocks* const> parts, std::uint64_t num_addends,
             const Execution& execution);

    /// The sum. Throws Error: invalid_argument (nothing was added), cancelled.
    MaskedBlocks total(const Execution& execution) const;

private:
    Mask mask_;
    std::vector<std::uint64_t> sums_;
    std::uint64_t num_addends_ = 0;
};

}  // namespace veilsum
