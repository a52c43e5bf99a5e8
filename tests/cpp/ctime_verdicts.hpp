// What the constant-time check says of each computation, and whether all of it was well.

#pragma once

#include <algorithm>
#include <cstdio>
#include <span>

#include "ctime_secrets.hpp"

namespace veilsum::ctime {

inline bool all_passed = true;

inline void verdict(bool passed, const char* what, unsigned reports, const char* expected) {
    all_passed = all_passed && passed;
    std::printf("%s %s: %u reports, %s expected\n", passed ? "ok  " : "FAIL", what, reports,
                expected);
}

/// How often the instrument saw time depend on a secret while f ran.
template <class F>
unsigned reports_of(F&& f) {
    const unsigned before = num_reports();
    f();
    return num_reports() - before;
}

/// A leak on purpose.
template <class F>
void expect_leak(const char* what, F&& f) {
    const unsigned reports = reports_of(f);
    verdict(reports != 0, what, reports, "some");
}

/// A result of secrets is secret in each byte: were it not, they would have been lost on the way.
template <class T>
void expect_secret(std::span<T> result) {
    const std::size_t count = num_secret_bytes(result.data(), result.size_bytes());
    if (count == result.size_bytes()) return;
    all_passed = false;
    std::printf("FAIL of the result above %zu bytes of %zu are secret\n", count,
                result.size_bytes());
}

/// No report, and a result that is secret.
template <class T, class F>
void expect_constant_time(const char* what, std::span<T> result, F&& f) {
    std::ranges::fill(result, T{});
    const unsigned reports = reports_of(f);
    verdict(reports == 0, what, reports, "none");
    expect_secret(result);
}

}  // namespace veilsum::ctime
