#pragma once

#include <cstddef>

inline constexpr std::size_t kAesRoundBytes = 64;
inline constexpr std::size_t kAesRoundsPerStep = 8;

/// num_steps * kAesRoundsPerStep AES rounds of kAesRoundBytes each, with nothing else in the way.
/// Needs AVX-512 and VAES.
void run_aes_rounds(std::size_t num_steps);
