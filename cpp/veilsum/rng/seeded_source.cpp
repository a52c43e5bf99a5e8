#include "veilsum/rng/seeded_source.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "veilsum/rng/shake256.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::byte kStart[kKeystreamStartBytes] = {};

std::array<std::byte, 8> number_bytes(std::uint64_t value) {
    std::array<std::byte, 8> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

/// Of any length, which goes first.
void absorb_sized(Shake256& shake, ByteView data) {
    shake.absorb(number_bytes(data.size())).absorb(data);
}

ByteView view(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

HedgedSeed::HedgedSeed(std::string_view label, ByteView context, ByteView maker, ByteView input)
    : seed_(kSeedBytes) {
    Secret<std::byte> fresh(kSeedBytes);
    Csprng().fill(fresh);
    Shake256 shake;
    absorb_sized(shake, view(label));
    shake.absorb(fresh);
    for (const ByteView part : {context, maker, input}) absorb_sized(shake, part);
    shake.squeeze(seed_);
    wipe(&shake, sizeof shake);
}

SeededSource::SeededSource(const HedgedSeed& seed, std::string_view purpose, std::uint64_t number)
    : keystream_(active_keystream()), block_(kKeystreamBlockBytes) {
    Shake256 shake;
    shake.absorb(seed.bytes());
    absorb_sized(shake, view(purpose));
    shake.absorb(number_bytes(number));
    alignas(16) std::array<std::byte, kKeystreamKeyBytes> key{};
    shake.squeeze(key);
    keystream_.expand(schedule_, key.data(), kStart);
    wipe(&shake, sizeof shake);
    wipe(key.data(), key.size());
}

void SeededSource::fill(std::span<std::byte> out) {
    const std::size_t num_first = std::min(out.size(), num_left_);
    std::copy_n(block_.end() - static_cast<std::ptrdiff_t>(num_left_), num_first, out.begin());
    num_left_ -= num_first;
    out = out.subspan(num_first);
    const std::size_t num_blocks = out.size() / kKeystreamBlockBytes;
    keystream_.generate(out.data(), num_blocks, schedule_, next_block_);
    next_block_ += num_blocks;
    out = out.subspan(num_blocks * kKeystreamBlockBytes);
    if (out.empty()) return;
    keystream_.generate(block_.data(), 1, schedule_, next_block_++);
    std::copy_n(block_.begin(), out.size(), out.begin());
    num_left_ = kKeystreamBlockBytes - out.size();
}

}  // namespace veilsum
