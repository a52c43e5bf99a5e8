// The extension module veilsum._core: conversion and the GIL, nothing else.

#include <pybind11/pybind11.h>

#include "errors.hpp"
#include "noise.hpp"

PYBIND11_MODULE(_core, core) {
    core.doc() = "Native core of veilsum. Private: use the veilsum package.";
    register_errors(core);
    register_noise(core);
}
