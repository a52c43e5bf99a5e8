#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum {

inline void put_word(std::byte* words, std::size_t i, std::uint64_t word) noexcept {
    std::memcpy(words + i * sizeof word, &word, sizeof word);
}

inline std::uint64_t word_at(const std::byte* words, std::size_t i) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, words + i * sizeof word, sizeof word);
    return word;
}

/// Packs residue(i) for every coefficient, in the layout of ring_kernel.hpp. Constant time.
template <class Residue>
void pack_residues(std::byte* out, std::size_t num_coefficients, unsigned bits,
                   const Residue& residue) {
    std::array<std::uint64_t, kRowLanes> pending{};
    unsigned num_pending = 0;
    for (std::size_t row = 0; row < num_coefficients; row += kRowLanes) {
        const bool is_full = num_pending + bits >= 64;
        const unsigned num_over = num_pending + bits - 64;
        for (std::size_t lane = 0; lane < kRowLanes; ++lane) {
            const std::uint64_t x = residue(row + lane);
            pending[lane] |= x << num_pending;
            if (!is_full) continue;
            put_word(out, lane, pending[lane]);
            pending[lane] = x >> (bits - num_over);
        }
        if (is_full) out += kRowLanes * sizeof(std::uint64_t);
        num_pending = is_full ? num_over : num_pending + bits;
    }
    if (num_pending == 0) return;
    for (std::size_t lane = 0; lane < kRowLanes; ++lane) put_word(out, lane, pending[lane]);
}

/// Calls take(i, residue) for every coefficient.
template <class Take>
void unpack_residues(const std::byte* packed, std::size_t num_coefficients, unsigned bits,
                     const Take& take) {
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    for (std::size_t row = 0; row < num_coefficients / kRowLanes; ++row) {
        const std::size_t bit = row * bits;
        const std::size_t word = bit / 64 * kRowLanes;
        const unsigned offset = bit % 64;
        for (std::size_t lane = 0; lane < kRowLanes; ++lane) {
            std::uint64_t x = word_at(packed, word + lane) >> offset;
            if (offset + bits > 64) x |= word_at(packed, word + kRowLanes + lane) << (64 - offset);
            take(row * kRowLanes + lane, x & mask);
        }
    }
}

/// Whether the bits behind the last residue of each lane are 0.
inline bool has_zero_end(const std::byte* packed, std::size_t num_coefficients, unsigned bits) {
    const std::size_t num_bits = num_coefficients / kRowLanes * bits;
    if (num_bits % 64 == 0) return true;
    std::uint64_t rest = 0;
    for (std::size_t lane = 0; lane < kRowLanes; ++lane) {
        rest |= word_at(packed, num_bits / 64 * kRowLanes + lane) >> num_bits % 64;
    }
    return rest == 0;
}

}  // namespace veilsum
