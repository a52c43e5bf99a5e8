#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum {

/// What blocks need of an instruction set: kLanes doubles, or words of 64 bits, at a time.
template <class L>
concept RingLanes =
    requires(typename L::Floats f, typename L::Words x, double* floats, const double* from,
             const std::int32_t* errors, std::byte* bytes, const std::byte* from_bytes) {
        requires kRowLanes % L::kLanes == 0;
        { L::load(from) } -> std::same_as<typename L::Floats>;
        L::store(floats, f);
        { L::load_words(from_bytes) } -> std::same_as<typename L::Words>;  // From anywhere.
        L::store_words(bytes, x);
        { L::load_errors(errors) } -> std::same_as<typename L::Floats>;
        { L::broadcast(0.0) } -> std::same_as<typename L::Floats>;
        { L::broadcast(std::uint64_t{}) } -> std::same_as<typename L::Words>;

        { L::add(f, f) } -> std::same_as<typename L::Floats>;
        { L::subtract(f, f) } -> std::same_as<typename L::Floats>;
        // The same, where the result need not be exact.
        { L::add_rounded(f, f) } -> std::same_as<typename L::Floats>;
        { L::subtract_rounded(f, f) } -> std::same_as<typename L::Floats>;
        { L::multiply(f, f) } -> std::same_as<typename L::Floats>;
        { L::multiply_add(f, f, f) } -> std::same_as<typename L::Floats>;       // a*b + c, fused.
        { L::multiply_subtract(f, f, f) } -> std::same_as<typename L::Floats>;  // a*b - c, fused.
        { L::subtract_product(f, f, f) } -> std::same_as<typename L::Floats>;   // a - b*c, fused.
        // The second where the first is negative, else 0.
        { L::if_negative(f, f) } -> std::same_as<typename L::Floats>;
        // The bits as they are.
        { L::to_words(f) } -> std::same_as<typename L::Words>;
        { L::to_floats(x) } -> std::same_as<typename L::Floats>;

        { L::add(x, x) } -> std::same_as<typename L::Words>;
        { L::subtract(x, x) } -> std::same_as<typename L::Words>;
        { L::bit_and(x, x) } -> std::same_as<typename L::Words>;
        { L::bit_or(x, x) } -> std::same_as<typename L::Words>;
        // By a count of any size: 0 from 64 on.
        { L::shift_left(x, 0u) } -> std::same_as<typename L::Words>;
        { L::shift_right(x, 0u) } -> std::same_as<typename L::Words>;
        { L::has_top_bit(x) } -> std::same_as<bool>;  // In any lane.

        L::transpose(&f);  // kLanes rows of as many.
    };

}  // namespace veilsum
