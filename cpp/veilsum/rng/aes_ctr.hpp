// AES-256 in counter mode, written once over a type of vectors of AES blocks.
//
// Sources: FIPS-197, section 5.2 (key expansion) and 5.1 (the cipher); NIST SP 800-38A, section 6.5
// and appendix B.1 (counter mode; only the last 64 bits count here).
//
// Constant time: the processor's AES instructions, exclusive ors and shuffles by constants. Round
// keys are read from the caller's schedule for each batch, and what is computed from them fits the
// registers, so nothing secret is written to the stack (tests/test_layout.py looks).
//
// Aes gives kBlocks, the AES blocks in a Vector, kVectors, how many are computed side by side to
// hide the latency of a round, and:
//   substitute(x, sum)   the S-box on every byte of four equal words, exclusive or sum
//   round_key(p)         16 bytes at p for every block
//   counters(high, low)  kBlocks counters from the 128-bit number on
//   advance(c, n)        the counters plus n
//   blocks(c)            counters as big-endian blocks
//   first(x, k), middle(x, k), last(x, k13, k14)
//                        rounds: addition of key 0 begins the first, key 14 ends the last

#pragma once

#include <cstring>

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

template <class Aes>
class AesCtr {
    using Words = std::uint32_t __attribute__((vector_size(16), may_alias));
    using UnalignedWords = std::uint32_t __attribute__((vector_size(16), may_alias, aligned(1)));
    using Bytes = std::uint8_t __attribute__((vector_size(16)));
    using Vector = typename Aes::Vector;

    static constexpr std::size_t kAesBlockBytes = 16;
    static constexpr std::size_t kNumRoundKeys = 15;
    static constexpr std::size_t kAesBlocks = kKeystreamBlockBytes / kAesBlockBytes;

public:
    static void expand(KeySchedule& schedule, const std::byte* key, const std::byte* start) {
        auto* keys = reinterpret_cast<Words*>(schedule.bytes);
        // Not by memcpy, for which GCC 12 goes by the stack.
        Words previous = reinterpret_cast<const UnalignedWords*>(key)[0];
        Words current = reinterpret_cast<const UnalignedWords*>(key)[1];
        keys[0] = previous;
        keys[1] = current;
#pragma GCC unroll 16
        for (std::size_t i = 2; i < kNumRoundKeys; ++i) {
            const auto bytes = reinterpret_cast<Bytes>(current);
            const Bytes last_word =
                i % 2 == 0 ? __builtin_shufflevector(bytes, bytes, 13, 14, 15, 12, 13, 14, 15, 12,
                                                     13, 14, 15, 12, 13, 14, 15, 12)
                           : __builtin_shufflevector(bytes, bytes, 12, 13, 14, 15, 12, 13, 14, 15,
                                                     12, 13, 14, 15, 12, 13, 14, 15);
            const std::uint32_t constant = i % 2 == 0 ? 1u << (i / 2 - 1) : 0;
            const Words next = Aes::substitute(reinterpret_cast<Words>(last_word),
                                               sums_of_words(previous) ^ constant);
            keys[i] = next;
            previous = current;
            current = next;
        }
        std::memcpy(schedule.bytes + kNumRoundKeys * kAesBlockBytes, start, kKeystreamStartBytes);
    }

    static void generate(std::byte* out, std::size_t num_blocks, const KeySchedule& schedule,
                         std::uint64_t first_block) {
        const std::byte* start = schedule.bytes + kNumRoundKeys * kAesBlockBytes;
        Vector counters =
            Aes::counters(big_endian(start), big_endian(start + 8) + kAesBlocks * first_block);
        constexpr std::size_t kBatch = Aes::kVectors * Aes::kBlocks / kAesBlocks;
        for (; num_blocks >= kBatch; num_blocks -= kBatch) {
            encrypt<Aes::kVectors>(out, counters, schedule);
            out += kBatch * kKeystreamBlockBytes;
        }
        for (; num_blocks > 0; --num_blocks) {
            encrypt<kAesBlocks / Aes::kBlocks>(out, counters, schedule);
            out += kKeystreamBlockBytes;
        }
    }

private:
    /// Processors with AES instructions are little-endian here.
    static std::uint64_t big_endian(const std::byte* bytes) {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes, sizeof value);
        return __builtin_bswap64(value);
    }

    /// Word i is the sum (exclusive or) of words 0 to i of x.
    [[gnu::always_inline]] static Words sums_of_words(Words x) {
        const Words zero{};
        x ^= __builtin_shufflevector(zero, x, 0, 4, 5, 6);
        x ^= __builtin_shufflevector(zero, x, 0, 1, 4, 5);
        return x;
    }

    /// Encrypts kCount vectors of counters, and moves the counters on.
    template <std::size_t kCount>
    [[gnu::always_inline]] static void encrypt(std::byte* out, Vector& counters,
                                               const KeySchedule& schedule) {
        const auto key = [&](std::size_t i) {
            return Aes::round_key(schedule.bytes + i * kAesBlockBytes);
        };
        Vector x[kCount];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kCount; ++v) {
            x[v] = Aes::first(Aes::blocks(counters), key(0));
            counters = Aes::advance(counters, Aes::kBlocks);
        }
#pragma GCC unroll 16
        for (std::size_t i = 1; i < kNumRoundKeys - 2; ++i) {
            const Vector round_key = key(i);
#pragma GCC unroll 8
            for (std::size_t v = 0; v < kCount; ++v) x[v] = Aes::middle(x[v], round_key);
        }
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kCount; ++v) {
            x[v] = Aes::last(x[v], key(kNumRoundKeys - 2), key(kNumRoundKeys - 1));
            std::memcpy(out + v * sizeof(Vector), &x[v], sizeof(Vector));
        }
    }
};

/// The keystream of an Aes.
template <class Aes>
constexpr Keystream aes_keystream(const char* name) {
    return {.name = name,
            .cipher = Cipher::aes256_ctr,
            .expand = AesCtr<Aes>::expand,
            .generate = AesCtr<Aes>::generate};
}

}  // namespace veilsum
