#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "veilsum/rng/chacha20.hpp"
#include "veilsum/rng/csprng.hpp"
#include "veilsum/rng/shake256.hpp"
#include "veilsum/rng/uniform.hpp"

namespace {

using namespace veilsum;

std::string hex(std::span<const std::byte> data) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte value : data) {
        text += kDigits[std::to_integer<unsigned>(value) >> 4];
        text += kDigits[std::to_integer<unsigned>(value) & 15];
    }
    return text;
}

std::array<std::uint32_t, 8> counting_key() {
    std::array<std::uint32_t, 8> key{};
    for (std::uint32_t i = 0; i < 8; ++i) {
        for (std::uint32_t byte = 0; byte < 4; ++byte) key[i] |= (4 * i + byte) << (8 * byte);
    }
    return key;
}

}  // namespace

TEST_CASE("ChaCha20 matches RFC 8439, 2.3.2 (block function)") {
    const std::array<std::uint32_t, 3> nonce{0x09000000, 0x4a000000, 0};
    std::array<std::byte, 64> block{};
    chacha20(block, counting_key(), 1, nonce);
    CHECK(hex(block) ==
          "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
          "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
}

TEST_CASE("ChaCha20 matches RFC 8439, A.1 (all-zero key, blocks 0 and 1)") {
    const std::array<std::uint32_t, 8> key{};
    const std::array<std::uint32_t, 3> nonce{};
    std::array<std::byte, 128> blocks{};
    chacha20(blocks, key, 0, nonce);
    CHECK(hex(blocks) ==
          "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
          "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
          "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
          "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

TEST_CASE("ChaCha20 gives the same stream whatever the piece lengths") {
    const std::array<std::uint32_t, 3> nonce{1, 2, 3};
    std::vector<std::byte> whole(64 * 21);
    chacha20(whole, counting_key(), 5, nonce);
    for (const std::size_t size : {1u, 63u, 64u, 65u, 255u, 256u, 257u, 1000u}) {
        std::vector<std::byte> part(size);
        chacha20(part, counting_key(), 5, nonce);
        CHECK(std::equal(part.begin(), part.end(), whole.begin()));
    }
    std::vector<std::byte> later(64 * 20);
    chacha20(later, counting_key(), 6, nonce);
    CHECK(std::equal(later.begin(), later.end(), whole.begin() + 64));
}

TEST_CASE("SHAKE256 matches FIPS 202 examples") {
    std::array<std::byte, 32> out{};
    Shake256().squeeze(out);
    CHECK(hex(out) == "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f");
    Shake256().absorb("abc").squeeze(out);
    CHECK(hex(out) == "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739");
    // 1600 bits of 0xa3, as in the NIST example values, squeezed in two pieces.
    const std::vector<std::byte> message(200, std::byte{0xa3});
    std::array<std::byte, 512> long_out{};
    Shake256 shake;
    shake.absorb(message);
    shake.squeeze(std::span(long_out).first(100));
    shake.squeeze(std::span(long_out).subspan(100));
    CHECK(hex(std::span(long_out).first(32)) ==
          "cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d");
}

TEST_CASE("Csprng gives different bytes to each object and never repeats a block") {
    std::set<std::string> seen;
    for (int i = 0; i < 20; ++i) {
        Csprng random;
        for (int j = 0; j < 500; ++j) {
            std::array<std::byte, 16> bytes{};
            random.fill(bytes);
            CHECK(seen.insert(hex(bytes)).second);
        }
    }
}

TEST_CASE("a forked child's generator gives other bytes than its parent's") {
    Csprng random;
    std::array<std::byte, 16> mine{};
    random.fill(mine);  // Part of the buffer is now used on both sides.
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    random.fill(mine);
    if (child == 0) {
        const bool sent = write(ends[1], mine.data(), mine.size()) == 16;
        _exit(sent ? 0 : 1);
    }
    std::array<std::byte, 16> theirs{};
    REQUIRE(read(ends[0], theirs.data(), theirs.size()) == 16);
    CHECK(mine != theirs);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("uniform_below stays below and reaches every value") {
    Csprng random;
    for (const std::uint64_t bound : {1u, 2u, 3u, 5u, 64u, 65u}) {
        std::vector<int> counts(bound);
        for (int i = 0; i < 4000; ++i) {
            std::array<std::uint64_t, 2> out{};
            uniform_below(out, std::array<std::uint64_t, 2>{bound, 0}, random);
            REQUIRE(out[1] == 0);
            REQUIRE(out[0] < bound);
            ++counts[out[0]];
        }
        for (const int count : counts) CHECK(count > 0);
    }
}

TEST_CASE("uniform_below compares all limbs") {
    // The first candidate has the bound's high limb and a larger low limb, so it must be rejected.
    class Fixed : public RandomSource {
    public:
        void fill(std::span<std::byte> out) override {
            const std::array<std::uint64_t, 2> value =
                first_ ? std::array<std::uint64_t, 2>{8, 3} : std::array<std::uint64_t, 2>{9, 2};
            first_ = false;
            const auto bytes = std::as_bytes(std::span(value));
            std::copy(bytes.begin(), bytes.end(), out.begin());
        }
        bool first_ = true;
    } source;
    std::array<std::uint64_t, 2> out{};
    uniform_below(out, std::array<std::uint64_t, 2>{7, 3}, source);
    CHECK(out == std::array<std::uint64_t, 2>{9, 2});
}

TEST_CASE("uniform_bits clears what lies above") {
    Csprng random;
    std::array<std::uint64_t, 3> out{};
    for (int i = 0; i < 200; ++i) {
        uniform_bits(out, 65, random);
        REQUIRE(out[1] <= 1);
        REQUIRE(out[2] == 0);
    }
}
