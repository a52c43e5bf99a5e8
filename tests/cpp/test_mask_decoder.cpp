// Slots and errors from residues: every kernel finds what they were made of, and refuses the rest.

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "emulated_lanes.hpp"
#include "emulated_simd.hpp"
#include "veilsum/lattice/mask_decoder.hpp"

using namespace veilsum;
using veilsum::testing::emulated_ring_kernels;
using veilsum::testing::violations;

namespace {

using Wide = unsigned __int128;
using SignedWide = __int128;

std::mt19937_64& generator() {
    static std::mt19937_64 engine(20261202);
    return engine;
}

/// In [-most, most]: an end, next to it, zero, or any.
std::int64_t value_up_to(std::int64_t most) {
    switch (generator()() % 6) {
        case 0: return most;
        case 1: return -most;
        case 2: return most - 1;
        case 3: return 0;
        default:
            return static_cast<std::int64_t>(generator()() %
                                             (2 * static_cast<std::uint64_t>(most) + 1)) -
                   most;
    }
}

struct Decoded {
    bool fits;
    std::int64_t largest_error;
    std::vector<std::int64_t> slots;
};

class World {
public:
    explicit World(const MaskShape& shape) : shape_(shape) {
        for (unsigned p = 0; p < shape.num_primes; ++p) {
            rings_.push_back(PrimeRing::without_transform(shape.log_dim, shape.prime_bits, p));
            modulus_ *= static_cast<SignedWide>(rings_[p].q());
        }
    }

    const MaskShape& shape() const { return shape_; }
    SignedWide modulus() const { return modulus_; }
    std::int64_t half_range() const { return std::int64_t{1} << (shape_.slack() - 1); }

    /// e + 2^slack * (slot 0 + B * (slot 1 + ...)).
    SignedWide coefficient(std::int64_t error, const std::int64_t* slots,
                           std::size_t stride) const {
        SignedWide x = 0;
        for (unsigned k = shape_.num_digits; k-- > 0;) {
            x = x * static_cast<SignedWide>(shape_.base()) + slots[k * stride];
        }
        return (x << shape_.slack()) + error;
    }

    Decoded decode(const std::vector<SignedWide>& coefficients, const RingKernel& kernel) const {
        std::vector<std::vector<std::uint64_t>> residues;
        std::vector<const std::uint64_t*> pointers;
        for (const PrimeRing& ring : rings_) {
            const auto q = static_cast<SignedWide>(ring.q());
            std::vector<std::uint64_t> of_prime;
            for (const SignedWide x : coefficients) {
                of_prime.push_back(static_cast<std::uint64_t>((x % q + q) % q));
            }
            residues.push_back(of_prime);
        }
        for (const auto& of_prime : residues) pointers.push_back(of_prime.data());
        Decoded result{false, 0,
                       std::vector<std::int64_t>(shape_.num_digits * coefficients.size())};
        const MaskDecoder decoder(shape_, rings_);
        result.fits = decoder.decode(result.slots.data(), pointers.data(), coefficients.size(),
                                     kernel, result.largest_error);
        return result;
    }

private:
    MaskShape shape_;
    std::vector<PrimeRing> rings_;
    SignedWide modulus_ = 1;
};

std::vector<const RingKernel*> all_kernels() {
    auto kernels = available_ring_kernels();
    for (const RingKernel* kernel : emulated_ring_kernels()) kernels.push_back(kernel);
    return kernels;
}

/// Of both rings: few long slots and many short ones, and bases beyond what floats take.
std::vector<MaskShape> shapes() {
    std::vector<MaskShape> result;
    for (const std::int64_t max_slot :
         {std::int64_t{1}, std::int64_t{2}, std::int64_t{63}, std::int64_t{64}, std::int64_t{65},
          std::int64_t{1000}, std::int64_t{6'553'600}, std::int64_t{1} << 30,
          (std::int64_t{1} << 40) + 12345, std::int64_t{1} << 41, std::int64_t{1} << 50}) {
        for (const std::uint64_t addends : {1u, 100u, 1u << 14}) {
            for (unsigned num_digits = 1; num_digits <= MaskShape::kMaxDigits; ++num_digits) {
                for (const unsigned num_primes : {1u, 2u}) {
                    for (const unsigned bits : {24u, 27u, 40u, 46u}) {
                        const MaskShape shape{100,        max_slot, addends,   10 + num_primes,
                                              num_primes, bits,     num_digits};
                        // As has_room in mask_shape.cpp.
                        const World world(shape);
                        const auto base = static_cast<SignedWide>(shape.base());
                        SignedWide size = SignedWide{1} << shape.slack();
                        unsigned k = 0;
                        while (k < num_digits && size < world.modulus()) {
                            // Never beyond 128 bits: what is too large once stays so.
                            size = size > world.modulus() / base ? world.modulus() : size * base;
                            ++k;
                        }
                        if (k == num_digits && size < world.modulus()) result.push_back(shape);
                    }
                }
            }
        }
    }
    return result;
}

}  // namespace

TEST_CASE("every kernel finds the slots and the errors that coefficients are made of") {
    (void)violations.take_count();
    constexpr std::size_t kCount = 64;
    for (const MaskShape& shape : shapes()) {
        const World world(shape);
        std::vector<std::int64_t> slots(shape.num_digits * kCount);
        for (std::int64_t& slot : slots) slot = value_up_to(shape.max_slot);
        std::vector<SignedWide> coefficients;
        std::int64_t largest = 0;
        for (std::size_t i = 0; i < kCount; ++i) {
            const std::int64_t error =
                i == 40 ? -world.half_range() : value_up_to(world.half_range() - 1);
            largest = std::max(largest, error < 0 ? -error : error);
            coefficients.push_back(world.coefficient(error, slots.data() + i, kCount));
        }
        for (const RingKernel* kernel : all_kernels()) {
            CAPTURE(kernel->name);
            CAPTURE(shape.max_slot);
            CAPTURE(shape.num_digits);
            CAPTURE(shape.prime_bits);
            const Decoded found = world.decode(coefficients, *kernel);
            REQUIRE(found.fits);
            REQUIRE(found.slots == slots);
            REQUIRE(found.largest_error == largest);
        }
        CHECK_MESSAGE(violations.take_count() == 0, violations.first());
    }
}

TEST_CASE("every kernel refuses a coefficient that no slots add up to") {
    constexpr std::size_t kCount = 16;
    for (const MaskShape& shape : shapes()) {
        const World world(shape);
        for (std::size_t turn = 0; turn < 12; ++turn) {
            std::vector<std::int64_t> slots(shape.num_digits * kCount);
            for (std::int64_t& slot : slots) slot = value_up_to(shape.max_slot);
            std::vector<SignedWide> coefficients;
            const std::size_t wrong = turn % kCount;
            bool fits = true;
            if (turn < 8) {  // One too much or too little, in one slot.
                const std::size_t k = generator()() % shape.num_digits;
                const std::int64_t most = shape.max_slot + 1;
                slots[k * kCount + wrong] = turn % 2 == 0 ? most : -most;
                fits = false;
            }
            for (std::size_t i = 0; i < kCount; ++i) {
                coefficients.push_back(world.coefficient(value_up_to(world.half_range() - 1),
                                                         slots.data() + i, kCount));
            }
            if (turn >= 8) {  // Any number: what integers say of it.
                const Wide any = Wide{generator()()} << 64 | generator()();
                coefficients[wrong] =
                    static_cast<SignedWide>(any % static_cast<Wide>(world.modulus()));
                fits = world.decode(coefficients, kPortableRingKernel).fits;
            }
            const Decoded expected = world.decode(coefficients, kPortableRingKernel);
            for (const RingKernel* kernel : all_kernels()) {
                CAPTURE(kernel->name);
                CAPTURE(shape.max_slot);
                CAPTURE(shape.num_digits);
                const Decoded found = world.decode(coefficients, *kernel);
                REQUIRE(found.fits == fits);
                if (fits) REQUIRE(found.slots == expected.slots);
            }
        }
    }
    (void)violations.take_count();
}
