#pragma once

#include <algorithm>
#include <ctime>
#include <vector>

/// Processor time of this thread, so that other work on the machine counts less.
inline double thread_seconds() {
    std::timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The median time of one call.
template <class Function>
double seconds(Function&& function) {
    constexpr int kNumRuns = 15;
    std::vector<double> times;
    function();
    for (int run = 0; run < kNumRuns; ++run) {
        const double start = thread_seconds();
        function();
        times.push_back(thread_seconds() - start);
    }
    std::nth_element(times.begin(), times.begin() + kNumRuns / 2, times.end());
    return times[kNumRuns / 2];
}
