// Binds the wire Writer and Reader for the message kinds whose layout lives in Python.

#include "wire.hpp"

#include <optional>

#include <pybind11/native_enum.h>

#include "bytes.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/base/wire.hpp"

namespace {

using veilsum::WireKind;

/// A Writer that can be finished once.
struct PyWriter {
    std::optional<veilsum::Writer> writer;

    veilsum::Writer& get() {
        if (!writer) throw veilsum::Error(veilsum::Errc::invalid_argument, "already finished");
        return *writer;
    }
};

/// A Reader together with the bytes it reads from.
struct PyReader {
    PyReader(py::bytes data, WireKind kind, std::uint8_t version)
        : message(std::move(data)), reader(from_python(message), kind, version) {}

    py::bytes message;
    veilsum::Reader reader;
};

}  // namespace

void register_wire(py::module_& core) {
    py::native_enum<WireKind>(core, "WireKind", "enum.IntEnum")
        .value("PUBLIC_KEY", WireKind::public_key)
        .value("CIPHERTEXTS", WireKind::ciphertexts)
        .value("ENCRYPTED_VECTOR", WireKind::encrypted_vector)
        .value("KEY_FILE", WireKind::key_file)
        .value("FEDERATION", WireKind::federation)
        .value("ROUND_DESCRIPTOR", WireKind::round_descriptor)
        .value("CONTRIBUTION", WireKind::contribution)
        .value("OPEN_REQUEST", WireKind::open_request)
        .value("OPENING", WireKind::opening)
        .value("THRESHOLD_KEY", WireKind::threshold_key)
        .value("SHARE_FILE", WireKind::share_file)
        .value("PARTIAL_DECRYPTION", WireKind::partial_decryption)
        .value("PLAINTEXT_PROOF", WireKind::plaintext_proof)
        .value("IDENTITY_FILE", WireKind::identity_file)
        .value("ENROLMENT", WireKind::enrolment)
        .value("CHUNK", WireKind::chunk)
        .value("CHUNK_REQUEST", WireKind::chunk_request)
        .value("TRANSCRIPT", WireKind::transcript)
        .value("SIGNED_FEDERATION", WireKind::signed_federation)
        .value("ROUND_LINK", WireKind::round_link)
        .value("LOCK", WireKind::lock)
        .value("MASKED_BLOCKS", WireKind::masked_blocks)
        .value("MASKED_VECTOR", WireKind::masked_vector)
        .value("INVITATIONS", WireKind::invitations)
        .value("INVITATION", WireKind::invitation)
        .value("RELAY_REPORT", WireKind::relay_report)
        .value("RELAY_REQUEST", WireKind::relay_request)
        .value("RELAYED_SUM", WireKind::relayed_sum)
        .value("SPOT_CHECK", WireKind::spot_check)
        .value("ENCRYPTED_FLOATS", WireKind::encrypted_floats)
        .value("CEREMONY_MESSAGE", WireKind::ceremony_message)
        .finalize();

    core.def(
        "wire_kind", [](const py::bytes& data) { return veilsum::wire_kind(from_python(data)); },
        py::arg("data"));
    core.def(
        "wire_size", [](const py::bytes& data) { return veilsum::wire_size(from_python(data)); },
        py::arg("data"));

    py::class_<PyWriter>(core, "Writer")
        .def(py::init([](WireKind kind, std::uint8_t version) {
                 return PyWriter{veilsum::Writer(kind, version)};
             }),
             py::arg("kind"), py::arg("version"))
        .def("u8", [](PyWriter& self, std::uint8_t value) { self.get().u8(value); })
        .def("u32", [](PyWriter& self, std::uint32_t value) { self.get().u32(value); })
        .def("u64", [](PyWriter& self, std::uint64_t value) { self.get().u64(value); })
        .def("f64", [](PyWriter& self, double value) { self.get().f64(value); })
        .def("bytes",
             [](PyWriter& self, const py::bytes& data) { self.get().bytes(from_python(data)); })
        .def("finish", [](PyWriter& self) {
            const veilsum::Bytes message = std::move(self.get()).finish();
            self.writer.reset();
            return to_python(message);
        });

    py::class_<PyReader>(core, "Reader")
        .def(py::init<py::bytes, WireKind, std::uint8_t>(), py::arg("message"), py::arg("kind"),
             py::arg("version"))
        .def("u8", [](PyReader& self) { return self.reader.u8(); })
        .def("u32", [](PyReader& self) { return self.reader.u32(); })
        .def("u64", [](PyReader& self) { return self.reader.u64(); })
        .def("f64", [](PyReader& self) { return self.reader.f64(); })
        .def("bytes",
             [](PyReader& self, std::size_t size_bytes) {
                 return to_python(self.reader.bytes(size_bytes));
             })
        .def("remaining", [](const PyReader& self) { return self.reader.remaining(); })
        .def("finish", [](const PyReader& self) { self.reader.finish(); });
}
