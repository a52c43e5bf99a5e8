#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace veilsum {

/// The instruction sets of this processor that matter to veilsum, best last: a subset of
/// "avx2", "fma", "avx512", "ifma", "aes", "vaes". On aarch64 "aes" or nothing, elsewhere empty.
std::vector<std::string> cpu_features();

/// Whether that is one of them.
bool cpu_has(std::string_view feature);

/// Whether a kernel may use that instruction set: the processor has it, and the environment
/// variable VEILSUM_ISA, read once, does not rule it out. "portable" rules out all, "avx2" the
/// wider ones ("avx512", "ifma", "vaes"); "ifma", or nothing, rules out none.
/// Throws Error: invalid_argument (VEILSUM_ISA names nothing that this build and processor have).
bool may_use(std::string_view feature);

/// The size of this processor's second-level data cache, as the operating system tells; 0 if not.
std::size_t second_cache_bytes();

}  // namespace veilsum
