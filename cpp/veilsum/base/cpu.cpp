#include "veilsum/base/cpu.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// The processor's features, less what VEILSUM_ISA rules out.
std::vector<std::string> usable_features() {
    std::vector<std::string> features = cpu_features();
    const char* variable = std::getenv("VEILSUM_ISA");
    if (variable == nullptr || *variable == '\0') return features;
    const std::string wanted = variable;
    std::string choices = " portable";
    bool is_known = wanted == "portable";
    for (const char* isa : {"avx2", "ifma"}) {
        if (!contains(features, isa)) continue;
        choices.append(" ").append(isa);
        is_known = is_known || wanted == isa;
    }
    if (!is_known) {
        throw Error(Errc::invalid_argument,
                    "VEILSUM_ISA is '" + wanted +
                        "', which this build or processor does not have; unset it or set it to "
                        "one of:" +
                        choices);
    }
    if (wanted == "portable") features.clear();
    if (wanted == "avx2") {
        std::erase_if(features, [](const std::string& feature) {
            return feature == "avx512" || feature == "ifma" || feature == "vaes";
        });
    }
    return features;
}

#if defined(__x86_64__)

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

#elif defined(__aarch64__)

bool has_aes() {
#if defined(__APPLE__)
    return true;
#elif defined(__linux__)
    constexpr unsigned long kHwcapAes = 1ul << 3;
    return (getauxval(AT_HWCAP) & kHwcapAes) != 0;
#else
    return false;
#endif
}

#endif

}  // namespace

std::vector<std::string> cpu_features() {
    std::vector<std::string> features;
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) features.emplace_back("avx2");
    if (__builtin_cpu_supports("fma")) features.emplace_back("fma");
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
#elif defined(__aarch64__)
    if (has_aes()) features.emplace_back("aes");
#endif
    return features;
}

// Neither of the two lists is ever destroyed: a thread may still ask while the process exits.

bool cpu_has(std::string_view feature) {
    static const auto& features = *new std::vector<std::string>(cpu_features());
    return contains(features, feature);
}

bool may_use(std::string_view feature) {
    static const auto& features = *new std::vector<std::string>(usable_features());
    return contains(features, feature);
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
