#include "veilsum/base/cpu.hpp"

namespace veilsum {

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
    if (__builtin_cpu_supports("avx512ifma")) features.emplace_back("ifma");
    if (__builtin_cpu_supports("aes")) features.emplace_back("aes");
    if (__builtin_cpu_supports("vaes")) features.emplace_back("vaes");
#endif
    return features;
}

}  // namespace veilsum
