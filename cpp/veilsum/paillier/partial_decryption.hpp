#pragma once

#include "veilsum/paillier/share_proof.hpp"

namespace veilsum {

/// One holder's share in opening some consecutive ciphertexts of a batch, with its proof. Public;
/// not checked against any ciphertexts before a Combination takes it.
struct PartialDecryption {
    ThresholdKey key;
    std::size_t holder;
    /// The position in the batch of the first ciphertext.
    std::uint64_t first;
    /// c^(2*D*t_i) mod n for each, elements modulo n.
    Bytes elements;
    ShareProof proof;

    std::size_t size() const noexcept { return elements.size() / key.modulo_n().element_bytes(); }

    /// Reads what a holder sent. Throws Error: malformed (SH8 and the wire format), key_mismatch
    /// (SH7), invalid_ciphertext (CT1, CT2), cancelled.
    static PartialDecryption from_bytes(ByteView wire, const ThresholdKey& key,
                                        const Execution& execution);
    Bytes to_bytes() const;
};

}  // namespace veilsum
