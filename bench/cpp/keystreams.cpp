#include "keystreams.hpp"

#include <cstdio>
#include <cstring>

#include "peaks.hpp"
#include "timing.hpp"
#include "veilsum/rng/csprng.hpp"

using namespace veilsum;

namespace {

constexpr std::size_t kNumCalls = 500;
/// What the noise sampler asks for at a time.
constexpr std::size_t kRequestBytes = 16384;

/// Seconds of one call of a function that takes microseconds at most.
template <class Function>
double seconds_of_short(Function&& function) {
    return seconds([&] {
               for (std::size_t call = 0; call < kNumCalls; ++call) function();
           }) /
           kNumCalls;
}

/// AES-256 has 14 rounds. Needs VAES and AVX-512.
double bare_rounds_seconds() {
#if defined(__x86_64__)
    constexpr std::size_t kRounds = 14 * kRequestBytes / kAesRoundBytes;
    return seconds_of_short([] { run_aes_rounds(kRounds / kAesRoundsPerStep); });
#else
    return 0;
#endif
}

void report(const char* what, std::size_t size_bytes, double call_seconds) {
    std::printf("%-18s %6zu bytes %10.1f ns %8.2f GB/s", what, size_bytes, 1e9 * call_seconds,
                1e-9 * static_cast<double>(size_bytes) / call_seconds);
}

}  // namespace

void measure_keystreams() {
    Secret<std::byte> out(kRequestBytes);
    const std::byte key[kKeystreamKeyBytes] = {};
    const std::byte start[kKeystreamStartBytes] = {};
    const auto keystream_seconds = [&](const Keystream& keystream) {
        KeySchedule schedule;
        keystream.expand(schedule, key, start);
        return seconds_of_short([&] {
            keystream.generate(out.data(), kRequestBytes / kKeystreamBlockBytes, schedule, 0);
        });
    };
    for (const Keystream* keystream : available_keystreams()) {
        const double time = keystream_seconds(*keystream);
        report(keystream->name, kRequestBytes, time);
        if (std::strcmp(keystream->name, "aes-vaes") == 0) {
            std::printf("   %5.1f %% of bare rounds", 100 * bare_rounds_seconds() / time);
        }
        std::printf("\n");
    }
    Csprng random;
    for (const std::size_t size_bytes : {std::size_t{16}, std::size_t{256}, kRequestBytes}) {
        const auto request = std::span(out).first(size_bytes);
        const double time = seconds_of_short([&] { random.fill(request); });
        report("Csprng", size_bytes, time);
        if (size_bytes == kRequestBytes) {
            const double floor = keystream_seconds(active_keystream());
            std::printf("   %5.1f %% more than its keystream", 100 * (time / floor - 1));
        }
        std::printf("\n");
    }
    const double time = seconds_of_short([&] { Csprng().fill(std::span(out).first(16)); });
    report("a new Csprng", 16, time);
    std::printf("\n");
}
