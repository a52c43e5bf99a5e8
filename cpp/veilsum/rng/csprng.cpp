#include "veilsum/rng/csprng.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/base/fork.hpp"
#include "veilsum/rng/chacha20.hpp"

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

Csprng::Csprng() { rekey_from_system(); }

Csprng::~Csprng() {
    wipe(key_, sizeof key_);
    wipe(buffer_, sizeof buffer_);
}

void Csprng::rekey_from_system() {
    fork_generation_ = fork_generation();
    system_random(std::as_writable_bytes(std::span(key_)));
    position_ = kBufferBytes;
}

void Csprng::refill() {
    constexpr std::uint32_t kNonce[3] = {0, 0, 0};  // The key is used for this one stream only.
    chacha20(buffer_, key_, 0, kNonce);
    std::memcpy(key_, buffer_, kKeyBytes);
    wipe(buffer_, kKeyBytes);
    position_ = kKeyBytes;
}

void Csprng::fill(std::span<std::byte> out) {
    if (fork_generation_ != fork_generation()) rekey_from_system();
    while (!out.empty()) {
        if (position_ == kBufferBytes) refill();
        const std::size_t size_bytes = std::min(out.size(), kBufferBytes - position_);
        std::memcpy(out.data(), buffer_ + position_, size_bytes);
        wipe(buffer_ + position_, size_bytes);
        position_ += size_bytes;
        out = out.subspan(size_bytes);
    }
}

}  // namespace veilsum
