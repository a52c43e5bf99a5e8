#include "veilsum/rng/csprng.hpp"

#include <sys/random.h>  // getentropy in macOS and glibc,
#include <unistd.h>      // and in musl and POSIX.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/base/fork.hpp"

namespace veilsum {

void system_random(std::span<std::byte> out) {
    while (!out.empty()) {
        // getentropy promises up to 256 bytes in one piece.
        const std::size_t size_bytes = std::min<std::size_t>(out.size(), 256);
        if (getentropy(out.data(), size_bytes) != 0) {
            throw Error(Errc::entropy, std::string("the operating system gave no randomness: ") +
                                           std::strerror(errno));
        }
        out = out.subspan(size_bytes);
    }
}

Csprng::Csprng() : keystream_(active_keystream()) { rekey_from_system(); }

Csprng::~Csprng() { wipe(buffer_, sizeof buffer_); }

void Csprng::rekey_from_system() {
    const std::uint64_t generation = fork_generation();
    std::byte key[kKeystreamKeyBytes];
    system_random(key);
    set_key(key);
    position_ = kBufferBytes;
    // Last, so that the old state stays forbidden if the system gives nothing.
    fork_generation_ = generation;
}

/// Wipes the key given. It serves for one stream, so the start is always zero.
void Csprng::set_key(std::span<std::byte> key) noexcept {
    constexpr std::byte kStart[kKeystreamStartBytes] = {};
    keystream_.expand(schedule_, key.data(), kStart);
    wipe(key.data(), key.size());
}

/// Fills whole blocks. The first block of the stream is not given out: it becomes the next key, and
/// overwrites this one.
void Csprng::next_piece(std::span<std::byte> out) noexcept {
    std::byte next_key[kKeystreamBlockBytes];
    keystream_.generate(next_key, 1, schedule_, 0);
    keystream_.generate(out.data(), out.size() / kKeystreamBlockBytes, schedule_, 1);
    set_key(next_key);
}

void Csprng::fill(std::span<std::byte> out) {
    if (fork_generation_ != fork_generation()) rekey_from_system();
    while (out.size() >= kBufferBytes) {
        const std::size_t whole_blocks = out.size() / kKeystreamBlockBytes * kKeystreamBlockBytes;
        const auto piece = out.first(std::min(whole_blocks, kMaxPieceBytes));
        next_piece(piece);
        out = out.subspan(piece.size());
    }
    while (!out.empty()) {
        if (position_ == kBufferBytes) {
            next_piece(buffer_);
            position_ = 0;
        }
        const std::size_t size_bytes = std::min(out.size(), kBufferBytes - position_);
        std::memcpy(out.data(), buffer_ + position_, size_bytes);
        wipe(buffer_ + position_, size_bytes);
        position_ += size_bytes;
        out = out.subspan(size_bytes);
    }
}

}  // namespace veilsum
