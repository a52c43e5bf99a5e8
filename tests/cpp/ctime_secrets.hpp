// Secrets for the constant-time check, as uninitialised memory: an instrument that watches for the
// use of such memory reports every branch and every address that depends on a secret.
//
// Method: A. Langley's ctgrind (2010). Two instruments do it: ctime_valgrind.cpp, ctime_msan.cpp.
// Instructions whose own time varies are out of the sight of both.

#pragma once

#include <cstddef>
#include <span>

namespace veilsum::ctime {

/// Whether GMP's code is watched too.
extern const bool kSeesGmp;

bool is_watching();
/// How often the instrument has seen time depend on a secret so far.
unsigned num_reports();

void mark_secret(const void* data, std::size_t size_bytes);
std::size_t num_secret_bytes(const void* data, std::size_t size_bytes);

template <class T>
void mark_secret(std::span<T> data) {
    mark_secret(data.data(), data.size_bytes());
}

}  // namespace veilsum::ctime
