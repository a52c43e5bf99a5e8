// Reads each file of the given folders as the fuzzer does, without libFuzzer: any compiler will do.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz_core.hpp"

int main(int argc, char** argv) {
    LLVMFuzzerInitialize(&argc, &argv);
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
            std::printf("%s\n", entry.path().c_str());  // The last one shown is the one that broke.
            std::fflush(stdout);
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
            ++count;
        }
    }
    if (count < 20) {
        std::fprintf(stderr, "only %zu files: is the corpus missing?\n", count);
        return 1;
    }
    std::printf("%zu messages were read or refused as they must be\n", count);
    return 0;
}
