// A Simd type (simd.hpp) in plain C++ that checks what SimdEngine promises, on any machine.
//
// A vector carries, beside its lanes, a *bound*: the most that the operations behind it could have
// made of any numbers, given that factors are limbs, which is checked of the numbers themselves. So
// a column that could overflow is found whatever the test values are. What is found is counted, not
// thrown: kernels throw nothing. Operations are out of line, or loops unrolled for registers take
// minutes to compile.

#pragma once

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "veilsum/bigint/fixed_base.hpp"

namespace veilsum::testing {

/// Counts broken promises, of all threads, and keeps one of the first.
class Violations {
public:
    void add(const char* what) {
        if (count_++ == 0) first_ = what;
    }
    /// Also forgets them.
    std::size_t take_count() { return count_.exchange(0); }
    const char* first() const { return first_; }

private:
    std::atomic<std::size_t> count_{0};
    std::atomic<const char*> first_{""};
};

inline Violations violations;

template <unsigned kRadix, unsigned kBlockLimbs, std::size_t kProducts>
struct EmulatedSimd {
    static constexpr std::size_t kLanes = 2;
    static constexpr unsigned kRadixBits = kRadix;
    static constexpr unsigned kBlock = kBlockLimbs;
    static constexpr std::size_t kLookUps = 3;
    static constexpr unsigned kMaxPowWindow = 4;
    static constexpr unsigned kMaxTableWindow = 7;
    static constexpr std::size_t kMaxProducts = kProducts;
    static constexpr std::uint64_t kMask = (std::uint64_t{1} << kRadixBits) - 1;
    /// Whether products are split in a low and a high half; else mul_low adds all.
    static constexpr bool kHalves = 2 * kRadixBits > 64;
    using TableLimb = std::conditional_t<kRadixBits <= 32, std::uint32_t, Limb>;

    struct [[gnu::may_alias]] Vector {
        std::uint64_t lane[kLanes];
        std::uint64_t bound;
    };

private:
    __extension__ using Wide = unsigned __int128;
    // What engine_simd.hpp allows in a column: products, and besides them a few limbs and carries.
    static constexpr Wide kProductBound = kHalves ? Wide{2} * kMask : Wide{kMask} * kMask;
    static constexpr Wide kRoom = Wide{8} * kMask + (Wide{2} << (64 - kRadixBits));
    static constexpr Wide kColumnBound = kProducts * kProductBound + kRoom;
    static_assert(kColumnBound >> 64 == 0);

    static void expect(bool holds, const char* what) {
        if (!holds) violations.add(what);
    }
    static void expect_bounded(const Vector& x) {
        for (const std::uint64_t lane : x.lane) {
            expect(lane <= x.bound, "a negative number is used as one that is not");
        }
    }
    static void expect_limbs(const Vector& x) {
        for (const std::uint64_t lane : x.lane) expect(lane <= kMask, "a factor is not a limb");
    }
    static std::uint64_t column_bound(Wide bound) {
        expect(bound <= kColumnBound, "a column may overflow");
        return static_cast<std::uint64_t>(std::min(bound, kColumnBound));
    }
    static Wide limb_bound(const Vector& x) { return std::min(x.bound, kMask); }
    static std::uint64_t low_half(std::uint64_t a, std::uint64_t b) {
        return kHalves ? a * b & kMask : a * b;
    }

    template <class Function>
    static Vector make(std::uint64_t bound, Function&& lane) {
        Vector result;
        for (std::size_t i = 0; i < kLanes; ++i) result.lane[i] = lane(i);
        result.bound = bound;
        return result;
    }

public:
    static Vector zero() { return {}; }
    static Vector broadcast(std::uint64_t x) {
        return make(std::max(x, kMask), [=](std::size_t) { return x; });
    }
    [[gnu::noinline]] static Vector add(const Vector& a, const Vector& b) {
        expect_bounded(a);
        expect_bounded(b);
        return make(column_bound(Wide{a.bound} + b.bound),
                    [&](std::size_t i) { return a.lane[i] + b.lane[i]; });
    }
    /// May be negative, which only is_negative, low_bits and subtract may see.
    static Vector subtract(const Vector& a, const Vector& b) {
        return make(a.bound, [&](std::size_t i) { return a.lane[i] - b.lane[i]; });
    }
    static Vector is_negative(const Vector& x) {
        return make(1, [&](std::size_t i) { return x.lane[i] >> 63; });
    }
    [[gnu::noinline]] static Vector low_bits(const Vector& x) {
        return make(kMask, [&](std::size_t i) { return x.lane[i] & kMask; });
    }
    [[gnu::noinline]] static Vector carry(const Vector& x) {
        expect_bounded(x);
        return make(x.bound >> kRadixBits, [&](std::size_t i) { return x.lane[i] >> kRadixBits; });
    }
    [[gnu::noinline]] static Vector complement(const Vector& x) {
        expect_limbs(x);
        return make(kMask, [&](std::size_t i) { return x.lane[i] ^ kMask; });
    }
    static void expect_zero(const Vector& x) {
        for (const std::uint64_t lane : x.lane) expect(lane == 0, "a number outgrows its limbs");
    }

    [[gnu::noinline]] static Vector mul_low(const Vector& c, const Vector& a, const Vector& b) {
        expect_bounded(c);
        expect_limbs(a);
        expect_limbs(b);
        const Wide product = limb_bound(a) * limb_bound(b);
        const Wide added = kHalves ? std::min(product, Wide{kMask}) : product;
        return make(column_bound(c.bound + added),
                    [&](std::size_t i) { return c.lane[i] + low_half(a.lane[i], b.lane[i]); });
    }
    [[gnu::noinline]] static Vector mul_high(const Vector& c, const Vector& a, const Vector& b) {
        if constexpr (!kHalves) return c;
        expect_bounded(c);
        expect_limbs(a);
        expect_limbs(b);
        const auto high = [](Wide x, Wide y) {
            return static_cast<std::uint64_t>(x * y >> kRadixBits);
        };
        return make(column_bound(Wide{c.bound} + high(limb_bound(a), limb_bound(b))),
                    [&](std::size_t i) { return c.lane[i] + high(a.lane[i], b.lane[i]); });
    }
    [[gnu::noinline]] static Vector quotient(const Vector& c, const Vector& k) {
        expect_limbs(k);
        return make(kMask, [&](std::size_t i) { return c.lane[i] * k.lane[i] & kMask; });
    }
    [[gnu::noinline]] static Vector quotient_carry(const Vector& c, const Vector& q,
                                                   const Vector& n0) {
        const Vector sum = mul_low(c, q, n0);
        for (const std::uint64_t lane : sum.lane) {
            expect((lane & kMask) == 0, "a quotient leaves a remainder");
        }
        return carry(sum);
    }

    static Vector blend(const Vector& flag, const Vector& a, const Vector& b) {
        for (const std::uint64_t lane : flag.lane) expect(lane <= 1, "a flag is not 0 or 1");
        return make(std::max(a.bound, b.bound),
                    [&](std::size_t i) { return flag.lane[i] == 0 ? a.lane[i] : b.lane[i]; });
    }

    static void load(Vector* out, const std::byte* const* digits, std::size_t num_bytes,
                     std::size_t h) {
        for (std::size_t i = 0; i < h; ++i) {
            out[i] = make(kMask, [&](std::size_t lane) {
                std::uint64_t limb = 0;
                for (std::size_t bit = 0; bit < kRadixBits && digits[lane] != nullptr; ++bit) {
                    const std::size_t position = i * kRadixBits + bit;
                    if (position / 8 >= num_bytes) break;
                    const auto byte = std::to_integer<std::uint64_t>(digits[lane][position / 8]);
                    limb |= (byte >> position % 8 & 1) << bit;
                }
                return limb;
            });
        }
    }
    static void store(std::byte* const* digits, const Vector* in, std::size_t num_bytes,
                      std::size_t h) {
        for (std::size_t i = 0; i < h; ++i) expect_limbs(in[i]);
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            if (digits[lane] == nullptr) continue;
            std::fill_n(digits[lane], num_bytes, std::byte{0});
            for (std::size_t position = 0; position < h * kRadixBits; ++position) {
                const std::uint64_t limb = in[position / kRadixBits].lane[lane];
                const auto bit = static_cast<unsigned>(limb >> position % kRadixBits & 1);
                if (position / 8 < num_bytes) {
                    digits[lane][position / 8] |= static_cast<std::byte>(bit << position % 8);
                } else {
                    expect(bit == 0, "a digit outgrows its bytes");
                }
            }
        }
    }

    static void select(Vector* out, const Vector* table, std::size_t num_vectors,
                       std::size_t num_entries, const Limb* index) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            expect(index[lane] < num_entries, "an index is beyond the table");
        }
        for (std::size_t i = 0; i < num_vectors; ++i) {
            out[i] = make(kMask, [&](std::size_t lane) {
                return table[index[lane] * num_vectors + i].lane[lane];
            });
        }
    }
    template <bool kAdds>
    static void look_up(Vector* const* outs, std::size_t count, const TableLimb* row,
                        unsigned window_bits, std::size_t num_limbs, const Limb* index) {
        expect(count <= kLookUps, "more look-ups at once than agreed");
        for (std::size_t i = 0; i < count * num_limbs; ++i) {
            const Limb* group_index = index + i / num_limbs * kLanes;
            const TableLimb* entries = row + (i % num_limbs << window_bits);
            const Vector entry = make(kMask, [&](std::size_t lane) -> std::uint64_t {
                return entries[group_index[lane]];
            });
            Vector& out = outs[i / num_limbs][i % num_limbs];
            out = kAdds ? add(out, entry) : entry;
        }
    }
};

/// The radices of the vector kernels, their blocks and their room for products.
using Emulated52 = EmulatedSimd<52, 10, 2040>;
using Emulated28 = EmulatedSimd<28, 5, 255>;
/// The same radices with so little room that columns need relief at a few hundred bits.
using Cramped52 = EmulatedSimd<52, 2, 40>;
using Cramped28 = EmulatedSimd<28, 2, 40>;

}  // namespace veilsum::testing
