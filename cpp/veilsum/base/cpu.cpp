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

/// The answer of cpuid; zeros where the processor does not know the question.
struct Cpuid {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

    explicit Cpuid(unsigned leaf) { __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx); }
};

constexpr bool has(unsigned word, unsigned bit) { return (word >> bit & 1) != 0; }

/// Which registers the operating system saves, as bits of XCR0.
unsigned saved_registers() {
    unsigned low = 0;
    unsigned high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/// Asked of the processor itself, by Intel's manual (volume 2A, CPUID): the answers of
/// __builtin_cpu_supports come from the compiler's run-time library, and that of Zig says no to
/// all.
unsigned detect_features() {
    constexpr unsigned kSse = 1u << 1, kYmm = 1u << 2;                        // For AVX.
    constexpr unsigned kMasks = 1u << 5, kZmm = 1u << 6, kHighZmm = 1u << 7;  // For AVX-512.
    constexpr unsigned kForAvx = kSse | kYmm;
    constexpr unsigned kForAvx512 = kForAvx | kMasks | kZmm | kHighZmm;
    const Cpuid basic(1);
    const Cpuid extended(7);
    const unsigned saved = has(basic.ecx, 27) ? saved_registers() : 0;
    const bool has_avx = has(basic.ecx, 28) && (saved & kForAvx) == kForAvx;
    const bool has_avx2 = has_avx && has(extended.ebx, 5);
    const bool has_avx512 = has_avx2 && (saved & kForAvx512) == kForAvx512 &&
                            has(extended.ebx, 16) &&  // F
                            has(extended.ebx, 30) &&  // BW
                            has(extended.ebx, 31);    // VL
    unsigned features = 0;
    const auto add = [&](unsigned feature, bool is_there) { features |= is_there ? feature : 0; };
    add(cpu::kAvx2, has_avx2);
    add(cpu::kFma, has_avx && has(basic.ecx, 12));
    add(cpu::kAvx512, has_avx512);
    // Every processor with IFMA has DQ and VBMI, whose byte shuffles the kernel needs too.
    add(cpu::kIfma,
        has_avx512 && has(extended.ebx, 17) && has(extended.ebx, 21) && has(extended.ecx, 1));
    add(cpu::kAes, has(basic.ecx, 25));
    add(cpu::kVaes, has_avx2 && has(extended.ecx, 9));
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
