#include "veilsum/base/fork.hpp"

#include <pthread.h>

#include <atomic>

namespace veilsum {
namespace {

std::atomic<std::uint64_t> generation{0};

// Runs in the child before fork() returns there; a lock-free increment is safe at that point.
void count_fork() { generation.fetch_add(1, std::memory_order_relaxed); }

const int registered = pthread_atfork(nullptr, nullptr, count_fork);

}  // namespace

std::uint64_t fork_generation() noexcept {
    static_cast<void>(registered);
    return generation.load(std::memory_order_relaxed);
}

}  // namespace veilsum
