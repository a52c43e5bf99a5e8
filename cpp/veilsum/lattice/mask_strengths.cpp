#include "veilsum/lattice/mask_strengths.hpp"

namespace veilsum {
namespace {

struct Estimate {
    unsigned log_dim;
    unsigned modulus_bits;
    MaskStrength strength;
};

/// As bench/mask_security.py finds them; the file bench/results/mask_security.json has more.
constexpr Estimate kEstimates[] = {
    {11, 40, {150, 175}}, {11, 44, {132, 157}}, {11, 56, {98, 126}},   {12, 80, {154, 180}},
    {12, 90, {130, 158}}, {12, 96, {118, 147}}, {12, 102, {108, 137}},
};

}  // namespace

MaskStrength strength_of_ring(unsigned log_dim, unsigned modulus_bits) noexcept {
    for (const Estimate& each : kEstimates) {
        if (each.log_dim == log_dim && each.modulus_bits >= modulus_bits) return each.strength;
    }
    return {0, 0};
}

}  // namespace veilsum
