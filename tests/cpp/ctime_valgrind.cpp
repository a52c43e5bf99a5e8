// Valgrind sees all code of the process as it was compiled, but knows no AVX-512.

#include <valgrind/memcheck.h>

#include <algorithm>
#include <vector>

#include "ctime_secrets.hpp"

namespace veilsum::ctime {

const bool kSeesGmp = true;

bool is_watching() { return RUNNING_ON_VALGRIND != 0; }

unsigned num_reports() { return static_cast<unsigned>(VALGRIND_COUNT_ERRORS); }

void mark_secret(const void* data, std::size_t size_bytes) {
    VALGRIND_MAKE_MEM_UNDEFINED(data, size_bytes);
}

std::size_t num_secret_bytes(const void* data, std::size_t size_bytes) {
    std::vector<unsigned char> undefined_bits(size_bytes);
    VALGRIND_GET_VBITS(data, undefined_bits.data(), size_bytes);
    return size_bytes - static_cast<std::size_t>(std::ranges::count(undefined_bits, 0));
}

}  // namespace veilsum::ctime
