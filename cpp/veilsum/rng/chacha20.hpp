// ChaCha20, written once over a type of vectors of state words.
//
// Source: RFC 8439, sections 2.1 to 2.4. Word i of the state is a vector whose lane j belongs to
// block counter + j, so the rounds need no shuffles; a transposition brings the blocks in order.
// The counter has 64 bits, as in D. J. Bernstein's "ChaCha, a variant of Salsa20" (2008).
//
// Constant time: only additions, exclusive ors, and rotations and shuffles by constants.
//
// Simd gives kLanes, Word (a vector of so many 32-bit words) and rotate_left<bits>(word).

#pragma once

#include <bit>
#include <cstring>
#include <utility>

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

template <class Simd>
class ChaCha20 {
    using Word = typename Simd::Word;
    static constexpr std::size_t kLanes = Simd::kLanes;
    static constexpr std::size_t kBatchBytes = kLanes * kKeystreamBlockBytes;
    static constexpr std::uint32_t kConstants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

public:
    static void expand(KeySchedule& schedule, const std::byte* key, const std::byte* start) {
        std::memcpy(schedule.bytes, key, kKeystreamKeyBytes);
        std::memcpy(schedule.bytes + kKeystreamKeyBytes, start, kKeystreamStartBytes);
    }

    static void generate(std::byte* out, std::size_t num_blocks, const KeySchedule& schedule,
                         std::uint64_t first_block) {
        const std::byte* start = schedule.bytes + kKeystreamKeyBytes;
        std::uint64_t counter = little_endian(start + 4);
        counter = (counter << 32 | little_endian(start)) + first_block;
        for (; num_blocks >= kLanes; num_blocks -= kLanes) {
            batch(out, schedule.bytes, counter);
            out += kBatchBytes;
            counter += kLanes;
        }
        if (num_blocks > 0) {
            alignas(Word) std::byte last[kBatchBytes];
            batch(last, schedule.bytes, counter);
            std::memcpy(out, last, num_blocks * kKeystreamBlockBytes);
            wipe(last, sizeof last);
        }
        // A round works on as many words as most processors have registers.
        wipe_stack();
    }

private:
    static std::uint32_t little_endian(const std::byte* bytes) {
        std::uint32_t value = 0;
        for (int i = 3; i >= 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
        return value;
    }

    [[gnu::always_inline]] static Word broadcast(std::uint32_t value) { return Word{} + value; }

    template <std::size_t... i>
    [[gnu::always_inline]] static Word lane_numbers(std::index_sequence<i...> /*lanes*/) {
        return Word{i...};
    }

    /// Word i of the state before the rounds.
    [[gnu::always_inline]] static Word initial(std::size_t i, const std::byte* key_and_start,
                                               std::uint64_t counter) {
        if (i < 4) return broadcast(kConstants[i]);
        const Word low = broadcast(static_cast<std::uint32_t>(counter)) +
                         lane_numbers(std::make_index_sequence<kLanes>());
        if (i == 12) return low;
        if (i == 13) {
            // A comparison gives all ones, which is -1, where the low word has wrapped.
            const auto wrapped = low < broadcast(static_cast<std::uint32_t>(counter));
            return broadcast(static_cast<std::uint32_t>(counter >> 32)) -
                   reinterpret_cast<Word>(wrapped);
        }
        return broadcast(little_endian(key_and_start + 4 * (i - 4)));
    }

    [[gnu::always_inline]] static void quarter_round(Word& a, Word& b, Word& c, Word& d) {
        a += b;
        d = Simd::template rotate_left<16>(d ^ a);
        c += d;
        b = Simd::template rotate_left<12>(b ^ c);
        a += b;
        d = Simd::template rotate_left<8>(d ^ a);
        c += d;
        b = Simd::template rotate_left<7>(b ^ c);
    }

    /// Within each four lanes, word k of a goes to 2k and word k of b to 2k + 1: of the first two
    /// pairs of kSize words, or of the last two.
    template <std::size_t kSize, bool kLast, std::size_t... i>
    [[gnu::always_inline]] static Word interleave(Word a, Word b,
                                                  std::index_sequence<i...> /*lanes*/) {
        return __builtin_shufflevector(
            a, b,
            static_cast<int>(i / 4 * 4 + (kLast ? 2 : 0) + i % 4 / (2 * kSize) * kSize + i % kSize +
                             (i / kSize % 2) * kLanes)...);
    }
    template <std::size_t kSize, bool kLast>
    [[gnu::always_inline]] static Word interleave(Word a, Word b) {
        return interleave<kSize, kLast>(a, b, std::make_index_sequence<kLanes>());
    }

    /// Writes kLanes blocks.
    [[gnu::noinline]] static void batch(std::byte* out, const std::byte* key_and_start,
                                        std::uint64_t counter) {
        Word x[16];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < 16; ++i) x[i] = initial(i, key_and_start, counter);
        for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i) {
                quarter_round(x[i], x[4 + i], x[8 + i], x[12 + i]);
            }
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i) {
                quarter_round(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
            }
        }
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 16; i += 4) {
            const auto word = [&](std::size_t j) {
                return x[i + j] + initial(i + j, key_and_start, counter);
            };
            store(out + 4 * i, word(0), word(1), word(2), word(3));
        }
    }

    /// Writes words a, b, c, d of every block, one after another; out points into the first block.
    [[gnu::always_inline]] static void store(std::byte* out, Word a, Word b, Word c, Word d) {
        const Word ab_first = interleave<1, false>(a, b);
        const Word ab_last = interleave<1, true>(a, b);
        const Word cd_first = interleave<1, false>(c, d);
        const Word cd_last = interleave<1, true>(c, d);
        const Word rows[4] = {
            interleave<2, false>(ab_first, cd_first), interleave<2, true>(ab_first, cd_first),
            interleave<2, false>(ab_last, cd_last), interleave<2, true>(ab_last, cd_last)};
#pragma GCC unroll 4
        for (std::size_t row = 0; row < 4; ++row) {
            Word bytes = rows[row];
            if constexpr (std::endian::native == std::endian::big) {
                bytes = (bytes << 24) | ((bytes & 0xff00) << 8) | ((bytes >> 8) & 0xff00) |
                        (bytes >> 24);
            }
#pragma GCC unroll 4
            for (std::size_t four = 0; four < kLanes / 4; ++four) {
                std::memcpy(out + (4 * four + row) * kKeystreamBlockBytes,
                            reinterpret_cast<const std::byte*>(&bytes) + 16 * four, 16);
            }
        }
    }
};

/// The keystream of a Simd.
template <class Simd>
constexpr Keystream chacha20_keystream(const char* name) {
    return {.name = name,
            .cipher = Cipher::chacha20,
            .expand = ChaCha20<Simd>::expand,
            .generate = ChaCha20<Simd>::generate};
}

}  // namespace veilsum
