// Binds shared keys: dealing, partial decryptions and their combination.

#include <pybind11/stl.h>

#include <memory>

#include "bytes.hpp"
#include "execution.hpp"
#include "integers.hpp"
#include "paillier.hpp"
#include "veilsum/paillier/combination.hpp"
#include "veilsum/paillier/deal_shares.hpp"

namespace {

using namespace veilsum;

using Deal = DealtKey (*)(const SecretKey&, const SharePolicy&, const Execution&);

template <Deal deal>
py::tuple deal_to_python(const SecretKey& secret, std::size_t num_holders, std::size_t threshold,
                         std::size_t max_colluding_holders) {
    const SharePolicy policy{num_holders, threshold, max_colluding_holders};
    DealtKey dealt =
        unlocked([&](const Execution& execution) { return deal(secret, policy, execution); });
    return py::make_tuple(std::move(dealt.key), std::move(dealt.shares));
}

std::shared_ptr<Plaintexts> shared(Plaintexts plaintexts) {
    return std::make_shared<Plaintexts>(std::move(plaintexts));
}

ThresholdKey made_together(const PublicKey& public_key, std::size_t num_holders,
                           std::size_t threshold, std::size_t max_colluding_holders,
                           const py::list& verification) {
    const Modulus& n = public_key.modulo_n();
    Bytes elements;
    for (const Integer& x : to_integers(verification, "a verification key", Errc::invalid_key)) {
        if (mpz_cmp(x.get(), n.modulus_integer().get()) >= 0) {
            throw Error(Errc::invalid_key, "SH5: a verification key is not below n, or is no unit");
        }
        const auto element = n.element(x);
        elements.insert(elements.end(), element.begin(), element.end());
    }
    return unlocked([&](const Execution& execution) {
        return ThresholdKey::made_together(public_key,
                                           {num_holders, threshold, max_colluding_holders},
                                           std::move(elements), execution);
    });
}

void register_key(py::module_& core) {
    py::class_<ThresholdKey>(core, "ThresholdKey")
        .def_static("made_together", &made_together, py::arg("public_key"), py::arg("num_holders"),
                    py::arg("threshold"), py::arg("max_colluding_holders"), py::arg("verification"))
        .def_property_readonly("is_made_together", &ThresholdKey::has_signed_exponents)
        .def_property_readonly(
            "exponent_bound",
            [](const ThresholdKey& self) { return from_integer(self.exponent_bound()); })
        .def_static(
            "from_bytes",
            [](const py::bytes& wire) {
                const ByteView view = from_python(wire);
                return unlocked([&](const Execution& execution) {
                    return ThresholdKey::from_bytes(view, execution);
                });
            },
            py::arg("wire"))
        .def("to_bytes", [](const ThresholdKey& self) { return to_python(self.to_bytes()); })
        .def_property_readonly("public_key", &ThresholdKey::public_key,
                               py::return_value_policy::copy)
        .def_property_readonly("num_holders",
                               [](const ThresholdKey& self) { return self.policy().num_holders; })
        .def_property_readonly("threshold",
                               [](const ThresholdKey& self) { return self.policy().threshold; })
        .def_property_readonly(
            "max_colluding_holders",
            [](const ThresholdKey& self) { return self.policy().max_colluding_holders; })
        .def_property_readonly(
            "fingerprint", [](const ThresholdKey& self) { return to_python(self.fingerprint()); });
}

void register_share(py::module_& core) {
    py::class_<KeyShare>(core, "KeyShare")
        .def_static(
            "of_exponent",
            [](const ThresholdKey& key, std::size_t holder, const py::int_& magnitude,
               bool is_negative) {
                const Integer number = to_integer(magnitude, "magnitude", Errc::invalid_argument);
                return unlocked([&](const Execution& execution) {
                    return KeyShare::of_exponent(key, holder, number, is_negative, execution);
                });
            },
            py::arg("key"), py::arg("holder"), py::arg("magnitude"), py::arg("is_negative"))
        .def_static(
            "from_secret_bytes",
            [](const py::buffer& secret, const ThresholdKey& key) {
                const SecretView view(secret);
                return unlocked([&](const Execution& execution) {
                    return KeyShare::from_secret_bytes(view.bytes(), key, execution);
                });
            },
            py::arg("secret_bytes"), py::arg("key"))
        .def("to_secret_bytes",
             [](const KeyShare& self) {
                 // A bytearray, so that the caller can overwrite it.
                 const Secret<std::byte> bytes = self.to_secret_bytes();
                 return py::bytearray(reinterpret_cast<const char*>(bytes.data()), bytes.size());
             })
        // A reference would keep its owner, and the secret in it, in memory.
        .def_property_readonly("key", &KeyShare::key, py::return_value_policy::copy)
        .def_property_readonly("holder", &KeyShare::holder)
        .def(
            "decrypt",
            [](const KeyShare& self, const Ciphertexts& ciphertexts, std::uint64_t first,
               const py::bytes& context, unsigned num_threads, const py::object& progress) {
                const ByteView view = from_python(context);
                return unlocked(num_threads, progress, [&](const Execution& execution) {
                    return self.decrypt(ciphertexts, first, view, execution);
                });
            },
            py::arg("ciphertexts"), py::arg("first"), py::arg("context"),
            py::arg("num_threads") = 0, py::arg("progress") = py::none());

    py::class_<PartialDecryption>(core, "PartialDecryption")
        .def_static(
            "from_bytes",
            [](const py::bytes& wire, const ThresholdKey& key) {
                const ByteView view = from_python(wire);
                return unlocked([&](const Execution& execution) {
                    return PartialDecryption::from_bytes(view, key, execution);
                });
            },
            py::arg("wire"), py::arg("key"))
        .def("to_bytes", [](const PartialDecryption& self) { return to_python(self.to_bytes()); })
        .def_readonly("key", &PartialDecryption::key)
        .def_readonly("holder", &PartialDecryption::holder)
        .def_readonly("first", &PartialDecryption::first)
        .def_property_readonly("size", &PartialDecryption::size);
}

void register_combination(py::module_& core) {
    py::class_<Combination>(core, "Combination")
        .def(py::init([](const ThresholdKey& key, const Ciphertexts& ciphertexts,
                         const py::bytes& context) {
                 const ByteView view = from_python(context);
                 return unlocked([&](const Execution& execution) {
                     return std::make_unique<Combination>(key, ciphertexts, view, execution);
                 });
             }),
             py::arg("key"), py::arg("ciphertexts"), py::arg("context"))
        .def(
            "add",
            [](Combination& self, const PartialDecryption& partial, unsigned num_threads) {
                unlocked(num_threads,
                         [&](const Execution& execution) { self.add(partial, execution); });
            },
            py::arg("partial"), py::arg("num_threads") = 0)
        .def_property_readonly("num_missing", &Combination::num_missing)
        .def(
            "open",
            [](const Combination& self, unsigned num_threads) {
                return shared(unlocked(
                    num_threads, [&](const Execution& execution) { return self.open(execution); }));
            },
            py::arg("num_threads") = 0);
}

}  // namespace

void register_threshold(py::module_& core) {
    register_key(core);
    register_share(core);
    register_combination(core);
    core.def("deal_shares", &deal_to_python<deal_shares>, py::arg("secret_key"),
             py::arg("num_holders"), py::arg("threshold"), py::arg("max_colluding_holders"));
    core.def("deal_shares_unchecked", &deal_to_python<deal_shares_unchecked>, py::arg("secret_key"),
             py::arg("num_holders"), py::arg("threshold"), py::arg("max_colluding_holders"));
    core.def(
        "combine_unproved",
        [](const ThresholdKey& key, const Ciphertexts& ciphertexts,
           const std::vector<PartialDecryption>& partials) {
            return shared(unlocked([&](const Execution& execution) {
                return combine_unproved(key, ciphertexts, partials, execution);
            }));
        },
        py::arg("key"), py::arg("ciphertexts"), py::arg("partials"));
}
