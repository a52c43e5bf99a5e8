#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace veilsum {

/// The instruction sets that kernels are written for. A set of them is a mask of these bits.
namespace cpu {
inline constexpr unsigned kAvx2 = 1u << 0;
inline constexpr unsigned kFma = 1u << 1;
inline constexpr unsigned kAvx512 = 1u << 2;  // F, BW and VL.
inline constexpr unsigned kIfma = 1u << 3;    // AVX-512 F, BW, VL, DQ, IFMA and VBMI.
inline constexpr unsigned kAes = 1u << 4;     // AES-NI, or that of ARMv8.
inline constexpr unsigned kVaes = 1u << 5;
}  // namespace cpu

/// What this processor has, and the operating system lets programs use.
unsigned cpu_features();

/// What kernels may use of that: the environment variable VEILSUM_ISA, read once, leaves all of it,
/// or what comes with "ifma", with "avx2" (neither AVX-512 nor VAES), or with "portable" (nothing).
/// Throws Error: invalid_argument (VEILSUM_ISA names nothing that this build and processor have).
unsigned usable_features();

/// Their names: "avx2", "fma", "avx512", "ifma", "aes", "vaes".
std::vector<std::string> feature_names(unsigned features);

/// The size of this processor's second-level data cache, as the operating system tells; 0 if not.
std::size_t second_cache_bytes();

}  // namespace veilsum
