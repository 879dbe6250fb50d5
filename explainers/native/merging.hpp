// Fewer, tighter trees inside a box and a ball of cost.
//
// Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
// places there can be replaced by one tree of those meetings, each with the sum of the two values: the
// bound over a box then takes their joint minimum instead of the sum of two minima.
//
// Which leaves of *all* trees a leaf meets is one AND of the rows of its bounds, so that the partner
// that makes a tree grow least is found by counting bits.
#pragma once

#include <algorithm>
#include <vector>

#include "checks.hpp"
#include "kernel.hpp"
#include "owned.hpp"
#include "table_building.hpp"

namespace ifonly {

inline constexpr Whole MOST_LEAVES = 64;
// Leaves that may meet, at whatever cost, for it to be worth asking at what cost they do.
inline constexpr Whole MOST_MEETINGS = 192;
// Partners tried for a tree before it is left as it is.
inline constexpr Whole TRIES = 3;
// Joins between two looks at the deadline: about a millisecond.
inline constexpr Whole JOINS_BETWEEN_LOOKS = 32;

// Trees as they are merged: up to 64 leaves a slot, in the cells that they tell apart.
struct Forest {
    // As in Tables.
    Owned<Whole> cells;
    Owned<Whole> fine;
    Owned<Cell> coarse;
    Owned<Whole> begin;
    OwnedRows<Word> at_most;  // (n_cells, n_slots)
    OwnedRows<Word> at_least;
    OwnedBoxes<Cell> lo;  // (n_slots, 64, n_features)
    OwnedBoxes<Cell> hi;
    OwnedRows<double> value;
    Owned<Whole> count;  // (n_slots,) leaves; 0 once the tree is a part of another
    // Number of the tree, goal by goal; a tree of more leaves has several slots, side by side.
    Owned<Whole> tree;
    Owned<Whole> goal;
    Owned<Byte> fixed;  // whether the tree is no longer, or never was, to be joined with a larger one
    Owned<Byte> wide;
    OwnedRows<Byte> used;  // (n_slots, n_features) whether any leaf is bounded there
    Owned<double> constant;
    Owned<Word> mask;
    Owned<Whole> met;
    OwnedRows<Cell> new_lo;  // (65, n_features) leaves of the joined tree at hand
    OwnedRows<Cell> new_hi;
    Owned<double> new_value;
    // Whether a tree has no leaf within reach: no row is cheap enough.
    bool closed = false;

    Whole n_features() const { return cells.size() - 1; }
    Whole n_slots() const { return count.size(); }
    // Last cell of feature ``j``.
    Whole last(Whole j) const { return cells[j + 1] - cells[j] - 1; }
    // The bits of a slot's leaves.
    Word leaves(Whole s) const { return count[s] < 64 ? single_bit(count[s]) - 1 : ~Word{0}; }
};

// Bits of leaves within reach stand for leaves.
inline void check_reach(const Tables& t, const Arena& a) {
    for (Whole w = 0; w < t.n_words(); ++w) {
        if ((a.reach[w] & ~t.full[w]) != 0) out_of_place("reach");
    }
}

// The bottom box, and its cheapest corner, are on the axes.
inline void check_bottom(const Question& q, const Arena& a) {
    check_box(q, a.lo[0], a.hi[0]);
    for (Whole j = 0; j < q.n_features(); ++j) {
        if (a.corner[j] < 0 || a.corner[j] >= q.size[j]) out_of_place("corner");
    }
}

inline Whole leaves_in_reach(const Tables& t, const Arena& a, Whole tree) {
    Whole leaves = 0;
    for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) leaves += bit_count(a.reach[w]);
    return leaves;
}

// Cells that the leaves within reach tell apart.
inline void tell_apart(const Tables& t, const Arena& a, Forest& f) {
    const Whole n = t.n_features();
    // Whether a cell of `t` begins one, then the new cell of each.
    Owned<Whole> cell(t.cells[n]);
    each_in_reach(a, 0, t.n_words(), [&](Whole leaf) {
        for (Whole j = 0; j < n; ++j) {
            cell[t.cells[j] + t.leaf_lo[leaf][j]] = 1;
            const Whole after = t.cells[j] + t.leaf_hi[leaf][j] + 1;
            if (after < t.cells[j + 1]) cell[after] = 1;
        }
    });
    f.cells = Owned<Whole>(n + 1);
    f.fine = copied(t.fine);
    f.coarse = Owned<Cell>(t.coarse.size());
    for (Whole j = 0; j < n; ++j) {
        Whole k = -1;
        for (Whole c = t.cells[j]; c < t.cells[j + 1]; ++c) {
            if (c == t.cells[j] || cell[c] == 1) ++k;
            cell[c] = k;
        }
        f.cells[j + 1] = f.cells[j] + k + 1;
        for (Whole c = t.fine[j]; c < t.fine[j + 1]; ++c) {
            f.coarse[c] = static_cast<Cell>(cell[t.cells[j] + t.coarse[c]]);
        }
    }
    f.begin = Owned<Whole>(f.cells[n] + n);
    for (Whole j = 0; j < n; ++j) {
        // From the end, so that the first cell of each stays.
        const Whole from = f.cells[j] + j;
        for (Whole c = t.fine[j + 1] - 1; c >= t.fine[j]; --c) f.begin[from + f.coarse[c]] = c - t.fine[j];
        f.begin[from + f.cells[j + 1] - f.cells[j]] = t.fine[j + 1] - t.fine[j];
    }
}

// Room for the trees of ``t`` that are undecided.
inline void make_room(const Tables& t, const Arena& a, Forest& f) {
    const Whole n = t.n_features(), n_cells = f.cells[n];
    Whole slots = 0;
    // A tree of more than 64 leaves takes several slots; one leaf left is a constant, and takes none.
    for (Whole tree = 0; tree < t.n_trees(); ++tree) {
        const Whole leaves = leaves_in_reach(t, a, tree);
        if (leaves > 1) slots += (leaves + MOST_LEAVES - 1) / MOST_LEAVES;
    }
    f.at_most = {n_cells, slots};
    f.at_least = {n_cells, slots};
    f.lo = {slots, MOST_LEAVES, n};
    f.hi = {slots, MOST_LEAVES, n};
    f.value = {slots, MOST_LEAVES};
    f.count = Owned<Whole>(slots);
    f.tree = Owned<Whole>(slots);
    f.goal = Owned<Whole>(slots);
    f.fixed = Owned<Byte>(slots);
    f.wide = Owned<Byte>(slots);
    f.used = {slots, n};
    f.constant = copied(t.constant);
    f.mask = Owned<Word>(slots);
    f.met = Owned<Whole>(slots);
    f.new_lo = {MOST_LEAVES + 1, n};
    f.new_hi = {MOST_LEAVES + 1, n};
    f.new_value = Owned<double>(MOST_LEAVES + 1);
}

// The columns of slots ``first..last`` in the tables, anew.
inline void fill_columns(const Forest& f, Whole first, Whole last) {
    const Whole n = f.n_features();
    // Emptied first: a joined tree has other leaves in the same bits.
    for (Whole c = 0; c < f.cells[n]; ++c) {
        for (Whole s = first; s <= last; ++s) f.at_most[c][s] = f.at_least[c][s] = 0;
    }
    for (Whole s = first; s <= last; ++s) {
        f.used[s].fill(0);
        for (Whole i = 0; i < f.count[s]; ++i) {
            mark_leaf(f, s, single_bit(i), f.lo[s][i], f.hi[s][i]);
            for (Whole j = 0; j < n; ++j) f.used[s][j] |= f.lo[s][i][j] > 0 || f.hi[s][i][j] < f.last(j);
        }
    }
    spread_marks(f, first, last);
}

// The leaf of ``t`` becomes leaf ``i`` of slot ``s``.
inline void take_leaf(const Tables& t, const Forest& f, Whole leaf, Whole s, Whole i) {
    for (Whole j = 0; j < t.n_features(); ++j) {
        const Whole old = t.cells[j] + j;
        f.lo[s][i][j] = f.coarse[t.fine[j] + t.begin[old + t.leaf_lo[leaf][j]]];
        // The last fine cell of the leaf is the one before the next coarse cell begins.
        f.hi[s][i][j] = f.coarse[t.fine[j] + t.begin[old + t.leaf_hi[leaf][j] + 1] - 1];
    }
    f.value[s][i] = t.value[leaf];
}

// The leaves of ``t`` that are within reach.
inline Forest load(const Tables& t, const Arena& a) {
    Forest f;
    tell_apart(t, a, f);
    make_room(t, a, f);
    Whole s = 0, number = 0;
    for (Whole g = 0; g < t.n_goals(); ++g) {
        for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
            const Whole leaves = leaves_in_reach(t, a, tree);
            if (leaves == 0) {
                f.closed = true;
                return f;
            }
            const auto end_slot = [&](Whole count) {
                f.count[s] = count;
                f.tree[s] = number;
                f.goal[s] = g;
                // Joining counts the bits of one word, so a tree of several slots has no partner.
                f.fixed[s] = f.wide[s] = leaves > MOST_LEAVES;
                ++s;
            };
            Whole i = 0;
            each_in_reach(a, t.words[tree], t.words[tree + 1], [&](Whole leaf) {
                if (leaves == 1) {
                    f.constant[g] += t.value[leaf];
                    return;
                }
                if (i == MOST_LEAVES) {
                    end_slot(i);
                    i = 0;
                }
                take_leaf(t, f, leaf, s, i++);
            });
            if (leaves > 1) {
                end_slot(i);
                ++number;
            }
        }
    }
    fill_columns(f, 0, s - 1);
    return f;
}

// Call ``visit`` with the row of each bound of leaf ``i`` of slot ``s``: their AND are the leaves of all
// slots that meet it.
template <class Visit>
void each_bound(const Forest& f, Whole s, Whole i, Visit visit) {
    const Cells lo = f.lo[s][i], hi = f.hi[s][i];
    for (Whole j = 0; j < lo.size(); ++j) {
        // No leaf of this tree is bounded here, so the feature keeps none apart.
        if (!f.used[s][j]) continue;
        if (lo[j] > 0) visit(f.at_least[f.cells[j] + lo[j]]);
        if (hi[j] < f.last(j)) visit(f.at_most[f.cells[j] + hi[j]]);
    }
}

// How many pairs of leaves of slot ``s`` and of every other meet, into `met`.
inline void count_meetings(const Forest& f, Whole s) {
    const Words mask = f.mask;
    const Whole slots = f.n_slots();
    f.met.fill(0);
    for (Whole i = 0; i < f.count[s]; ++i) {
        for (Whole k = 0; k < slots; ++k) mask[k] = f.leaves(k);
        each_bound(f, s, i, [mask, slots](Words row) {
            for (Whole k = 0; k < slots; ++k) mask[k] &= row[k];
        });
        for (Whole k = 0; k < slots; ++k) f.met[k] += bit_count(mask[k]);
    }
}

// Intersection of two leaves that meet into row ``into`` of the new ones; false if it costs ``best``.
inline bool meet(
    const Question& q, const Arena& a, const Forest& f, Whole one, Whole i, Whole other, Whole k,
    Whole into, double best
) {
    const Cells lo = f.new_lo[into], hi = f.new_hi[into];
    const Cells lo_i = f.lo[one][i], hi_i = f.hi[one][i], lo_k = f.lo[other][k], hi_k = f.hi[other][k];
    for (Whole j = 0; j < lo.size(); ++j) {
        lo[j] = std::max(lo_i[j], lo_k[j]);
        hi[j] = std::min(hi_i[j], hi_k[j]);
    }
    // A meeting that no row cheaper than `best` reaches can be left out: it holds no better answer.
    double total = a.floats[CORNER];
    for (Whole j = 0; j < lo.size(); ++j) {
        // A feature that neither tree reads stays at its cheapest, at no extra cost.
        if (!f.used[one][j] && !f.used[other][j]) continue;
        total += least_within(f, q, a, j, lo[j], hi[j]);
        if (total >= best) return false;
    }
    f.new_value[into] = f.value[one][i] + f.value[other][k];
    return true;
}

// Put the meetings of two trees in the place of the first; false if there are too many.
inline bool join(
    const Question& q, const Arena& a, const Forest& f, Whole one, Whole other, double best
) {
    Whole n = 0;
    for (Whole i = 0; i < f.count[one]; ++i) {
        Word left = f.leaves(other);
        each_bound(f, one, i, [&left, other](Words row) { left &= row[other]; });
        for (; left != 0; left = without_lowest(left)) {
            if (!meet(q, a, f, one, i, other, lowest_bit(left), n, best)) continue;
            // The 65th was written to the spare row; the first tree is untouched so far.
            if (n == MOST_LEAVES) return false;
            ++n;
        }
    }
    // A tree's leaves are disjoint, so their meetings are the leaves of the sum of both trees.
    for (Whole i = 0; i < n; ++i) {
        f.lo[one][i].copy(f.new_lo[i]);
        f.hi[one][i].copy(f.new_hi[i]);
        f.value[one][i] = f.new_value[i];
    }
    f.count[one] = n;
    f.count[other] = 0;
    fill_columns(f, one, one);
    return true;
}

// Slot of the smallest tree that is not fixed; -1 if there is none.
inline Whole smallest(const Forest& f) {
    Whole found = -1, least = MOST_LEAVES + 1;
    // The smallest first: it has the most partners that it stays within 64 leaves with.
    for (Whole s = 0; s < f.n_slots(); ++s) {
        if (0 < f.count[s] && f.count[s] < least && !f.fixed[s]) {
            found = s;
            least = f.count[s];
        }
    }
    return found;
}

// Slot of the tree that ``s`` would grow least with; -1 if it would with all grow too much.
inline Whole partner(const Forest& f, Whole s) {
    Whole found = -1, least = MOST_MEETINGS;
    for (Whole k = 0; k < f.n_slots(); ++k) {
        // Trees of different goals are in different sums, so they cannot be added.
        if (k == s || f.count[k] == 0 || f.wide[k] || f.goal[k] != f.goal[s]) continue;
        // Meetings by count alone: what they cost is asked of the chosen partner only.
        const Whole growth = f.met[k] - std::max(f.count[k], f.count[s]);
        if (f.met[k] <= MOST_MEETINGS && growth < least) {
            found = k;
            least = growth;
        }
    }
    return found;
}

// Join slot ``s`` with one of the first partners that it can be joined with, if any.
inline bool join_any(const Question& q, const Arena& a, const Forest& f, Whole s, double best) {
    count_meetings(f, s);
    for (Whole turn = 0; turn < TRIES; ++turn) {
        const Whole k = partner(f, s);
        if (k < 0) return false;
        if (join(q, a, f, s, k, best)) return true;
        f.met[k] = MOST_MEETINGS + 1;  // not to be tried again
    }
    return false;
}

// Join trees, small ones first, for about a millisecond; whether that is all. A tree without a leaf
// left ends it: nothing in the box is cheap enough.
inline bool merge_some(const Question& q, const Arena& a, Forest& f, double best) {
    if (f.closed) return true;
    for (Whole turn = 0; turn < JOINS_BETWEEN_LOOKS; ++turn) {
        const Whole s = smallest(f);
        if (s < 0) return true;
        if (!join_any(q, a, f, s, best)) {
            f.fixed[s] = true;
        } else if (f.count[s] == 0) {
            f.closed = true;
            return true;
        }
    }
    return false;
}

// The trees that are left, each tree's leaves by value, into empty tables.
inline void write(const Forest& f, const Tables& t) {
    const Whole kept = f.n_slots() - std::count(f.count.begin(), f.count.end(), 0);
    require(t.n_words() == kept, "full: not as many words as there are trees left");
    const bool fits = std::equal(t.cells.begin(), t.cells.end(), f.cells.begin(), f.cells.end());
    require(fits, "cells: not those of the trees");
    Whole word = 0;
    for (Whole s = 0; s < f.n_slots(); ++s) {
        const Whole count = f.count[s];
        if (count == 0) continue;
        // Leaves must be by value again, as the lowest bit has to be the least. There are 64 at most.
        for (Whole i = 0; i < count; ++i) {
            Whole rank = 0;  // by how many others come before it
            for (Whole k = 0; k < count; ++k) {
                const double one = f.value[s][k], other = f.value[s][i];
                rank += one < other || (one == other && k < i);
            }
            const Whole leaf = 64 * word + rank;
            t.full[word] |= single_bit(rank);
            t.value[leaf] = f.value[s][i];
            t.leaf_lo[leaf].copy(f.lo[s][i]);
            t.leaf_hi[leaf].copy(f.hi[s][i]);
            mark_leaf(t, word, single_bit(rank), f.lo[s][i], f.hi[s][i]);
        }
        ++word;
    }
    spread_marks(t, 0, word - 1);
}

}  // namespace ifonly
