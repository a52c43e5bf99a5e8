// Memory that is asked for before it is needed. Batches run through more of it than the caches
// hold, and a processor waits for a dozen cache lines or two at a time: many asked for at once hold
// up all that reads memory behind them. So a product asks for a few at each of its steps.

#pragma once

#include <cstddef>

#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

/// The cache lines to ask for during a product of its owner, whose instructions it is compiled
/// with.
template <class Owner>
class Ahead {
public:
    /// Forgets what was not asked for; a product takes at least so many steps.
    void begin(std::size_t num_steps) {
        num_steps_ = num_steps;
        num_ranges_ = 0;
    }

    /// Elements i, i + 1, ..., `num` of them, of num_bytes each. At most four calls a product.
    void will_read(Operand in, std::size_t i, std::size_t num, std::size_t num_bytes) {
        add(in.at(i), in.stride_bytes, num, num_bytes, false);
    }
    /// Elements that stand anywhere; `elements` is read until the product ends.
    void will_read_each(const std::byte* const* elements, std::size_t num, std::size_t num_bytes) {
        add(elements[0], num_bytes, num, num_bytes, false);
        if (num_ranges_ != 0) ranges_[num_ranges_ - 1].elements = elements;
    }
    void will_write(const std::byte* out, std::size_t num_bytes) {
        add(out, num_bytes, 1, num_bytes, true);
    }

    /// Asks for the next few.
    void step() {
        for (std::size_t r = 0; r < num_ranges_; ++r) {
            Range& range = ranges_[r];
            for (std::size_t k = 0; k < range.lines_per_step && range.num_left != 0; ++k) {
                if (range.is_written) {
                    __builtin_prefetch(range.element + range.offset, 1);
                } else {
                    __builtin_prefetch(range.element + range.offset, 0);
                }
                range.offset += kLineBytes;
                if (range.offset >= range.num_bytes && --range.num_left != 0) {
                    range.offset = 0;
                    range.element = range.elements != nullptr ? *++range.elements
                                                              : range.element + range.stride_bytes;
                }
            }
        }
    }

private:
    static constexpr std::size_t kLineBytes = 64;
    static constexpr std::size_t kMaxRanges = 4;

    struct Range {
        const std::byte* element;
        const std::byte* const* elements;  // Where each is, or null if the stride says it.
        std::size_t offset;
        std::size_t num_left;
        std::size_t stride_bytes;
        std::size_t num_bytes;
        std::size_t lines_per_step;
        bool is_written;
    };

    void add(const std::byte* data, std::size_t stride_bytes, std::size_t num,
             std::size_t num_bytes, bool is_written) {
        if (stride_bytes == 0 || num_ranges_ == kMaxRanges) return;
        const std::size_t num_lines = num * ((num_bytes + kLineBytes - 1) / kLineBytes);
        ranges_[num_ranges_++] = {data,
                                  nullptr,
                                  0,
                                  num,
                                  stride_bytes,
                                  num_bytes,
                                  (num_lines + num_steps_ - 1) / num_steps_,
                                  is_written};
    }

    std::size_t num_steps_ = 1;
    std::size_t num_ranges_ = 0;
    Range ranges_[kMaxRanges];
};

}  // namespace veilsum
