#include "veilsum/base/wire.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

constexpr std::byte kMagic[4] = {std::byte{'v'}, std::byte{'e'}, std::byte{'i'}, std::byte{'l'}};

[[noreturn]] void malformed(const std::string& what) { throw Error(Errc::malformed, what); }

template <class T>
void append_little_endian(Bytes& data, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
        data.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
}

template <class T>
T little_endian(ByteView data) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
        value |= static_cast<T>(std::to_integer<T>(data[i]) << (8 * i));
    }
    return value;
}

}  // namespace

std::string_view wire_kind_name(WireKind kind) noexcept {
    switch (kind) {
        case WireKind::public_key: return "public key";
        case WireKind::ciphertexts: return "ciphertexts";
        case WireKind::encrypted_vector: return "encrypted vector";
        case WireKind::key_file: return "key file";
        case WireKind::federation: return "federation";
        case WireKind::round_descriptor: return "round descriptor";
        case WireKind::contribution: return "contribution";
        case WireKind::open_request: return "open request";
        case WireKind::opening: return "opening";
        case WireKind::threshold_key: return "threshold key";
        case WireKind::share_file: return "share file";
        case WireKind::partial_decryption: return "partial decryption";
        case WireKind::plaintext_proof: return "plaintext proof";
        case WireKind::identity_file: return "identity file";
        case WireKind::enrolment: return "enrolment";
        case WireKind::chunk: return "chunk";
        case WireKind::chunk_request: return "chunk request";
        case WireKind::transcript: return "transcript";
        case WireKind::signed_federation: return "signed federation";
        case WireKind::round_link: return "round link";
        case WireKind::lock: return "lock";
        case WireKind::masked_blocks: return "masked blocks";
        case WireKind::masked_vector: return "masked vector";
        case WireKind::invitations: return "invitations";
        case WireKind::invitation: return "invitation";
        case WireKind::relay_report: return "relay report";
        case WireKind::relay_request: return "relay request";
        case WireKind::relayed_sum: return "relayed sum";
        case WireKind::spot_check: return "spot check";
        case WireKind::encrypted_floats: return "encrypted floats";
        case WireKind::ceremony_message: return "ceremony message";
    }
    return "unknown";
}

WireKind wire_kind(ByteView message) {
    if (message.size() < kFrameBytes || !std::equal(kMagic, kMagic + 4, message.begin())) {
        malformed("not a veilsum message: it does not start with the veilsum frame");
    }
    const auto kind = static_cast<WireKind>(message[4]);
    if (wire_kind_name(kind) == "unknown") {
        malformed("unknown kind of veilsum message; it may come from a newer version");
    }
    return kind;
}

std::uint64_t wire_size(ByteView data) {
    constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{1} << 62;
    wire_kind(data);
    const auto body_bytes = little_endian<std::uint64_t>(data.subspan(8, 8));
    if (body_bytes > kMaxBodyBytes) malformed("the message announces more bytes than there are");
    return kFrameBytes + body_bytes;
}

Writer::Writer(WireKind kind, std::uint8_t version) {
    data_.assign(kMagic, kMagic + 4);
    u8(static_cast<std::uint8_t>(kind));
    u8(version);
    u8(0);
    u8(0);
    u64(0);  // The body length, known at finish().
}

void Writer::u8(std::uint8_t value) { data_.push_back(static_cast<std::byte>(value)); }
void Writer::u32(std::uint32_t value) { append_little_endian(data_, value); }
void Writer::u64(std::uint64_t value) { append_little_endian(data_, value); }
void Writer::f64(double value) { u64(std::bit_cast<std::uint64_t>(value)); }
void Writer::bytes(ByteView data) { data_.insert(data_.end(), data.begin(), data.end()); }

void Writer::bytes(ByteView data, const Execution& execution) {
    const std::size_t before = data_.size();
    data_.resize(before + data.size());
    copy_bytes(data_.data() + before, data, execution);
}

Bytes Writer::finish() && {
    const std::uint64_t body_bytes = data_.size() - kFrameBytes;
    for (std::size_t i = 0; i < 8; ++i)
        data_[8 + i] = static_cast<std::byte>(body_bytes >> (8 * i));
    return std::move(data_);
}

Reader::Reader(ByteView message, WireKind kind, std::uint8_t version) : data_(message) {
    const WireKind found = wire_kind(message);
    if (found != kind) {
        malformed("expected " + std::string(wire_kind_name(kind)) + ", got " +
                  std::string(wire_kind_name(found)));
    }
    take(5);
    const unsigned found_version = u8();
    if (found_version != version) {
        malformed(std::string(wire_kind_name(kind)) + " of wire version " +
                  std::to_string(found_version) + "; this veilsum reads version " +
                  std::to_string(version));
    }
    if (u8() != 0 || u8() != 0) malformed("reserved bytes of the frame are not zero");
    const std::uint64_t body_bytes = u64();
    if (body_bytes != data_.size()) {
        malformed(std::string(wire_kind_name(kind)) + " announces " + std::to_string(body_bytes) +
                  " bytes but " + std::to_string(data_.size()) + " follow");
    }
}

ByteView Reader::take(std::size_t size_bytes) {
    if (size_bytes > data_.size()) malformed("the message ends too early");
    const ByteView taken = data_.first(size_bytes);
    data_ = data_.subspan(size_bytes);
    return taken;
}

std::uint8_t Reader::u8() { return std::to_integer<std::uint8_t>(take(1)[0]); }
std::uint32_t Reader::u32() { return little_endian<std::uint32_t>(take(4)); }
std::uint64_t Reader::u64() { return little_endian<std::uint64_t>(take(8)); }
double Reader::f64() { return std::bit_cast<double>(u64()); }
ByteView Reader::bytes(std::size_t size_bytes) { return take(size_bytes); }

void Reader::finish() const {
    if (!data_.empty()) {
        malformed(std::to_string(data_.size()) + " unexpected bytes at the end of the message");
    }
}

}  // namespace veilsum
