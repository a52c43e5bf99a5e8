// Binds proofs of plaintext knowledge.

#include <pybind11/stl.h>

#include "execution.hpp"
#include "paillier.hpp"
#include "veilsum/paillier/plaintext_proof.hpp"

namespace {

using namespace veilsum;

py::bytes to_python(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ByteView from_python(const py::bytes& bytes) {
    const std::string_view view = bytes;
    return std::as_bytes(std::span(view.data(), view.size()));
}

py::tuple prove(const PublicKey& key, const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                RandomiserPool* pool, const py::bytes& context, std::uint64_t first,
                std::size_t chunk, unsigned num_threads, const py::object& progress) {
    const Execution execution = python_execution(num_threads, progress);
    ProvedCiphertexts proved = [&] {
        const py::gil_scoped_release release;
        return encrypt_and_prove(plaintexts, std::move(shape), key, pool, from_python(context),
                                 first, chunk, execution);
    }();
    return py::make_tuple(std::move(proved.ciphertexts), std::move(proved.proof));
}

}  // namespace

void register_proofs(py::module_& core) {
    py::class_<PlaintextProof>(core, "PlaintextProof")
        .def_static(
            "from_bytes",
            [](const py::bytes& wire, const PublicKey& key) {
                const Execution execution = python_execution(0, py::none());
                const py::gil_scoped_release release;
                return PlaintextProof::from_bytes(from_python(wire), key, execution);
            },
            py::arg("wire"), py::arg("key"))
        .def("to_bytes", [](const PlaintextProof& self) { return to_python(self.to_bytes()); })
        .def_readonly("key", &PlaintextProof::key)
        .def_readonly("first", &PlaintextProof::first)
        .def_readonly("count", &PlaintextProof::count)
        .def_readonly("chunk", &PlaintextProof::chunk)
        .def_property_readonly("num_chunks", &PlaintextProof::num_chunks)
        .def("of_chunk", &PlaintextProof::of_chunk, py::arg("i"))
        .def(
            "verify",
            [](const PlaintextProof& self, const Ciphertexts& ciphertexts, const py::bytes& context,
               unsigned num_threads) {
                const Execution execution = python_execution(num_threads, py::none());
                const py::gil_scoped_release release;
                self.verify(ciphertexts, from_python(context), execution);
            },
            py::arg("ciphertexts"), py::arg("context"), py::arg("num_threads") = 0);

    core.def("encrypt_and_prove", &prove, py::arg("key"), py::arg("plaintexts"), py::arg("shape"),
             py::arg("pool"), py::arg("context"), py::arg("first"), py::arg("chunk"),
             py::arg("num_threads") = 0, py::arg("progress") = py::none());
}
