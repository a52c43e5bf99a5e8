// Three contributors, one sum: what a C++ program does with veilsum.
//
// Build: cmake -B build -DCMAKE_PREFIX_PATH=/where/veilsum/is && cmake --build build

#include <cstdio>
#include <vector>

#include "veilsum/codec/quantise.hpp"
#include "veilsum/codec/slots.hpp"
#include "veilsum/paillier/encrypt.hpp"
#include "veilsum/paillier/secret_key.hpp"

int main() {
    using namespace veilsum;
    constexpr std::size_t kDim = 1000;
    constexpr unsigned kValueBits = 16;
    constexpr std::size_t kContributors = 3;
    const Execution execution;  // All processors; cannot be cancelled.

    // The key's owner makes it; contributors and the aggregator get the public half.
    const SecretKey secret_key = SecretKey::generate(2048, false, execution);
    const PublicKey public_key = PublicKey::from_bytes(secret_key.public_key().to_bytes());

    // Everybody uses the same codec: 16-bit values in [-1, 1], room for 100 addends.
    const Quantiser quantiser({{kDim, 1.0}}, {kValueBits});
    const Modulus& n = public_key.modulus();
    const SlotLayout layout(quantiser.num_slots(), max_slot_of({kValueBits}, 100, 0),
                            {n.n(), n.num_limbs()});

    // A contributor: clip, quantise, pack, encrypt. The aggregator: add.
    std::vector<Ciphertexts> received;
    for (std::size_t contributor = 1; contributor <= kContributors; ++contributor) {
        const std::vector<float> delta(kDim, 0.125f * static_cast<float>(contributor));
        Secret<std::int64_t> slots(quantiser.num_slots());
        quantiser.quantise(slots, delta, 1.0, execution);
        const Plaintexts plaintexts = pack(slots, layout, execution);
        received.push_back(
            encrypt(plaintexts, {plaintexts.size()}, public_key, nullptr, execution));
    }
    Ciphertexts sum = received[0];
    for (std::size_t i = 1; i < received.size(); ++i) sum = sum.add(received[i], execution);

    // The key's owner opens the sum, and only the sum.
    Secret<std::int64_t> slots(quantiser.num_slots());
    unpack(slots, secret_key.decrypt(sum, execution), layout, execution);
    std::vector<double> values(kDim);
    const double weight = quantiser.dequantise(values, slots, execution);
    std::printf("sum %.3f, weight %.0f, mean %.3f\n", values[0], weight, values[0] / weight);
}
