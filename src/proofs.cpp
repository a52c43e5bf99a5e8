// Binds proofs of plaintext knowledge.

#include <pybind11/stl.h>

#include "bytes.hpp"
#include "execution.hpp"
#include "paillier.hpp"
#include "veilsum/paillier/plaintext_proof_batch.hpp"

namespace {

using namespace veilsum;

py::tuple prove(const PublicKey& key, const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                RandomiserPool* pool, const py::bytes& context, std::uint64_t first,
                std::size_t chunk, unsigned num_threads, const py::object& progress,
                const HedgedSeed* seed) {
    const ByteView view = from_python(context);
    ProvedCiphertexts proved = unlocked(num_threads, progress, [&](const Execution& execution) {
        return encrypt_and_prove(plaintexts, std::move(shape), key, pool, view, first, chunk,
                                 execution, seed);
    });
    return py::make_tuple(std::move(proved.ciphertexts), std::move(proved.proof));
}

}  // namespace

void register_proofs(py::module_& core) {
    py::class_<PlaintextProof>(core, "PlaintextProof")
        .def_static(
            "from_bytes",
            [](const py::bytes& wire, const PublicKey& key) {
                const ByteView view = from_python(wire);
                return unlocked([&](const Execution& execution) {
                    return PlaintextProof::from_bytes(view, key, execution);
                });
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
                const ByteView view = from_python(context);
                unlocked(num_threads, [&](const Execution& execution) {
                    self.verify(ciphertexts, view, execution);
                });
            },
            py::arg("ciphertexts"), py::arg("context"), py::arg("num_threads") = 0);

    py::class_<PlaintextProofBatch>(core, "PlaintextProofBatch")
        .def(py::init<PublicKey>(), py::arg("key"))
        .def(
            "add",
            [](PlaintextProofBatch& self, const PlaintextProof& proof,
               const Ciphertexts& ciphertexts, const py::bytes& context) {
                const ByteView view = from_python(context);
                unlocked([&](const Execution& execution) {
                    self.add(proof, ciphertexts, Bytes(view.begin(), view.end()), execution);
                });
            },
            py::arg("proof"), py::arg("ciphertexts"), py::arg("context"))
        .def_property_readonly("size", &PlaintextProofBatch::size)
        .def_property_readonly("num_ciphertexts", &PlaintextProofBatch::num_ciphertexts)
        .def(
            "wrong",
            [](const PlaintextProofBatch& self, unsigned num_threads) {
                return unlocked(num_threads,
                                [&](const Execution& execution) { return self.wrong(execution); });
            },
            py::arg("num_threads") = 0);

    core.def("encrypt_and_prove", &prove, py::arg("key"), py::arg("plaintexts"), py::arg("shape"),
             py::arg("pool"), py::arg("context"), py::arg("first"), py::arg("chunk"),
             py::arg("num_threads") = 0, py::arg("progress") = py::none(),
             py::arg("seed") = py::none());
}
