// Boxes of positions, cut by the cost that is left, by counts and by rules.
#pragma once

#include "rules.hpp"

namespace ifonly {

// Sets of features, as bits of a word that is never negative. 62 and not 63: -1 must stay free to
// say that a box is closed.
inline constexpr Whole FEATURE_BITS = 62;
inline constexpr Whole ALL = (Whole{1} << FEATURE_BITS) - 1;
inline constexpr Whole CLOSED = -1;

// The bit of feature ``j``; of wide schemas several share one, which causes a rule to be applied too
// often, never too seldom.
inline Whole bit(Whole j) { return Whole{1} << (j % FEATURE_BITS); }

// Put the cheapest corner of a box into ``at``; its cost.
inline double corner(const Question& q, Wholes lo, Wholes hi, Wholes at) {
    double total = 0.0;
    // In schema order, as the definition of cost adds: another order could differ in the last digit.
    for (Whole j = 0; j < lo.size(); ++j) {
        at[j] = cheapest(q, j, lo[j], hi[j]);
        total += cost_at(q, j, at[j]);
    }
    return total;
}

// Hold features still where enough others must change: the features whose bounds moved, or CLOSED.
inline Whole cut_by_counts(const Question& q, Wholes lo, Wholes hi, Wholes at) {
    Whole must = 0, moved = 0;
    // The factual value costs nothing, so the corner has it wherever the box holds it: what is
    // elsewhere in the corner must change in every row of the box.
    for (Whole j = 0; j < lo.size(); ++j) must += q.counts[j] && at[j] != q.home[j];
    if (must > q.most_changes) return CLOSED;
    // Every change that is allowed is taken, so all others stay as they are.
    if (must == q.most_changes) {
        for (Whole j = 0; j < lo.size(); ++j) {
            if (q.counts[j] && at[j] == q.home[j] && lo[j] < hi[j]) {
                lo[j] = hi[j] = at[j];
                moved |= bit(j);
            }
        }
    }
    // Of each group one lever must stay; the last that still can has to.
    for (Whole s = 0; s + 1 < q.levers.size(); ++s) {
        Whole staying = 0, last = -1;
        for (Whole k = q.levers[s]; k < q.levers[s + 1]; ++k) {
            if (at[q.lever[k]] == q.home[q.lever[k]]) {
                ++staying;
                last = q.lever[k];
            }
        }
        if (staying == 0) return CLOSED;
        if (staying == 1 && lo[last] < hi[last]) {
            lo[last] = hi[last] = at[last];
            moved |= bit(last);
        }
    }
    return moved;
}

// The position nearest to ``dear`` on the way to ``near`` that costs less than ``room``; ``dear`` does
// not, ``near`` does.
inline Whole within(const Question& q, Whole j, Whole dear, Whole near, double room) {
    // A declared matrix may rise and fall along the axis, so nothing can be halved.
    if (q.table[j] >= 0) {
        const Whole step = near > dear ? 1 : -1;
        while (dear != near && cost_at(q, j, dear) >= room) dear += step;
        return dear;
    }
    while (std::abs(near - dear) > 1) {  // costs fall towards the factual
        const Whole middle = (near + dear) >> 1;
        if (cost_at(q, j, middle) >= room) {
            dear = middle;
        } else {
            near = middle;
        }
    }
    // `near` always costs less than the room, so what is cut off does not.
    return near;
}

// Cut off values that cost more than ``room`` beyond the corner's: the features whose bounds moved.
inline Whole cut_by_cost(const Question& q, double room, Wholes lo, Wholes hi, Wholes at) {
    Whole moved = 0;
    for (Whole j = 0; j < lo.size(); ++j) {
        // Costs add up, so a feature may spend what is left with all others at their cheapest.
        const double own = room + cost_at(q, j, at[j]);
        // As much as the room is too much: only cheaper rows are looked for.
        if (lo[j] < at[j] && cost_at(q, j, lo[j]) >= own) {
            lo[j] = within(q, j, lo[j], at[j], own);
            moved |= bit(j);
        }
        if (hi[j] > at[j] && cost_at(q, j, hi[j]) >= own) {
            hi[j] = within(q, j, hi[j], at[j], own);
            moved |= bit(j);
        }
    }
    return moved;
}

// Positions left on the axes that rule ``r`` reads.
inline Whole width(const Question& q, Whole r, Wholes lo, Wholes hi) {
    Whole total = 0;
    for (Whole k = q.rules.reads[r]; k < q.rules.reads[r + 1]; ++k) {
        total += hi[q.rules.read[k]] - lo[q.rules.read[k]];
    }
    return total;
}

// Apply the rules that read a feature of ``moved``: the features whose bounds moved by them, or
// CLOSED.
inline Whole cut_by_rules(const Question& q, Whole moved, Wholes lo, Wholes hi) {
    Whole now = 0;
    for (Whole r = 0; r < q.rules.size(); ++r) {
        // `now` as well: a later rule sees at once what an earlier one cut.
        if ((q.rules.touched[r] & (moved | now)) == 0) continue;
        const Whole before = width(q, r, lo, hi);
        if (!apply_rule(q, r, lo, hi)) return CLOSED;
        // Rules only cut, so the width falls if and only if something moved.
        if (width(q, r, lo, hi) < before) now |= q.rules.touched[r];
    }
    return now;
}

// Cut a box by cost, counts and rules until nothing moves, and put its cheapest corner into ``at``;
// that corner's cost, or infinity if the box is closed. ``moved`` are the features whose bounds moved
// since the rules were last applied.
inline double shrink(const Question& q, double best, Whole moved, Wholes lo, Wholes hi, Wholes at) {
    // Twelve rounds at most: a box that could be cut further is looser, never wrong.
    for (int round = 0; round < 12; ++round) {
        const double cost = corner(q, lo, hi, at);
        if (cost >= best) return INFINITE;
        const Whole by_counts = cut_by_counts(q, lo, hi, at);
        if (by_counts == CLOSED) return INFINITE;
        const Whole by_cost = cut_by_cost(q, best - cost, lo, hi, at);
        moved = cut_by_rules(q, moved | by_counts | by_cost, lo, hi);
        if (moved == CLOSED) return INFINITE;
        // A cut by cost leaves the corner where it is, so only the other two call for a new round.
        if ((by_counts | moved) == 0) return cost;
    }
    // The last round may have moved the corner.
    const double cost = corner(q, lo, hi, at);
    return cost < best ? cost : INFINITE;
}

// Whether the row at positions ``at`` keeps every count, and every rule that reads one of
// ``features``.
inline bool allowed(const Question& q, Whole features, Wholes at) {
    Whole must = 0;
    for (Whole j = 0; j < at.size(); ++j) must += q.counts[j] && at[j] != q.home[j];
    if (must > q.most_changes) return false;
    for (Whole s = 0; s + 1 < q.levers.size(); ++s) {
        bool stays = false;
        for (Whole k = q.levers[s]; k < q.levers[s + 1]; ++k) {
            stays = stays || at[q.lever[k]] == q.home[q.lever[k]];
        }
        if (!stays) return false;
    }
    // Last, because rules cost more than counting.
    return broken_rule(q, features, at) < 0;
}

}  // namespace ifonly
