#pragma once

#include <cstddef>

inline constexpr std::size_t kMaddsPerRound = 20;

/// num_rounds * kMaddsPerRound multiply-adds of eight 52-bit limbs, with nothing else in the way.
/// Needs AVX-512 IFMA.
void run_madd52(std::size_t num_rounds);
