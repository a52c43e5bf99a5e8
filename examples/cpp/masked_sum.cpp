// Three contributors, one sum, behind lattice masks: Paillier carries short secrets alone.
//
// Build: as private_sum.cpp.

#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include "veilsum/codec/slots.hpp"
#include "veilsum/lattice/mask.hpp"
#include "veilsum/paillier/encrypt.hpp"
#include "veilsum/paillier/secret_key.hpp"

int main() {
    using namespace veilsum;
    constexpr std::size_t kNumSlots = 10'000;
    constexpr std::int64_t kMaxSlot = 3'000'000;  // Of the sum.
    constexpr std::int64_t kContributors = 3;
    const Execution execution;

    const SecretKey secret_key = SecretKey::generate(2048, false, execution);
    const PublicKey& public_key = secret_key.public_key();

    // Everybody uses the same mask, and the same context for one sum.
    const Mask mask(MaskShape::choose(kNumSlots, kMaxSlot, kContributors));
    const MaskShape& shape = mask.shape();
    const ByteView context = std::as_bytes(std::span(std::string_view("training 7, round 12")));
    const Modulus& n = public_key.modulus();
    const SlotLayout layout(shape.dim(), shape.max_secret(), {n.n(), n.num_limbs()});

    // A contributor: mask the slots, and encrypt the mask's secret. The aggregator: add both.
    MaskSum blocks(mask);
    std::vector<Ciphertexts> secrets;
    for (std::int64_t contributor = 1; contributor <= kContributors; ++contributor) {
        const Secret<std::int64_t> slots(kNumSlots, 1000 * contributor);
        // A program that keeps its slots secret gives a hash of them as the last argument.
        const HedgedSeed seed("masked_sum/1", context, {}, {});
        const Mask::Protected made = mask.protect(slots, context, seed, execution);
        const Plaintexts packed = pack(made.secret, layout, execution);
        secrets.push_back(encrypt_hedged(packed, {packed.size()}, public_key, seed, execution));

        const Bytes wire = made.blocks.to_bytes(execution);
        const MaskedBlocks received = MaskedBlocks::from_bytes(wire, shape, execution);
        const MaskedBlocks* parts[] = {&received};
        blocks.add(parts, 1, execution);
    }
    Ciphertexts secret_sum = secrets[0];
    for (std::size_t i = 1; i < secrets.size(); ++i) {
        secret_sum = secret_sum.add(secrets[i], execution);
    }

    // The key's owner opens the sum of the secrets, and that opens the sum of the slots.
    Secret<std::int64_t> secret(shape.dim());
    unpack(secret, secret_key.decrypt(secret_sum, execution), layout, execution);
    std::vector<std::int64_t> sum(kNumSlots);
    const std::int64_t largest_error =
        mask.open(sum, blocks.total(execution), secret, context, execution);
    if (largest_error > shape.max_error(kContributors)) {
        std::puts("somebody sent what is no masked vector");
        return 1;
    }
    std::printf("sum %lld, %.0f bits\n", static_cast<long long>(sum[0]), shape.strength().matzov);
}
