// The extension module veilsum._core: conversion and the GIL, nothing else.

#include <pybind11/pybind11.h>

#include "codec.hpp"
#include "errors.hpp"
#include "integers.hpp"
#include "noise.hpp"
#include "paillier.hpp"
#include "plaintexts.hpp"
#include "random.hpp"
#include "wire.hpp"

PYBIND11_MODULE(_core, core) {
    core.doc() = "Native core of veilsum. Private: use the veilsum package.";
    register_errors(core);
    register_wire(core);
    register_plaintexts(core);
    register_integers(core);
    register_keys(core);
    register_ciphertexts(core);
    register_proofs(core);
    register_threshold(core);
    register_codec(core);
    register_noise(core);
    register_random(core);
}
