// Bits of leaves in tables.
#pragma once

#include "cells.hpp"
#include "tables.hpp"

namespace ifonly {

// Set the bit of a leaf in word ``w``, at the first and the last cell of its intervals.
template <class LeafRows>
void mark_leaf(const LeafRows& t, Whole w, Word mark, Cells low, Cells high) {
    for (Whole j = 0; j < low.size(); ++j) {
        // Only the ends here: spreading all leaves at once takes one pass, not one a leaf.
        t.at_most[t.cells[j] + low[j]][w] |= mark;
        t.at_least[t.cells[j] + high[j]][w] |= mark;
    }
}

// Bits that are set at the ends of each leaf's intervals, spread over where it reaches: of words
// ``first..last``.
template <class LeafRows>
void spread_marks(const LeafRows& t, Whole first, Whole last) {
    for (Whole j = 0; j + 1 < t.cells.size(); ++j) {
        for (Whole c = t.cells[j] + 1; c < t.cells[j + 1]; ++c) {
            const Words own = t.at_most[c], before = t.at_most[c - 1];
            // What begins at or before a cell begins at or before the next.
            for (Whole w = first; w <= last; ++w) own[w] |= before[w];
        }
        for (Whole c = t.cells[j + 1] - 2; c >= t.cells[j]; --c) {
            const Words own = t.at_least[c], after = t.at_least[c + 1];
            for (Whole w = first; w <= last; ++w) own[w] |= after[w];
        }
    }
}

// The bits of the leaves at ``slots``, in tables that have none yet.
inline void fill_tables(const Tables& t, Wholes slots) {
    for (const Whole slot : slots) {
        const Word mark = single_bit(slot & 63);
        t.full[slot >> 6] |= mark;
        mark_leaf(t, slot >> 6, mark, t.leaf_lo[slot], t.leaf_hi[slot]);
    }
    spread_marks(t, 0, t.n_words() - 1);
}

}  // namespace ifonly
