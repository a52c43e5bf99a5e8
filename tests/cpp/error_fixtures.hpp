#pragma once

#include <doctest/doctest.h>

#include "veilsum/base/error.hpp"

namespace veilsum::testing {

/// The code of the Error that function() throws; the test fails if it throws none.
template <class Function>
Errc code_of(Function&& function) {
    try {
        function();
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("no error");
    return Errc::internal;
}

}  // namespace veilsum::testing
