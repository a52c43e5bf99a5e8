#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "veilsum/base/secret.hpp"
#include "veilsum/rng/csprng.hpp"
#include "veilsum/rng/hedged_seed.hpp"
#include "veilsum/rng/keystream.hpp"

namespace veilsum {

/// The stream of a seed for one purpose. Streams of different purposes or numbers look independent.
///
/// For one thread. Fork: a child that draws on repeats its parent; seeds live for one operation.
class SeededSource final : public RandomSource {
public:
    /// Throws what active_keystream() throws.
    SeededSource(const HedgedSeed& seed, std::string_view purpose, std::uint64_t number);

    void fill(std::span<std::byte> out) override;

private:
    const Keystream& keystream_;
    KeySchedule schedule_;
    std::uint64_t next_block_ = 0;
    /// What was not given out of the last block: its end.
    std::size_t num_left_ = 0;
    Secret<std::byte> block_;
};

}  // namespace veilsum
