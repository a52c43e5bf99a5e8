#include "veilsum/codec/slots.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include <gmp.h>

#include "veilsum/base/error.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/signed_digits.hpp"

namespace veilsum {
namespace {

using Int128 = __int128;
using Uint128 = unsigned __int128;

constexpr unsigned kMinValueBits = 2;
constexpr unsigned kMaxGridBits = 40;
constexpr unsigned kMaxSlotBits = 62;

/// Plaintexts a thread takes at a time: enough work to hide handing it out.
constexpr std::size_t kGrain = 64;

class Integer {
public:
    Integer() { mpz_init(value_); }
    ~Integer() { mpz_clear(value_); }
    Integer(const Integer&) = delete;
    Integer& operator=(const Integer&) = delete;

    operator mpz_ptr() noexcept { return value_; }

private:
    mpz_t value_;
};

void import_limbs(mpz_ptr out, std::span<const Limb> limbs) {
    mpz_import(out, limbs.size(), -1, sizeof(Limb), 0, 0, limbs.data());
}

/// out = 2^num_bits - 1.
void set_ones(mpz_ptr out, std::size_t num_bits) {
    mpz_set_ui(out, 1);
    mpz_mul_2exp(out, out, num_bits);
    mpz_sub_ui(out, out, 1);
}

std::size_t largest_slot_count(std::int64_t max_slot, unsigned slot_bits, mpz_ptr modulus) {
    Integer bound;  // n * (2^W - 1)
    Integer ones;
    Integer used;  // 2 * max_slot * (2^(L*W) - 1)
    Integer twice_max_slot;
    const auto magnitude = static_cast<Limb>(max_slot);
    import_limbs(twice_max_slot, {&magnitude, 1});
    mpz_mul_2exp(twice_max_slot, twice_max_slot, 1);
    set_ones(ones, slot_bits);
    mpz_mul(bound, modulus, ones);

    // max_slot >= 2^(W-2), so L*W <= bits(n) + 1 for every L that fits.
    std::size_t count = (mpz_sizeinbase(modulus, 2) + 1) / slot_bits;
    for (; count > 0; --count) {
        set_ones(ones, count * slot_bits);
        mpz_mul(used, twice_max_slot, ones);
        if (mpz_cmp(used, bound) < 0) break;
    }
    return count;
}

void check_size(std::size_t got, std::size_t wanted, const char* what) {
    if (got == wanted) return;
    throw Error(Errc::invalid_argument, std::string(what) + ": expected " + std::to_string(wanted) +
                                            ", got " + std::to_string(got));
}

void pack_one(std::span<Limb> out, std::span<const std::int64_t> slots,
              unsigned slot_bits) noexcept {
    // `pending` is the signed integer still to be written from bit 0 of out[next] on; the next slot
    // counts 2^offset in it, offset < 64. Its magnitude stays below 2^127: the slots since the last
    // store add at most 2^63 * (2^63 + 2^61 + ...) as W >= 2, and the rest is a carry below 2^64.
    Uint128 pending = 0;
    unsigned offset = 0;
    std::size_t next = 0;
    const auto store = [&] {
        out[next++] = static_cast<Limb>(pending);
        pending = static_cast<Uint128>(static_cast<Int128>(pending) >> 64);
    };
    for (const std::int64_t slot : slots) {
        pending += static_cast<Uint128>(static_cast<Int128>(slot)) << offset;
        offset += slot_bits;
        if (offset >= 64) {
            offset -= 64;
            store();
        }
    }
    while (next < out.size()) store();
}

}  // namespace

std::int64_t grid_max(Precision precision) {
    const auto [value_bits, weight_bits] = precision;
    if (value_bits < kMinValueBits || value_bits > kMaxGridBits) {
        throw Error(Errc::invalid_argument,
                    "value_bits is " + std::to_string(value_bits) + "; it must lie in [2, 40]");
    }
    if (weight_bits > kMaxGridBits - value_bits) {
        throw Error(Errc::invalid_argument,
                    "value_bits and weight_bits are " + std::to_string(value_bits) + " and " +
                        std::to_string(weight_bits) + "; together they may be at most 40");
    }
    return ((std::int64_t{1} << (value_bits - 1)) - 1) << weight_bits;
}

std::int64_t max_slot_of(Precision precision, std::uint64_t max_addends,
                         std::uint64_t noise_bound) {
    const auto value_max = static_cast<std::uint64_t>(grid_max(precision));
    if (max_addends == 0) throw Error(Errc::invalid_argument, "max_addends must be at least 1");
    const Uint128 max_slot = static_cast<Uint128>(value_max) * max_addends + noise_bound;
    if (max_slot >> (kMaxSlotBits - 1) != 0) {
        throw Error(Errc::invalid_argument,
                    "a sum of max_addends values needs slots of more than 62 bits; lower "
                    "value_bits, weight_bits, max_addends or noise_bound");
    }
    return static_cast<std::int64_t>(max_slot);
}

SlotLayout::SlotLayout(std::size_t num_slots, std::int64_t max_slot, std::span<const Limb> modulus)
    : num_slots_(num_slots), max_slot_(max_slot) {
    if (num_slots == 0) throw Error(Errc::invalid_argument, "a layout needs at least one slot");
    if (max_slot < 1 || max_slot >> (kMaxSlotBits - 1) != 0) {
        throw Error(Errc::invalid_argument, "max_slot must lie in [1, 2^61)");
    }
    slot_bits_ = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(max_slot))) + 1;
    Integer n;
    import_limbs(n, modulus);
    slots_per_plaintext_ = largest_slot_count(max_slot, slot_bits_, n);
    if (slots_per_plaintext_ == 0) {
        throw Error(Errc::invalid_argument,
                    "a slot of " + std::to_string(slot_bits_) +
                        " bits does not fit a plaintext of this key; take a larger key, or lower "
                        "value_bits, weight_bits, max_addends or noise_bound");
    }
    limbs_per_value_ = (mpz_sizeinbase(n, 2) + 63) / 64;
}

std::size_t SlotLayout::num_plaintexts() const noexcept {
    return (num_slots_ - 1) / slots_per_plaintext_ + 1;
}

Plaintexts pack(std::span<const std::int64_t> slots, const SlotLayout& layout,
                const Execution& execution) {
    check_size(slots.size(), layout.num_slots(), "number of slots to pack");
    Plaintexts plaintexts(layout.num_plaintexts(), layout.limbs_per_value());
    const std::size_t per_plaintext = layout.slots_per_plaintext();
    parallel_for(plaintexts.size(), kGrain, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const std::size_t first = i * per_plaintext;
            const std::size_t count = std::min(per_plaintext, slots.size() - first);
            pack_one(plaintexts[i], slots.subspan(first, count), layout.slot_bits());
        }
    });
    return plaintexts;
}

void unpack(std::span<std::int64_t> out, const Plaintexts& plaintexts, const SlotLayout& layout,
            const Execution& execution) {
    check_size(out.size(), layout.num_slots(), "number of slots to unpack");
    check_size(plaintexts.size(), layout.num_plaintexts(), "number of plaintexts");
    check_size(plaintexts.limbs_per_value(), layout.limbs_per_value(), "limbs per plaintext");
    const std::size_t per_plaintext = layout.slots_per_plaintext();
    const std::size_t num_in_last = out.size() - (plaintexts.size() - 1) * per_plaintext;
    const unsigned slot_bits = layout.slot_bits();
    const SignedDigits digits(per_plaintext, slot_bits, layout.limbs_per_value());
    const SignedDigits last_digits(num_in_last, slot_bits, layout.limbs_per_value());
    parallel_for(plaintexts.size(), kGrain, execution, [&](std::size_t begin, std::size_t end) {
        Secret<Limb> scratch(digits.scratch_limbs());
        for (std::size_t i = begin; i < end; ++i) {
            const bool last = i + 1 == plaintexts.size();
            const auto slots = out.subspan(i * per_plaintext, last ? num_in_last : per_plaintext);
            if (!(last ? last_digits : digits).split(slots, plaintexts[i], scratch)) {
                throw Error(Errc::capacity,
                            "the decrypted sum does not fit its slots: more was added than "
                            "max_addends and noise_bound allow, or it was made with another codec "
                            "or key");
            }
        }
    });
}

}  // namespace veilsum
