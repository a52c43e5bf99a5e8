#pragma once

#include <stdexcept>
#include <string>

namespace veilsum {

/// What kind of failure an Error reports. Each code has one Python class of the same meaning in
/// python/veilsum/errors.py; tests/test_errors.py compares the two lists.
enum class Errc {
    invalid_argument,    ///< A value or shape outside the documented range.
    malformed,           ///< Bytes are not the wire format.
    invalid_key,         ///< A PK or SK rule of docs/validation.md failed.
    invalid_ciphertext,  ///< A CT rule of docs/validation.md failed.
    key_mismatch,        ///< Operands belong to different keys.
    invalid_proof,       ///< A proof does not hold: somebody did not compute what was asked.
    not_enough_shares,   ///< Fewer key holders answered than the threshold asks for.
    capacity,            ///< More addends than the slots were sized for.
    exhausted,           ///< A one-time randomiser was asked for and none is left.
    entropy,             ///< The operating system gave no randomness.
    cancelled,           ///< The caller asked a long operation to stop.
    internal,            ///< A self-check failed: a bug or a hardware fault. Results are discarded.
};

/// The one exception type the core throws. The message says what to do about it and never holds
/// secret data.
class Error : public std::runtime_error {
public:
    Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

    Errc code() const noexcept { return code_; }

private:
    Errc code_;
};

}  // namespace veilsum
