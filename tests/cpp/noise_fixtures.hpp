#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veilsum/noise/distribution.hpp"
#include "veilsum/rng/csprng.hpp"
#include "veilsum/rng/keystream.hpp"

namespace veilsum {

/// A fixed stream: ChaCha20 under a key that is the seed.
class FixedSource final : public RandomSource {
public:
    explicit FixedSource(std::uint32_t seed) {
        const std::array<std::uint32_t, 8> key{seed, 1, 2, 3, 4, 5, 6, 7};
        const std::array<std::byte, kKeystreamStartBytes> start{};
        keystream_.expand(schedule_, std::as_bytes(std::span(key)).data(), start.data());
    }

    void fill(std::span<std::byte> out) override {
        for (std::byte& value : out) {
            if (position_ == block_.size()) {
                keystream_.generate(block_.data(), 1, schedule_, counter_++);
                position_ = 0;
            }
            value = block_[position_++];
            ++num_bytes_;
        }
    }

    std::size_t num_bytes() const { return num_bytes_; }

private:
    const Keystream& keystream_ = kChaCha20Portable;
    KeySchedule schedule_;
    std::array<std::byte, kKeystreamBlockBytes> block_{};
    std::size_t position_ = block_.size();
    std::uint64_t counter_ = 0;
    std::size_t num_bytes_ = 0;
};

/// Distributions at and around every kind of border: no offset bits, the ends of a strip size, the
/// narrow and the wide layout, the ends of the range, and values in between.
inline std::vector<NoiseDistribution> distributions() {
    std::vector<NoiseDistribution> all;
    for (const double scale :
         {0.3,      0.5,    1.0,          1.75,         2.0,
          3.9999,   4.0,    5.3,          7.9999,       8.0,
          100.7,    1000.0, 131071.9,     131072.0,     262143.9,
          524288.5, 2.0e6,  0x1p33 + 0.3, 0x1p39 + 0.1, std::nextafter(0x1p40, 0),
          0x1p40}) {
        all.push_back(NoiseDistribution::discrete_gaussian(scale));
        all.push_back(NoiseDistribution::discrete_laplace(scale));
    }
    return all;
}

}  // namespace veilsum
