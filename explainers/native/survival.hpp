// Does a row survive every reading within the sensors' tolerances?
//
// The readings of a row are a box of cells. The greatest value of each tree over it is its highest set
// bit; where the sum of these is above the limit the box is split, until the sum over some part is
// certain. A part that leaves the target is then widened as far as it leaves it for certain: every row
// with a reading in it is fragile.
//
// Readings are of the model's own cells: the tables are those of the whole model, never merged ones.
#pragma once

#include "arena.hpp"
#include "cells.hpp"
#include "tables.hpp"

namespace ifonly {

enum Survival : Whole { SURVIVES, FAILS, UNDECIDED };

// Leaves of the part at ``sp``.
inline void find_leaves(const Tables& t, const Arena& a, Whole sp) {
    const Words mask = a.mask[sp];
    // From the whole, since parts are few and widening also lets leaves back in.
    mask.copy(t.full);
    for (Whole j = 0; j < a.n_features(); ++j) {
        const Words up = t.at_most[t.cells[j] + a.cell_hi[sp][j]];
        const Words down = t.at_least[t.cells[j] + a.cell_lo[sp][j]];
        for (Whole w = 0; w < mask.size(); ++w) mask[w] &= up[w] & down[w];
    }
}

// Sum of the greatest leaves of goal ``g``, noted in ``leaf``; the least in ``least``.
inline double greatest_sum(const Tables& t, const Arena& a, Whole g, Whole sp) {
    const Words mask = a.mask[sp];
    double total = t.constant[g];
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
        Whole greatest = -1, least = -1;
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            if (mask[w] == 0) continue;
            // Leaves are sorted by value across the words, so the last word that has a bit decides.
            greatest = w * 64 + highest_bit(mask[w]);
            if (least < 0) least = w * 64 + lowest_bit(mask[w]);
        }
        require(greatest >= 0, "a reading that reaches no leaf of a tree");
        a.leaf[tree] = greatest;
        a.least[tree] = least;
        total += t.value[greatest];
    }
    return total;
}

// Sum of the least leaves of goal ``g``.
inline double least_sum(const Tables& t, const Arena& a, Whole g, Whole sp) {
    // The part has just been widened, so its mask is out of date.
    find_leaves(t, a, sp);
    const Words mask = a.mask[sp];
    double total = t.constant[g];
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            if (mask[w] != 0) {
                total += t.value[w * 64 + lowest_bit(mask[w])];
                break;
            }
        }
    }
    return total;
}

// Replace the part at ``sp`` by two, the one of the most telling tree's greatest leaf on top; false if
// every tree is certain.
inline bool split(const Tables& t, const Arena& a, Whole g, Whole sp) {
    Whole worst = -1;
    double spread = 0.0;
    // The tree with the widest spread: a cut along its greatest leaf lowers the sum most.
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
        const double its = t.value[a.leaf[tree]] - t.value[a.least[tree]];
        if (its > spread) {
            worst = tree;
            spread = its;
        }
    }
    // Every tree has one value left over the part, so the sum is exact and above the limit.
    if (worst < 0) return false;
    const Whole leaf = a.leaf[worst];
    const Cells lo = a.cell_lo[sp], hi = a.cell_hi[sp];
    const Cells upper_lo = a.cell_lo[sp + 1], upper_hi = a.cell_hi[sp + 1];
    for (Whole j = 0; j < a.n_features(); ++j) {
        const Cell first = t.leaf_lo[leaf][j], last = t.leaf_hi[leaf][j];
        if (first <= lo[j] && last >= hi[j]) continue;
        upper_lo.copy(lo);
        upper_hi.copy(hi);
        // One side at a time: the other is cut when this part is split again.
        if (first > lo[j]) {
            hi[j] = first - 1;
            upper_lo[j] = first;
        } else {
            lo[j] = last + 1;
            upper_hi[j] = last;
        }
        // Tables whose leaves contradict their bits could be split outside of the part for ever.
        require(lo[j] <= hi[j] && upper_lo[j] <= upper_hi[j], "a split outside of its part");
        return true;
    }
    return false;
}

// Widen one end of the part at ``sp`` on a side, ``room`` cells at most, while every reading of it stays
// above goal ``g``'s limit. ``away`` is -1 or 1.
inline void widen_end(
    const Tables& t, const Question& q, const Arena& a, Whole g, Whole sp, Cell& end, Cell away,
    Cell room
) {
    Cell here = end;
    // Tries the whole way first, then halves: a reading that fails often fails to the end.
    Cell step = room;
    while (step > 0) {
        end = here + away * step;
        // Every reading in it is above the limit, even where all trees are at their least.
        if (least_sum(t, a, g, sp) > q.limit[g]) {
            here = end;
            room -= step;
            step = std::min(step, room);
        } else {
            step >>= 1;
        }
    }
    end = here;
}

// Widen the part at ``sp``, every reading of which is above goal ``g``'s limit, while it is.
inline void widen(const Tables& t, const Question& q, const Arena& a, Whole g, Whole sp) {
    for (Whole j = 0; j < a.n_features(); ++j) {
        Cell& low = a.cell_lo[sp][j];
        Cell& high = a.cell_hi[sp][j];
        widen_end(t, q, a, g, sp, low, -1, low);
        widen_end(t, q, a, g, sp, high, 1, static_cast<Cell>(t.count(j) - 1) - high);
    }
}

// Rows with a reading in the part at ``sp``, as a box of positions in ``lo[0]``, ``hi[0]``.
inline void note_fragile(const Question& q, const Arena& a, Whole sp) {
    for (Whole j = 0; j < a.n_features(); ++j) {
        Whole first = q.off[j];
        const Whole end = q.off[j + 1];
        // `near` and `far` rise along an axis, so rows that can read the part are an interval.
        while (first < end && q.far[first] < a.cell_lo[sp][j]) ++first;
        Whole last = end - 1;
        while (last >= q.off[j] && q.near[last] > a.cell_hi[sp][j]) --last;
        a.lo[0][j] = first_of(q, j, first);
        a.hi[0][j] = first_of(q, j, last + 1) - 1;
    }
}

// Whether the row at positions ``at`` survives; if not, fragile rows like it are in ``lo[0]`` and
// ``hi[0]`` of the arena.
inline Survival survives(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole max_parts
) {
    Whole parts = 0;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        for (Whole j = 0; j < at.size(); ++j) {
            const Whole entry = entry_at(q, j, at[j]);
            a.cell_lo[0][j] = q.near[entry];
            a.cell_hi[0][j] = q.far[entry];
        }
        Whole sp = 0;
        while (sp >= 0) {
            ++parts;
            // The second: a part needs the place above it to be split.
            if (parts > max_parts || sp + 2 > a.stack()) return UNDECIDED;
            find_leaves(t, a, sp);
            // Limits have the band taken off already: no doubt is left here.
            if (greatest_sum(t, a, g, sp) <= q.limit[g]) {
                --sp;
            } else if (split(t, a, g, sp)) {
                ++sp;
            } else {
                widen(t, q, a, g, sp);
                note_fragile(q, a, sp);
                return FAILS;
            }
        }
    }
    return SURVIVES;
}

// Of the values of ``column`` around ``at[column]`` that hold, keep those that survive, up to the first
// on each side that does not.
inline void keep_surviving(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Whole max_parts,
    Bytes holds
) {
    const Wholes trial = a.trial;
    trial.copy(at);
    for (const Whole step : {-1, 1}) {
        bool ends = false;
        for (Whole p = at[column] + step; 0 <= p && p < q.size[column]; p += step) {
            if (holds[p] == 0) break;
            trial[column] = p;
            // What lies beyond a value that does not survive is no part of the range: nobody asks.
            ends = ends || survives(t, q, a, trial, max_parts) != SURVIVES;
            if (ends) holds[p] = 0;
        }
    }
}

// Keep those that survive among the values of ``column`` at ``positions``, where they hold.
inline void keep_those_surviving(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Whole max_parts,
    Wholes positions, Bytes holds
) {
    const Wholes trial = a.trial;
    trial.copy(at);
    for (Whole i = 0; i < positions.size(); ++i) {
        if (holds[i] == 0) continue;
        trial[column] = positions[i];
        if (survives(t, q, a, trial, max_parts) != SURVIVES) holds[i] = 0;
    }
}

}  // namespace ifonly
