#include "veilsum/base/cpu.hpp"

#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace veilsum {
#if defined(__x86_64__)
namespace {

/// Asked of the processor: older Clangs have no name for this feature. It needs the registers that
/// AVX2 needs.
bool has_vaes() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
           (c & (1u << 9)) != 0;
}

}  // namespace
#endif

std::vector<std::string> cpu_features() {
    std::vector<std::string> features;
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) features.emplace_back("avx2");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        features.emplace_back("avx512");
    }
    // Every processor with IFMA has VBMI, whose byte shuffles the kernel needs too.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512ifma")) {
        features.emplace_back("ifma");
    }
    if (__builtin_cpu_supports("aes")) features.emplace_back("aes");
    if (has_vaes()) features.emplace_back("vaes");
#endif
    return features;
}

std::size_t second_cache_bytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const long size_bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return size_bytes > 0 ? static_cast<std::size_t>(size_bytes) : 0;
#else
    return 0;
#endif
}

}  // namespace veilsum
