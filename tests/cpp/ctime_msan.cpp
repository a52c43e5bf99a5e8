// MemorySanitizer sees what Clang compiled with it, in the compiler's own form: neither GMP nor
// what the last stage makes of that form. msan_intrinsics.hpp helps it through the IFMA kernel.

#include <sanitizer/msan_interface.h>

#include "ctime_secrets.hpp"

namespace {

unsigned reports_so_far = 0;

}  // namespace

// The runtime asks for options, and tells of each report, by these names.
extern "C" {

/// Only what is marked is secret. All else that is uninitialised would count too: GMP and the
/// standard library are not instrumented, so that what they write still passes for it. And main
/// gives the exit code: reports of planted leaks are right.
const char* __msan_default_options() {
    return "poison_in_malloc=0:poison_in_free=0:poison_in_dtor=0:exitcode=0";
}

void __sanitizer_report_error_summary(const char* /*summary*/) { ++reports_so_far; }
}

namespace veilsum::ctime {

const bool kSeesGmp = false;

bool is_watching() { return true; }

unsigned num_reports() { return reports_so_far; }

void mark_secret(const void* data, std::size_t size_bytes) { __msan_poison(data, size_bytes); }

std::size_t num_secret_bytes(const void* data, std::size_t size_bytes) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::size_t count = 0;
    for (std::size_t i = 0; i < size_bytes; ++i) {
        if (__msan_test_shadow(bytes + i, 1) != -1) ++count;
    }
    return count;
}

}  // namespace veilsum::ctime
