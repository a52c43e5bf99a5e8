#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/secret.hpp"

namespace veilsum {

/// Where random bytes come from. Production code only ever passes a Csprng; tests pass fixed
/// streams, which is why samplers take this interface and nothing is seedable.
class RandomSource {
public:
    virtual ~RandomSource() = default;

    /// Fills `out` with independent uniform bytes.
    virtual void fill(std::span<std::byte> out) = 0;
};

/// A cryptographic generator: ChaCha20 keyed afresh from the operating system by each object.
///
/// Make one per batch and thread; objects are not shared between threads. Fast key erasure: every
/// refill replaces the key, so a later leak of the state does not reveal earlier output. After a
/// fork the child's copy rekeys itself before it gives a byte.
/// Source: D. J. Bernstein, "Fast-key-erasure random-number generators", 2017.
class Csprng final : public RandomSource {
public:
    /// Throws Error: entropy (the operating system gave no randomness).
    Csprng();
    ~Csprng() override;
    Csprng(const Csprng&) = delete;
    Csprng& operator=(const Csprng&) = delete;

    void fill(std::span<std::byte> out) override;

private:
    static constexpr std::size_t kKeyBytes = 32;
    static constexpr std::size_t kBufferBytes = 4096;

    void rekey_from_system();
    void refill();

    std::uint32_t key_[kKeyBytes / 4];
    std::byte buffer_[kBufferBytes];
    std::size_t position_ = kBufferBytes;
    std::uint64_t fork_generation_ = 0;
};

/// Fills `out` from the operating system. Throws Error: entropy.
void system_random(std::span<std::byte> out);

}  // namespace veilsum
