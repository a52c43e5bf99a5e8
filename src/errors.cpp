// Turns veilsum::Error into the class of the same meaning in python/veilsum/errors.py.

#include "errors.hpp"

#include <new>
#include <stdexcept>

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

void set_no_memory() {
    py::set_error(PyExc_MemoryError,
                  "there is not enough memory for this call; pass fewer values at a time");
}

/// The module veilsum.errors. Kept for ever: nothing can be imported while the interpreter ends.
py::handle errors;

void translate(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const veilsum::Error& error) {
        if (error.code() == veilsum::Errc::cancelled && PyErr_Occurred() != nullptr) return;
        py::set_error(errors.attr(class_name(error.code())), error.what());
    } catch (const std::bad_alloc&) {
        set_no_memory();
    } catch (const std::length_error&) {  // Longer than any vector can be.
        set_no_memory();
    }
}

}  // namespace

void register_errors(py::module_& /*core*/) {
    errors = py::module_::import("veilsum.errors").release();
    py::register_local_exception_translator(translate);
}
