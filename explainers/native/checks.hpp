// What must hold for the compiled code to stay within its arrays, whatever else is wrong with them.
//
// Each struct is checked alone when it is handed over, and structs against each other when they are
// used together. What fails is told as `Malformed`, by the field's name.
#pragma once

#include <string>

#include "arena.hpp"
#include "rules.hpp"
#include "tables.hpp"

namespace ifonly {

template <class Array>
void check_length(const Array& array, Whole length, const char* name) {
    if (array.size() != length) {
        throw Malformed(
            std::string(name) + " has " + std::to_string(array.size()) + " entries and not " +
            std::to_string(length)
        );
    }
}

template <class Table>
void check_shape(const Table& rows, Whole height, Whole width, const char* name) {
    check_length(rows, height, name);
    if (rows.width != width) throw Malformed(std::string(name) + " has rows of another length");
}

[[noreturn]] inline void out_of_place(const char* name) {
    throw Malformed(std::string(name) + " points beyond what it counts");
}

template <class T>
void check_range(View<T> array, Whole least, Whole most, const char* name) {
    bool inside = true;
    for (const T each : array) inside &= least <= each && each <= most;
    if (!inside) out_of_place(name);
}

// Where groups begin when they are laid end to end, from 0 to at most ``most``.
inline void check_offsets(Wholes offsets, Whole most, const char* name) {
    require(offsets.size() > 0, name);
    Whole last = 0;
    bool rises = offsets[0] == 0;
    for (const Whole each : offsets) {
        rises &= last <= each;
        last = each;
    }
    if (!rises || last > most) out_of_place(name);
}

// The same, that end with ``end``.
inline void check_all_offsets(Wholes offsets, Whole end, const char* name) {
    check_offsets(offsets, end, name);
    if (offsets[offsets.size() - 1] != end) out_of_place(name);
}

// Of cells that tables and merged trees have of the whole model's.
template <class CellMap>
void check_cell_map(const CellMap& t, Whole n) {
    check_length(t.fine, n + 1, "fine");
    check_all_offsets(t.fine, t.coarse.size(), "fine");
    check_length(t.begin, t.cells[n] + n, "begin");
    for (Whole j = 0; j < n; ++j) {
        const Whole count = t.cells[j + 1] - t.cells[j], first = t.cells[j] + j;
        const Whole fine = t.fine[j + 1] - t.fine[j];
        if (count < 1 || fine < 1) out_of_place("cells");
        if (t.begin[first] != 0 || t.begin[first + count] != fine) out_of_place("begin");
        for (Whole c = 0; c < count; ++c) {
            const Whole from = t.begin[first + c], to = t.begin[first + c + 1];
            if (from < 0 || from >= to || to > fine) out_of_place("begin");
            for (Whole f = from; f < to; ++f) {
                if (t.coarse[t.fine[j] + f] != c) out_of_place("coarse");
            }
        }
    }
}

// A leaf lies within the cells.
inline void check_leaf(const Tables& t, Whole leaf) {
    const Cells lo = t.leaf_lo[leaf], hi = t.leaf_hi[leaf];
    for (Whole j = 0; j < t.n_features(); ++j) {
        if (lo[j] < 0 || lo[j] > hi[j] || hi[j] >= t.count(j)) out_of_place("leaf_lo, leaf_hi");
    }
}

inline void check(const Tables& t) {
    require(t.cells.size() > 1, "cells: there are no features");
    const Whole n = t.n_features(), bits = 64 * t.n_words();
    check_offsets(t.cells, t.at_most.size(), "cells");
    check_cell_map(t, n);
    const Whole n_cells = t.cells[n];
    check_shape(t.at_most, n_cells, t.n_words(), "at_most");
    check_shape(t.at_least, n_cells, t.n_words(), "at_least");
    check_shape(t.leaf_lo, bits, n, "leaf_lo");
    check_shape(t.leaf_hi, bits, n, "leaf_hi");
    check_length(t.value, bits, "value");
    check_all_offsets(t.words, t.n_words(), "words");
    require(t.groups.size() > 1, "groups: there are no goals");
    check_all_offsets(t.groups, t.n_trees(), "groups");
    check_length(t.constant, t.n_goals(), "constant");
    // Tables are also handed over empty, to be filled.
    for (Whole w = 0; w < t.n_words(); ++w) {
        for (Word left = t.full[w]; left != 0; left = without_lowest(left)) {
            check_leaf(t, w * 64 + lowest_bit(left));
        }
    }
}

// Leaves that tables are to be filled with.
inline void check_slots(const Tables& t, Wholes slots) {
    check_range(slots, 0, 64 * t.n_words() - 1, "slots");
    for (const Whole slot : slots) check_leaf(t, slot);
}

inline void check(const Long& x) {
    const Whole n = x.first.size();
    check_length(x.numerator, n, "numerator");
    check_length(x.scale, n, "scale");
    check_length(x.factual, n, "factual");
    check_length(x.spread, n, "spread");
    check_length(x.weight, n, "weight");
    check_length(x.fixed, n, "fixed");
    check_length(x.penalty, n, "penalty");
    check_length(x.multiple, x.start.size(), "multiple");
    check_range(x.first, 0, x.start.size(), "first");
}

inline void check(const FlatRules& r) {
    const Whole n = r.split.size(), conditions = r.kind.size();
    check_length(r.rule, n + 1, "rule");
    check_all_offsets(r.rule, conditions, "rule");
    for (Whole i = 0; i < n; ++i) {
        if (r.split[i] < r.rule[i] || r.split[i] > r.rule[i + 1]) out_of_place("split");
    }
    check_length(r.flag, conditions, "flag");
    check_length(r.column, conditions, "column");
    check_length(r.fixed, conditions, "fixed");
    check_length(r.fixed_size, conditions, "fixed_size");
    check_range(r.kind, 0, KINDS - 1, "kind");
    for (Whole c = 0; c < conditions; ++c) {
        const Whole kind = r.kind[c];
        const Whole most = kind == MEMBER ? r.member.size() : kind == COMPARISON ? RELATIONS - 1 : 1;
        if (r.flag[c] < 0 || r.flag[c] > most) out_of_place("flag");
    }
    check_length(r.terms, conditions + 1, "terms");
    check_all_offsets(r.terms, r.term_column.size(), "terms");
    check_length(r.term_weight, r.term_column.size(), "term_weight");
    check_length(r.reads, n + 1, "reads");
    check_all_offsets(r.reads, r.read.size(), "reads");
    check_length(r.touched, n, "touched");
}

// Columns of rules are those of features.
inline void check_columns(const FlatRules& r, Whole n) {
    check_range(r.term_column, 0, n - 1, "term_column");
    check_range(r.read, 0, n - 1, "read");
    for (Whole c = 0; c < r.kind.size(); ++c) {
        const bool reads = r.kind[c] == CHANGES || r.kind[c] == MEMBER;
        if (reads && (r.column[c] < 0 || r.column[c] >= n)) out_of_place("column");
    }
}

// The stretches of a long axis.
inline void check_stretches(const Question& q, Whole j) {
    const Long& x = q.lengthy;
    const Whole count = q.off[j + 1] - q.off[j], first = x.first[j];
    if (count < 1 || first + count > x.start.size()) out_of_place("long");
    Whole last = -1;
    for (Whole k = first; k < first + count; ++k) {
        if (x.start[k] <= last) out_of_place("start");
        last = x.start[k];
        // Values are whole numbers of steps, which must not grow beyond what is counted with.
        Whole most = 0;
        bool fits = !__builtin_add_overflow(x.multiple[k], q.size[j], &most);
        fits = fits && !__builtin_mul_overflow(most, x.numerator[j], &most);
        fits = fits && !__builtin_mul_overflow(x.multiple[k], x.numerator[j], &most);
        if (!fits) out_of_place("multiple");
    }
    if (x.start[first] != 0 || last >= q.size[j]) out_of_place("start");
}

// Positions of an axis, and where the cheapest of each interval is.
inline void check_axis(const Question& q, Whole j) {
    const Whole size = q.size[j];
    if (q.listed[j] >= 0) {
        if (q.listed[j] != q.off[j] || q.off[j + 1] - q.off[j] != size) out_of_place("listed");
    } else if (q.listed[j] == -1) {
        if (size < 0 || size > (Whole{1} << 53)) out_of_place("size");
        check_stretches(q, j);
    } else {
        out_of_place("listed");
    }
    if (q.middle[j] < 0 || q.middle[j] > size) out_of_place("middle");
    if (q.home[j] < -1 || q.home[j] >= size) out_of_place("home");
    if (q.table[j] < 0) return;
    // As entries of `cheapest` are read by two positions, an axis of more of them than that is wrong.
    if (size > q.cheapest.size() || q.table[j] > q.cheapest.size() - size * size) out_of_place("table");
    for (Whole low = 0; low < size; ++low) {
        for (Whole high = low; high < size; ++high) {
            const Whole found = q.cheapest[q.table[j] + low * size + high];
            if (found < low || found > high) out_of_place("cheapest");
        }
    }
}

inline void check(const Question& q) {
    const Whole n = q.n_features();
    require(n > 0, "size: there are no features");
    check_length(q.off, n + 1, "off");
    check_offsets(q.off, q.value.size(), "off");
    const Whole entries = q.off[n];
    if (q.cost.size() < entries) out_of_place("cost");
    if (q.cell.size() < entries) out_of_place("cell");
    if (q.near.size() > 0 && q.near.size() < entries) out_of_place("near");
    check_length(q.far, q.near.size(), "far");
    check_length(q.listed, n, "listed");
    check_length(q.lengthy.first, n, "long");
    check_length(q.least, n, "least");
    check_length(q.most, n, "most");
    check_length(q.middle, n, "middle");
    check_length(q.home, n, "home");
    check_length(q.counts, n, "counts");
    check_length(q.table, n, "table");
    check_length(q.band, q.limit.size(), "band");
    for (Whole j = 0; j < n; ++j) check_axis(q, j);
    check_offsets(q.levers, q.lever.size(), "levers");
    check_range(q.lever, 0, n - 1, "lever");
    check_columns(q.rules, n);
}

inline void check(const Arena& a) {
    const Whole n = a.n_features(), stack = a.stack(), n_words = a.reach.size();
    require(stack > 1, "lo: there is no room for boxes");
    check_shape(a.lo, stack, n, "lo");
    check_shape(a.hi, stack, n, "hi");
    check_shape(a.cell_lo, stack, n, "cell_lo");
    check_shape(a.cell_hi, stack, n, "cell_hi");
    check_length(a.moved, stack, "moved");
    check_shape(a.mask, stack, n_words, "mask");
    check_length(a.corner_mask, n_words, "corner_mask");
    check_shape(a.line_mask, n, n_words, "line_mask");
    check_length(a.leaf_cost, 64 * n_words, "leaf_cost");
    check_length(a.word, n_words, "word");
    check_length(a.least, a.tree.size(), "least");
    check_length(a.leaf, a.tree.size(), "leaf");
    require(a.group.size() > 1, "group: there are no goals");
    check_length(a.base, a.group.size() - 1, "base");
    check_length(a.over, a.group.size() - 1, "over");
    check_length(a.totals, a.group.size() - 1, "totals");
    check_shape(a.gain, n, 2, "gain");
    check_shape(a.edge, n, 2, "edge");
    check_length(a.cell, n, "cell");
    check_length(a.trial, n, "trial");
    check_length(a.refused, n, "refused");
    check_shape(a.fragile_lo, a.fragile_hi.size(), n, "fragile_lo");
    check_shape(a.fragile_hi, a.fragile_lo.size(), n, "fragile_hi");
    check_shape(a.directions, a.directions.size(), n, "directions");
    check_length(a.corner, n, "corner");
    check_length(a.best, n, "best");
    check_length(a.ints, INT_SLOTS, "ints");
    check_length(a.floats, FLOAT_SLOTS, "floats");
}

// The arena is one for these tables.
inline void check_fits(const Tables& t, const Arena& a) {
    const Whole n_cells = t.cells[t.n_features()];
    const bool fits = a.n_features() == t.n_features() && a.reach.size() == t.n_words() &&
                      a.tree.size() == t.n_trees() && a.base.size() == t.n_goals() &&
                      a.totals.width == n_cells;
    require(fits, "the arena is one for other tables");
}

// The question is one about this model.
inline void check_fits(const Tables& t, const Question& q) {
    const bool fits = q.n_features() == t.n_features() && q.n_goals() == t.n_goals();
    require(fits, "the question is one about another model");
    for (Whole j = 0; j < q.n_features(); ++j) {
        require(q.size[j] > 0, "size: an axis without positions");
    }
}

// What the question says of cells is of the model's: `cell` of each entry, and `first` where each cell
// begins on the axes.
inline void check_cells(const Tables& t, const Question& q) {
    const Whole n = q.n_features();
    check_length(q.first, t.fine[n] + n, "first");
    for (Whole j = 0; j < n; ++j) {
        const Whole count = t.fine[j + 1] - t.fine[j], from = t.fine[j] + j;
        // Cells rise along an axis, so one pass over both says it all.
        Whole cell = 0, k = 0;
        for (Whole entry = q.off[j]; entry < q.off[j + 1]; ++entry) {
            if (q.cell[entry] < cell || q.cell[entry] >= count) out_of_place("cell");
            cell = q.cell[entry];
            for (const Whole here = first_of(q, j, entry); k <= cell; ++k) {
                if (q.first[from + k] != here) out_of_place("first");
            }
        }
        for (; k <= count; ++k) {
            if (q.first[from + k] != q.size[j]) out_of_place("first");
        }
    }
}

// Whether trees were merged, and cells with them.
inline bool is_merged(const Tables& t) { return t.cells[t.n_features()] != t.coarse.size(); }

// The same of readings, which are of the model's own cells: the tables are not merged.
inline void check_readings(const Tables& t, const Question& q) {
    if (!q.is_robust()) return;
    for (Whole j = 0; j < q.n_features(); ++j) {
        const Whole count = t.fine[j + 1] - t.fine[j];
        for (Whole i = q.off[j]; i < q.off[j + 1]; ++i) {
            if (q.near[i] < 0 || q.near[i] > q.far[i] || q.far[i] >= count) {
                out_of_place("near, far");
            }
        }
    }
}

// Positions on the axes.
inline void check_row(const Question& q, Wholes at) {
    check_length(at, q.n_features(), "at");
    for (Whole j = 0; j < at.size(); ++j) {
        if (at[j] < 0 || at[j] >= q.size[j]) out_of_place("at");
    }
}

inline void check_box(const Question& q, Wholes lo, Wholes hi) {
    check_length(lo, q.n_features(), "lo");
    check_length(hi, q.n_features(), "hi");
    for (Whole j = 0; j < lo.size(); ++j) {
        if (lo[j] < 0 || lo[j] > hi[j] || hi[j] >= q.size[j]) out_of_place("lo, hi");
    }
}

inline void check_directions(const Arena& a) {
    const bool fits = 0 <= a.ints[DIRECTIONS] && a.ints[DIRECTIONS] <= a.directions.size();
    require(fits, "ints: more directions than there is room for");
}

inline void check_counted(const Arena& a, IntSlot slot, Whole most) {
    require(0 <= a.ints[slot] && a.ints[slot] <= most, "ints: more than there is room for");
}

// What is known of rows that fail is there: counts are Python's to write, too.
inline void check_known(const Arena& a) {
    check_counted(a, FRAGILE, a.fragile_lo.size());
    check_directions(a);
}

// Open boxes are on the axes, and what is counted is there.
inline void check_stack(const Question& q, const Arena& a) {
    check_counted(a, SP, a.stack());
    check_counted(a, WORDS, a.word.size());
    check_known(a);
    for (Whole sp = 0; sp < a.ints[SP]; ++sp) check_box(q, a.lo[sp], a.hi[sp]);
    const Wholes words{a.word.data, a.ints[WORDS]};
    check_range(words, 0, a.word.size() - 1, "word");
}

}  // namespace ifonly
