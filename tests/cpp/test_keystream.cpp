#include <doctest/doctest.h>

#include "rng_fixtures.hpp"
#include "veilsum/base/cpu.hpp"
#include "veilsum/rng/public_stream.hpp"

namespace {

using namespace veilsum;

Bytes counting_key() {
    Bytes key(kKeystreamKeyBytes);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
    return key;
}

/// Those that this processor runs, and AES by tables, which is for public streams only.
std::vector<const Keystream*> public_keystreams() {
    std::vector<const Keystream*> keystreams = available_keystreams();
    keystreams.push_back(&kAesTablesVartime);
    return keystreams;
}

std::vector<const Keystream*> public_keystreams_of(Cipher cipher) {
    std::vector<const Keystream*> keystreams = public_keystreams();
    std::erase_if(keystreams, [&](const Keystream* each) { return each->cipher != cipher; });
    return keystreams;
}

}  // namespace

TEST_CASE("AES-256 matches FIPS-197, C.3 (the cipher)") {
    const Bytes start = from_hex("00112233445566778899aabbccddeeff");
    for (const Keystream* keystream : public_keystreams_of(Cipher::aes256_ctr)) {
        CAPTURE(keystream->name);
        const Bytes block = blocks_of(*keystream, counting_key(), start, 1);
        CHECK(hex(std::span(block).first(16)) == "8ea2b7ca516745bfeafc49904b496089");
    }
}

TEST_CASE("AES-256-CTR matches SP 800-38A, F.5.5 (four blocks)") {
    const Bytes key = from_hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    const Bytes start = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    for (const Keystream* keystream : public_keystreams_of(Cipher::aes256_ctr)) {
        CAPTURE(keystream->name);
        CHECK(hex(blocks_of(*keystream, key, start, 1)) ==
              "0bdf7df1591716335e9a8b15c860c502"
              "5a6e699d536119065433863c8f657b94"
              "1bc12c9c01610d5d0d8bd6a3378eca62"
              "2956e1c8693536b1bee99c73a31576b6");
    }
}

TEST_CASE("ChaCha20 matches RFC 8439, 2.3.2 (block function)") {
    const Bytes start = from_hex("01000000000000090000004a00000000");
    for (const Keystream* keystream : keystreams_of(Cipher::chacha20)) {
        CAPTURE(keystream->name);
        CHECK(hex(blocks_of(*keystream, counting_key(), start, 1)) ==
              "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
              "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
    }
}

TEST_CASE("ChaCha20 matches RFC 8439, A.1 (all-zero key, blocks 0 and 1)") {
    for (const Keystream* keystream : keystreams_of(Cipher::chacha20)) {
        CAPTURE(keystream->name);
        CHECK(hex(blocks_of(*keystream, Bytes(32), Bytes(16), 2)) ==
              "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
              "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
              "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
              "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
    }
}

TEST_CASE("ChaCha20 matches RFC 8439, A.1 (block 2, and a nonce)") {
    const Bytes key = from_hex("00ff");
    Bytes padded(32);
    std::copy(key.begin(), key.end(), padded.begin());
    Bytes start(16);
    start[15] = std::byte{2};
    for (const Keystream* keystream : keystreams_of(Cipher::chacha20)) {
        CAPTURE(keystream->name);
        CHECK(hex(blocks_of(*keystream, padded, Bytes(16), 1, 2)) ==
              "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
              "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
        CHECK(hex(blocks_of(*keystream, Bytes(32), start, 1)) ==
              "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
              "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d");
    }
}

TEST_CASE("all keystreams of a cipher give the same bytes, wherever they begin and end") {
    const Bytes key = counting_key();
    const Bytes start = from_hex("00112233445566778899aabbccddeeff");
    for (const Cipher cipher : {Cipher::aes256_ctr, Cipher::chacha20}) {
        const auto keystreams = public_keystreams_of(cipher);
        if (keystreams.empty()) continue;
        for (const std::uint64_t first :
             {std::uint64_t{0}, std::uint64_t{7}, (std::uint64_t{1} << 32) - 20,
              (std::uint64_t{1} << 60) + 5}) {
            const Bytes whole = blocks_of(*keystreams[0], key, start, 70, first);
            for (const Keystream* keystream : keystreams) {
                CAPTURE(keystream->name);
                for (std::size_t begin = 0; begin < 3; ++begin) {
                    for (std::size_t count = 0; count <= 67; ++count) {
                        const Bytes part = blocks_of(*keystream, key, start, count, first + begin);
                        REQUIRE(
                            std::equal(part.begin(), part.end(),
                                       whole.begin() + static_cast<std::ptrdiff_t>(64 * begin)));
                    }
                }
            }
        }
    }
}

TEST_CASE("a block's number is added to the 64 bits of the start that count") {
    constexpr std::size_t kNumBlocks = 40;
    for (const Keystream* keystream : public_keystreams()) {
        CAPTURE(keystream->name);
        const bool is_aes = keystream->cipher == Cipher::aes256_ctr;
        for (const int bits : {8, 31, 32, 33, 61}) {
            const std::uint64_t first = (std::uint64_t{1} << bits) - kNumBlocks / 2;
            const Bytes stream =
                blocks_of(*keystream, counting_key(), Bytes(16), kNumBlocks, first);
            for (std::size_t i = 0; i < kNumBlocks; ++i) {
                const std::uint64_t counter = (is_aes ? 4 : 1) * (first + i);
                Bytes start(16);
                for (std::size_t byte = 0; byte < 8; ++byte) {
                    start[is_aes ? 15 - byte : byte] = static_cast<std::byte>(counter >> 8 * byte);
                }
                const Bytes block = blocks_of(*keystream, counting_key(), start, 1);
                REQUIRE(std::equal(block.begin(), block.end(),
                                   stream.begin() + static_cast<std::ptrdiff_t>(64 * i)));
            }
        }
    }
}

TEST_CASE("a keystream writes what it was asked for and not a byte more, anywhere in memory") {
    const Bytes key = counting_key();
    const Bytes start(16);
    for (const Keystream* keystream : public_keystreams()) {
        CAPTURE(keystream->name);
        const Bytes expected = blocks_of(*keystream, key, start, 33);
        KeySchedule schedule;
        keystream->expand(schedule, key.data(), start.data());
        for (std::size_t offset : {1u, 8u, 63u}) {
            Bytes out(offset + expected.size() + 1, std::byte{0xa5});
            keystream->generate(out.data() + offset, 33, schedule, 0);
            CHECK(std::equal(expected.begin(), expected.end(),
                             out.begin() + static_cast<std::ptrdiff_t>(offset)));
            CHECK(out[offset - 1] == std::byte{0xa5});
            CHECK(out.back() == std::byte{0xa5});
        }
    }
}

TEST_CASE("the active keystream is the last that VEILSUM_ISA leaves") {
    const Keystream& active = active_keystream();
    const auto available = available_keystreams();
    CHECK(std::find(available.begin(), available.end(), &active) != available.end());
    CHECK((active.cipher == Cipher::aes256_ctr) == ((usable_features() & cpu::kAes) != 0));
}

TEST_CASE("AES by tables is never what secrets are drawn from") {
    CHECK(kAesTablesVartime.cipher == Cipher::aes256_ctr);
    for (const Keystream* keystream : available_keystreams()) {
        CHECK(keystream != &kAesTablesVartime);
    }
}

TEST_CASE("words of a public stream are AES in counter mode under the stream's number") {
    const Bytes key = counting_key();
    const Bytes start = from_hex("01020304050607080000000000000000");
    const PublicStream stream(std::span<const std::byte, kKeystreamKeyBytes>(key),
                              0x0102030405060708);
    std::vector<std::uint64_t> words(3 * PublicStream::kWordsPerBlock);
    stream.words(words, 5 * PublicStream::kWordsPerBlock);
    const Bytes expected = blocks_of(kAesTablesVartime, key, start, 3, 5);
    CHECK(std::ranges::equal(std::as_bytes(std::span(words)), expected));
}
