// Does a row survive every reading within the sensors' tolerances?
//
// The readings of a row are a box of cells. The greatest value of each tree over it is its highest set
// bit; where the sum of these is above the limit the box is split, until the sum over some part is
// certain. A part that leaves the target is then widened as far as it leaves it for certain: every row
// with a reading in it is fragile.
//
// Readings are of the model's own cells: the tables are those of the whole model, never merged ones.
//
// Sensors that are off in one direction each are readings, too: a row survives only if it is in the target
// with every sensor as far off as it may be in that direction. That holds of boxes as well, so the
// directions in which rows failed close boxes whose every row fails in one of them.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "cells.hpp"
#include "tables.hpp"

namespace ifonly {

enum Survival : Whole { SURVIVES, FAILS, UNDECIDED };

// Parts into which the readings of one row are split before it is left undecided.
inline constexpr Whole MOST_PARTS = 20'000;

// Keep the leaves of ``mask`` that cells ``low..high`` of feature ``j`` reach.
inline void keep_leaves(const Tables& t, Whole j, Whole low, Whole high, Words mask) {
    const Words up = t.at_most[t.cells[j] + high], down = t.at_least[t.cells[j] + low];
    for (Whole w = 0; w < mask.size(); ++w) mask[w] &= up[w] & down[w];
}

// Leaves of the part at ``sp``.
inline void find_leaves(const Tables& t, const Arena& a, Whole sp) {
    const Words mask = a.mask[sp];
    mask.copy(t.full);
    for (Whole j = 0; j < a.n_features(); ++j) {
        keep_leaves(t, j, a.cell_lo[sp][j], a.cell_hi[sp][j], mask);
    }
}

// Note the least and the greatest leaf of a tree in ``mask``; the value of the greatest.
inline double greatest_leaf(const Tables& t, const Arena& a, Words mask, Whole tree) {
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
    return t.value[greatest];
}

// Sum of the greatest leaves of goal ``g`` in the part at ``sp``, noted in ``leaf``; the least in
// ``least``.
inline double greatest_sum(const Tables& t, const Arena& a, Whole g, Whole sp) {
    double total = t.constant[g];
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
        total += greatest_leaf(t, a, a.mask[sp], tree);
    }
    return total;
}

// Sum of the leaves that are noted, in the same order.
inline double noted_sum(const Tables& t, const Arena& a, Whole g) {
    double total = t.constant[g];
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) total += t.value[a.leaf[tree]];
    return total;
}

// By how much two sums of goal ``g`` that are added up in other orders may differ.
inline double order_slack(const Tables& t, Whole g) {
    double size = std::abs(t.constant[g]);
    for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
        double most = 0.0;
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            if (t.full[w] == 0) continue;
            // Sorted by value: the largest is at one of the ends.
            most = std::max(most, std::abs(t.value[w * 64 + lowest_bit(t.full[w])]));
            most = std::max(most, std::abs(t.value[w * 64 + highest_bit(t.full[w])]));
        }
        size += most;
    }
    const auto n = static_cast<double>(t.groups[g + 1] - t.groups[g] + 1);
    return 4.0 * n * std::numeric_limits<double>::epsilon() * size;
}

// Trees of a goal that reach more than one leaf in some part, their words, and the sum of the others'
// leaves. Readings of a row are few cells, so most trees have one leaf left: no part within that one
// looks at them again.
struct OpenTrees {
    std::vector<Whole> trees, words;
    double settled = 0.0;

    void add(const Tables& t, Whole tree) {
        trees.push_back(tree);
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) words.push_back(w);
    }
    // Those of goal ``g`` in the part of which the leaves are noted.
    void note(const Tables& t, const Arena& a, Whole g) {
        for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
            if (a.leaf[tree] == a.least[tree]) {
                settled += t.value[a.leaf[tree]];
            } else {
                add(t, tree);
            }
        }
        settled += t.constant[g];
    }
    // Those of goal ``g`` in a mask.
    void note(const Tables& t, Words mask, Whole g) {
        trees.clear();
        words.clear();
        settled = t.constant[g];
        for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
            Whole leaves = 0, only = -1;
            for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                const Word word = mask[w];
                if (word == 0) continue;
                leaves += without_lowest(word) == 0 ? 1 : 2;
                only = w * 64 + lowest_bit(word);
            }
            if (leaves == 1) {
                settled += t.value[only];
            } else {
                add(t, tree);
            }
        }
    }
    // AND the words at hand with a row of a table.
    void narrow(Words mask, Words row) const {
        for (const Whole w : words) mask[w] &= row[w];
    }
};

// Whether every reading of a part is above a sum, even where all trees are at their least, when feature
// ``j`` is in ``low..high``; ``others`` has the leaves whatever that is.
inline bool is_above(
    const Tables& t, const OpenTrees& open, Words others, Whole j, Whole low, Whole high, double limit
) {
    const Words up = t.at_most[t.cells[j] + high], down = t.at_least[t.cells[j] + low];
    double total = open.settled;
    for (const Whole tree : open.trees) {
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            const Word word = others[w] & up[w] & down[w];
            if (word == 0) continue;
            total += t.value[w * 64 + lowest_bit(word)];
            break;
        }
    }
    return total > limit;
}

// Replace the part at ``sp`` by two, the one of the most telling tree's greatest leaf on top; false if
// every tree is certain.
inline bool split(const Tables& t, const Arena& a, const OpenTrees& open, Whole sp) {
    Whole worst = -1;
    double spread = 0.0;
    // The tree with the widest spread: a cut along its greatest leaf lowers the sum most.
    for (const Whole tree : open.trees) {
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
        const Words lower = a.mask[sp], upper = a.mask[sp + 1];
        for (const Whole w : open.words) upper[w] = lower[w];
        // One side at a time: the other is cut when this part is split again.
        if (first > lo[j]) {
            hi[j] = first - 1;
            upper_lo[j] = first;
            open.narrow(lower, t.at_most[t.cells[j] + first - 1]);
            open.narrow(upper, t.at_least[t.cells[j] + first]);
        } else {
            lo[j] = last + 1;
            upper_hi[j] = last;
            open.narrow(lower, t.at_least[t.cells[j] + last + 1]);
            open.narrow(upper, t.at_most[t.cells[j] + last]);
        }
        // Tables whose leaves contradict their bits could be split outside of the part for ever.
        require(lo[j] <= hi[j] && upper_lo[j] <= upper_hi[j], "a split outside of its part");
        return true;
    }
    return false;
}

// Move ``end`` outward, ``room`` cells at most, as far as every reading stays above: ``above`` says it of
// an end. ``away`` is -1 or 1.
template <class Above>
void widen_end(Cell& end, Cell away, Cell room, const Above& above) {
    Cell here = end;
    // Tries the whole way first, then halves: a reading that fails often fails to the end.
    Cell step = room;
    while (step > 0) {
        const Cell there = here + away * step;
        if (above(there)) {
            here = there;
            room -= step;
            step = std::min(step, room);
        } else {
            step >>= 1;
        }
    }
    end = here;
}

// Widen the part at ``sp``, every reading of which is above goal ``g``'s limit, while it is.
inline void widen(
    const Tables& t, const Question& q, const Arena& a, OpenTrees& open, Whole g, double slack, Whole sp
) {
    const Whole n = a.n_features();
    const Cells lo = a.cell_lo[sp], hi = a.cell_hi[sp];
    const Words running = a.corner_mask;
    const double limit = q.limit[g] + slack;
    // Two passes, as in `sum_lines`: a feature's mask has the features behind it as they are, then those
    // before it as they were widened.
    running.copy(t.full);
    for (Whole j = n - 1; j >= 0; --j) {
        a.line_mask[j].copy(running);
        keep_leaves(t, j, lo[j], hi[j], running);
    }
    running.copy(t.full);
    for (Whole j = 0; j < n; ++j) {
        const Words others = a.line_mask[j];
        for (Whole w = 0; w < others.size(); ++w) others[w] &= running[w];
        // Rows are told apart by what is settable: the only value of an axis has these readings.
        if (q.size[j] == 1) {
            keep_leaves(t, j, lo[j], hi[j], running);
            continue;
        }
        open.note(t, others, g);
        widen_end(lo[j], -1, lo[j], [&](Cell low) {
            return is_above(t, open, others, j, low, hi[j], limit);
        });
        widen_end(hi[j], 1, static_cast<Cell>(t.count(j) - 1) - hi[j], [&](Cell high) {
            return is_above(t, open, others, j, lo[j], high, limit);
        });
        keep_leaves(t, j, lo[j], hi[j], running);
    }
}

// Rows with a reading in the part at ``sp``, as a box of positions in ``lo``, ``hi`` at ``base``.
inline void note_fragile(const Question& q, const Arena& a, Whole sp, Whole base) {
    for (Whole j = 0; j < a.n_features(); ++j) {
        Whole first = q.off[j];
        const Whole end = q.off[j + 1];
        // `near` and `far` rise along an axis, so rows that can read the part are an interval.
        while (first < end && q.far[first] < a.cell_lo[sp][j]) ++first;
        Whole last = end - 1;
        while (last >= q.off[j] && q.near[last] > a.cell_hi[sp][j]) --last;
        a.lo[base][j] = first_of(q, j, first);
        a.hi[base][j] = first_of(q, j, last + 1) - 1;
    }
}

inline void swap_directions(const Arena& a, Whole i, Whole k) {
    std::swap_ranges(a.directions[i].begin(), a.directions[i].end(), a.directions[k].begin());
}

// Put the direction in which the sensors of a row have to be off to read the part at ``sp`` among those
// that are tried on boxes; ``read`` gives the cells of the row's least and greatest reading.
template <class Read>
void note_direction(const Arena& a, Whole sp, const Read& read) {
    const Whole room = a.directions.size(), known = a.ints[DIRECTIONS];
    if (room == 0) return;
    const Wholes direction = a.directions[std::min(known, room - 1)];
    for (Whole j = 0; j < a.n_features(); ++j) {
        const auto [near, far] = read(j);
        const bool low = a.cell_lo[sp][j] <= near, high = a.cell_hi[sp][j] >= far;
        // Where both ends are in the part, the value itself is.
        direction[j] = low == high ? 0 : low ? -1 : 1;
    }
    for (Whole i = 0; i < known; ++i) {
        const Wholes other = a.directions[i];
        if (other.data != direction.data && std::equal(other.begin(), other.end(), direction.begin())) return;
    }
    // Where there is no room it stands in the place of the one that was tried last.
    if (known < room) a.ints[DIRECTIONS] = known + 1;
    for (Whole i = std::min(known, room - 1); i > 0; --i) swap_directions(a, i, i - 1);
}

// A part of some readings that leaves the target: where it is on the stack, and the goal that it misses.
struct FailingPart {
    Whole sp = 0;
    Whole goal = 0;
    double slack = 0.0;
};

// Whether a row survives whose readings lie between the cells that ``read`` gives for each feature; where
// it does not, which part of them says so. Places from ``base`` on are written over. Undecided after
// ``most`` parts.
template <class Read>
Survival survive_between(
    const Tables& t, const Question& q, const Arena& a, Whole base, Whole most, OpenTrees& open,
    FailingPart& failing, const Read& read
) {
    Whole parts = 0;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        // The second place above it: a part needs the place above it to be split.
        if (base + 2 > a.stack()) return UNDECIDED;
        for (Whole j = 0; j < a.n_features(); ++j) {
            const auto [near, far] = read(j);
            a.cell_lo[base][j] = static_cast<Cell>(near);
            a.cell_hi[base][j] = static_cast<Cell>(far);
        }
        find_leaves(t, a, base);
        // Limits have the band taken off already: no doubt is left here.
        if (greatest_sum(t, a, g, base) <= q.limit[g]) {
            ++parts;
            continue;
        }
        open = {};
        open.note(t, a, g);
        const double slack = order_slack(t, g);
        Whole sp = base;
        while (sp >= base) {
            ++parts;
            if (parts > most || sp + 2 > a.stack()) return UNDECIDED;
            double greatest = open.settled;
            for (const Whole tree : open.trees) greatest += greatest_leaf(t, a, a.mask[sp], tree);
            if (greatest + slack <= q.limit[g]) {
                --sp;
            } else if (split(t, a, open, sp)) {
                ++sp;
            // One leaf of each tree: added up in order, as what the row itself is measured by.
            } else if (noted_sum(t, a, g) <= q.limit[g]) {
                --sp;
            } else {
                failing = {sp, g, slack};
                return FAILS;
            }
        }
    }
    return SURVIVES;
}

// Whether the row at positions ``at`` survives; if not, fragile rows like it are in ``lo`` and ``hi`` at
// ``base``, and the direction in which it fails is noted.
inline Survival survives(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole base = 0
) {
    OpenTrees open;
    FailingPart failing;
    const auto read = [&](Whole j) {
        const Whole entry = entry_at(q, j, at[j]);
        return std::pair<Whole, Whole>{q.near[entry], q.far[entry]};
    };
    const Survival found = survive_between(t, q, a, base, MOST_PARTS, open, failing, read);
    if (found == FAILS) {
        widen(t, q, a, open, failing.goal, failing.slack, failing.sp);
        note_direction(a, failing.sp, read);
        note_fragile(q, a, failing.sp, base);
    }
    return found;
}

// Parts of the readings of several rows at once that are looked at before they are left to be asked about
// one by one.
inline constexpr Whole MOST_PARTS_OF_RUN = 48;

// Whether every row survives with ``column`` from ``low`` to ``high`` and all else as in ``at``, as far as
// a few parts of their readings tell; of one row, whether it does.
inline bool all_survive(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Whole low, Whole high
) {
    OpenTrees open;
    FailingPart failing;
    const auto read = [&](Whole j) {
        // Readings rise along an axis.
        const Whole first = entry_at(q, j, j == column ? low : at[j]);
        const Whole last = j == column && high > low ? entry_at(q, j, high) : first;
        return std::pair<Whole, Whole>{q.near[first], q.far[last]};
    };
    const Whole most = high > low ? MOST_PARTS_OF_RUN : MOST_PARTS;
    return survive_between(t, q, a, 0, most, open, failing, read) == SURVIVES;
}

// Whether some row may be in the target whose sensors all are as far off as they may be in ``direction``,
// if rows lie between the cells that ``read`` gives for a feature and -1, 0 or 1.
template <class Read>
bool may_survive(
    const Tables& t, const Question& q, const Arena& a, Wholes direction, const Read& read
) {
    const Words mask = a.corner_mask;
    mask.copy(t.full);
    for (Whole j = 0; j < a.n_features(); ++j) {
        const auto [low, high] = read(j, direction[j]);
        if (low <= 0 && high >= t.count(j) - 1) continue;
        const Words up = t.at_most[t.cells[j] + high], down = t.at_least[t.cells[j] + low];
        for (Whole w = 0; w < mask.size(); ++w) mask[w] &= up[w] & down[w];
    }
    for (Whole g = 0; g < q.n_goals(); ++g) {
        // In the order of `greatest_sum`, so that rounding cannot put it above what a row sums to.
        double total = t.constant[g];
        for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
            for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                if (mask[w] == 0) continue;
                total += t.value[w * 64 + lowest_bit(mask[w])];
                break;
            }
        }
        if (total > q.limit[g]) return false;
    }
    return true;
}

// Directions that are tried on a box, the newest and those that told last first: the others seldom tell.
inline constexpr Whole MOST_TRIED = 3;

// Whether every row fails in one of the directions that are known; the one that says so is tried first
// the next time.
template <class Read>
bool all_fail(const Tables& t, const Question& q, const Arena& a, const Read& read) {
    // Merged tables know nothing of readings.
    if (a.ints[UNMERGED] == 0) return false;
    const Whole tried = std::min(a.ints[DIRECTIONS], MOST_TRIED);
    for (Whole i = 0; i < tried; ++i) {
        if (may_survive(t, q, a, a.directions[i], read)) continue;
        if (i > 0) swap_directions(a, i, i - 1);
        return true;
    }
    return false;
}

// Cells of the readings of positions ``low`` to ``high`` of axis ``j``, when its sensor is off ``toward``
// -1, 1 or, with 0, not at all.
inline std::pair<Whole, Whole> read_cells(
    const Tables& t, const Question& q, Whole j, Whole low, Whole high, Whole toward
) {
    const Cells cells = toward == 0 ? q.cell : toward < 0 ? q.near : q.far;
    const Whole first = entry_at(q, j, low), last = entry_at(q, j, high);
    // What is said of a stretch is of its first value; the others may read as much as the next one's.
    if (q.listed[j] >= 0 || toward == 0) return {cells[first], cells[last]};
    return {cells[first], last + 1 < q.off[j + 1] ? cells[last + 1] : t.count(j) - 1};
}

// Of ``n`` values of ``column``, at positions ``position(i)``, keep those that survive in the place of that
// in ``at``, where they hold: ``holds[i * step]``. With ``ends`` nobody asks beyond the first that does not.
// Neighbours are asked about together, as many again each time that all of them survive.
template <class Position>
void keep_surviving_of(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Whole n,
    const Position& position, Byte* holds, Whole step, bool ends
) {
    Whole together = 1;
    for (Whole i = 0; i < n;) {
        Whole last = i;
        while (holds[i * step] != 0 && last + 1 < n && last + 1 - i < together && holds[(last + 1) * step] != 0 &&
               std::abs(position(last + 1) - position(i)) == last + 1 - i) {
            ++last;
        }
        const Whole low = std::min(position(i), position(last)), high = std::max(position(i), position(last));
        if (holds[i * step] != 0 && all_survive(t, q, a, at, column, low, high)) {
            together = 2 * (last + 1 - i);
            i = last + 1;
            continue;
        }
        if (last > i) {
            together = (last + 1 - i) / 2;
            continue;
        }
        together = 1;
        holds[i * step] = 0;
        ++i;
        if (ends) {
            for (; i < n; ++i) holds[i * step] = 0;
        }
    }
}

// Of the values of ``column`` around ``at[column]`` that hold, keep those that survive, up to the first
// on each side that does not.
inline void keep_surviving(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Bytes holds
) {
    const Whole from = at[column];
    for (const Whole step : {-1, 1}) {
        const Whole n = step < 0 ? from : q.size[column] - 1 - from;
        if (n == 0) continue;
        const auto position = [&](Whole i) { return from + step * (i + 1); };
        keep_surviving_of(t, q, a, at, column, n, position, &holds[from + step], step, true);
    }
}

// Keep those that survive among the values of ``column`` at ``positions``, where they hold.
inline void keep_those_surviving(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Wholes positions, Bytes holds
) {
    if (positions.size() == 0) return;
    const auto position = [&](Whole i) { return positions[i]; };
    keep_surviving_of(t, q, a, at, column, positions.size(), position, &holds[0], 1, false);
}

}  // namespace ifonly
