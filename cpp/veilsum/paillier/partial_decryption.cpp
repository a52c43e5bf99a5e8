#include "veilsum/paillier/partial_decryption.hpp"

#include <algorithm>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/paillier/validate.hpp"

namespace veilsum {
namespace {

// 1 had elements modulo n^2.
constexpr std::uint8_t kWireVersion = 2;

[[noreturn]] void malformed(const std::string& message) { throw Error(Errc::malformed, message); }

}  // namespace

Bytes PartialDecryption::to_bytes() const {
    Writer writer(WireKind::partial_decryption, kWireVersion);
    writer.bytes(key.fingerprint());
    writer.u8(static_cast<std::uint8_t>(holder));
    writer.u64(first);
    writer.bytes(proof.challenge);
    writer.bytes(proof.response);
    writer.bytes(elements);
    return std::move(writer).finish();
}

PartialDecryption PartialDecryption::from_bytes(ByteView wire, const ThresholdKey& key,
                                                const Execution& execution) {
    Reader reader(wire, WireKind::partial_decryption, kWireVersion);
    if (!std::ranges::equal(reader.bytes(key.fingerprint().size()), key.fingerprint())) {
        throw Error(Errc::key_mismatch,
                    "SH7: the partial decryption belongs to another threshold key than the one "
                    "given");
    }
    PartialDecryption result{key, reader.u8(), reader.u64(), {}, {}};
    if (result.holder < 1 || result.holder > key.policy().num_holders) {
        malformed("SH8: there is no holder " + std::to_string(result.holder));
    }
    std::ranges::copy(reader.bytes(ShareProof::kChallengeBytes), result.proof.challenge.begin());
    const ByteView response = reader.bytes(ShareProof::response_bytes(key));
    const std::size_t element_bytes = key.modulo_n().element_bytes();
    if (reader.remaining() == 0 || reader.remaining() % element_bytes != 0) {
        malformed("SH8: a partial decryption is of one or more ciphertexts, with " +
                  std::to_string(element_bytes) + " bytes each");
    }
    const ByteView elements = reader.bytes(reader.remaining());
    if (result.first > ~std::uint64_t{0} - elements.size()) {
        malformed("SH8: the position of a partial decryption is too large");
    }
    reader.finish();
    validate_ciphertexts(elements, key.modulo_n(), execution);
    result.proof.response.assign(response.begin(), response.end());
    result.elements.assign(elements.begin(), elements.end());
    return result;
}

}  // namespace veilsum
