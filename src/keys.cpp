// Binds the keys, the randomiser pool and what this process runs on.

#include <pybind11/stl.h>

#include <memory>

#include "bytes.hpp"
#include "execution.hpp"
#include "integers.hpp"
#include "paillier.hpp"
#include "veilsum/base/cpu.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/primes.hpp"
#include "veilsum/paillier/encrypt.hpp"
#include "veilsum/paillier/secret_key.hpp"

namespace {

using namespace veilsum;

Ciphertexts encrypt_public(const PublicKey& key, const Plaintexts& plaintexts,
                           Ciphertexts::Shape shape, RandomiserPool* pool, unsigned num_threads,
                           const py::object& progress) {
    return unlocked(num_threads, progress, [&](const Execution& execution) {
        return encrypt(plaintexts, std::move(shape), key, pool, execution);
    });
}

Ciphertexts encrypt_secret(const SecretKey& key, const Plaintexts& plaintexts,
                           Ciphertexts::Shape shape, unsigned num_threads,
                           const py::object& progress) {
    return unlocked(num_threads, progress, [&](const Execution& execution) {
        return key.encrypt(plaintexts, std::move(shape), execution);
    });
}

std::shared_ptr<Plaintexts> decrypt(const SecretKey& key, const Ciphertexts& ciphertexts,
                                    unsigned num_threads, const py::object& progress) {
    return unlocked(num_threads, progress, [&](const Execution& execution) {
        return std::make_shared<Plaintexts>(key.decrypt(ciphertexts, execution));
    });
}

Ciphertexts encrypt_with_randomisers(const PublicKey& key, const Plaintexts& plaintexts,
                                     const py::list& r, Ciphertexts::Shape shape) {
    const std::vector<Integer> units = to_integers(r, "r", Errc::invalid_argument);
    return unlocked([&](const Execution& execution) {
        return encrypt_with(plaintexts, units, std::move(shape), key, execution);
    });
}

SecretKey generate(std::size_t key_bits, bool safe_primes, unsigned num_threads) {
    return unlocked(num_threads, [&](const Execution& execution) {
        return SecretKey::generate(key_bits, safe_primes, execution);
    });
}

using MakeKey = SecretKey (*)(const Integer&, const Integer&, const Execution&);

template <MakeKey make>
SecretKey key_from_primes(const py::object& p, const py::object& q) {
    const Integer p_integer = to_integer(p, "SK1: the prime p", Errc::invalid_key);
    const Integer q_integer = to_integer(q, "SK1: the prime q", Errc::invalid_key);
    return unlocked(
        [&](const Execution& execution) { return make(p_integer, q_integer, execution); });
}

/// A bytearray, so that the caller can overwrite it.
py::bytearray to_secret_bytes(const SecretKey& key) {
    const Secret<std::byte> bytes = key.to_secret_bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void register_keys(py::module_& core) {
    const auto num_threads = py::arg("num_threads") = 0;
    const auto progress = py::arg("progress") = py::none();

    py::class_<PublicKey>(core, "PublicKey")
        .def_static(
            "from_bytes",
            [](const py::bytes& wire) { return PublicKey::from_bytes(from_python(wire)); },
            py::arg("wire"))
        .def_static(
            "from_modulus",
            [](const py::object& n) {
                return PublicKey::from_modulus(
                    to_integer(n, "PK1: the modulus", Errc::invalid_key));
            },
            py::arg("n"))
        .def_static(
            "hazmat_from_modulus",
            [](const py::object& n) {
                return PublicKey::hazmat_from_modulus(
                    to_integer(n, "PK1: the modulus", Errc::invalid_key));
            },
            py::arg("n"))
        .def("one_by_one", &PublicKey::one_by_one)
        .def("to_bytes", [](const PublicKey& self) { return to_python(self.to_bytes()); })
        .def_property_readonly(
            "n", [](const PublicKey& self) { return from_integer(self.modulus().n_integer()); })
        .def_property_readonly("key_bits", &PublicKey::key_bits)
        .def_property_readonly("fingerprint",
                               [](const PublicKey& self) { return to_python(self.fingerprint()); })
        .def("encrypt", &encrypt_public, py::arg("plaintexts"), py::arg("shape"),
             py::arg("pool") = nullptr, num_threads, progress)
        .def(
            "encrypt_hedged",
            [](const PublicKey& self, const Plaintexts& plaintexts, Ciphertexts::Shape shape,
               const HedgedSeed& seed, unsigned threads) {
                return unlocked(threads, [&](const Execution& execution) {
                    return encrypt_hedged(plaintexts, std::move(shape), self, seed, execution);
                });
            },
            py::arg("plaintexts"), py::arg("shape"), py::arg("seed"), num_threads);

    py::class_<SecretKey>(core, "SecretKey")
        .def_static("from_primes", &key_from_primes<SecretKey::from_primes>, py::arg("p"),
                    py::arg("q"))
        .def_static("hazmat_from_primes", &key_from_primes<SecretKey::hazmat_from_primes>,
                    py::arg("p"), py::arg("q"))
        .def_static(
            "from_secret_bytes",
            [](const py::buffer& secret) {
                const SecretView view(secret);
                return unlocked([&](const Execution& execution) {
                    return SecretKey::from_secret_bytes(view.bytes(), execution);
                });
            },
            py::arg("secret_bytes"))
        .def("one_by_one", &SecretKey::one_by_one)
        .def("to_secret_bytes", &to_secret_bytes)
        // A reference would keep its owner, and the secret in it, in memory.
        .def_property_readonly("public_key", &SecretKey::public_key, py::return_value_policy::copy)
        .def("encrypt", &encrypt_secret, py::arg("plaintexts"), py::arg("shape"), num_threads,
             progress)
        .def("decrypt", &decrypt, py::arg("ciphertexts"), num_threads, progress);

    py::class_<RandomiserPool>(core, "RandomiserPool")
        .def(py::init([](const PublicKey& key, std::size_t count, bool for_proofs, unsigned threads,
                         const py::object& watch) {
                 return unlocked(threads, watch, [&](const Execution& execution) {
                     return std::make_unique<RandomiserPool>(key, count, for_proofs, execution);
                 });
             }),
             py::arg("key"), py::arg("count"), py::arg("for_proofs"), num_threads, progress)
        .def_property_readonly("remaining", &RandomiserPool::remaining);

    core.def("generate_key", &generate, py::arg("key_bits"), py::arg("safe_primes"), num_threads);
    core.def("encrypt_with_randomisers", &encrypt_with_randomisers, py::arg("key"),
             py::arg("plaintexts"), py::arg("randomisers"), py::arg("shape"));
    core.def(
        "is_probable_prime",
        [](const py::object& p) {
            const Integer integer = to_integer(p, "p", Errc::invalid_argument);
            return unlocked(
                [&](const Execution& execution) { return is_probable_prime(integer, execution); });
        },
        py::arg("p"));
    core.def("kernel_name", [] { return std::string(active_kernel().name); });
    core.def("cpu_features", [] { return feature_names(cpu_features()); });
    core.def("default_num_threads", &default_num_threads);
}
