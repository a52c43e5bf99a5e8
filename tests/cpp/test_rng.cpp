#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "rng_fixtures.hpp"
#include "veilsum/rng/csprng.hpp"
#include "veilsum/rng/shake256.hpp"
#include "veilsum/rng/uniform.hpp"

using namespace veilsum;

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

TEST_CASE("SHAKE256 does not care in what pieces it absorbs") {
    std::vector<std::byte> message(600);
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::byte>(7 * i + 1);
    std::array<std::byte, 32> whole{};
    Shake256().absorb(message).squeeze(whole);
    for (std::size_t piece = 1; piece <= 300; ++piece) {
        Shake256 shake;
        for (std::size_t i = 0; i < message.size(); i += piece) {
            shake.absorb(std::span(message).subspan(i, std::min(piece, message.size() - i)));
        }
        std::array<std::byte, 32> out{};
        shake.squeeze(out);
        REQUIRE(out == whole);
    }
}

TEST_CASE("uniform_below stays below and reaches every value") {
    Csprng random;
    for (const Limb bound : {1u, 2u, 3u, 5u, 64u, 65u}) {
        std::vector<int> counts(bound);
        for (int i = 0; i < 4000; ++i) {
            std::array<Limb, 2> out{};
            uniform_below(out, std::array<Limb, 2>{bound, 0}, random);
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
            const std::array<Limb, 2> value =
                first_ ? std::array<Limb, 2>{8, 3} : std::array<Limb, 2>{9, 2};
            first_ = false;
            const auto bytes = std::as_bytes(std::span(value));
            std::copy(bytes.begin(), bytes.end(), out.begin());
        }
        bool first_ = true;
    } source;
    std::array<Limb, 2> out{};
    uniform_below(out, std::array<Limb, 2>{7, 3}, source);
    CHECK(out == std::array<Limb, 2>{9, 2});
}

TEST_CASE("uniform_bits clears what lies above") {
    Csprng random;
    std::array<Limb, 3> out{};
    for (int i = 0; i < 200; ++i) {
        uniform_bits(out, 65, random);
        REQUIRE(out[1] <= 1);
        REQUIRE(out[2] == 0);
    }
}
