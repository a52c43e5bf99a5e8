#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace veilsum {

/// How a long batch operation runs: on how many threads, and how its caller stops and watches it.
///
/// `cancelled` and `progress` are called on the calling thread only, about ten times a second,
/// however many calls of parallel_for an operation is made of. For one thread at a time.
struct Execution {
    using Clock = std::chrono::steady_clock;

    unsigned num_threads = 0;                   ///< 0: default_num_threads().
    std::function<bool()> cancelled = nullptr;  ///< True: stop soon and throw.
    std::function<void(std::size_t done, std::size_t total)> progress = nullptr;

    /// When they were last called; shared by copies.
    std::shared_ptr<Clock::time_point> last_poll =
        std::make_shared<Clock::time_point>(Clock::now());

    /// The same without progress: for the short steps around a long one.
    Execution without_progress() const { return {num_threads, cancelled, nullptr, last_poll}; }
    /// The same on the calling thread alone.
    Execution on_one_thread() const { return {1, cancelled, progress, last_poll}; }
};

/// VEILSUM_NUM_THREADS if set, else the number of processors this process may run on. Read once.
/// Throws Error: invalid_argument (VEILSUM_NUM_THREADS is not a number from 1 to 1024).
unsigned default_num_threads();

/// How many threads an operation may use.
unsigned num_threads(const Execution& execution);

/// Runs body(begin, end) over consecutive pieces of [0, n) of at most `grain` elements each.
///
/// Threads live only as long as the call (a pool would not survive fork), the caller's thread
/// works too. A body that throws, std::exceptions only, stops the others; the first exception is
/// rethrown here, and what the callbacks of `execution` throw passes through.
/// Throws Error: cancelled (execution.cancelled said so; pieces already done stay done).
void parallel_for(std::size_t n, std::size_t grain, const Execution& execution,
                  const std::function<void(std::size_t begin, std::size_t end)>& body);

/// The same on the calling thread alone, in order, and without progress.
void serial_for(std::size_t n, std::size_t grain, const Execution& execution,
                const std::function<void(std::size_t begin, std::size_t end)>& body);

/// Runs body(begin, end, part) over [0, n) in even blocks of at most `most` elements, in order.
/// What runs with `part` reports the progress of the whole. So what a block needs is let go before
/// the next one, and takes no time to wipe at the end.
void for_each_block(
    std::size_t n, std::size_t most, const Execution& execution,
    const std::function<void(std::size_t begin, std::size_t end, const Execution& part)>& body);

/// Copies, in pieces if there is much. Requires room for `in` at `out`.
void copy_bytes(std::byte* out, std::span<const std::byte> in, const Execution& execution);

}  // namespace veilsum
