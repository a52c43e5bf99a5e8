#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

/// Where random bytes come from. Production code only ever passes a Csprng; tests pass fixed
/// streams, which is why samplers take this interface and nothing is seedable.
class RandomSource {
public:
    virtual ~RandomSource() = default;

    /// Fills `out` with independent uniform bytes.
    virtual void fill(std::span<std::byte> out) = 0;
};

/// A cryptographic generator, keyed afresh from the operating system by each object: the active
/// keystream with fast key erasure.
///
/// Make one per batch and thread; objects are not shared between threads. Every key gives one piece
/// of at most kMaxPieceBytes and, before it, the next key. So a later leak of the state does not
/// reveal earlier output, and nothing depends on how much is drawn altogether
/// (docs/randomness.md). After a fork the child's copy rekeys itself before it gives a byte.
///
/// Cost: requests of kBufferBytes or more are written in place. What a Csprng gives depends on how
/// it is asked: the same bytes in pieces of other sizes would be other bytes.
/// Source: D. J. Bernstein, "Fast-key-erasure random-number generators", 2017.
class Csprng final : public RandomSource {
public:
    static constexpr std::size_t kBufferBytes = 1024;
    static constexpr std::size_t kMaxPieceBytes = 1 << 16;

    /// Throws Error: entropy (the operating system gave no randomness), and what active_keystream()
    /// throws.
    Csprng();
    ~Csprng() override;
    Csprng(const Csprng&) = delete;
    Csprng& operator=(const Csprng&) = delete;

    /// Throws Error: entropy (after a fork only).
    void fill(std::span<std::byte> out) override;

private:
    void rekey_from_system();
    void set_key(std::span<std::byte> key) noexcept;
    void next_piece(std::span<std::byte> out) noexcept;

    const Keystream& keystream_;
    std::uint64_t fork_generation_ = 0;
    /// Bytes of the buffer given out, and wiped.
    std::size_t position_ = kBufferBytes;
    /// Of the next piece's key.
    KeySchedule schedule_;
    alignas(64) std::byte buffer_[kBufferBytes];
};

/// Fills `out` from the operating system. Throws Error: entropy.
void system_random(std::span<std::byte> out);

}  // namespace veilsum
