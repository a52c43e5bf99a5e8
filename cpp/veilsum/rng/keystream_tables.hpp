// The keystreams, each of which needs the processor features that keystream.cpp lists.

#pragma once

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

extern const Keystream kChaCha20Portable;

#if defined(__x86_64__)
extern const Keystream kChaCha20Avx2;
extern const Keystream kChaCha20Avx512;
extern const Keystream kAesNi;
extern const Keystream kAesVaes256;
extern const Keystream kAesVaes512;
#elif defined(__aarch64__)
extern const Keystream kAesArmv8;
#endif

}  // namespace veilsum
