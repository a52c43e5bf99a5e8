#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

using Bytes = std::vector<std::byte>;

inline std::string hex(std::span<const std::byte> data) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte value : data) {
        text += kDigits[std::to_integer<unsigned>(value) >> 4];
        text += kDigits[std::to_integer<unsigned>(value) & 15];
    }
    return text;
}

inline Bytes from_hex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Bytes data;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        data.push_back(static_cast<std::byte>(16 * digit(text[i]) + digit(text[i + 1])));
    }
    return data;
}

/// num_blocks blocks of the stream of key and start, from block first_block on.
inline Bytes blocks_of(const Keystream& keystream, std::span<const std::byte> key,
                       std::span<const std::byte> start, std::size_t num_blocks,
                       std::uint64_t first_block = 0) {
    KeySchedule schedule;
    keystream.expand(schedule, key.data(), start.data());
    Bytes out(num_blocks * kKeystreamBlockBytes);
    keystream.generate(out.data(), num_blocks, schedule, first_block);
    return out;
}

/// Those of one cipher that this processor runs.
inline std::vector<const Keystream*> keystreams_of(Cipher cipher) {
    std::vector<const Keystream*> found = available_keystreams();
    std::erase_if(found, [&](const Keystream* keystream) { return keystream->cipher != cipher; });
    return found;
}

}  // namespace veilsum
