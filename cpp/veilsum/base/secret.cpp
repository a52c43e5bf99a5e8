#include "veilsum/base/secret.hpp"

#include <cstring>

namespace veilsum {

void wipe(void* data, std::size_t size_bytes) noexcept {
    if (size_bytes == 0) return;
    std::memset(data, 0, size_bytes);
    // The empty statement claims to read the memory, so the stores above are not dead.
    __asm__ __volatile__("" : : "r"(data) : "memory");
}

// Not inlined, so that its frame lies where those of other callees lay.
[[gnu::noinline]] void wipe_stack() noexcept {
    std::byte frame[kWipedStackBytes];
    wipe(frame, sizeof frame);
}

}  // namespace veilsum
