#pragma once

#include <cstdint>

namespace veilsum {

/// A number that differs between a process and its forked children: what must not be used on both
/// sides of a fork (a generator's state, a one-time randomiser) remembers it and compares.
/// Counts forks, so it cannot be fooled by a recycled process id.
std::uint64_t fork_generation() noexcept;

}  // namespace veilsum
