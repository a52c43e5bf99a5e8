#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veilsum/base/secret.hpp"

namespace veilsum {

inline constexpr std::size_t kKeystreamKeyBytes = 32;
inline constexpr std::size_t kKeystreamStartBytes = 16;
/// One block of ChaCha20, four of AES.
inline constexpr std::size_t kKeystreamBlockBytes = 64;

enum class Cipher { aes256_ctr, chacha20 };

/// A key as a Keystream wants it, wiped at the end.
struct KeySchedule {
    KeySchedule() = default;
    ~KeySchedule() { wipe(bytes, sizeof bytes); }
    KeySchedule(const KeySchedule&) = delete;
    KeySchedule& operator=(const KeySchedule&) = delete;

    /// AES has 15 round keys and the start, ChaCha20 the key and the start.
    alignas(64) std::byte bytes[256];
};

/// One cipher on one instruction set. All of one cipher give the same bytes, which are OpenSSL's
/// for the same key and start:
///
/// - AES-256 in counter mode. The start is the first counter block; its last 8 bytes, big-endian,
///   count. Source: FIPS-197; NIST SP 800-38A, 6.5.
/// - ChaCha20. The start is words 12 to 15 of the state; the first two, little-endian, count, so
///   that the first alone is RFC 8439's counter and the others its nonce. Source: RFC 8439, 2.3.
///
/// Constant time in key and stream; start, sizes and positions are public. Nothing is allocated or
/// thrown, and no secret stays on the stack.
struct Keystream {
    const char* name;
    Cipher cipher;

    /// Prepares a key of kKeystreamKeyBytes and a start of kKeystreamStartBytes. Nothing is left of
    /// a key that the schedule held.
    void (*expand)(KeySchedule& schedule, const std::byte* key, const std::byte* start);

    /// Writes num_blocks blocks of the stream, of which the first is number first_block. `out` may
    /// begin anywhere; a multiple of 64 is fastest.
    /// Requires that the 64 bits that count do not wrap.
    void (*generate)(std::byte* out, std::size_t num_blocks, const KeySchedule& schedule,
                     std::uint64_t first_block);
};

// Those of one architecture are in builds for it only.
extern const Keystream kChaCha20Portable;
extern const Keystream kChaCha20Avx2;
extern const Keystream kChaCha20Avx512;
extern const Keystream kAesNi;
extern const Keystream kAesVaes256;
extern const Keystream kAesVaes512;
extern const Keystream kAesArmv8;

/// Every one this processor runs, worst first.
std::vector<const Keystream*> available_keystreams();

/// The one this process draws from: AES where the processor has instructions for it and VEILSUM_ISA
/// does not rule them out, else ChaCha20. Checked against a published value at first use. Throws
/// Error as Dispatcher::active does.
const Keystream& active_keystream();

}  // namespace veilsum
