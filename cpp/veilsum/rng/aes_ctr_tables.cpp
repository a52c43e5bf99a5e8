// AES-256-CTR by tables, for machines without AES instructions and for public data only: which
// entries are read depends on key and stream.

#include <array>
#include <bit>

#include "veilsum/rng/aes_ctr.hpp"
#include "veilsum/rng/public_stream.hpp"

namespace veilsum {
namespace {

constexpr std::uint8_t doubled(std::uint8_t x) {
    return static_cast<std::uint8_t>((x << 1) ^ ((x >> 7) * 0x1b));
}

/// The S-box of FIPS-197, 5.1.1: inverses by the powers of 3, which are all elements but 0.
constexpr std::array<std::uint8_t, 256> make_s_box() {
    std::array<std::uint8_t, 256> powers{};
    std::array<std::uint8_t, 256> logarithms{};
    std::uint8_t power = 1;
    for (unsigned i = 0; i < 255; ++i) {
        powers[i] = power;
        logarithms[power] = static_cast<std::uint8_t>(i);
        power = static_cast<std::uint8_t>(power ^ doubled(power));
    }
    std::array<std::uint8_t, 256> box{};
    for (unsigned x = 0; x < 256; ++x) {
        const std::uint8_t inverse = x == 0 ? 0 : powers[(255 - logarithms[x]) % 255];
        std::uint8_t sum = 0x63;
        for (int turn = 0; turn < 5; ++turn) sum ^= std::rotl(inverse, turn);
        box[x] = sum;
    }
    return box;
}

constexpr std::array<std::uint8_t, 256> kSBox = make_s_box();

/// The column that a byte of row 0 becomes by the S-box and MixColumns; other rows turn it.
constexpr std::array<std::uint32_t, 256> make_columns() {
    std::array<std::uint32_t, 256> columns{};
    for (unsigned x = 0; x < 256; ++x) {
        const std::uint32_t s = kSBox[x];
        const std::uint32_t twice = doubled(kSBox[x]);
        columns[x] = twice | s << 8 | s << 16 | (twice ^ s) << 24;
    }
    return columns;
}

constexpr std::array<std::uint32_t, 256> kColumns = make_columns();

struct AesTables {
    /// One block, a column a word.
    using Vector = std::uint32_t __attribute__((vector_size(16), may_alias));
    static constexpr std::size_t kBlocks = 1;
    static constexpr std::size_t kVectors = 4;

    static std::uint32_t byte(std::uint32_t x, int row) { return x >> (8 * row) & 0xff; }

    template <class Words>
    static Words substitute(Words x, Words sum) {
        for (int i = 0; i < 4; ++i) {
            std::uint32_t word = 0;
            for (int row = 0; row < 4; ++row) {
                word |= std::uint32_t{kSBox[byte(x[i], row)]} << (8 * row);
            }
            x[i] = word;
        }
        return x ^ sum;
    }
    static Vector round_key(const std::byte* key) {
        Vector x;
        std::memcpy(&x, key, sizeof x);
        return x;
    }
    static Vector counters(std::uint64_t high, std::uint64_t low) {
        const Vector number = {
            static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
            static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32)};
        return number;
    }
    static Vector advance(Vector counters, long long n) {
        const std::uint64_t low =
            (std::uint64_t{counters[1]} << 32 | counters[0]) + static_cast<std::uint64_t>(n);
        counters[0] = static_cast<std::uint32_t>(low);
        counters[1] = static_cast<std::uint32_t>(low >> 32);
        return counters;
    }
    static Vector blocks(Vector counters) {
        const Vector reversed = {__builtin_bswap32(counters[3]), __builtin_bswap32(counters[2]),
                                 __builtin_bswap32(counters[1]), __builtin_bswap32(counters[0])};
        return reversed;
    }
    static Vector first(Vector x, Vector key) { return x ^ key; }
    static Vector middle(Vector x, Vector key) {
        Vector y = key;
        for (int i = 0; i < 4; ++i) {
            for (int row = 0; row < 4; ++row) {
                y[i] ^= std::rotl(kColumns[byte(x[(i + row) % 4], row)], 8 * row);
            }
        }
        return y;
    }
    static Vector last(Vector x, Vector key13, Vector key14) {
        x = middle(x, key13);
        Vector y = key14;
        for (int i = 0; i < 4; ++i) {
            for (int row = 0; row < 4; ++row) {
                y[i] ^= std::uint32_t{kSBox[byte(x[(i + row) % 4], row)]} << (8 * row);
            }
        }
        return y;
    }
};

}  // namespace

constinit const Keystream kAesTablesVartime = aes_keystream<AesTables>("aes-tables");

}  // namespace veilsum
