// Turns veilsum::Error into the class of the same meaning in python/veilsum/errors.py.

#include "errors.hpp"

#include "veilsum/base/error.hpp"

namespace {

const char* class_name(veilsum::Errc code) {
    switch (code) {
        case veilsum::Errc::invalid_argument: return "InvalidArgumentError";
        case veilsum::Errc::malformed: return "MalformedDataError";
        case veilsum::Errc::invalid_key: return "InvalidKeyError";
        case veilsum::Errc::invalid_ciphertext: return "InvalidCiphertextError";
        case veilsum::Errc::key_mismatch: return "KeyMismatchError";
        case veilsum::Errc::invalid_proof: return "ProofError";
        case veilsum::Errc::not_enough_shares: return "NotEnoughSharesError";
        case veilsum::Errc::capacity: return "CapacityError";
        case veilsum::Errc::exhausted: return "PoolExhaustedError";
        case veilsum::Errc::entropy: return "EntropyError";
        case veilsum::Errc::cancelled:  // The signal handler's exception is pending instead.
        case veilsum::Errc::internal: return "InternalError";
    }
    return "InternalError";
}

void translate(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const veilsum::Error& error) {
        if (error.code() == veilsum::Errc::cancelled && PyErr_Occurred() != nullptr) return;
        const auto errors = py::module_::import("veilsum.errors");
        py::set_error(errors.attr(class_name(error.code())), error.what());
    }
}

}  // namespace

void register_errors(py::module_& /*core*/) { py::register_local_exception_translator(translate); }
