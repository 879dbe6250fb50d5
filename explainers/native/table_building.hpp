// Bits of leaves in the rows of tables.
#pragma once

#include "cells.hpp"
#include "checks.hpp"
#include "tables.hpp"

namespace ifonly {

// Set the bit of a leaf in word ``w``, at the first and the last cell of its intervals.
template <class LeafRows>
void mark_leaf(const LeafRows& t, Whole w, Word mark, Cells low, Cells high) {
    // Only the ends here: spreading all leaves at once takes one pass, not one a leaf.
    for (Whole j = 0; j < low.size(); ++j) {
        t.at_most[t.cells[j] + low[j]][w] |= mark;
        t.at_least[t.cells[j] + high[j]][w] |= mark;
    }
}

// Bits that are set at the ends of each leaf's intervals, spread over where it reaches: of words
// ``first..last``.
template <class LeafRows>
void spread_marks(const LeafRows& t, Whole first, Whole last) {
    const auto spread = [first, last](Words from, Words to) {
        for (Whole w = first; w <= last; ++w) to[w] |= from[w];
    };
    for (Whole j = 0; j < t.cells.size() - 1; ++j) {
        // What begins at or before a cell begins at or before the next.
        for (Whole c = t.cells[j] + 1; c < t.cells[j + 1]; ++c) spread(t.at_most[c - 1], t.at_most[c]);
        for (Whole c = t.cells[j + 1] - 2; c >= t.cells[j]; --c) spread(t.at_least[c + 1], t.at_least[c]);
    }
}

// Bits of the leaves at ``slots``, whose boxes are in the tables already, into empty rows.
inline void fill(const Tables& t, Wholes slots) {
    check_range(slots, 0, 64 * t.n_words() - 1, "slots");
    for (const Whole slot : slots) {
        const Whole w = slot >> 6;
        check_leaf(t, slot);
        t.full[w] |= single_bit(slot & 63);
        mark_leaf(t, w, single_bit(slot & 63), t.leaf_lo[slot], t.leaf_hi[slot]);
    }
    spread_marks(t, 0, t.n_words() - 1);
}

}  // namespace ifonly
