#include "veilsum/rng/uniform.hpp"

#include <bit>

namespace veilsum {
namespace {

std::size_t bit_length(std::span<const Limb> x) {
    for (std::size_t i = x.size(); i-- > 0;) {
        if (x[i] != 0) return 64 * i + static_cast<std::size_t>(std::bit_width(x[i]));
    }
    return 0;
}

/// Constant time: the borrow out of a - b.
bool is_below(std::span<const Limb> a, std::span<const Limb> b) {
    Limb borrow = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const Limb difference = a[i] - b[i];
        borrow = static_cast<Limb>(a[i] < b[i]) | static_cast<Limb>(difference < borrow);
    }
    return borrow != 0;
}

}  // namespace

void uniform_bits(std::span<Limb> out, std::size_t num_bits, RandomSource& random) {
    random.fill(std::as_writable_bytes(out));
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (64 * i >= num_bits) {
            out[i] = 0;
        } else if (num_bits - 64 * i < 64) {
            out[i] &= (Limb{1} << (num_bits - 64 * i)) - 1;
        }
    }
}

void uniform_below(std::span<Limb> out, std::span<const Limb> bound, RandomSource& random) {
    const std::size_t num_bits = bit_length(bound);
    do {
        uniform_bits(out, num_bits, random);
    } while (!is_below(out, bound));
}

}  // namespace veilsum
