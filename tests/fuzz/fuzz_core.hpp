#pragma once

#include <cstddef>
#include <cstdint>

// The names are libFuzzer's.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
/// Aborts if a reader breaks its promise on these bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
