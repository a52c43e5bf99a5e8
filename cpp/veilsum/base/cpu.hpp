#pragma once

#include <string>
#include <vector>

namespace veilsum {

/// The instruction sets of this processor that matter to veilsum, best last: a subset of
/// "avx2", "avx512", "ifma", "aes", "vaes". Empty on other architectures.
std::vector<std::string> cpu_features();

}  // namespace veilsum
