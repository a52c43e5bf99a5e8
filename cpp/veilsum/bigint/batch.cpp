#include "veilsum/bigint/batch.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/base/wire.hpp"

namespace veilsum::batch {
namespace {

// In all lanes together a multiplication takes 1 to 20 microseconds at 4096 bits and less, so a
// piece takes some tens of milliseconds. For larger moduli pieces have fewer.
constexpr std::size_t kMultiplicationsPerPiece = 8192;
// To begin a thread takes as long as some of them.
constexpr std::size_t kFewestMultiplicationsPerPiece = 16;
constexpr std::size_t kUsualBits = 4096;

// Elements that share one inversion, which costs as much as some hundred multiplications.
constexpr std::size_t kFewestPerInversion = 128;
constexpr std::size_t kMostPerInversion = 1024;

// A thread of its own pays for so many terms of a sum.
constexpr std::size_t kTermsPerPart = 64;

// Partial products of one long product.
constexpr std::size_t kProductWidth = 64;

/// A piece of a batch.
struct Piece {
    const Modulus& n;
    std::size_t begin;
    std::size_t count;
    std::byte* scratch;

    /// Where the piece's elements begin, or its lanes.
    std::byte* of(std::byte* elements) const { return elements + begin * n.element_bytes(); }
    std::size_t lane_offset() const { return n.kernel().lane_bytes(begin, n); }
};

/// Runs body(piece) over pieces of `count` elements.
template <class Body>
void run_with(std::size_t scratch_bytes, std::size_t count, std::size_t multiplications,
              const Modulus& n, const Execution& execution, Body&& body) {
    parallel_for(count, piece_size(count, multiplications, n, execution), execution,
                 [&](std::size_t begin, std::size_t end) {
                     Secret<std::byte> scratch(scratch_bytes);
                     body(Piece{n, begin, end - begin, scratch.data()});
                 });
}
template <class Body>
void run_products(std::size_t count, std::size_t multiplications, const Modulus& n,
                  const Execution& execution, Body&& body) {
    run_with(n.kernel().product_scratch_bytes(n), count, multiplications, n, execution, body);
}
template <class Body>
void run_powers(std::size_t count, std::size_t multiplications, const Modulus& n,
                const Execution& execution, Body&& body) {
    run_with(n.kernel().scratch_bytes(n), count, multiplications, n, execution, body);
}

/// How many times longer a multiplication takes than at the usual sizes.
std::size_t piece_scale(const Modulus& n) {
    const std::size_t size = std::max<std::size_t>(1, n.bits() / kUsualBits);
    return size * size;
}

/// How many groups of the kernel's lanes hold so many elements.
std::size_t num_groups(std::size_t count, const Modulus& n) {
    return (count + n.kernel().num_lanes - 1) / n.kernel().num_lanes;
}

/// R^r_power * x^-1 of one element.
Secret<std::byte> one_inverse_vartime(const std::byte* x, std::int64_t r_power, const Modulus& n) {
    const Integer modulus = n.modulus_integer();
    const Integer factor = n.integer(n.r_power(std::abs(r_power)).data());
    const Integer value = n.integer(x);
    Integer inverted;
    if (mpz_invert(inverted.get(), (r_power < 0 ? value * factor % modulus : value).get(),
                   modulus.get()) == 0) {
        throw Error(Errc::invalid_ciphertext, "a ciphertext is not a unit modulo n^2");
    }
    return n.element(r_power < 0 ? inverted : inverted * factor % modulus);
}

}  // namespace

std::size_t piece_size(std::size_t count, std::size_t multiplications, const Modulus& n,
                       const Execution& execution) {
    const std::size_t cost = piece_scale(n) * std::max<std::size_t>(1, multiplications);
    const std::size_t threads = num_threads(execution);
    const std::size_t fair_share = (num_groups(count, n) + threads - 1) / threads;
    const std::size_t fewest = std::max<std::size_t>(1, kFewestMultiplicationsPerPiece / cost);
    const std::size_t most = std::max(fewest, kMultiplicationsPerPiece / cost);
    const std::size_t groups = std::clamp(fair_share, fewest, most);
    // Whole blocks of a fixed-base table, each of which reads all of it.
    constexpr std::size_t kBlock = FixedBaseTable::kGroupsPerBlock;
    return (groups > kBlock ? groups / kBlock * kBlock : groups) * n.kernel().num_lanes;
}

void mul(std::byte* out, Operand a, Operand b, std::size_t count, const Modulus& n,
         const Execution& execution) {
    run_products(count, 1, n, execution, [&](const Piece& p) {
        n.kernel().mul(p.of(out), a.from(p.begin), b.from(p.begin), p.count, n, p.scratch);
    });
}

void mul_reduce(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
                std::size_t count, const Modulus& n, const Execution& execution) {
    const std::size_t groups = std::max<std::size_t>(1, num_groups(count, n));
    const std::size_t most_terms = kMultiplicationsPerPiece / piece_scale(n);
    const std::size_t parts =
        std::max(std::min(num_threads(execution) / groups, num_terms / kTermsPerPart),
                 (num_terms + most_terms - 1) / most_terms);
    if (parts < 2) {
        run_products(count, num_terms, n, execution, [&](const Piece& p) {
            n.kernel().mul_reduce(p.of(out), in.from(p.begin), num_terms, term_stride_bytes,
                                  p.count, n, p.scratch);
        });
        return;
    }
    // Fewer positions than threads: these share the terms. Or so many terms that one position
    // would take long: a call is stopped between pieces.
    const std::size_t row_bytes = count * n.element_bytes();
    Bytes partial(parts * row_bytes);
    parallel_for(parts * groups, 1, execution, [&](std::size_t piece, std::size_t /*end*/) {
        Secret<std::byte> scratch(n.kernel().product_scratch_bytes(n));
        const std::size_t part = piece / groups;
        const std::size_t begin = part * num_terms / parts;
        const std::size_t end = (part + 1) * num_terms / parts;
        const std::size_t first = piece % groups * n.kernel().num_lanes;
        const Operand terms{in.data + begin * term_stride_bytes, in.stride_bytes};
        n.kernel().mul_reduce(partial.data() + part * row_bytes + first * n.element_bytes(),
                              terms.from(first), end - begin, term_stride_bytes,
                              std::min(n.kernel().num_lanes, count - first), n, scratch.data());
    });
    mul_reduce(out, {partial.data(), n.element_bytes()}, parts, row_bytes, count, n,
               execution.without_progress());
}

void mul_lists(std::byte* out, const RowLists& in, std::size_t num_lists, const Modulus& n,
               const Execution& execution) {
    if (num_lists == 0) return;
    run_products(num_lists * in.num_columns, in.lists[0].size, n, execution, [&](const Piece& p) {
        n.kernel().mul_lists(p.of(out), in, p.begin, p.count, n, p.scratch);
    });
}

void horner(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
            std::size_t num_squarings, std::size_t count, const Modulus& n,
            const Execution& execution) {
    run_products(count, num_terms * (num_squarings + 1), n, execution, [&](const Piece& p) {
        n.kernel().horner(p.of(out), in.from(p.begin), num_terms, term_stride_bytes, num_squarings,
                          p.count, n, p.scratch);
    });
}

void product(std::byte* out, const std::byte* in, std::size_t count, const Modulus& n,
             const Execution& execution) {
    const std::size_t bytes = n.element_bytes();
    const std::size_t width = std::min(count, kProductWidth);
    const std::size_t num_rows = count / width;
    const std::size_t num_left = count % width;
    Secret<std::byte> partial(width * bytes);
    mul_reduce(partial.data(), {in, bytes}, num_rows, width * bytes, width, n, execution);
    mul(partial.data(), {partial.data(), bytes}, {in + num_rows * width * bytes, bytes}, num_left,
        n, execution);
    mul_reduce(out, {partial.data(), 0}, width, bytes, 1, n, execution);
}

void enter_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                 const Execution& execution) {
    run_products(count, 1, n, execution, [&](const Piece& p) {
        n.kernel().enter_lanes(lanes + p.lane_offset(), in.from(p.begin), p.count, n, p.scratch);
    });
}

void mul_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
               const Execution& execution) {
    run_products(count, 1, n, execution, [&](const Piece& p) {
        n.kernel().mul_lanes(lanes + p.lane_offset(), in.from(p.begin), p.count, n, p.scratch);
    });
}

void leave_lanes(std::byte* out, const std::byte* lanes, std::size_t count, const Modulus& n,
                 const Execution& execution) {
    run_products(count, 1, n, execution, [&](const Piece& p) {
        n.kernel().leave_lanes(p.of(out), lanes + p.lane_offset(), p.count, n, p.scratch);
    });
}

void add_plain(std::byte* out, Operand a, const SignedOperand& m, std::size_t count,
               const SquareModulus& n, const Execution& execution) {
    run_products(count, 1, n, execution, [&](const Piece& p) {
        n.kernel().add_plain(p.of(out), a.from(p.begin), m.from(p.begin), p.count, n, p.scratch);
    });
}

void pow_shared(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponent,
                std::size_t exponent_bits, std::size_t count, const Modulus& n,
                const Execution& execution) {
    run_powers(count, exponent_bits, n, execution, [&](const Piece& p) {
        n.kernel().pow_shared(p.of(out), base.from(p.begin), to_montgomery, exponent, exponent_bits,
                              p.count, n, p.scratch);
    });
}

void pow_shared_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                        const Limb* exponent, std::size_t exponent_bits, std::size_t count,
                        const Modulus& n, const Execution& execution) {
    run_powers(count, exponent_bits, n, execution, [&](const Piece& p) {
        n.kernel().pow_shared_vartime(p.of(out), base.from(p.begin), to_montgomery, exponent,
                                      exponent_bits, p.count, n, p.scratch);
    });
}

void pow_each(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponents,
              std::size_t exponent_limbs, std::size_t exponent_bits, std::size_t count,
              const Modulus& n, const Execution& execution) {
    run_powers(count, exponent_bits, n, execution, [&](const Piece& p) {
        n.kernel().pow_each(p.of(out), base.from(p.begin), to_montgomery,
                            exponents + p.begin * exponent_limbs, exponent_limbs, exponent_bits,
                            p.count, n, p.scratch);
    });
}

void pow_moduli(Limb* out, Powers in, std::size_t count, const SquareKernel& kernel,
                const Execution& execution) {
    const std::size_t num_limbs = in.num_limbs();
    Integer r_squared;
    mpz_setbit(r_squared.get(), 2 * kernel.modulo_n->r_bits(in.modulus_bits));
    // A power takes milliseconds: a piece is one group of lanes.
    parallel_for(count, kernel.num_lanes, execution, [&](std::size_t begin, std::size_t end) {
        std::vector<Limb> constants((end - begin) * num_limbs);
        for (std::size_t i = begin; i < end; ++i) {
            const Integer n = Integer::from_limbs({in.moduli + i * num_limbs, num_limbs});
            (r_squared % n).to_limbs({constants.data() + (i - begin) * num_limbs, num_limbs});
        }
        // The kernel counts from the beginning of all.
        Powers piece = in;
        piece.r_squared = constants.data();
        piece.bases += begin * num_limbs;
        piece.moduli += begin * num_limbs;
        piece.exponents += begin * in.exponent_limbs();
        Secret<std::byte> scratch(kernel.pow_moduli_scratch_bytes(piece));
        kernel.pow_moduli(out + begin * num_limbs, piece, end - begin, scratch.data());
    });
}

void fixed_base(std::byte* out, const FixedBaseTable& table, const Limb* exponents,
                std::size_t exponent_limbs, std::size_t count, const SquareModulus& n,
                const Execution& execution) {
    run_powers(count, table.num_rows(), n, execution, [&](const Piece& p) {
        n.kernel().fixed_base(p.of(out), table, exponents + p.begin * exponent_limbs,
                              exponent_limbs, p.count, n, p.scratch);
    });
}

// A tree: each level multiplies the halves of the one below, so that multiplications stand side by
// side; of an odd number, one element moves up as it is. With all values taken for Montgomery
// forms, D = x*R, products have their factor R like everything else, and the top's inverse is
// R^2/D.
void inverse_vartime(std::byte* out, const std::byte* in, std::size_t count, std::int64_t r_power,
                     const Modulus& n, const Execution& execution) {
    const std::size_t bytes = n.element_bytes();
    const std::size_t size_of_piece =
        std::clamp(piece_size(count, 3, n, execution), kFewestPerInversion, kMostPerInversion);
    parallel_for(count, size_of_piece, execution, [&](std::size_t begin, std::size_t end) {
        Secret<std::byte> scratch(n.kernel().product_scratch_bytes(n));
        const auto multiply = [&](std::byte* target, const std::byte* a, const std::byte* b,
                                  std::size_t width) {
            n.kernel().mul(target, {a, bytes}, {b, bytes}, width, n, scratch.data());
        };
        std::vector<Bytes> levels{Bytes(in + begin * bytes, in + end * bytes)};
        while (levels.back().size() > bytes) {
            const Bytes& level = levels.back();
            const std::size_t size = level.size() / bytes;
            const std::size_t half = (size + 1) / 2;
            Bytes products(level.begin(),
                           level.begin() + static_cast<std::ptrdiff_t>(half * bytes));
            multiply(products.data(), level.data(), level.data() + half * bytes, size - half);
            levels.push_back(std::move(products));
        }
        const auto top = one_inverse_vartime(levels.back().data(), r_power, n);
        Bytes inverses(top.begin(), top.end());
        for (levels.pop_back(); !levels.empty(); levels.pop_back()) {
            const Bytes& level = levels.back();
            const std::size_t size = level.size() / bytes;
            const std::size_t half = (size + 1) / 2;
            Bytes below(level.size());
            std::copy(inverses.begin(), inverses.end(), below.begin());
            multiply(below.data(), inverses.data(), level.data() + half * bytes, size - half);
            multiply(below.data() + half * bytes, inverses.data(), level.data(), size - half);
            inverses = std::move(below);
        }
        std::copy(inverses.begin(), inverses.end(), out + begin * bytes);
    });
}

}  // namespace veilsum::batch
