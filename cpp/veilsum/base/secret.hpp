#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "veilsum/base/parallel.hpp"

namespace veilsum {

/// Overwrites memory with zeros in a way the compiler may not remove.
void wipe(void* data, std::size_t size_bytes) noexcept;

/// Overwrites the stack below the caller's frame, where functions that have returned may have left
/// secrets: kWipedStackBytes of it.
void wipe_stack() noexcept;
inline constexpr std::size_t kWipedStackBytes = 2048;

/// x, about which the compiler knows nothing from here on. For masks that select by a secret: Clang
/// 14 at -O3 turns such a selection into a load from an address that depends on the mask, if it can
/// see that the mask is all ones or zero.
inline std::uint64_t value_barrier(std::uint64_t x) noexcept {
    __asm__("" : "+r"(x));
    return x;
}

/// Allocates like std::allocator, aligned for SIMD, and wipes every block before it is freed.
template <class T>
struct WipingAllocator {
    using value_type = T;
    static constexpr std::align_val_t kAlignment{64};

    WipingAllocator() = default;
    template <class U>
    explicit WipingAllocator(const WipingAllocator<U>& /*other*/) noexcept {}

    T* allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_alloc();
        return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
    }
    void deallocate(T* data, std::size_t count) noexcept {
        wipe(data, count * sizeof(T));
        ::operator delete(data, kAlignment);
    }

    friend bool operator==(const WipingAllocator& /*a*/, const WipingAllocator& /*b*/) {
        return true;
    }
};

/// A vector whose memory is zeroed before it returns to the system, on growth and on destruction.
template <class T>
using Secret = std::vector<T, WipingAllocator<T>>;

/// Secret<T>(size), of whatever size stoppable.
template <class T>
Secret<T> make_secret(std::size_t size, const Execution& execution) {
    constexpr std::size_t kPiece = (std::size_t{1} << 24) / sizeof(T);
    if (size <= kPiece) return Secret<T>(size);
    Secret<T> result;
    result.reserve(size);
    serial_for(size, kPiece, execution,
               [&](std::size_t /*begin*/, std::size_t end) { result.resize(end); });
    return result;
}

}  // namespace veilsum
