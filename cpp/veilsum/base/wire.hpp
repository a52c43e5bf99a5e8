#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "veilsum/base/parallel.hpp"

namespace veilsum {

/// Leaves new bytes as they are: results of many megabytes are written once, not twice. Aligned for
/// SIMD.
struct UnfilledAllocator : std::allocator<std::byte> {
    template <class>
    struct rebind {
        using other = UnfilledAllocator;
    };
    static constexpr std::align_val_t kAlignment{64};

    static std::byte* allocate(std::size_t count) {
        return static_cast<std::byte*>(::operator new(count, kAlignment));
    }
    static void deallocate(std::byte* data, std::size_t /*count*/) noexcept {
        ::operator delete(data, kAlignment);
    }
    static void construct(std::byte* /*p*/) noexcept {}
    template <class Value>
    static void construct(std::byte* p, Value&& value) noexcept {
        *p = std::forward<Value>(value);
    }
};

/// Public bytes. Bytes(size) holds nothing in particular: whoever makes it fills it.
using Bytes = std::vector<std::byte, UnfilledAllocator>;
using ByteView = std::span<const std::byte>;

/// Every object on the wire starts with this frame: magic "veil", a kind, a version and the length
/// of the body, so that a reader knows what it holds before it allocates anything.
/// Layout: docs/wire-format.md, section 1.
enum class WireKind : std::uint8_t {
    public_key = 1,
    ciphertexts = 2,
    encrypted_vector = 3,
    key_file = 4,
    federation = 5,
    round_descriptor = 6,
    contribution = 7,
    open_request = 8,
    opening = 9,
    threshold_key = 10,
    share_file = 11,
    partial_decryption = 12,
    plaintext_proof = 13,
    identity_file = 14,
    enrolment = 15,
    chunk = 16,
    chunk_request = 17,
    transcript = 18,
    signed_federation = 19,
    round_link = 20,
    lock = 21,
    masked_blocks = 22,
    masked_vector = 23,
    invitations = 24,
    invitation = 25,
    relay_report = 26,
    relay_request = 27,
    relayed_sum = 28,
    spot_check = 29,
    encrypted_floats = 30,
    ceremony_message = 31,
};

inline constexpr std::size_t kFrameBytes = 16;

/// Builds one framed message. Integers are little-endian.
class Writer {
public:
    Writer(WireKind kind, std::uint8_t version);

    void u8(std::uint8_t value);
    void u32(std::uint32_t value);
    void u64(std::uint64_t value);
    void f64(double value);
    void bytes(ByteView data);
    /// The same for data of any length: Throws Error: cancelled.
    void bytes(ByteView data, const Execution& execution);

    /// Writes the body length into the frame and hands the message over.
    Bytes finish() &&;

private:
    Bytes data_;
};

/// Reads one framed message that came from outside. Never reads past the end and never allocates:
/// bytes() returns a view, so a length on the wire cannot ask for memory that was not sent.
/// Every failure throws Error: malformed.
class Reader {
public:
    /// Checks the frame: magic, kind, version, and that the body is exactly as long as it says.
    Reader(ByteView message, WireKind kind, std::uint8_t version);

    std::uint8_t u8();
    std::uint32_t u32();
    std::uint64_t u64();
    double f64();
    ByteView bytes(std::size_t size_bytes);

    std::size_t remaining() const noexcept { return data_.size(); }

    /// Call last: throws if bytes are left over.
    void finish() const;

private:
    ByteView take(std::size_t size_bytes);

    ByteView data_;
};

/// The kind of a framed message, for tools that show what a file holds.
/// Throws Error: malformed (no frame, unknown kind).
WireKind wire_kind(ByteView message);

/// How long the framed message is that `data` begins with, frame and all, as it announces; the rest
/// of it may still be on its way. Throws Error: malformed (no frame, unknown kind, longer than
/// 2^62).
std::uint64_t wire_size(ByteView data);

/// The name of a kind as users know it: "public key", "ciphertexts", ...
std::string_view wire_kind_name(WireKind kind) noexcept;

}  // namespace veilsum
