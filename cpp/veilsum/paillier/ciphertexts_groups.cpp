// Sums of groups of ciphertexts: docs/kernels.md, "Sums of groups".

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/seal.hpp"

namespace veilsum {
namespace {

// Some milliseconds.
constexpr std::size_t kPerPiece = 1 << 12;

// Terms of a list. Short ones keep all lanes and threads at work, long ones save rounds.
constexpr std::size_t kFewestTerms = 4;
constexpr std::size_t kMostTerms = 256;
constexpr std::size_t kListsPerLane = 4;

[[noreturn]] void invalid_argument(const std::string& message) {
    throw Error(Errc::invalid_argument, message);
}

/// The rows of each group, group after group. Group g of grouping f is number f*num_groups + g.
struct Members {
    std::vector<std::size_t> rows;
    std::vector<std::size_t> bounds;  // Group number g has rows[bounds[g]] to rows[bounds[g+1]-1].

    std::size_t num_groups() const { return bounds.size() - 1; }
    std::size_t size(std::size_t group) const { return bounds[group + 1] - bounds[group]; }
};

/// What the caller says of each row, read once: another thread may write to it meanwhile.
class Labels {
public:
    Labels(std::span<const std::int64_t> groups, std::span<const std::uint8_t> counts,
           std::size_t num_groupings, std::size_t num_groups, const Execution& execution)
        : num_groupings_(num_groupings), num_groups_(num_groups), labels_(groups.size()) {
        parallel_for(groups.size(), kPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const auto group = static_cast<std::uint64_t>(groups[i]);
                const bool is_left_out = !counts.empty() && counts[i] == 0;
                if (!is_left_out && group >= num_groups) refuse(i);
                labels_[i] = is_left_out ? kLeftOut : static_cast<std::uint32_t>(group);
            }
        });
    }

    /// Sorts rows by group, by counting; each grouping on a thread of its own.
    Members members(const Execution& execution) const {
        Members result;
        result.bounds.resize(num_groupings_ * num_groups_ + 1);
        std::size_t* sizes = result.bounds.data() + 1;
        for_each_label(execution, [&](std::size_t group, std::size_t /*row*/) { ++sizes[group]; });
        std::vector<std::size_t> next(num_groupings_ * num_groups_);
        for (std::size_t group = 0; group < next.size(); ++group) {
            next[group] = result.bounds[group];
            result.bounds[group + 1] += next[group];
        }
        result.rows.resize(result.bounds.back());
        for_each_label(execution, [&](std::size_t group, std::size_t row) {
            result.rows[next[group]++] = row;
        });
        return result;
    }

private:
    static constexpr std::uint32_t kLeftOut = ~std::uint32_t{0};

    [[noreturn]] void refuse(std::size_t i) const {
        const std::string grouping =
            num_groupings_ == 1 ? "" : " in grouping " + std::to_string(i % num_groupings_);
        invalid_argument("the group of row " + std::to_string(i / num_groupings_) + grouping +
                         " must be at least 0 and below num_groups, which is " +
                         std::to_string(num_groups_) + "; leave rows without a group out by where");
    }

    template <class Body>
    void for_each_label(const Execution& execution, Body&& body) const {
        parallel_for(num_groupings_, 1, execution, [&](std::size_t grouping, std::size_t /*end*/) {
            for (std::size_t i = grouping; i < labels_.size(); i += num_groupings_) {
                if (labels_[i] == kLeftOut) continue;
                body(grouping * num_groups_ + labels_[i], i / num_groupings_);
            }
        });
    }

    std::size_t num_groupings_;
    std::size_t num_groups_;
    std::vector<std::uint32_t> labels_;
};

/// Lists of rows of at most so many terms, each of one group; the longest first, so that lanes side
/// by side have as many to multiply.
struct Lists {
    Lists(const Members& members, std::size_t most_terms) {
        for (std::size_t group = 0; group < members.num_groups(); ++group) {
            const std::size_t size = members.size(group);
            const std::size_t num_parts = (size + most_terms - 1) / most_terms;
            for (std::size_t part = 0; part < num_parts; ++part) {
                const std::size_t begin = part * size / num_parts;
                const std::size_t end = (part + 1) * size / num_parts;
                lists.push_back({members.rows.data() + members.bounds[group] + begin, end - begin});
                groups.push_back(group);
            }
            is_last = is_last && num_parts <= 1;
        }
        std::vector<std::size_t> order(lists.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::ranges::stable_sort(
            order, [&](std::size_t a, std::size_t b) { return lists[a].size > lists[b].size; });
        rearrange(lists, order);
        rearrange(groups, order);
    }

    /// The lists as rows of each group: what is left to add up when each is one number.
    Members members(std::size_t num_groups) const {
        Members result;
        result.bounds.resize(num_groups + 1);
        for (const std::size_t group : groups) ++result.bounds[group + 1];
        std::vector<std::size_t> next(num_groups);
        for (std::size_t group = 0; group < num_groups; ++group) {
            next[group] = result.bounds[group];
            result.bounds[group + 1] += next[group];
        }
        result.rows.resize(groups.size());
        for (std::size_t i = 0; i < groups.size(); ++i) result.rows[next[groups[i]]++] = i;
        return result;
    }

    std::vector<RowList> lists;
    std::vector<std::size_t> groups;
    bool is_last = true;  // Every group has one list or none.

private:
    template <class T>
    static void rearrange(std::vector<T>& values, const std::vector<std::size_t>& order) {
        std::vector<T> result;
        result.reserve(values.size());
        for (const std::size_t i : order) result.push_back(values[i]);
        values = std::move(result);
    }
};

std::size_t most_terms(std::size_t num_products, const Modulus& n, const Execution& execution) {
    const std::size_t lanes = n.kernel().num_lanes * num_threads(execution);
    return std::clamp(num_products / (kListsPerLane * lanes), kFewestTerms, kMostTerms);
}

/// Each size that a group has, and R^(power * size) for it: powers of their own for each group
/// would take as long as groups of some twenty rows.
struct Factors {
    Factors(const Members& members, std::int64_t power, const Modulus& n,
            const Execution& execution) {
        for (std::size_t group = 0; group < members.num_groups(); ++group) {
            if (members.size(group) != 0) sizes.push_back(members.size(group));
        }
        std::ranges::sort(sizes);
        sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
        if (sizes.empty()) return;
        const auto base = n.r_power(power);
        elements.resize(sizes.size() * n.element_bytes());
        const std::vector<Limb> exponents(sizes.begin(), sizes.end());
        batch::pow_each(elements.data(), {base.data(), 0}, n.r_squared(), exponents.data(), 1,
                        static_cast<std::size_t>(std::bit_width(sizes.back())), sizes.size(), n,
                        execution);
    }

    const std::byte* of(std::size_t size, const Modulus& n) const {
        const auto found = std::ranges::lower_bound(sizes, size) - sizes.begin();
        return elements.data() + static_cast<std::size_t>(found) * n.element_bytes();
    }

    std::vector<std::size_t> sizes;
    Bytes elements;
};

}  // namespace

// t elements D stand for D*R^e each. Their product takes t - 1 multiplications in whatever order,
// so it stands for the sum times R^((e+1)*t - 1): groups of different sizes have different powers
// of R. A multiplication by R^((e+1)*t), which takes one R away, leaves the sum itself.
Ciphertexts Ciphertexts::group_sum(std::span<const std::int64_t> groups,
                                   std::span<const std::uint8_t> counts, std::size_t num_groupings,
                                   std::size_t num_groups, Shape shape,
                                   const Execution& execution) const {
    if (num_groups < 1 || num_groups > kMostGroups) {
        invalid_argument("num_groups is " + std::to_string(num_groups) +
                         "; it must be at least 1 and at most " + std::to_string(kMostGroups));
    }
    if (groups.size() != shape_[0] * num_groupings ||
        (!counts.empty() && counts.size() != groups.size())) {
        invalid_argument("every row of the ciphertexts needs one group in each grouping");
    }
    const std::size_t num_columns = shape_.size() == 2 ? shape_[1] : 1;
    if (num_groupings > kMostGroupSums || num_columns > kMostGroupSums ||
        num_groupings * num_groups > kMostGroupSums / std::max<std::size_t>(1, num_columns)) {
        invalid_argument(
            "group_sum gives at most 2^24 ciphertexts; take fewer groups, groupings "
            "or columns at a time");
    }
    const Execution quiet = execution.without_progress();
    const Modulus& n = key_.modulus();
    const std::size_t bytes = n.element_bytes();
    const std::size_t row_bytes = num_columns * bytes;
    const Members members = Labels(groups, counts, num_groupings, num_groups, quiet).members(quiet);
    if (num_columns == 0) return {key_, std::move(shape), {}};

    // Lists become numbers, and these lists, until each group is one number.
    Members left = members;
    Bytes products;
    const std::byte* data = elements_->data();
    for (bool is_first = true;; is_first = false) {
        const Lists lists(left, most_terms(left.rows.size() * num_columns, n, execution));
        Bytes next(lists.lists.size() * row_bytes);
        batch::mul_lists(next.data(), {data, num_columns, lists.lists.data()}, lists.lists.size(),
                         n, is_first ? execution : quiet);
        products = std::move(next);
        data = products.data();
        left = lists.members(left.num_groups());
        if (lists.is_last) break;
    }

    const Factors factors(members, exponent_ + 1, n, quiet);
    const std::size_t num_empty = members.num_groups() - left.rows.size();
    const Ciphertexts nothing = zeros({num_empty * num_columns}, quiet).normalise(quiet);
    const std::byte* next_empty = nothing.elements_->data();
    Bytes out(members.num_groups() * row_bytes);
    Bytes factor_of(out.size());
    serial_for(members.num_groups(), kPerPiece, quiet, [&](std::size_t begin, std::size_t end) {
        for (std::size_t group = begin; group < end; ++group) {
            const bool is_empty = members.size(group) == 0;
            const std::byte* sum =
                is_empty ? next_empty : products.data() + left.rows[left.bounds[group]] * row_bytes;
            if (is_empty) next_empty += row_bytes;
            const std::byte* factor = is_empty ? n.r() : factors.of(members.size(group), n);
            std::copy_n(sum, row_bytes, out.data() + group * row_bytes);
            for (std::size_t column = 0; column < num_columns; ++column) {
                std::copy_n(factor, bytes, factor_of.data() + group * row_bytes + column * bytes);
            }
        }
    });
    batch::mul(out.data(), {out.data(), bytes}, {factor_of.data(), bytes}, out.size() / bytes, n,
               quiet);
    return {key_, std::move(shape), std::move(out)};
}

}  // namespace veilsum
