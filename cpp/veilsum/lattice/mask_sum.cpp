// Masked blocks on the wire, and their sums: everything here is public.

#include <algorithm>
#include <atomic>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/lattice/mask_state.hpp"
#include "veilsum/lattice/packed_residues.hpp"

namespace veilsum {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kBlocksPerPiece = 8;

/// Without tables: whoever sent a message may have chosen its shape too.
std::vector<PrimeRing> rings_of(const MaskShape& shape) {
    std::vector<PrimeRing> rings;
    for (unsigned p = 0; p < shape.num_primes; ++p) {
        rings.push_back(PrimeRing::without_transform(shape.log_dim, shape.prime_bits, p));
    }
    return rings;
}

/// Calls use(ring, packed residues, coefficients) for each polynomial of a block.
template <class Use>
void for_each_polynomial(const MaskShape& shape, const std::vector<PrimeRing>& rings,
                         std::size_t block, const std::byte* packed, const Use& use) {
    const std::size_t num_coefficients = shape.num_coefficients(block);
    for (const PrimeRing& ring : rings) {
        use(ring, packed, num_coefficients);
        packed += packed_bytes(num_coefficients, ring.bits());
    }
}

}  // namespace

MaskedBlocks MaskedBlocks::from_bytes(ByteView wire, const MaskShape& shape,
                                      const Execution& execution) {
    shape.check();
    Reader reader(wire, WireKind::masked_blocks, kVersion);
    const std::array of_shape = {shape.log_dim, shape.num_primes, shape.prime_bits,
                                 shape.num_digits};
    for (const unsigned wanted : of_shape) {
        if (reader.u8() != wanted) {
            throw Error(Errc::malformed, "masked blocks: they have another shape than agreed");
        }
    }
    const std::uint64_t first = reader.u64();
    const std::uint64_t count = reader.u64();
    const std::size_t num_blocks = shape.num_blocks();
    if (count < 1 || first > num_blocks || count > num_blocks - first) {
        throw Error(Errc::malformed, "masked blocks: a vector of this shape has no such blocks");
    }
    const ByteView residues = reader.bytes(shape.bytes_of(first, count));
    reader.finish();
    const std::vector<PrimeRing> rings = rings_of(shape);
    const RingKernel& kernel = active_ring_kernel();
    std::atomic<bool> are_residues{true};
    parallel_for(count, kBlocksPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            for_each_polynomial(
                shape, rings, first + i, residues.data() + shape.bytes_of(first, i),
                [&](const PrimeRing& ring, const std::byte* packed, std::size_t num_coefficients) {
                    if (!kernel.are_residues(packed, num_coefficients, ring)) {
                        are_residues = false;
                    }
                });
        }
    });
    if (!are_residues) {
        throw Error(Errc::malformed,
                    "MB1: masked blocks: a residue is not below its prime, or bits follow the last "
                    "one");
    }
    MaskedBlocks blocks{shape, first, count, Bytes(residues.size())};
    copy_bytes(blocks.residues.data(), residues, execution);
    return blocks;
}

Bytes MaskedBlocks::to_bytes(const Execution& execution) const {
    Writer writer(WireKind::masked_blocks, kVersion);
    for (const unsigned part :
         {shape.log_dim, shape.num_primes, shape.prime_bits, shape.num_digits}) {
        writer.u8(static_cast<std::uint8_t>(part));
    }
    writer.u64(first);
    writer.u64(count);
    writer.bytes(residues, execution);
    return std::move(writer).finish();
}

MaskedBlocks MaskedBlocks::part(std::size_t from, std::size_t num) const {
    if (num < 1 || from < first || from - first >= count || num > count - (from - first)) {
        throw Error(Errc::invalid_argument, "these blocks are not among the ones that are here");
    }
    const ByteView own =
        ByteView(residues).subspan(shape.bytes_of(first, from - first), shape.bytes_of(from, num));
    return {shape, from, num, Bytes(own.begin(), own.end())};
}

MaskedBlocks MaskedBlocks::plus(const MaskedBlocks& other) const {
    if (!(other.shape == shape) || other.first != first || other.count != count) {
        throw Error(Errc::invalid_argument, "these are other blocks, or of another shape");
    }
    MaskedBlocks sum{shape, first, count, Bytes(residues.size())};
    const std::vector<PrimeRing> rings = rings_of(shape);
    std::vector<std::uint64_t> addend(shape.dim());
    const std::byte* theirs = other.residues.data();
    std::byte* out = sum.residues.data();
    for (std::size_t block = first; block < first + count; ++block) {
        for_each_polynomial(
            shape, rings, block, residues.data() + shape.bytes_of(first, block - first),
            [&](const PrimeRing& ring, const std::byte* own, std::size_t num_coefficients) {
                const auto add = [&](std::size_t i, std::uint64_t x) { addend[i] += x; };
                std::ranges::fill(addend, 0);
                unpack_residues(own, num_coefficients, ring.bits(), add);
                unpack_residues(theirs, num_coefficients, ring.bits(), add);
                pack_residues(out, num_coefficients, ring.bits(),
                              [&](std::size_t i) { return reduce_once(addend[i], ring.q()); });
                theirs += packed_bytes(num_coefficients, ring.bits());
                out += packed_bytes(num_coefficients, ring.bits());
            });
    }
    return sum;
}

MaskSum::MaskSum(const Mask& mask) : mask_(mask) {
    const MaskShape& shape = mask.shape();
    std::size_t num_coefficients = 0;
    for (std::size_t block = 0; block < shape.num_blocks(); ++block) {
        num_coefficients += shape.num_coefficients(block);
    }
    sums_.resize(shape.num_primes * num_coefficients);
}

void MaskSum::add(std::span<const MaskedBlocks* const> parts, std::uint64_t num_addends,
                  const Execution& execution) {
    const MaskShape& shape = mask_.shape();
    std::size_t next = 0;
    for (const MaskedBlocks* part : parts) {
        if (!(part->shape == shape) || part->first != next) {
            throw Error(Errc::invalid_argument, "these are not the blocks of a vector in order");
        }
        next += part->count;
    }
    if (next != shape.num_blocks()) {
        throw Error(Errc::invalid_argument, "blocks of the vector are missing");
    }
    if (num_addends < 1) throw Error(Errc::invalid_argument, "a sum has at least one addend");
    if (num_addends > shape.max_addends - num_addends_) {
        throw Error(Errc::capacity, "the sum would have more addends than its mask has room for");
    }
    // Not stopped halfway: a vector is added as a whole or not at all.
    Execution to_the_end{execution.num_threads};
    for (const MaskedBlocks* part : parts) {
        parallel_for(
            part->count, kBlocksPerPiece, to_the_end, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    const std::size_t block = part->first + i;
                    std::uint64_t* sums = sums_.data() + block * shape.num_primes * shape.dim();
                    for_each_polynomial(shape, mask_.state_->rings, block,
                                        part->residues.data() + shape.bytes_of(part->first, i),
                                        [&](const PrimeRing& ring, const std::byte* packed,
                                            std::size_t num_coefficients) {
                                            mask_.state_->kernel.add(sums, packed, num_coefficients,
                                                                     ring.bits());
                                            sums += num_coefficients;
                                        });
                }
            });
    }
    num_addends_ += num_addends;
}

MaskedBlocks MaskSum::total(const Execution& execution) const {
    if (num_addends_ == 0) throw Error(Errc::invalid_argument, "nothing was added yet");
    const MaskShape& shape = mask_.shape();
    MaskedBlocks total{shape, 0, shape.num_blocks(), Bytes(shape.bytes_of(0, shape.num_blocks()))};
    parallel_for(
        shape.num_blocks(), kBlocksPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t block = begin; block < end; ++block) {
                const std::uint64_t* sums = sums_.data() + block * shape.num_primes * shape.dim();
                std::byte* out = total.residues.data() + shape.bytes_of(0, block);
                const std::size_t num_coefficients = shape.num_coefficients(block);
                for (const PrimeRing& ring : mask_.state_->rings) {
                    pack_residues(out, num_coefficients, ring.bits(), [&](std::size_t i) {
                        return reduce_once(multiply_lazily(sums[i], ring.one(), ring.q()),
                                           ring.q());
                    });
                    sums += num_coefficients;
                    out += packed_bytes(num_coefficients, ring.bits());
                }
            }
        });
    return total;
}

}  // namespace veilsum
