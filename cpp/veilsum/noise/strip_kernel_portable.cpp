// The strip kernel for every processor: four lanes of the compilers' own vector type, which becomes
// SSE2, NEON or plain words.

#include <cstring>

#include "veilsum/noise/strip_algorithm.hpp"

namespace veilsum {
namespace {

struct PortableLanes {
    static constexpr std::size_t kLanes = 4;
    using Words = std::uint32_t __attribute__((vector_size(16)));
    using Floats = float __attribute__((vector_size(16)));
    using Mask = std::int32_t __attribute__((vector_size(16)));  // 0 or -1

    using WordTable = MemoryTable<std::uint32_t>;
    using FloatTable = MemoryTable<float>;

    static Words load(const std::uint32_t* words) {
        Words x;
        std::memcpy(&x, words, sizeof x);
        return x;
    }
    static void store(std::uint32_t* out, Words x) { std::memcpy(out, &x, sizeof x); }
    static void store(float* out, Floats x) { std::memcpy(out, &x, sizeof x); }
    static Words broadcast(std::uint32_t x) { return Words{x, x, x, x}; }
    static Floats broadcast(float x) { return Floats{x, x, x, x}; }

    static Words bit_and(Words a, Words b) { return a & b; }
    static Words bit_or(Words a, Words b) { return a | b; }
    static Words subtract(Words a, Words b) { return a - b; }
    template <unsigned kCount>
    static Words shift_left(Words x) {
        return x << kCount;
    }
    template <unsigned kCount>
    static Words shift_right(Words x) {
        return x >> kCount;
    }
    /// By a count of any size, which is public: 0 from 32 on.
    static Words shift_left(Words x, unsigned count) { return count < 32 ? x << count : Words{}; }
    static Words shift_right(Words x, unsigned count) { return count < 32 ? x >> count : Words{}; }

    static Floats to_float(Words x) {
        return __builtin_convertvector(reinterpret_cast<Mask>(x), Floats);
    }
    static Words to_words(Floats x) { return reinterpret_cast<Words>(x); }
    static Floats to_floats(Words x) { return reinterpret_cast<Floats>(x); }
    static Floats add(Floats a, Floats b) { return a + b; }
    static Floats subtract(Floats a, Floats b) { return a - b; }
    static Floats multiply(Floats a, Floats b) { return a * b; }
    static Floats multiply_add(Floats a, Floats b, Floats c) { return a * b + c; }

    /// By the low 6 bits of each index. From memory: see docs/noise.md, "What timing tells".
    static Words look_up(const WordTable& table, Words index) {
        return entries_at<Words>(table.entries, index);
    }
    static Floats look_up(const FloatTable& table, Words index) {
        return entries_at<Floats>(table.entries, index);
    }

    /// Requires a != b. SSE2 compares signed numbers only.
    static Mask is_below(Words a, Words b) {
        const Words top = broadcast(0x80000000u);
        return reinterpret_cast<Mask>(a ^ top) < reinterpret_cast<Mask>(b ^ top);
    }
    static Mask is_at_least(Floats a, Floats b) { return a >= b; }
    static Mask is_zero(Words x) { return x == Words{}; }
    static Mask has_bit6(Words x) { return reinterpret_cast<Mask>(x << 25) >> 31; }
    static Mask both(Mask a, Mask b) { return a & b; }
    static Mask either(Mask a, Mask b) { return a | b; }
    /// b without a.
    static Mask and_not(Mask a, Mask b) { return b & ~a; }
    static bool all(Mask mask) { return (mask[0] & mask[1] & mask[2] & mask[3]) != 0; }
    static unsigned to_bits(Mask mask) {
        return static_cast<unsigned>((mask[0] & 1) | (mask[1] & 2) | (mask[2] & 4) | (mask[3] & 8));
    }
    static Mask from_bits(unsigned bits) {
        const auto flag = [&](unsigned lane) {
            return -static_cast<std::int32_t>(bits >> lane & 1);
        };
        return Mask{flag(0), flag(1), flag(2), flag(3)};
    }
    static Words select(Mask mask, Words yes, Words no) {
        const auto chosen = reinterpret_cast<Words>(mask);
        return (yes & chosen) | (no & ~chosen);
    }
    static Words negate(Mask mask, Words x) {
        const auto minus = reinterpret_cast<Words>(mask);
        return (x ^ minus) - minus;
    }

    template <Sink kSink, class T>
    static std::size_t write(T* out, Mask accepted, Words z) {
        std::size_t num_samples = 0;
        for (int lane = 0; lane < 4; ++lane) {
            num_samples += put<kSink, T>(out + num_samples, static_cast<std::int32_t>(z[lane]),
                                         accepted[lane]);
        }
        return num_samples;
    }
    template <Sink kSink>
    static std::size_t write_wide(std::int64_t* out, Mask accepted, Mask is_minus, Words low,
                                  Words high) {
        std::size_t num_samples = 0;
        for (int lane = 0; lane < 4; ++lane) {
            const auto magnitude =
                static_cast<std::int64_t>(std::uint64_t{high[lane]} << 32 | low[lane]);
            const std::int64_t minus = is_minus[lane];
            num_samples +=
                put<kSink>(out + num_samples, (magnitude ^ minus) - minus, accepted[lane]);
        }
        return num_samples;
    }

private:
    template <class Vector, class T>
    static Vector entries_at(const T* entries, Words index) {
        return Vector{entries[index[0] & 63], entries[index[1] & 63], entries[index[2] & 63],
                      entries[index[3] & 63]};
    }
    /// Returns 1 if accepted is -1, else 0, and then leaves what it wrote to be written over.
    template <Sink kSink, class T>
    static std::size_t put(T* out, T sample, std::int32_t accepted) {
        *out = kSink == Sink::add64 ? static_cast<T>(*out + (sample & accepted)) : sample;
        return static_cast<std::size_t>(accepted & 1);
    }
};

}  // namespace

constinit const StripKernel kPortableStripKernel = strip_kernel<PortableLanes>("portable");

}  // namespace veilsum
