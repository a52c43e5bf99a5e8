// Every reader of the core, fed with bytes from nobody in particular. The kind in the frame chooses
// the reader, so that the golden messages of tests/vectors/wire are the seeds as they are.
//
// A reader returns an object that writes the very bytes again, or throws an Error of a code for bad
// data; and it keeps no more memory at a time than in proportion to what it was given.
// Anything else ends the process. libFuzzer calls it, or replay.cpp with the corpus that was kept.

#include "fuzz_core.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/codec/quantise.hpp"
#include "veilsum/codec/slots.hpp"
#include "veilsum/lattice/mask.hpp"
#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/key_share.hpp"
#include "veilsum/paillier/partial_decryption.hpp"
#include "veilsum/paillier/plaintext_proof.hpp"
#include "veilsum/paillier/secret_key.hpp"

#ifdef VEILSUM_FUZZ
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));
extern "C" std::size_t __sanitizer_get_allocated_size(const volatile void* p);
#endif

namespace {

using namespace veilsum;

const Execution kOneThread{.num_threads = 1};

[[noreturn]] void broken(const char* what) {
    std::fprintf(stderr, "veilsum fuzz: %s\n", what);
    std::abort();
}

void require(bool holds, const char* what) {
    if (!holds) broken(what);
}

// ---- memory ----

/// Besides what a message holds: numbers of one key, tables of one kernel, the text of an error.
constexpr std::size_t kFreeBytes = std::size_t{1} << 20;
constexpr std::size_t kBytesForEach = 16;

std::size_t live_bytes = 0;
std::size_t peak_bytes = 0;

#ifdef VEILSUM_FUZZ
bool is_counting = false;

void on_malloc(const volatile void* /*p*/, std::size_t size) {
    if (!is_counting) return;
    live_bytes += size;
    peak_bytes = std::max(peak_bytes, live_bytes);
}

void on_free(const volatile void* p) {
    if (!is_counting || p == nullptr) return;
    live_bytes -= std::min(live_bytes, __sanitizer_get_allocated_size(p));
}
#endif

/// Counts what is allocated while it lives; without libFuzzer nothing.
class Counting {
public:
    Counting() {
        live_bytes = peak_bytes = 0;
#ifdef VEILSUM_FUZZ
        is_counting = true;
#endif
    }
    Counting(const Counting&) = delete;
    Counting& operator=(const Counting&) = delete;
    ~Counting() {
#ifdef VEILSUM_FUZZ
        is_counting = false;
#endif
    }
};

// ---- readers ----

Bytes golden(const char* name) {
    std::ifstream file(std::string(VEILSUM_WIRE_VECTORS) + "/" + name, std::ios::binary);
    const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
    Bytes bytes(data.size());
    if (data.empty()) broken("the golden keys are missing");
    std::memcpy(bytes.data(), data.data(), data.size());
    return bytes;
}

/// The keys that the golden messages were made under.
struct Keys {
    PublicKey public_key = PublicKey::from_bytes(golden("public_key.bin"));
    PublicKey classic = PublicKey::from_bytes(golden("public_key_classic.bin"));
    ThresholdKey threshold = ThresholdKey::from_bytes(golden("threshold_key.bin"), kOneThread);
};

const Keys& keys() {
    static const Keys all;
    return all;
}

/// What the shape announces is there: no product of lengths may have wrapped.
Bytes read_ciphertexts(ByteView message) {
    const auto batch = Ciphertexts::from_bytes(message, keys().public_key, kOneThread);
    std::size_t size_bytes = keys().public_key.modulus().element_bytes();
    for (const std::size_t length : batch.shape()) {
        const bool wraps = __builtin_mul_overflow(size_bytes, length, &size_bytes);
        require(!wraps, "a shape is larger than memory");
    }
    require(size_bytes < message.size(), "a shape is larger than its message");
    return batch.to_bytes(kOneThread);
}

/// That of the golden blocks: two primes, a whole block and a shorter one.
constexpr MaskShape kMaskShape{.num_slots = 12'501,
                               .max_slot = 3'276'700,
                               .max_addends = 100,
                               .log_dim = 12,
                               .num_primes = 2,
                               .prime_bits = 40,
                               .num_digits = 3};

/// The parameters of a codec, as an encrypted vector begins with them.
void read_codec(ByteView message) {
    const bool has_segments = message.size() > 5 && message[5] == std::byte{2};
    Reader reader(message, WireKind::encrypted_vector, has_segments ? 2 : 1);
    std::vector<Segment> segments;
    for (std::uint32_t left = has_segments ? reader.u32() : 1; left > 0; --left) {
        const std::uint64_t num_values = reader.u64();
        if (num_values >= std::uint64_t{1} << 63) return;
        segments.push_back({num_values, reader.f64()});
    }
    const unsigned value_bits = reader.u8();
    const unsigned weight_bits = has_segments ? reader.u8() : 0;
    const std::uint64_t max_addends = reader.u64();
    const std::uint64_t noise_bound = reader.u64();
    const unsigned norm = reader.u8();
    const double norm_bound = reader.f64();
    const unsigned rounding = reader.u8();
    if (norm > 2 || rounding > 1) return;
    const Quantiser quantiser(std::move(segments), {value_bits, weight_bits},
                              Norm{static_cast<std::uint8_t>(norm)}, norm_bound,
                              Rounding{static_cast<std::uint8_t>(rounding)});
    const std::int64_t max_slot = max_slot_of({value_bits, weight_bits}, max_addends, noise_bound);
    const std::vector<Limb> modulus(32, ~Limb{0});
    const SlotLayout layout(quantiser.num_slots(), max_slot, modulus);
    require(layout.num_plaintexts() >= 1 && quantiser.grid_max() >= 1, "a codec of nothing");
}

/// What layouts in Python are read with: the message itself says which field comes next.
void read_fields(ByteView message, WireKind kind) {
    Reader reader(message, kind, std::to_integer<std::uint8_t>(message[5]));
    while (reader.remaining() > 0) {
        const std::size_t before = reader.remaining();
        std::size_t taken = 1;
        switch (reader.u8() % 8) {
            case 0: reader.finish(); break;
            case 1: reader.u32(), taken += 4; break;
            case 2: reader.u64(), taken += 8; break;
            case 3: reader.f64(), taken += 8; break;
            case 4: taken += 8 + reader.bytes(reader.u64()).size(); break;
            case 5: taken += 4 + reader.bytes(reader.u32()).size(); break;
            case 6: taken += 1 + reader.bytes(reader.u8()).size(); break;
            default: break;
        }
        require(before - reader.remaining() == taken, "the reader moved by another length");
    }
    reader.finish();
}

/// Reads a message of this kind; what the object writes again, or nothing where none is promised.
std::optional<Bytes> read(ByteView message, WireKind kind) {
    switch (kind) {
        case WireKind::public_key: return PublicKey::from_bytes(message).to_bytes();
        case WireKind::ciphertexts: return read_ciphertexts(message);
        case WireKind::threshold_key:
            return ThresholdKey::from_bytes(message, kOneThread).to_bytes();
        case WireKind::partial_decryption:
            return PartialDecryption::from_bytes(message, keys().threshold, kOneThread).to_bytes();
        case WireKind::plaintext_proof: {
            // A proof names its key; the two forms of a key read it differently.
            const auto& classic = keys().classic;
            const bool is_classic =
                message.size() >= kFrameBytes + 32 &&
                std::ranges::equal(message.subspan(kFrameBytes, 32), classic.fingerprint());
            return PlaintextProof::from_bytes(message, is_classic ? classic : keys().public_key,
                                              kOneThread)
                .to_bytes();
        }
        case WireKind::masked_blocks:
            return MaskedBlocks::from_bytes(message, kMaskShape, kOneThread).to_bytes(kOneThread);
        // What is sealed in these files, as it is once it is opened.
        case WireKind::key_file:
            SecretKey::from_secret_bytes(message.subspan(kFrameBytes), {});
            return std::nullopt;
        case WireKind::share_file:
            KeyShare::from_secret_bytes(message.subspan(kFrameBytes), keys().threshold, kOneThread);
            return std::nullopt;
        case WireKind::encrypted_vector: read_codec(message); return std::nullopt;
        default: read_fields(message, kind); return std::nullopt;
    }
}

/// The codes that say: these bytes are wrong. Any other is a bug.
bool is_refusal(Errc code, WireKind kind) {
    switch (code) {
        case Errc::malformed:
        case Errc::invalid_key:
        case Errc::invalid_ciphertext:
        case Errc::key_mismatch:
        case Errc::invalid_proof: return true;
        case Errc::invalid_argument:
            return kind == WireKind::encrypted_vector;  // Python's to turn.
        default: return false;
    }
}

void read_message(ByteView message) {
    WireKind kind{};
    try {
        kind = wire_kind(message);
        const std::uint64_t announced = wire_size(message);
        const auto written = read(message, kind);
        require(announced == message.size() || kind == WireKind::key_file ||
                    kind == WireKind::share_file,
                "a reader took a message of another length than it announces");
        require(!written || std::ranges::equal(*written, message),
                "a reader took bytes that its object does not write");
    } catch (const Error& error) {
        require(is_refusal(error.code(), kind), error.what());
    } catch (const std::exception& error) {
        broken(error.what());
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
    keys();
#ifdef VEILSUM_FUZZ
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
#endif
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Counting counting;
    read_message(std::as_bytes(std::span(data, size)));
    require(peak_bytes <= kFreeBytes + kBytesForEach * size,
            "a reader used more memory than its message can ask for");
    return 0;
}

#ifdef VEILSUM_FUZZ
/// Lengths that are right modulo a power of two: products of them may wrap. Near the front, mostly,
/// where lengths are.
void add_power_of_two(std::uint8_t* data, std::size_t size, unsigned seed) {
    const std::size_t places = size - kFrameBytes - 7;
    const std::size_t place = kFrameBytes + seed / 64 % std::min<std::size_t>(places, 64);
    std::uint64_t value = 0;
    std::memcpy(&value, data + place, 8);
    value += std::uint64_t{1} << seed % 64;
    std::memcpy(data + place, &value, 8);
}

/// The version that is read.
std::uint8_t version_of(WireKind kind) {
    switch (kind) {
        case WireKind::plaintext_proof: return 3;
        case WireKind::threshold_key:
        case WireKind::partial_decryption: return 2;
        default: return 1;
    }
}

/// Any mutation, then mostly a frame that is right again and the name of a key that is known, so
/// that mutations get past the first checks.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
    if (seed % 5 == 0 && size >= kFrameBytes + 8) {
        add_power_of_two(data, size, seed / 5);
    } else {
        size = LLVMFuzzerMutate(data, size, max_size);
    }
    if (size < kFrameBytes || seed % 8 == 0) return size;
    std::memcpy(data, "veil", 4);
    data[5] = version_of(static_cast<WireKind>(data[4]));
    data[6] = data[7] = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        data[8 + i] = static_cast<std::uint8_t>((size - kFrameBytes) >> (8 * i));
    }
    if (size < kFrameBytes + 32 || seed % 8 == 1) return size;
    const auto name = [&](const Fingerprint& f) { std::memcpy(data + kFrameBytes, f.data(), 32); };
    switch (static_cast<WireKind>(data[4])) {
        case WireKind::ciphertexts: name(keys().public_key.fingerprint()); break;
        case WireKind::partial_decryption: name(keys().threshold.fingerprint()); break;
        case WireKind::plaintext_proof:
            name(seed % 2 == 0 ? keys().public_key.fingerprint() : keys().classic.fingerprint());
            break;
        default: break;
    }
    return size;
}
#endif
