#include "veilsum/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(100);

// Some milliseconds, of memory that was never touched.
constexpr std::size_t kCopiedBytes = std::size_t{1} << 22;

unsigned available_processors() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

unsigned read_num_threads() {
    const char* text = std::getenv("VEILSUM_NUM_THREADS");
    if (text == nullptr || *text == '\0') return available_processors();
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 1024) {
        throw Error(Errc::invalid_argument, "VEILSUM_NUM_THREADS is '" + std::string(text) +
                                                "'; set it to a number from 1 to 1024 or unset it");
    }
    return static_cast<unsigned>(value);
}

/// The pieces of one parallel_for, handed out in order to whichever thread asks next.
class Work {
public:
    Work(std::size_t n, std::size_t grain,
         const std::function<void(std::size_t, std::size_t)>& body)
        : n_(n), grain_(grain), body_(body) {}

    /// Runs one piece. Returns false when none is left or another thread failed.
    bool run_one() {
        if (stop_.load(std::memory_order_relaxed)) return false;
        const std::size_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
        if (begin >= n_) return false;
        const std::size_t end = std::min(n_, begin + grain_);
        try {
            body_(begin, end);
        } catch (const std::exception&) {
            fail(std::current_exception());
            return false;
        }
        done_.fetch_add(end - begin, std::memory_order_relaxed);
        return true;
    }

    void run_all() {
        while (run_one()) {
        }
        // Notified under the lock: once it is released the waiting thread may destroy *this.
        const std::lock_guard lock(mutex_);
        --num_running_;
        finished_.notify_one();
    }

    void count_helper(int change) {
        const std::lock_guard lock(mutex_);
        num_running_ += change;
    }

    /// Waits at most kPollInterval; true once every helper thread has returned.
    bool wait() {
        std::unique_lock lock(mutex_);
        return finished_.wait_for(lock, kPollInterval, [this] { return num_running_ == 0; });
    }

    void stop() { stop_.store(true, std::memory_order_relaxed); }

    bool failed() const { return stop_.load(std::memory_order_relaxed); }
    std::size_t done() const { return done_.load(std::memory_order_relaxed); }

    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

private:
    void fail(std::exception_ptr error) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::move(error);
        stop();
    }

    const std::size_t n_;
    const std::size_t grain_;
    const std::function<void(std::size_t, std::size_t)>& body_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::size_t> done_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable finished_;
    int num_running_ = 0;
    std::exception_ptr error_;
};

/// Asks the caller's callbacks, at most once in kPollInterval.
class Watch {
public:
    Watch(std::size_t total, const Execution& execution) : total_(total), execution_(execution) {}

    /// Throws what they throw.
    void poll(const Work& work) {
        const auto now = Execution::Clock::now();
        if (now - *execution_.last_poll < kPollInterval) return;
        *execution_.last_poll = now;
        if (work.failed()) return;
        if (execution_.cancelled && execution_.cancelled()) {
            throw Error(Errc::cancelled, "the operation was cancelled by its caller");
        }
        if (execution_.progress) execution_.progress(work.done(), total_);
    }

private:
    const std::size_t total_;
    const Execution& execution_;
};

/// Threads that work beside the caller's. However the call ends, they end before it.
class Helpers {
public:
    Helpers(Work& work, unsigned num_threads) : work_(work) {
        threads_.reserve(num_threads);
        for (unsigned i = 0; i < num_threads; ++i) {
            work_.count_helper(+1);
            try {
                threads_.emplace_back([this] { work_.run_all(); });
            } catch (const std::system_error&) {
                // No more threads to be had: those that started do the work.
                work_.count_helper(-1);
                break;
            }
        }
    }

    ~Helpers() {
        work_.stop();
        for (auto& thread : threads_) thread.join();
    }
    Helpers(const Helpers&) = delete;
    Helpers& operator=(const Helpers&) = delete;

private:
    Work& work_;
    std::vector<std::thread> threads_;
};

}  // namespace

unsigned default_num_threads() {
    static const unsigned num_threads = read_num_threads();
    return num_threads;
}

unsigned num_threads(const Execution& execution) {
    return execution.num_threads != 0 ? execution.num_threads : default_num_threads();
}

void parallel_for(std::size_t n, std::size_t grain, const Execution& execution,
                  const std::function<void(std::size_t, std::size_t)>& body) {
    if (n == 0) return;
    grain = std::max<std::size_t>(grain, 1);
    const std::size_t num_pieces = (n + grain - 1) / grain;
    const auto num_helpers =
        static_cast<unsigned>(std::min<std::size_t>(num_threads(execution), num_pieces)) - 1;

    Work work(n, grain, body);
    Watch watch(n, execution);
    {
        const Helpers helpers(work, num_helpers);
        while (work.run_one()) watch.poll(work);
        while (!work.wait()) watch.poll(work);
    }
    work.rethrow();
    if (execution.progress) execution.progress(n, n);
}

void serial_for(std::size_t n, std::size_t grain, const Execution& execution,
                const std::function<void(std::size_t, std::size_t)>& body) {
    parallel_for(n, grain, execution.without_progress().on_one_thread(), body);
}

void for_each_block(std::size_t n, std::size_t most, const Execution& execution,
                    const std::function<void(std::size_t, std::size_t, const Execution&)>& body) {
    const std::size_t num_blocks = (n + most - 1) / most;
    for (std::size_t block = 0; block < num_blocks; ++block) {
        const std::size_t begin = block * n / num_blocks;
        Execution part = execution;
        if (execution.progress) {
            part.progress = [&execution, begin, n](std::size_t done, std::size_t /*total*/) {
                execution.progress(begin + done, n);
            };
        }
        body(begin, (block + 1) * n / num_blocks, part);
    }
}

void copy_bytes(std::byte* out, std::span<const std::byte> in, const Execution& execution) {
    if (in.empty()) return;
    parallel_for(in.size(), kCopiedBytes, execution.without_progress(),
                 [&](std::size_t begin, std::size_t end) {
                     std::memcpy(out + begin, in.data() + begin, end - begin);
                 });
}

}  // namespace veilsum
