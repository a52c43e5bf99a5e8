// The kernel that runs everywhere: GMP, one lane.

#include "veilsum/bigint/kernel_portable.hpp"

#include "veilsum/bigint/algorithms.hpp"
#include "veilsum/bigint/engine_gmp.hpp"

namespace veilsum {
namespace {

void load(Limb* lanes, Operand in, std::size_t count, const Modulus& n) {
    for (std::size_t i = 0; i < count; ++i) {
        GmpEngine::load_limbs(lanes + i * GmpEngine::element_limbs(n), in.at(i), n);
    }
}

void store(std::byte* out, const Limb* lanes, std::size_t count, const Modulus& n) {
    for (std::size_t i = 0; i < count; ++i) {
        GmpEngine::store_limbs(out + i * n.element_bytes(), lanes + i * GmpEngine::element_limbs(n),
                               n);
    }
}

}  // namespace

const Kernel kPortableKernel{
    .name = "portable",
    .num_lanes = GmpEngine::kLanes,
    .r_bits = GmpEngine::r_bits,
    .scratch_bytes = algorithms::scratch_bytes<GmpEngine>,
    .lane_limbs = GmpEngine::element_limbs,
    .load = load,
    .store = store,
    .mul = algorithms::mul<GmpEngine>,
    .mul_reduce = algorithms::mul_reduce<GmpEngine>,
    .add_plain = algorithms::add_plain<GmpEngine>,
    .pow_shared = algorithms::pow_shared<GmpEngine>,
    .pow_each = algorithms::pow_each<GmpEngine>,
    .fixed_base = algorithms::fixed_base<GmpEngine>,
};

}  // namespace veilsum
