#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "veilsum/base/cpu.hpp"
#include "veilsum/base/error.hpp"

namespace veilsum {

/// Chooses among tables of functions that do the same with different instructions. A Table has a
/// `name`.
template <class Table>
class Dispatcher {
public:
    struct Candidate {
        const Table* table;
        unsigned needs;  // Of cpu_features().
    };

    /// Candidates are worst first, and the first needs nothing. `what` they are is for messages.
    constexpr Dispatcher(const char* what, std::span<const Candidate> candidates,
                         bool (*passes_self_test)(const Table&))
        : what_(what), candidates_(candidates), passes_self_test_(passes_self_test) {}

    /// Those that this processor runs, worst first.
    std::vector<const Table*> available() const { return those_with(cpu_features()); }

    /// The best that VEILSUM_ISA leaves, chosen and tested at first use. Threads that race may test
    /// it more than once; there is no lock that a fork could leave held.
    /// Throws Error: invalid_argument (VEILSUM_ISA), internal (it fails its self-test).
    const Table& active() {
        if (const Table* table = active_.load(std::memory_order_acquire)) return *table;
        const Table& chosen = *those_with(usable_features()).back();
        if (!passes_self_test_(chosen)) {
            throw Error(Errc::internal, "the " + std::string(chosen.name) + " " + what_ +
                                            " failed its self-test on this processor; set "
                                            "VEILSUM_ISA to another one and report this");
        }
        active_.store(&chosen, std::memory_order_release);
        return chosen;
    }

private:
    std::vector<const Table*> those_with(unsigned features) const {
        std::vector<const Table*> tables;
        for (const auto& [table, needs] : candidates_) {
            if ((needs & ~features) == 0) tables.push_back(table);
        }
        return tables;
    }

    const char* what_;
    std::span<const Candidate> candidates_;
    bool (*passes_self_test_)(const Table&);
    std::atomic<const Table*> active_{nullptr};
};

}  // namespace veilsum
