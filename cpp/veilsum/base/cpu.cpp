#include "veilsum/base/cpu.hpp"

#include <unistd.h>

#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

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

unsigned detect_features() {
    // __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
    __builtin_cpu_init();
    unsigned features = 0;
    const auto add = [&](unsigned feature, bool is_there) { features |= is_there ? feature : 0; };
    add(cpu::kAvx2, __builtin_cpu_supports("avx2"));
    add(cpu::kFma, __builtin_cpu_supports("fma"));
    const bool has_avx512 = __builtin_cpu_supports("avx512f") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl");
    add(cpu::kAvx512, has_avx512);
    // Every processor with IFMA has VBMI, whose byte shuffles the kernel needs too.
    add(cpu::kIfma, has_avx512 && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vbmi") &&
                        __builtin_cpu_supports("avx512ifma"));
    add(cpu::kAes, __builtin_cpu_supports("aes"));
    add(cpu::kVaes, has_vaes());
    return features;
}

#elif defined(__aarch64__) && defined(__APPLE__)

unsigned detect_features() { return cpu::kAes; }

#elif defined(__aarch64__) && defined(__linux__)

unsigned detect_features() {
    constexpr unsigned long kHwcapAes = 1ul << 3;
    return (getauxval(AT_HWCAP) & kHwcapAes) != 0 ? cpu::kAes : 0;
}

#else

unsigned detect_features() { return 0; }

#endif

/// What VEILSUM_ISA can name: what that needs, and what kernels may use with it.
struct Isa {
    const char* name;
    unsigned needs;
    unsigned allows;
};
constexpr Isa kIsas[] = {
    {"portable", 0, 0},
    {"avx2", cpu::kAvx2, cpu::kAvx2 | cpu::kFma | cpu::kAes},
    {"ifma", cpu::kIfma, ~0u},
};

/// The processor's features, less what VEILSUM_ISA rules out.
unsigned allowed_features() {
    const unsigned features = cpu_features();
    const char* variable = std::getenv("VEILSUM_ISA");
    if (variable == nullptr || *variable == '\0') return features;
    const std::string wanted = variable;
    std::string choices;
    for (const Isa& isa : kIsas) {
        if ((isa.needs & ~features) != 0) continue;
        if (wanted == isa.name) return features & isa.allows;
        choices.append(" ").append(isa.name);
    }
    throw Error(
        Errc::invalid_argument,
        "VEILSUM_ISA is '" + wanted +
            "', which this build or processor does not have; unset it or set it to one of:" +
            choices);
}

}  // namespace

unsigned cpu_features() {
    static const unsigned features = detect_features();
    return features;
}

unsigned usable_features() {
    static const unsigned features = allowed_features();
    return features;
}

std::vector<std::string> feature_names(unsigned features) {
    std::vector<std::string> names;
    unsigned bit = 1;
    for (const char* name : {"avx2", "fma", "avx512", "ifma", "aes", "vaes"}) {
        if ((features & bit) != 0) names.emplace_back(name);
        bit <<= 1;
    }
    return names;
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
