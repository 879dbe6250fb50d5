// The hot loop: depth-first branch and bound over boxes of settable values.
//
// A box is an interval of positions on every feature's axis. Three things shrink or close it: the
// cost that is left below the best answer so far, the rules, and the trees. The trees are bounded by
// bit sets: the leaves of each tree are sorted by value and numbered, a word of bits says which of
// them the box still reaches, and the tree's least value over the box is that of its lowest set bit.
// Narrowing one bound of a box is one AND with a row of a table.
//
// No request state lives outside the arena that the caller passes in, so searches run side by side
// without Python's lock, stop after any number of nodes and go on where they were.
// explainers/search/trees/reference.py is the same search in plain Python; the tests hold the two
// together.
#pragma once

#include "arena.hpp"
#include "boxes.hpp"
#include "survival.hpp"
#include "tables.hpp"

namespace ifonly {

// What a call of `search` ends with: every box is closed; the node limit is reached; a candidate
// within rounding of the target waits for the deployed model's word; the stack is full (its boxes are
// still open).
enum Status : Whole { DONE, MORE, VERDICT, FULL };

// What the tables say of a row's score.
enum class Score { outside, inside, in_doubt };

// Values of a feature that are set apart one by one where a rule is broken.
inline constexpr Whole FEW = 64;

// Feature and first position of the upper part of a cut; column -1 if there is none.
struct Cut {
    Whole column = -1;
    Whole edge = 0;
};

// What the cheapest value of the bottom box that falls into cells ``low..high`` of feature ``j`` costs
// beyond the box's own cheapest; infinity if none falls there.
template <class CellMap>
double least_within(
    const CellMap& t, const Question& q, const Arena& a, Whole j, Whole low, Whole high
) {
    const Whole first = std::max(first_in(t, q, j, low), a.lo[0][j]);
    const Whole last = std::min(first_in(t, q, j, high + 1) - 1, a.hi[0][j]);
    // No settable value of the box falls into these cells.
    if (first > last) return INFINITE;
    if (first <= a.corner[j] && a.corner[j] <= last) return 0.0;
    // `corner` is the bottom box's cheapest, so the difference is never negative.
    return cost_at(q, j, cheapest(q, j, first, last)) - cost_at(q, j, a.corner[j]);
}

// Least cost of a row of the bottom box that reaches a leaf, rules aside; infinity if none does. One that
// is not below ``best`` may be more than what is given.
inline double leaf_cost(
    const Tables& t, const Question& q, const Arena& a, Whole leaf, double best
) {
    double total = a.floats[CORNER];
    const Cells lo = t.leaf_lo[leaf], hi = t.leaf_hi[leaf];
    // Cost is a sum over features and a leaf is a box, so the least is exact feature by feature.
    for (Whole j = 0; j < q.n_features() && total < best; ++j) {
        // Most leaves leave most features alone.
        if (lo[j] <= a.cell_lo[0][j] && hi[j] >= a.cell_hi[0][j]) continue;
        total += least_within(t, q, a, j, lo[j], hi[j]);
    }
    return total;
}

// Leaves that a row of the bottom box reaches that is cheaper than ``best``.
inline void note_reach(const Tables& t, const Question& q, const Arena& a, double best) {
    for (Whole w = 0; w < t.n_words(); ++w) {
        Word word = 0;
        for (Word left = a.mask[0][w]; left != 0; left = without_lowest(left)) {
            const Whole lowest = lowest_bit(left), leaf = w * 64 + lowest;
            a.leaf_cost[leaf] = leaf_cost(t, q, a, leaf, best);
            // Strictly: a row that costs as much as the best is no better answer.
            if (a.leaf_cost[leaf] < best) word |= single_bit(lowest);
        }
        a.reach[w] = word;
    }
}

// Call ``visit`` with each leaf of words ``first..last - 1`` that is within reach.
template <class Visit>
void each_in_reach(const Arena& a, Whole first, Whole last, Visit visit) {
    for (Whole w = first; w < last; ++w) {
        for (Word left = a.reach[w]; left != 0; left = without_lowest(left)) {
            visit(w * 64 + lowest_bit(left));
        }
    }
}

// Keep the bits of the leaves that a row cheaper than ``best`` reaches.
inline void lessen_reach(const Arena& a, double best) {
    // The best cost only falls, so a leaf that has left `reach` never comes back.
    for (Whole w = 0; w < a.reach.size(); ++w) {
        for (Word left = a.reach[w]; left != 0; left = without_lowest(left)) {
            const Whole lowest = lowest_bit(left);
            // The bit is set, so this clears it.
            if (a.leaf_cost[w * 64 + lowest] >= best) a.reach[w] ^= single_bit(lowest);
        }
    }
}

// Trees that reach more than one leaf, their words, and the sum of the others' leaves.
//
// A tree that reaches none closes every box: it counts as infinitely far from the target.
inline void note_undecided(const Tables& t, const Arena& a) {
    Whole n = 0, n_words = 0;
    // Near the best answer most trees have one leaf left: they are added up once, here, and no box
    // looks at them again until `reach` shrinks.
    for (Whole g = 0; g < t.n_goals(); ++g) {
        a.base[g] = t.constant[g];
        a.group[g] = n;
        for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
            Whole leaves = 0, only = -1;
            for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                const Word word = a.reach[w];
                if (word == 0) continue;
                // More than one is all that matters, so two stands for any number.
                leaves += without_lowest(word) == 0 ? 1 : 2;
                only = w * 64 + lowest_bit(word);
            }
            if (leaves == 1) {
                a.base[g] += t.value[only];
            } else if (leaves == 0) {
                a.base[g] = INFINITE;
            } else {
                a.tree[n++] = tree;
                for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) a.word[n_words++] = w;
            }
        }
    }
    a.group[t.n_goals()] = n;
    a.ints[WORDS] = n_words;
}

// AND the words at hand with a row of a table.
inline void narrow(Words mask, Words row, const Arena& a) {
    const Wholes word = a.word;
    const Whole n_words = a.ints[WORDS];
    for (Whole k = 0; k < n_words; ++k) mask[word[k]] &= row[word[k]];
}

// AND the box's word masks with the rows of every bound that moved since last time.
inline void narrow_masks(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    const Words mask = a.mask[sp];
    const Wholes lo = a.lo[sp], hi = a.hi[sp];
    const Cells cell_lo = a.cell_lo[sp], cell_hi = a.cell_hi[sp];
    // A half lies inside its box: the new bound's row holds fewer of the leaves that the old one's
    // held, so an AND with it is enough, and nothing begins again from `full`.
    for (Whole j = 0; j < lo.size(); ++j) {
        const Whole low = cell_at(t, q, j, lo[j]), high = cell_at(t, q, j, hi[j]);
        if (low != cell_lo[j]) {
            cell_lo[j] = static_cast<Cell>(low);
            narrow(mask, t.at_least[t.cells[j] + low], a);
        }
        if (high != cell_hi[j]) {
            cell_hi[j] = static_cast<Cell>(high);
            narrow(mask, t.at_most[t.cells[j] + high], a);
        }
    }
}

// Note each tree's least reachable leaf; false if a goal cannot come down to its limit.
inline bool lower_bound(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    const Words mask = a.mask[sp];
    for (Whole g = 0; g < q.n_goals(); ++g) {
        double total = a.base[g];
        const Whole end = a.group[g + 1];
        for (Whole i = a.group[g]; i < end; ++i) {
            const Whole tree = a.tree[i], last = t.words[tree + 1];
            Whole least = -1;
            for (Whole w = t.words[tree]; w < last; ++w) {
                // `reach` may have shrunk since the mask was copied from the box around.
                const Word word = mask[w] & a.reach[w];
                mask[w] = word;
                // Leaves are sorted by value across a tree's words: the first bit that is set is the
                // least.
                if (least < 0 && word != 0) least = w * 64 + lowest_bit(word);
            }
            // Each row reaches one leaf of each tree; without one, no row of the box is cheap enough.
            if (least < 0) return false;
            a.least[tree] = least;
            total += t.value[least];
        }
        // Up to the band float32 sums of the deployed model may still come down to the limit.
        if (total > q.limit[g] + q.band[g]) return false;
    }
    return true;
}

// Value of a leaf that a row may reach. None (-1): the row's own leaf was struck off as dear as the
// best row, as the two costs are added up in other orders. So the row is no better answer, and the
// tree counts as infinitely far from the target. The box is cut and not closed: other rows of it
// reach other leaves.
inline double value_of(const Tables& t, Whole leaf) { return leaf < 0 ? INFINITE : t.value[leaf]; }

// Score the corner exactly.
inline Score corner_score(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    const Words mask = a.mask[sp], own = a.corner_mask;
    const Wholes word = a.word;
    const Whole n_words = a.ints[WORDS];
    for (Whole k = 0; k < n_words; ++k) own[word[k]] = mask[word[k]];
    for (Whole j = 0; j < a.n_features(); ++j) {
        a.cell[j] = a.cell_lo[sp][j];
        // Where the box is one cell wide, its mask has these two rows already.
        if (a.cell_lo[sp][j] == a.cell_hi[sp][j]) continue;
        a.cell[j] = cell_at(t, q, j, a.at[j]);
        const Whole cell = t.cells[j] + a.cell[j];
        const Words up = t.at_most[cell], down = t.at_least[cell];
        for (Whole k = 0; k < n_words; ++k) own[word[k]] &= up[word[k]] & down[word[k]];
    }
    Score score = Score::inside;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        double total = a.base[g];
        bool reached = true;
        for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
            const Whole tree = a.tree[i];
            Whole leaf = -1;
            for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                if (own[w] != 0) {
                    leaf = w * 64 + lowest_bit(own[w]);
                    break;
                }
            }
            a.leaf[tree] = leaf;
            reached = reached && leaf >= 0;
            total += value_of(t, leaf);
        }
        a.over[g] = total - q.limit[g];
        // One goal that is missed decides; one in doubt must not make up for it.
        if (!reached || a.over[g] > q.band[g]) {
            score = Score::outside;
        } else if (a.over[g] >= -q.band[g] && score == Score::inside) {
            score = Score::in_doubt;
        }
    }
    return score;
}

// The cut that promises most: towards the least leaves of the trees, weighted by what they would gain.
inline Cut best_cut(const Tables& t, const Question& q, const Arena& a) {
    const Whole n = a.n_features();
    for (Whole j = 0; j < n; ++j) a.gain[j][0] = a.gain[j][1] = 0.0;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        // The corner meets this goal for certain, so its trees pull nowhere.
        if (a.over[g] < -q.band[g]) continue;
        for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
            const Whole tree = a.tree[i], least = a.least[tree];
            const double gain = value_of(t, a.leaf[tree]) - t.value[least];
            // The corner is in this tree's least leaf already.
            if (gain <= 0.0) continue;
            const Cells leaf_lo = t.leaf_lo[least], leaf_hi = t.leaf_hi[least];
            for (Whole j = 0; j < n; ++j) {
                const Whole cell = a.cell[j], low = leaf_lo[j], high = leaf_hi[j];
                const Reals gains = a.gain[j];
                const Wholes edges = a.edge[j];
                if (cell < low) {
                    // The nearest edge: beyond it are the least leaves of all trees that pull this
                    // way.
                    if (gains[1] == 0.0 || low < edges[1]) edges[1] = low;
                    gains[1] += gain;
                } else if (cell > high) {
                    if (gains[0] == 0.0 || high > edges[0]) edges[0] = high;
                    gains[0] += gain;
                }
            }
        }
    }
    double most = 0.0;
    Cut cut;
    for (Whole j = 0; j < n; ++j) {
        if (a.gain[j][1] > most) {
            most = a.gain[j][1];
            cut = {j, a.edge[j][1]};
        }
        if (a.gain[j][0] > most) {
            most = a.gain[j][0];
            cut = {j, a.edge[j][0] + 1};  // above the leaf's last cell
        }
    }
    if (cut.column >= 0) cut.edge = first_in(t, q, cut.column, cut.edge);
    return cut;
}

// A cut between the corner's cell and a cell beside it; none if the box is one cell.
inline Cut any_cut(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    for (Whole j = 0; j < a.n_features(); ++j) {
        if (a.cell_lo[sp][j] == a.cell_hi[sp][j]) continue;
        // The corner's cell is then the last of the lower part, or else the first of the upper.
        const Whole beside = a.cell[j] < a.cell_hi[sp][j] ? 1 : 0;
        return {j, first_in(t, q, j, a.cell[j] + beside)};
    }
    return {};
}

// Whether the corner is the row that the deployed model last put outside the target.
inline bool is_refused(const Arena& a) {
    return a.ints[REFUSED] != 0 && std::equal(a.at.begin(), a.at.end(), a.refused.begin());
}

// A cut between the rows that share the corner's leaves, whose scores are all the same, and others;
// none if there are no others in the box.
inline Cut other_leaves_cut(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    for (Whole j = 0; j < a.n_features(); ++j) {
        Whole first = a.cell_lo[sp][j], last = a.cell_hi[sp][j];
        if (first == last) continue;
        // Rows between these cells reach the corner's leaf in each tree: one score for all of them.
        for (Whole i = 0; i < a.group[q.n_goals()]; ++i) {
            const Whole leaf = a.leaf[a.tree[i]];
            first = std::max<Whole>(first, t.leaf_lo[leaf][j]);
            last = std::min<Whole>(last, t.leaf_hi[leaf][j]);
        }
        if (last < a.cell_hi[sp][j]) return {j, first_in(t, q, j, last + 1)};
        if (first > a.cell_lo[sp][j]) return {j, first_in(t, q, j, first)};
    }
    return {};
}

// A cut that sets the corner's value of a feature of rule ``r`` apart: a missing value first, beside
// which nothing is known of a comparison, then one that was not changed. Or one that halves the
// feature along which costs differ most: one by one, its values would be as many boxes.
inline Cut rule_cut(const Question& q, const Arena& a, Whole sp, Whole r) {
    const Wholes lo = a.lo[sp], hi = a.hi[sp], at = a.at;
    // The corner's value becomes the first or the last of a part, and stands alone the next time.
    const auto beside = [&](Whole j) { return Cut{j, at[j] > lo[j] ? at[j] : at[j] + 1}; };
    for (Whole k = q.rules.reads[r]; k < q.rules.reads[r + 1]; ++k) {
        const Whole j = q.rules.read[k];
        // A missing value is last on its axis, so the upper part is this value alone.
        if (lo[j] < at[j] && std::isnan(value_at(q, j, at[j]))) return {j, at[j]};
    }
    for (Whole c = q.rules.rule[r]; c < q.rules.rule[r + 1]; ++c) {
        if (q.rules.kind[c] != CHANGES) continue;
        const Whole j = q.rules.column[c];
        if (lo[j] < hi[j] && at[j] == q.home[j]) return beside(j);
    }
    Whole column = -1;
    double most = -INFINITE;
    for (Whole k = q.rules.reads[r]; k < q.rules.reads[r + 1]; ++k) {
        const Whole j = q.rules.read[k];
        if (hi[j] - lo[j] <= FEW) continue;
        const double ends = std::max(cost_at(q, j, lo[j]), cost_at(q, j, hi[j]));
        const double extent = ends - cost_at(q, j, at[j]);
        if (extent > most) {
            column = j;
            most = extent;
        }
    }
    if (column >= 0) return {column, (lo[column] + hi[column] + 1) >> 1};
    for (Whole k = q.rules.reads[r]; k < q.rules.reads[r + 1]; ++k) {
        const Whole j = q.rules.read[k];
        if (lo[j] < hi[j]) return beside(j);
    }
    return {};
}

// A box of `fragile` that holds all of ``lo..hi``, the newest first; -1 if there is none.
inline Whole is_fragile(const Arena& a, Wholes lo, Wholes hi) {
    // Neighbours on the stack fail alike, so the newest box is the likeliest to hold this one.
    for (Whole i = a.ints[FRAGILE] - 1; i >= 0; --i) {
        const Wholes low = a.fragile_lo[i], high = a.fragile_hi[i];
        bool inside = true;
        for (Whole j = 0; inside && j < lo.size(); ++j) inside = lo[j] >= low[j] && hi[j] <= high[j];
        if (inside) return i;
    }
    return -1;
}

// Put a box of rows that fail, as `survives` leaves it on its stack, into `fragile`; which of its boxes
// it is.
inline Whole note_failed(const Arena& a, Wholes lo, Wholes hi) {
    const Whole most = a.fragile_lo.size();
    Whole n = a.ints[FRAGILE];
    if (n == most) {
        // The newest half is kept.
        n /= 2;
        for (Whole i = 0; i < n; ++i) {
            a.fragile_lo[i].copy(a.fragile_lo[most - n + i]);
            a.fragile_hi[i].copy(a.fragile_hi[most - n + i]);
        }
    }
    a.fragile_lo[n].copy(lo);
    a.fragile_hi[n].copy(hi);
    a.ints[FRAGILE] = n + 1;
    return n;
}

// The cut along the side of box ``i`` of `fragile` beyond which the cheapest value lies.
inline Cut fragile_cut(const Question& q, const Arena& a, Whole sp, Whole i) {
    Cut cut;
    double least = INFINITE;
    for (Whole j = 0; j < a.n_features(); ++j) {
        const double here = cost_at(q, j, a.at[j]);
        const Whole low = a.fragile_lo[i][j], high = a.fragile_hi[i][j];
        // Only what is beyond a side can survive; the least extra cost is where the next answer may
        // be.
        if (high < a.hi[sp][j]) {
            const double extra = cost_at(q, j, cheapest(q, j, high + 1, a.hi[sp][j])) - here;
            if (extra < least) {
                cut = {j, high + 1};
                least = extra;
            }
        }
        if (low > a.lo[sp][j]) {
            const double extra = cost_at(q, j, cheapest(q, j, a.lo[sp][j], low - 1)) - here;
            if (extra < least) {
                cut = {j, low};
                least = extra;
            }
        }
    }
    return cut;
}

// Replace box ``sp`` by its parts below and from the cut, the corner's part on top.
inline void push_halves(const Arena& a, Whole sp, Cut cut) {
    const auto [column, edge] = cut;
    // Tables whose leaves contradict their bits could ask for a cut outside of the box.
    require(a.lo[sp][column] < edge && edge <= a.hi[sp][column], "a cut outside of its box");
    a.lo[sp + 1].copy(a.lo[sp]);
    a.hi[sp + 1].copy(a.hi[sp]);
    a.cell_lo[sp + 1].copy(a.cell_lo[sp]);
    a.cell_hi[sp + 1].copy(a.cell_hi[sp]);
    const Words from = a.mask[sp], to = a.mask[sp + 1];
    const Wholes word = a.word;
    const Whole n_words = a.ints[WORDS];
    for (Whole k = 0; k < n_words; ++k) to[word[k]] = from[word[k]];
    // Depth first into the cheaper half: the first answers are cheap, and what they exclude is much.
    const bool near_is_low = a.at[column] < edge;
    const Whole low = near_is_low ? sp + 1 : sp, high = near_is_low ? sp : sp + 1;
    a.hi[low][column] = edge - 1;
    a.lo[high][column] = edge;
    // Rules that do not read this column have been applied to the whole box already.
    a.moved[low] = a.moved[high] = bit(column);
    a.ints[SP] = sp + 2;
}

// Columns of what is no cut: no row in the target is in the box, or it has become smaller.
inline constexpr Whole NOTHING = -2;
inline constexpr Whole SMALLER = -3;

// What becomes of a box.
enum class Outcome { closed, cut, waits, again };

// Look into the box at ``sp``, which is the cheapest row of `a.at` and what it costs, after trees and
// rules have let it be; where it is to be cut, if at all. ``outward`` says where, if the row is outside of
// the target.
template <class Outward>
Outcome judge(
    const Tables& t, const Question& q, const Arena& a, Whole sp, double cost, Cut& cut,
    const Outward& outward
) {
    Score score = corner_score(t, q, a, sp);
    if (score == Score::outside) {
        // Go where the trees gain most.
        cut = outward(sp);
        if (cut.column == NOTHING) return Outcome::closed;
        if (cut.column == SMALLER) return Outcome::again;
        // In exact numbers some tree always gains here; no box may be dropped for rounding.
        if (cut.column < 0) cut = any_cut(t, q, a, sp);
        return Outcome::cut;
    }
    // Rules are asked of the corner only once the trees let it through: few corners get so far.
    if (const Whole broken = broken_rule(q, ALL, a.at); broken >= 0) {
        cut = rule_cut(q, a, sp, broken);
        return Outcome::cut;
    }
    if (const Whole fragile = is_fragile(a, a.at, a.at); fragile >= 0) {
        cut = fragile_cut(q, a, sp, fragile);
        return Outcome::cut;
    }
    if (score == Score::in_doubt || q.is_robust()) {
        if (is_refused(a)) {
            // The caller has said no to this very row, and the box came back: cut beside it. Refused
            // and in no fragile box: survival was left undecided, and the proof's bound knows it.
            cut = q.is_robust() ? any_cut(t, q, a, sp) : other_leaves_cut(t, q, a, sp);
            return Outcome::cut;
        }
        // Of merged tables the caller has to ask those of the whole model.
        if (!q.is_robust() || a.ints[UNMERGED] == 0 || a.fragile_lo.size() == 0) return Outcome::waits;
        switch (survives(t, q, a, a.at, sp + 1)) {
            case UNDECIDED:
                return Outcome::waits;
            case FAILS:
                cut = fragile_cut(q, a, sp, note_failed(a, a.lo[sp + 1], a.hi[sp + 1]));
                return Outcome::cut;
            case SURVIVES:
                break;
        }
    }
    // The corner is the cheapest row of the box, so nothing else in it is worth a look.
    a.floats[BEST] = cost;
    a.ints[HAS_BEST] = 1;
    a.best.copy(a.at);
    return Outcome::closed;
}

// Open up to ``max_nodes`` boxes of the stack. ``shrunk`` cuts the box at a place of the stack by all
// that is cheap, puts its cheapest corner into `a.at` and gives that corner's cost, infinity for a box
// that is closed; ``fails`` says whether no row of it survives the sensors, as far as is known;
// ``judged`` looks into it, as `judge` does.
template <class Shrink, class Fails, class Judge>
Status open_boxes(
    const Tables& t, const Question& q, const Arena& a, Whole max_nodes, const Shrink& shrunk,
    const Fails& fails, const Judge& judged
) {
    for (Whole node = 0; node < max_nodes; ++node) {
        if (a.ints[SP] == 0) return DONE;
        const Whole sp = --a.ints[SP];
        ++a.ints[NODES];
        const double best = a.floats[BEST];
        // A better row narrows what every box on the stack may reach: noted once, not box by box.
        if (best < a.floats[FLOOR]) {
            a.floats[FLOOR] = best;
            lessen_reach(a, best);
            // A row that is no answer may reach a leaf that was struck off: a tree with one leaf left is
            // then not decided.
            if (a.ints[STRUCK] == 0) note_undecided(t, a);
        }
        // Cost and rules before trees: they are cheap, and every cell that they cut saves an AND.
        const double cost = shrunk(sp, best);
        if (cost == INFINITE) continue;
        narrow_masks(t, q, a, sp);
        if (!lower_bound(t, q, a, sp)) continue;
        if (fails(sp)) continue;
        Cut cut;
        const Outcome outcome = judged(sp, cost, cut);
        if (outcome == Outcome::waits) {
            // The box stays open: if the row is taken its cost closes the box, else the box is cut.
            a.ints[SP] = sp + 1;
            a.floats[WAITING] = cost;
            return VERDICT;
        }
        if (outcome == Outcome::again) {
            a.ints[SP] = sp + 1;
            continue;
        }
        // What cannot be cut is one row, or rows that all fail by what the corner fails by.
        if (outcome == Outcome::closed || cut.column < 0) continue;
        // Nothing may be dropped: the caller goes on with the open boxes by another way.
        if (sp + 2 > a.stack()) {
            a.ints[SP] = sp + 1;
            return FULL;
        }
        push_halves(a, sp, cut);
    }
    return a.ints[SP] == 0 ? DONE : MORE;
}

// The box at ``sp``, cut by costs and rules; the cost of its cheapest corner, infinity if it is closed.
inline double shrunk_cost(const Question& q, const Arena& a, Whole sp, double best) {
    const double cost = shrink(q, best, a.moved[sp], a.lo[sp], a.hi[sp], a.at);
    // A box inside one of `fragile` has no row that survives.
    return cost < INFINITE && is_fragile(a, a.lo[sp], a.hi[sp]) >= 0 ? INFINITE : cost;
}

// Whether no row of the box at ``sp`` survives the sensors, as far as is known.
inline bool fail_at(const Tables& t, const Question& q, const Arena& a, Whole sp) {
    return all_fail(t, q, a, [&](Whole j, Whole toward) {
        return read_cells(t, q, j, a.lo[sp][j], a.hi[sp][j], toward);
    });
}

inline Status search(const Tables& t, const Question& q, const Arena& a, Whole max_nodes) {
    const auto shrunk = [&](Whole sp, double best) { return shrunk_cost(q, a, sp, best); };
    const auto fails = [&](Whole sp) { return fail_at(t, q, a, sp); };
    const auto outward = [&](Whole) { return best_cut(t, q, a); };
    const auto judged = [&](Whole sp, double cost, Cut& cut) {
        return judge(t, q, a, sp, cost, cut, outward);
    };
    return open_boxes(t, q, a, max_nodes, shrunk, fails, judged);
}

// Put one box on the stack; only what is cheaper than ``best`` is looked for in it.
inline void start(
    const Tables& t, const Question& q, const Arena& a, double best, Wholes lo, Wholes hi
) {
    a.floats[BEST] = a.floats[FLOOR] = best;
    // What is known of fragile rows holds for the question, not for one box, so it stays.
    a.ints[SP] = a.ints[NODES] = a.ints[REFUSED] = a.ints[HAS_BEST] = a.ints[STRUCK] = 0;
    a.ints[WORDS] = t.n_words();
    a.lo[0].copy(lo);
    a.hi[0].copy(hi);
    for (Whole j = 0; j < a.n_features(); ++j) {
        // As if the masks were of the whole axes: `narrow_masks` then sees every bound that moved.
        a.cell_lo[0][j] = 0;
        a.cell_hi[0][j] = static_cast<Cell>(t.count(j) - 1);
    }
    for (Whole w = 0; w < t.n_words(); ++w) a.word[w] = w;
    a.mask[0].copy(t.full);
    a.moved[0] = ALL;
    a.floats[CORNER] = shrink(q, best, a.moved[0], a.lo[0], a.hi[0], a.corner);
    if (a.floats[CORNER] == INFINITE) return;
    // The rules have just been applied.
    a.moved[0] = 0;
    // The masks first: the leaves that they leave are those whose costs are noted.
    narrow_masks(t, q, a, 0);
    note_reach(t, q, a, best);
    note_undecided(t, a);
    a.ints[SP] = 1;
}

// Least cost that an unopened box could still have, infinity if there is none.
inline double open_bound(const Question& q, const Arena& a) {
    double least = INFINITE;
    // Boxes on the stack may not be cut yet; their cheapest corner is a bound all the same.
    for (Whole sp = 0; sp < a.ints[SP]; ++sp) least = std::min(least, least_cost(q, a.lo[sp], a.hi[sp]));
    return least;
}

}  // namespace ifonly
