#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace veilsum {

/// The instruction sets of this processor that matter to veilsum, best last: a subset of
/// "avx2", "avx512", "ifma", "aes", "vaes". Empty on other architectures.
std::vector<std::string> cpu_features();

/// The size of this processor's second-level data cache, as the operating system tells; 0 if not.
std::size_t second_cache_bytes();

}  // namespace veilsum
