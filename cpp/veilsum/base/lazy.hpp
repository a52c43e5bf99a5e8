#pragma once

#include <atomic>
#include <memory>

namespace veilsum {

/// A value made at first use. Threads that race may make it more than once and agree on one; there
/// is no lock, so a fork at any moment leaves the child able to go on.
template <class T>
class Lazy {
public:
    Lazy() = default;
    ~Lazy() { delete value_.load(); }
    Lazy(const Lazy&) = delete;
    Lazy& operator=(const Lazy&) = delete;

    template <class Make>
    const T& get(Make&& make) const {
        if (const T* value = value_.load(std::memory_order_acquire)) return *value;
        auto made = std::make_unique<const T>(make());
        const T* expected = nullptr;
        if (value_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
            return *made.release();
        }
        return *expected;
    }

private:
    mutable std::atomic<const T*> value_{nullptr};
};

}  // namespace veilsum
