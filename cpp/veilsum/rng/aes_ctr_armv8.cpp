// AES-256-CTR by the AES instructions of ARMv8.

#include <arm_neon.h>

#include "veilsum/rng/aes_ctr.hpp"

namespace veilsum {
namespace {

/// AESE adds the key before the S-box; AESMC, which mixes the columns, comes fused with it.
struct AesArmv8 {
    using Vector = uint8x16_t;
    static constexpr std::size_t kBlocks = 1;
    static constexpr std::size_t kVectors = 8;

    /// Equal words stay where they are when rows are shifted.
    template <class Words>
    static Words substitute(Words x, Words sum) {
        return reinterpret_cast<Words>(vaeseq_u8(reinterpret_cast<Vector>(x), vdupq_n_u8(0))) ^ sum;
    }
    static Vector round_key(const std::byte* key) {
        return vld1q_u8(reinterpret_cast<const std::uint8_t*>(key));
    }
    static Vector counters(std::uint64_t high, std::uint64_t low) {
        return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
    }
    static Vector advance(Vector counters, std::uint64_t n) {
        const uint64x2_t step = vcombine_u64(vcreate_u64(n), vcreate_u64(0));
        return vreinterpretq_u8_u64(vaddq_u64(vreinterpretq_u64_u8(counters), step));
    }
    static Vector blocks(Vector counters) {
        const Vector reversed = vrev64q_u8(counters);
        return vextq_u8(reversed, reversed, 8);
    }
    static Vector first(Vector x, Vector key) { return vaesmcq_u8(vaeseq_u8(x, key)); }
    static Vector middle(Vector x, Vector key) { return vaesmcq_u8(vaeseq_u8(x, key)); }
    static Vector last(Vector x, Vector key13, Vector key14) {
        return veorq_u8(vaeseq_u8(x, key13), key14);
    }
};

}  // namespace

constinit const Keystream kAesArmv8 = aes_keystream<AesArmv8>("aes-armv8");

}  // namespace veilsum
