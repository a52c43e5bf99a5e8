#pragma once

#include <cstddef>

// What the processor could do at best: instructions with nothing else in the way.

inline constexpr std::size_t kMaddsPerRound = 20;
inline constexpr std::size_t kAesRoundBytes = 64;
inline constexpr std::size_t kAesRoundsPerStep = 8;

/// num_rounds * kMaddsPerRound multiply-adds of eight 52-bit limbs. Needs AVX-512 IFMA.
void run_madd52(std::size_t num_rounds);

/// num_steps * kAesRoundsPerStep AES rounds of kAesRoundBytes each. Needs AVX-512 and VAES.
void run_aes_rounds(std::size_t num_steps);
