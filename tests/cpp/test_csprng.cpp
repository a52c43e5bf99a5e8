#include <doctest/doctest.h>

#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <set>

#include "error_fixtures.hpp"
#include "rng_fixtures.hpp"
#include "veilsum/rng/csprng.hpp"

using namespace veilsum;
using veilsum::testing::code_of;

#if defined(__linux__)

namespace {
bool system_gives_randomness = true;
}

/// Stands before the C library's.
extern "C" int getentropy(void* buffer, std::size_t size_bytes) {
    if (system_gives_randomness) {
        return getrandom(buffer, size_bytes, 0) == static_cast<ssize_t>(size_bytes) ? 0 : -1;
    }
    errno = ENOSYS;
    return -1;
}

#endif

namespace {

Bytes draw(Csprng& random, std::size_t size_bytes) {
    Bytes out(size_bytes);
    random.fill(out);
    return out;
}

/// What an attacker finds who sees all memory of an object.
Bytes memory_of(const Csprng& random) {
    Bytes memory(sizeof random);
    std::memcpy(memory.data(), static_cast<const void*>(&random), sizeof random);
    return memory;
}

bool contains(std::span<const std::byte> memory, std::span<const std::byte> part) {
    return std::search(memory.begin(), memory.end(), part.begin(), part.end()) != memory.end();
}

/// Whether any 16 bytes of `data`, cut into such pieces, lie somewhere in `memory`.
bool holds_any_of(std::span<const std::byte> memory, std::span<const std::byte> data) {
    for (; data.size() >= 16; data = data.subspan(16)) {
        if (contains(memory, data.first(16))) return true;
    }
    return false;
}

/// The description of Csprng, written down once more and slowly: pieces of at most 64 KiB, each the
/// stream of a key without its first block, which gives the next key; what is left of a request,
/// and small ones, from pieces of 1 KiB.
class Model {
public:
    explicit Model(std::span<const std::byte> key) : key_(key.begin(), key.end()) {}

    Bytes draw(std::size_t size_bytes) {
        Bytes out;
        while (size_bytes - out.size() >= 1024) {
            append(out, piece(std::min<std::size_t>((size_bytes - out.size()) / 64, 1024)));
        }
        while (out.size() < size_bytes) {
            if (small_.empty()) small_ = piece(16);
            out.push_back(small_.front());
            small_.erase(small_.begin());
        }
        return out;
    }

private:
    static void append(Bytes& out, const Bytes& more) {
        out.insert(out.end(), more.begin(), more.end());
    }

    Bytes piece(std::size_t num_blocks) {
        const Bytes stream = blocks_of(active_keystream(), key_, Bytes(16), num_blocks + 1);
        key_.assign(stream.begin(), stream.begin() + 32);
        return {stream.begin() + 64, stream.end()};
    }

    Bytes key_;
    Bytes small_;
};

/// Where in `memory` the key lies that gives `piece`.
std::optional<std::size_t> key_offset(const Bytes& memory, const Bytes& piece) {
    for (std::size_t offset = 0; offset + 32 <= memory.size(); offset += 8) {
        if (Model(std::span(memory).subspan(offset, 32)).draw(piece.size()) == piece) return offset;
    }
    return std::nullopt;
}

/// The same of every Csprng.
std::size_t key_offset() {
    static const std::size_t found = [] {
        Csprng random;
        const Bytes memory = memory_of(random);
        const auto offset = key_offset(memory, draw(random, 2048));
        REQUIRE(offset.has_value());
        return *offset;
    }();
    return found;
}

std::span<const std::byte> key_in(const Bytes& memory) {
    return std::span(memory).subspan(key_offset(), 32);
}

}  // namespace

TEST_CASE("Csprng gives different bytes to each object and never repeats a block") {
    std::set<std::string> seen;
    for (int i = 0; i < 20; ++i) {
        Csprng random;
        for (const std::size_t size : {16u, 16u, 1000u, 1024u, 3000u, 16u}) {
            const Bytes bytes = draw(random, size);
            for (std::size_t j = 0; j + 16 <= size; j += 16) {
                CHECK(seen.insert(hex(std::span(bytes).subspan(j, 16))).second);
            }
        }
    }
}

TEST_CASE("Csprng gives what its description says, however it is asked") {
    Csprng random;
    Model model(key_in(memory_of(random)));
    for (const std::size_t size :
         {16u,    1u,     0u,     1007u,  1u,      1023u,   1024u, 1025u, 5u,   4096u, 16384u,
          65535u, 65536u, 65537u, 66561u, 200000u, 131072u, 1087u, 1088u, 700u, 700u}) {
        CAPTURE(size);
        REQUIRE(draw(random, size) == model.draw(size));
    }
    for (std::size_t size = 0; size < 3000; size += 7) {
        REQUIRE(draw(random, size) == model.draw(size));
    }
}

TEST_CASE("Csprng writes into any place and nothing beside it") {
    Csprng random;
    for (const std::size_t size : {1u, 64u, 1024u, 1025u, 2047u, 70000u}) {
        for (const std::size_t offset : {1u, 17u, 63u}) {
            Bytes out(offset + size + 1, std::byte{0xa5});
            random.fill(std::span(out).subspan(offset, size));
            CHECK(out[offset - 1] == std::byte{0xa5});
            CHECK(out.back() == std::byte{0xa5});
        }
    }
}

TEST_CASE("after a large request nothing of it can be computed from a Csprng's memory") {
    Csprng random;
    draw(random, 100);
    for (const std::size_t size : {1024u, 16384u, 150000u}) {
        const Bytes before = memory_of(random);
        const Bytes given = draw(random, size);
        const Bytes after = memory_of(random);
        // Before, all of it could.
        REQUIRE(Model(key_in(before)).draw(size / 64 * 64) ==
                Bytes(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(size / 64 * 64)));
        CHECK_FALSE(contains(after, key_in(before)));
        const std::size_t schedule_bytes = active_keystream().cipher == Cipher::chacha20 ? 32 : 240;
        CHECK_FALSE(holds_any_of(after, std::span(before).subspan(key_offset(), schedule_bytes)));
        CHECK_FALSE(holds_any_of(after, given));
    }
}

TEST_CASE("after a small request its bytes are gone from a Csprng's memory") {
    Csprng random;
    for (int i = 0; i < 200; ++i) {
        const Bytes before = memory_of(random);
        const Bytes given = draw(random, 48);
        CHECK_FALSE(holds_any_of(memory_of(random), given));
        if (i == 3) CHECK(contains(before, given));  // It was ready in the buffer.
    }
}

TEST_CASE("nothing of a Csprng is left in its memory when it is gone") {
    alignas(Csprng) std::byte place[sizeof(Csprng)];
    auto* random = new (place) Csprng;
    draw(*random, 16);
    const Bytes before = memory_of(*random);
    random->~Csprng();
    const Bytes after(std::begin(place), std::end(place));
    const auto secrets = std::span(before).subspan(key_offset());
    CHECK_FALSE(contains(after, key_in(before)));
    int num_left = 0;
    for (std::size_t i = 0; i + 16 <= secrets.size(); i += 16) {
        const auto piece = secrets.subspan(i, 16);
        const bool is_zero = std::all_of(piece.begin(), piece.end(),
                                         [](std::byte value) { return value == std::byte{0}; });
        if (!is_zero && contains(after, piece)) ++num_left;
    }
    CHECK(num_left == 0);
}

TEST_CASE("a forked child's generator gives other bytes than its parent's") {
    for (const std::size_t size : {16u, 5000u}) {
        Csprng random;
        draw(random, 16);  // Part of the buffer is now used on both sides.
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const pid_t child = fork();
        REQUIRE(child >= 0);
        const Bytes mine = draw(random, size);
        if (child == 0) {
            const bool sent = write(ends[1], mine.data(), size) == static_cast<ssize_t>(size);
            _exit(sent ? 0 : 1);
        }
        close(ends[1]);  // A child that dies then ends the pipe.
        Bytes theirs(size);
        REQUIRE(read(ends[0], theirs.data(), size) == static_cast<ssize_t>(size));
        CHECK_FALSE(holds_any_of(mine, theirs));
        close(ends[0]);
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(status == 0);
    }
}

#if defined(__linux__)

TEST_CASE("without randomness of the system there is no Csprng") {
    system_gives_randomness = false;
    CHECK(code_of([] { Csprng(); }) == Errc::entropy);
    system_gives_randomness = true;
    Csprng random;
    // A process that has its key does not ask again.
    system_gives_randomness = false;
    CHECK_NOTHROW(draw(random, 100'000));
    system_gives_randomness = true;
}

TEST_CASE("a forked child without randomness of the system refuses for as long as that lasts") {
    Csprng random;
    draw(random, 16);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const auto refuses = [&](std::size_t size) {
            try {
                draw(random, size);
                return false;
            } catch (const Error& error) {
                return error.code() == Errc::entropy;
            }
        };
        system_gives_randomness = false;
        const bool refused = refuses(16) && refuses(16) && refuses(5000);
        system_gives_randomness = true;
        _exit(refused && !refuses(16) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

#endif
