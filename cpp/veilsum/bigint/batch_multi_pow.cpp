// batch::multi_pow: a matrix of exponents is cut into tiles, which threads take one by one. Tiles
// of the same rows give factors of the same results, multiplied together at the end.

#include <algorithm>

#include "veilsum/bigint/batch.hpp"

namespace veilsum::batch {
namespace {

// A multiplication takes 0.3 to 10 microseconds, so a tile takes a tenth of a second at most.
constexpr std::size_t kMultiplicationsPerTile = 32768;

// Tables pay with some rows, and shared squarings with some columns.
constexpr std::size_t kRowsPerTile = 64;
constexpr std::size_t kFewestRowsPerTile = 4;
constexpr std::size_t kColumnsPerTile = 512;
constexpr std::size_t kFewestColumnsPerTile = 64;

// As many columns make buckets worth their while.
constexpr std::size_t kColumnsPerBucketTile = 4096;

std::size_t ceil_divide(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// `size` in equal pieces of at most `most`, and as many as there are threads as long as no piece
/// gets smaller than `fewest`. Returns a piece's size.
std::size_t even_pieces(std::size_t size, std::size_t most, std::size_t fewest,
                        const Execution& execution) {
    const std::size_t wanted = std::max(
        std::min<std::size_t>(num_threads(execution), size / fewest), ceil_divide(size, most));
    return ceil_divide(size, std::max<std::size_t>(1, wanted));
}

/// Of exponents, about four bits of which are a multiplication.
std::size_t entries_per_tile(const ExponentMatrix& exponents) {
    return std::max<std::size_t>(1,
                                 kMultiplicationsPerTile / ceil_divide(exponents.num_bits + 1, 4));
}

using MultiPow = decltype(Kernel::multi_pow);
using ScratchBytes = decltype(Kernel::multi_pow_scratch_bytes);

void run_tiles(std::byte* out, Operand base, const std::byte* to_montgomery,
               const ExponentMatrix& exponents, std::size_t columns_per_tile, MultiPow multi_pow,
               ScratchBytes scratch_bytes, const Modulus& n, const Execution& execution) {
    const std::size_t bytes = n.element_bytes();
    const std::size_t column_tiles = ceil_divide(exponents.num_columns, columns_per_tile);
    const std::size_t most_rows =
        std::clamp<std::size_t>(entries_per_tile(exponents) / columns_per_tile, 1, kRowsPerTile);
    // Where columns leave threads without work, these share the rows, each with tables of its own.
    const std::size_t rows_per_tile =
        column_tiles < num_threads(execution)
            ? even_pieces(exponents.num_rows, most_rows, kFewestRowsPerTile, execution)
            : most_rows;
    const std::size_t row_tiles = ceil_divide(exponents.num_rows, rows_per_tile);
    // Factor t of each row, for column tile t.
    Secret<std::byte> factors(column_tiles * exponents.num_rows * bytes);
    parallel_for(row_tiles * column_tiles, 1, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t tile = begin; tile < end; ++tile) {
            const std::size_t row = tile / column_tiles * rows_per_tile;
            const std::size_t column = tile % column_tiles * columns_per_tile;
            ExponentMatrix part = exponents;
            part.data = exponents.at(row, column);
            part.num_rows = std::min(rows_per_tile, exponents.num_rows - row);
            part.num_columns = std::min(columns_per_tile, exponents.num_columns - column);
            Secret<std::byte> scratch(scratch_bytes(part, n));
            const std::size_t first = tile % column_tiles * exponents.num_rows + row;
            multi_pow(factors.data() + first * bytes, {base.at(column), base.stride_bytes},
                      to_montgomery, part, n, scratch.data());
        }
    });
    mul_reduce(out, {factors.data(), bytes}, column_tiles, exponents.num_rows * bytes,
               exponents.num_rows, n, execution.without_progress());
}

}  // namespace

void multi_pow(std::byte* out, Operand base, const std::byte* to_montgomery,
               const ExponentMatrix& exponents, const Modulus& n, const Execution& execution) {
    const std::size_t columns =
        even_pieces(exponents.num_columns,
                    std::clamp(entries_per_tile(exponents), kFewestColumnsPerTile, kColumnsPerTile),
                    kFewestColumnsPerTile, execution);
    run_tiles(out, base, to_montgomery, exponents, columns, n.kernel().multi_pow,
              n.kernel().multi_pow_scratch_bytes, n, execution);
}

void multi_pow_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                       const ExponentMatrix& exponents, const Modulus& n,
                       const Execution& execution) {
    const std::size_t columns =
        even_pieces(exponents.num_columns, kColumnsPerBucketTile, kColumnsPerTile, execution);
    run_tiles(out, base, to_montgomery, exponents, columns, n.kernel().multi_pow_vartime,
              n.kernel().multi_pow_vartime_scratch_bytes, n, execution);
}

}  // namespace veilsum::batch
