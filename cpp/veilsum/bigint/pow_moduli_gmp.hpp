// Powers of numbers with moduli of their own, one at a time, by GMP's side-channel-resistant power.

#pragma once

#include <gmp.h>

#include <algorithm>

#include "veilsum/bigint/kernel_table.hpp"

namespace veilsum {

inline void pow_moduli_gmp(Limb* out, const Powers& in, std::size_t count, std::byte* scratch) {
    const auto num_limbs = static_cast<mp_size_t>(in.num_limbs());
    std::fill_n(out, count * in.num_limbs(), 0);
    for (std::size_t i = 0; i < count; ++i) {
        Limb* power = out + i * in.num_limbs();
        if (in.exponent_bits == 0) {  // For which GMP has no answer.
            power[0] = 1;
            continue;
        }
        mpn_sec_powm(power, in.bases + i * in.num_limbs(), num_limbs,
                     in.exponents + i * in.exponent_limbs(), in.exponent_bits,
                     in.moduli + i * in.num_limbs(), num_limbs, reinterpret_cast<Limb*>(scratch));
    }
}

inline std::size_t pow_moduli_gmp_scratch_bytes(const Powers& in) {
    const auto num_limbs = static_cast<mp_size_t>(in.num_limbs());
    const mp_bitcnt_t bits = std::max<std::size_t>(1, in.exponent_bits);
    return static_cast<std::size_t>(mpn_sec_powm_itch(num_limbs, bits, num_limbs)) * sizeof(Limb);
}

inline constexpr PowModuli kPowModuliGmp{pow_moduli_gmp, pow_moduli_gmp_scratch_bytes};

}  // namespace veilsum
