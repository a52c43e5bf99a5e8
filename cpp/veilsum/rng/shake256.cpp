// SHAKE256 over Keccak-f[1600]. Source: FIPS 202, sections 3.2 (step mappings), 4 (sponge), 6.2.
// Constant time in what is hashed. Proofs hash whole batches, so the 24 moves of a round are
// unrolled.

#include "veilsum/rng/shake256.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace veilsum {
namespace {

constexpr std::size_t kRateBytes = 136;  // 1600 bits less twice the 256-bit security level.
constexpr std::size_t kNumRounds = 24;

/// Algorithm 5 of FIPS 202: bit t of the linear feedback shift register behind the constants.
constexpr bool round_constant_bit(std::size_t t) {
    unsigned r = 1;
    for (std::size_t i = 0; i < t % 255; ++i) r = (r << 1) ^ ((r >> 7) * 0x171u);
    return (r & 1u) != 0;
}

constexpr std::array<std::uint64_t, kNumRounds> round_constants() {
    std::array<std::uint64_t, kNumRounds> constants{};
    for (std::size_t round = 0; round < kNumRounds; ++round) {
        for (std::size_t j = 0; j <= 6; ++j) {
            if (round_constant_bit(j + 7 * round)) {
                constants[round] |= std::uint64_t{1} << ((1 << j) - 1);
            }
        }
    }
    return constants;
}

constexpr auto kRoundConstants = round_constants();

/// Rho and pi together are one cycle of 24 lanes: what arrives at a lane comes from the one before,
/// rotated.
struct Move {
    std::size_t to;
    int rotation;
};

constexpr std::array<Move, 24> moves_of_rho_and_pi() {
    std::array<Move, 24> moves{};
    std::size_t x = 1;
    std::size_t y = 0;
    for (int t = 0; t < 24; ++t) {
        const std::size_t next_y = (2 * x + 3 * y) % 5;
        x = y;
        y = next_y;
        moves[static_cast<std::size_t>(t)] = {x + 5 * y, (t + 1) * (t + 2) / 2 % 64};
    }
    return moves;
}

constexpr auto kMoves = moves_of_rho_and_pi();
constexpr std::size_t kFirstLane = 1;

template <std::size_t... t>
[[gnu::always_inline]] inline void rho_and_pi(std::array<std::uint64_t, 25>& a,
                                              std::index_sequence<t...> /*all*/) {
    std::uint64_t moving = a[kFirstLane];
    ((moving = std::exchange(a[kMoves[t].to], std::rotl(moving, kMoves[t].rotation))), ...);
}

}  // namespace

void Shake256::permute() noexcept {
    auto a = state_;  // Lane (x, y) of the standard is a[x + 5*y].
    for (const std::uint64_t constant : kRoundConstants) {
        // Theta.
        std::uint64_t column[5];
        for (std::size_t x = 0; x < 5; ++x)
            column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (std::size_t x = 0; x < 5; ++x) {
            const std::uint64_t d = column[(x + 4) % 5] ^ std::rotl(column[(x + 1) % 5], 1);
            for (std::size_t y = 0; y < 5; ++y) a[x + 5 * y] ^= d;
        }
        rho_and_pi(a, std::make_index_sequence<kMoves.size()>());
        // Chi.
        for (std::size_t row = 0; row < 25; row += 5) {
            std::uint64_t b[5];
            for (std::size_t i = 0; i < 5; ++i) b[i] = a[row + i];
            for (std::size_t i = 0; i < 5; ++i)
                a[row + i] = b[i] ^ (~b[(i + 1) % 5] & b[(i + 2) % 5]);
        }
        // Iota.
        a[0] ^= constant;
    }
    state_ = a;
}

void Shake256::absorb_part(const std::byte* data, std::size_t num_bytes) noexcept {
    std::uint64_t part = 0;
    std::memcpy(&part, data, num_bytes);
    state_[position_ / 8] ^= part << (8 * (position_ % 8));
    position_ += num_bytes;
    if (position_ == kRateBytes) {
        permute();
        position_ = 0;
    }
}

Shake256& Shake256::absorb(std::span<const std::byte> data) {
    while (!data.empty()) {
        const std::size_t num_bytes = std::min(data.size(), 8 - position_ % 8);
        absorb_part(data.data(), num_bytes);
        data = data.subspan(num_bytes);
    }
    return *this;
}

Shake256& Shake256::absorb(std::string_view text) {
    return absorb(std::as_bytes(std::span(text.data(), text.size())));
}

void Shake256::squeeze(std::span<std::byte> out) {
    if (!squeezing_) {
        // Domain bits 1111 and the padding 10*1.
        state_[position_ / 8] ^= std::uint64_t{0x1f} << (8 * (position_ % 8));
        state_[(kRateBytes - 1) / 8] ^= std::uint64_t{0x80} << (8 * ((kRateBytes - 1) % 8));
        permute();
        position_ = 0;
        squeezing_ = true;
    }
    for (std::byte& value : out) {
        if (position_ == kRateBytes) {
            permute();
            position_ = 0;
        }
        value = static_cast<std::byte>(state_[position_ / 8] >> (8 * (position_ % 8)));
        ++position_;
    }
}

}  // namespace veilsum
