#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/plaintexts.hpp"
#include "veilsum/paillier/public_key.hpp"

namespace veilsum {

/// A vector or matrix of Paillier ciphertexts under one key. Immutable; copies share the elements.
///
/// In memory: the wire bytes, canonical base-n digits of each ciphertext in row-major order, and
/// one small integer e: element D stands for the ciphertext D * R^e mod n^2 (R of the running
/// kernel), so that adding two batches is one multiplication each and no conversion.
///
/// A matrix of no ciphertexts has kMostEmptyRows rows and columns at most (CT4): its shape costs
/// its sender nothing, and a reader memory. Operands are under one modulus, whatever the forms of
/// their keys; a result has the key of `*this`.
///
/// Every element is a unit modulo n^2 with digits below n (CT1, CT2 of docs/validation.md).
/// Results of operations are not rerandomised: c - c, 0 * c or a product with secret scalars show
/// what they are to whoever knows the operands. Call rerandomise before they leave.
/// Operations throw Error: key_mismatch, invalid_argument (shapes), cancelled.
class Ciphertexts {
public:
    using Shape = std::vector<std::size_t>;  // One or two dimensions.
    static constexpr std::size_t kMostEmptyRows = std::size_t{1} << 20;

    /// Takes elements that the caller made, e.g. by encrypting.
    Ciphertexts(PublicKey key, Shape shape, Bytes elements, std::int64_t exponent = 0);

    /// Reads ciphertexts sent by someone else, encrypted under `key`.
    /// Throws Error: malformed (CT4), key_mismatch (CT3), invalid_ciphertext (CT1, CT2).
    static Ciphertexts from_bytes(ByteView wire, const PublicKey& key, const Execution& execution);
    Bytes to_bytes(const Execution& execution) const;

    /// From and to classic integers modulo n^2, as other Paillier libraries and ISO/IEC 18033-6
    /// write them. Throws Error: invalid_ciphertext.
    static Ciphertexts from_integers(const std::vector<Integer>& values, Shape shape,
                                     const PublicKey& key, const Execution& execution);
    std::vector<Integer> to_integers(const Execution& execution) const;

    /// Whether they are the same ciphertexts, in the same shape and under the same modulus.
    bool is_same(const Ciphertexts& other, const Execution& execution) const;

    const PublicKey& key() const noexcept { return key_; }
    const Shape& shape() const noexcept { return shape_; }
    /// How many ciphertexts there are.
    std::size_t size() const noexcept { return size_; }

    Ciphertexts add(const Ciphertexts& other, const Execution& execution) const;
    Ciphertexts subtract(const Ciphertexts& other, const Execution& execution) const;
    Ciphertexts negate(const Execution& execution) const;
    /// Shapes must match, or one of the two hold a single value.
    Ciphertexts add(const Plaintexts& plaintexts, const Execution& execution) const;

    /// Multiplies plaintext i by scalars[i] (or by the only scalar), in (-n/2, n/2). Constant time
    /// in the scalars; the largest bit length among them is public. Cost: about one squaring a bit.
    Ciphertexts multiply(const Plaintexts& scalars, const Execution& execution) const;
    /// As multiply, in time that depends on the scalars' signs and on the longest scalar.
    Ciphertexts multiply_vartime(const Plaintexts& scalars, const Execution& execution) const;

    /// The sum over one axis, or over everything. An empty sum is a fresh encryption of 0: a
    /// trivial one would show itself.
    Ciphertexts sum(std::optional<std::size_t> axis, const Execution& execution) const;

    /// Adds up groups of rows, in num_groupings ways at once: row i of this vector or matrix is in
    /// group groups[i * num_groupings + f] < num_groups of grouping f, unless counts, if it is not
    /// empty, has 0 there; what the group is then is not looked at. Results are in the order of
    /// groupings, groups and columns, in `shape`. A group of no rows is a fresh encryption of 0.
    /// At most kMostGroups groups and kMostGroupSums results. Groups are public, and their sizes.
    static constexpr std::size_t kMostGroups = std::size_t{1} << 20;
    static constexpr std::size_t kMostGroupSums = std::size_t{1} << 24;
    Ciphertexts group_sum(std::span<const std::int64_t> groups,
                          std::span<const std::uint8_t> counts, std::size_t num_groupings,
                          std::size_t num_groups, Shape shape, const Execution& execution) const;

    /// The product of a plaintext matrix of num_rows rows, of values in (-n/2, n/2), with this
    /// vector or matrix, which has as many rows as the plaintexts have columns; of no columns fresh
    /// encryptions of 0. Constant time in the plaintexts, signs included;
    /// the largest bit length among them is public.
    /// Cost: docs/kernels.md; about a multiplication for four bits of each plaintext.
    Ciphertexts matrix_product(const Plaintexts& matrix, std::size_t num_rows,
                               const Execution& execution) const;
    /// The same for public plaintexts: its time depends on them.
    Ciphertexts matrix_product_vartime(const Plaintexts& matrix, std::size_t num_rows,
                                       const Execution& execution) const;

    /// As many numbers of `bits` bits in each ciphertext as fit, row by row: plaintexts x_0 +
    /// x_1*2^bits + ..., the same count of them in each but the last, in as few ciphertexts as
    /// possible. Numbers in [-2^(bits-1), 2^(bits-1)) come out again, in any sum whose numbers are
    /// in that range; another number changes its neighbours, unseen. 2 <= bits <= 64.
    /// Cost: `bits` squarings and two multiplications a number.
    Ciphertexts pack(unsigned bits, const Execution& execution) const;
    /// The numbers that were packed, of what was decrypted. out.size() of them.
    /// Throws Error: invalid_argument (not as many plaintexts), capacity (no such sum).
    static void unpack(std::span<std::int64_t> out, const Plaintexts& packed, unsigned bits,
                       const Execution& execution);

    /// The same plaintexts under fresh randomisers.
    Ciphertexts rerandomise(const Execution& execution) const;

    /// The ciphertexts at those positions (row-major), in a new shape.
    Ciphertexts take(std::span<const std::int64_t> positions, Shape shape,
                     const Execution& execution) const;
    /// The same ciphertexts under the same key in another form or with another kernel.
    Ciphertexts under(const PublicKey& key, const Execution& execution) const;

    /// Each ciphertext as a batch of one.
    std::vector<Ciphertexts> split(const Execution& execution) const;
    /// Joins along the first axis. Requires at least one part.
    static Ciphertexts concatenate(const std::vector<Ciphertexts>& parts,
                                   const Execution& execution);

    /// Brings e to 0, so that elements are the ciphertexts themselves. One multiplication each,
    /// none if e is 0 already.
    Ciphertexts normalise(const Execution& execution) const;
    const Bytes& elements() const noexcept { return *elements_; }
    std::int64_t exponent() const noexcept { return exponent_; }

private:
    void require_same_key(const Ciphertexts& other) const;
    Ciphertexts zeros(Shape shape, const Execution& execution) const;
    Ciphertexts inverse(const Execution& execution) const;
    Ciphertexts matrix_product(const Plaintexts& matrix, std::size_t num_rows, bool is_public,
                               const Execution& execution) const;
    Ciphertexts power(const Plaintexts& scalars, bool inverts_always,
                      const Execution& execution) const;

    PublicKey key_;
    Shape shape_;
    std::size_t size_;
    std::shared_ptr<const Bytes> elements_;
    std::int64_t exponent_;
};

}  // namespace veilsum
