// A first answer before the search: exact moves of one lever at a time.
//
// Along a line on which one feature moves and the others stand still, only the leaves that hold the
// others' values matter; adding each leaf's value over the interval that it spans gives the score at
// every cell of the line. The best single move of every lever, exact, costs little more than one
// scoring of the ensemble.
#pragma once

#include "kernel.hpp"

namespace ifonly {

// A row's verdict; 0: it does not do.
enum Verdict : Byte { FAILED, HOLDS, IN_DOUBT };

// Sum of goal ``g`` at every cell of feature ``j``, over the leaves in its ``line_mask``.
inline void sum_line(const Tables& t, const Arena& a, Whole g, Whole j) {
    const Whole start = t.cells[j], end = t.cells[j + 1];
    const Reals total = a.totals[g];
    const Words mask = a.line_mask[j];
    for (Whole cell = start; cell < end; ++cell) total[cell] = 0.0;
    total[start] = t.constant[g];
    const Whole last = t.words[t.groups[g + 1]];
    for (Whole w = t.words[t.groups[g]]; w < last; ++w) {
        for (Word left = mask[w]; left != 0; left = without_lowest(left)) {
            const Whole leaf = w * 64 + lowest_bit(left);
            // Added where the leaf's interval begins, taken off behind its end: the running sum below
            // is then the score at each cell, in one pass.
            total[start + t.leaf_lo[leaf][j]] += t.value[leaf];
            const Whole after = start + t.leaf_hi[leaf][j] + 1;
            if (after < end) total[after] -= t.value[leaf];
        }
    }
    for (Whole cell = start + 1; cell < end; ++cell) total[cell] += total[cell - 1];
}

// Sum of every goal at every cell of the lines through ``at``, into ``totals``, of those that lead
// anywhere.
inline void sum_lines(const Tables& t, const Question& q, const Arena& a, Wholes at) {
    const Whole n = at.size();
    const Words running = a.corner_mask;
    const Whole n_words = running.size();
    // Two passes: the AND over all features before `j`, then over all behind it. So each feature is
    // left out in turn at two ANDs, not one for every other feature.
    running.copy(t.full);
    for (Whole j = 0; j < n; ++j) {
        const Whole row = t.cells[j] + cell_at(t, q, j, at[j]);
        const Words up = t.at_most[row], down = t.at_least[row], mask = a.line_mask[j];
        for (Whole w = 0; w < n_words; ++w) {
            mask[w] = running[w];
            running[w] &= up[w] & down[w];
        }
    }
    running.copy(t.full);
    for (Whole j = n - 1; j >= 0; --j) {
        const Whole row = t.cells[j] + cell_at(t, q, j, at[j]);
        const Words up = t.at_most[row], down = t.at_least[row], mask = a.line_mask[j];
        for (Whole w = 0; w < n_words; ++w) {
            mask[w] &= running[w];
            running[w] &= up[w] & down[w];
        }
    }
    for (Whole g = 0; g < q.n_goals(); ++g) {
        for (Whole j = 0; j < n; ++j) {
            if (q.size[j] > 1) sum_line(t, a, g, j);
        }
    }
}

// Sum of every goal at every cell of the line of ``column`` through ``at``.
inline void sum_line_of(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column
) {
    const Words mask = a.line_mask[column];
    mask.copy(t.full);
    for (Whole j = 0; j < at.size(); ++j) {
        if (j == column) continue;
        const Whole row = t.cells[j] + cell_at(t, q, j, at[j]);
        const Words up = t.at_most[row], down = t.at_least[row];
        for (Whole w = 0; w < mask.size(); ++w) mask[w] &= up[w] & down[w];
    }
    for (Whole g = 0; g < q.n_goals(); ++g) sum_line(t, a, g, column);
}

// How far the sums of the row at ``at`` are above their limits, the worst of them.
inline double over_limit(const Tables& t, const Question& q, const Arena& a, Wholes at) {
    // Any line through the row has its sum; that of feature 0 will do.
    sum_line_of(t, q, a, at, 0);
    double worst = -INFINITE;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        worst = std::max(worst, a.totals[g][cell_at(t, q, 0, at[0])] - q.limit[g]);
    }
    return worst;
}

// What the sums of ``column``'s line say of the row at ``trial``.
inline Verdict verdict_at(
    const Tables& t, const Question& q, const Arena& a, Wholes trial, Whole column
) {
    const Whole cell = t.cells[column] + cell_at(t, q, column, trial[column]);
    Verdict found = HOLDS;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        const double over = a.totals[g][cell] - q.limit[g];
        if (over > q.band[g]) return FAILED;
        if (over >= -q.band[g]) found = IN_DOUBT;
    }
    // Rules last; only those that read the moved feature can have changed.
    return allowed(q, bit(column), trial) ? found : FAILED;
}

// Along the line of ``column`` through ``at``, which holds: the verdict on each value, FAILED from the
// first on that does not hold.
inline void hold_around(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Bytes out
) {
    sum_line_of(t, q, a, at, column);
    const Wholes trial = a.trial;
    trial.copy(at);
    out.fill(FAILED);
    // The answer itself was verified.
    out[at[column]] = HOLDS;
    for (const Whole step : {-1, 1}) {
        for (Whole p = at[column] + step; 0 <= p && p < q.size[column]; p += step) {
            trial[column] = p;
            out[p] = verdict_at(t, q, a, trial, column);
            if (out[p] == FAILED) break;
        }
    }
}

// The verdicts on some values of ``column`` in the place of that at ``at[column]``.
inline void hold_at(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Wholes positions,
    Bytes out
) {
    sum_line_of(t, q, a, at, column);
    const Wholes trial = a.trial;
    trial.copy(at);
    for (Whole i = 0; i < positions.size(); ++i) {
        trial[column] = positions[i];
        out[i] = verdict_at(t, q, a, trial, column);
    }
}

// How far a cell of a line is from the target; 0 inside, rounding aside.
inline double missing_by(const Question& q, const Arena& a, Whole cell) {
    double over = 0.0;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        // Beyond the band, so that what is found holds whatever the rounding.
        over = std::max(over, a.totals[g][cell] - (q.limit[g] - q.band[g]));
    }
    return over;
}

// Put the cheapest allowed row in the target that differs from ``at`` on one feature into the arena's
// ``best``, if it is cheaper than ``best``; return the lesser of the two costs.
inline double best_move(const Tables& t, const Question& q, const Arena& a, Wholes at, double best) {
    const Wholes trial = a.trial;
    trial.copy(at);
    const double here = cost_of(q, at);
    for (Whole j = 0; j < at.size(); ++j) {
        if (q.size[j] < 2) continue;
        const double others = here - cost_at(q, j, at[j]);
        for (Whole own = 0; own < t.count(j); ++own) {
            const Whole first = first_in(t, q, j, own), last = first_in(t, q, j, own + 1) - 1;
            if (first > last) continue;
            const Whole p = cheapest(q, j, first, last);
            // The cheap tests first: rules are asked of few cells.
            if (others + cost_at(q, j, p) >= best) continue;
            if (missing_by(q, a, t.cells[j] + own) > 0.0) continue;
            trial[j] = p;
            if (allowed(q, ALL, trial)) {
                // Added up again in order: the difference above may be off in its last digit.
                const double exact = cost_of(q, trial);
                if (exact < best) {
                    best = exact;
                    a.best.copy(trial);
                }
            }
            trial[j] = at[j];
        }
    }
    return best;
}

// Move ``at`` along ``column`` to where it gains most for its cost, below ``best``; false if nowhere.
inline bool step_along(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, double best
) {
    const double now = missing_by(q, a, t.cells[column] + cell_at(t, q, column, at[column]));
    const double here = cost_of(q, at) - cost_at(q, column, at[column]);
    double rate = 0.0;
    Whole position = -1;
    for (Whole own = 0; own < t.count(column); ++own) {
        const Whole first = first_in(t, q, column, own), last = first_in(t, q, column, own + 1) - 1;
        if (first > last) continue;
        const double gain = now - missing_by(q, a, t.cells[column] + own);
        if (gain <= 0.0) continue;
        const Whole p = cheapest(q, column, first, last);
        const double cost = cost_at(q, column, p);
        if (here + cost >= best) continue;
        if (gain / (cost + 1e-3) > rate) {
            rate = gain / (cost + 1e-3);
            position = p;
        }
    }
    if (position < 0) return false;
    at[column] = position;
    return true;
}

// Move ``at`` on the one feature that gains most for its cost; false if none gains.
inline bool step(const Tables& t, const Question& q, const Arena& a, Wholes at) {
    double now = INFINITE;
    for (Whole j = 0; j < at.size(); ++j) {
        // The sum is the same on each line through `at`; lines are known of levers only.
        if (q.size[j] > 1) {
            now = std::min(now, missing_by(q, a, t.cells[j] + cell_at(t, q, j, at[j])));
        }
    }
    double rate = 0.0;
    Whole column = -1, position = 0;
    for (Whole j = 0; j < at.size(); ++j) {
        if (q.size[j] < 2) continue;
        for (Whole own = 0; own < t.count(j); ++own) {
            const Whole first = first_in(t, q, j, own), last = first_in(t, q, j, own + 1) - 1;
            if (first > last) continue;
            const double gain = now - missing_by(q, a, t.cells[j] + own);
            if (gain <= 0.0) continue;
            const Whole p = cheapest(q, j, first, last);
            // Cheaper and nearer at once has no price; the small term keeps the rate finite.
            const double extra = std::max(cost_at(q, j, p) - cost_at(q, j, at[j]), 0.0);
            if (gain / (extra + 1e-3) > rate) {
                rate = gain / (extra + 1e-3);
                column = j;
                position = p;
            }
        }
    }
    if (column < 0) return false;
    at[column] = position;
    return true;
}

// Positions of a good row cheaper than ``best`` into ``best`` of the arena, if one was found; the least
// of the two costs.
//
// The best single move from the row in ``at``; else greedy moves until the target is reached, then
// single moves that make the row cheaper.
inline double descend(const Tables& t, const Question& q, const Arena& a, double best) {
    const Whole n = q.n_features();
    double before = best;
    Whole steps = 0;
    // Every move costs a line for each lever, and this is only a first answer: so many will do.
    while (steps < 2 * n + 4) {
        sum_lines(t, q, a, a.at);
        best = best_move(t, q, a, a.at, before);
        if (best < before || !step(t, q, a, a.at)) break;
        ++steps;
    }
    // After greedy moves some lever may have gone too far: single moves take it back.
    while (steps > 0 && best < before) {
        before = best;
        a.at.copy(a.best);
        sum_lines(t, q, a, a.at);
        best = best_move(t, q, a, a.at, best);
    }
    return best;
}

// Single moves from the best row, and from it with one lever put back, until none helps.
inline double exchange(const Tables& t, const Question& q, const Arena& a, double best) {
    double before = INFINITE;
    while (best < before) {
        before = best;
        // -1: nothing is put back.
        for (Whole back = -1; back < q.n_features(); ++back) {
            if (back >= 0 && a.best[back] == a.corner[back]) continue;
            a.at.copy(a.best);
            if (back >= 0) a.at[back] = a.corner[back];
            sum_lines(t, q, a, a.at);
            best = best_move(t, q, a, a.at, best);
        }
    }
    return best;
}

// Each lever moved first where it gains most for its cost, and from there the best single move.
inline double pair_up(const Tables& t, const Question& q, const Arena& a, double best) {
    for (Whole j = 0; j < q.n_features(); ++j) {
        if (q.size[j] < 2) continue;
        a.at.copy(a.corner);
        sum_lines(t, q, a, a.at);
        if (!step_along(t, q, a, a.at, j, best)) continue;
        sum_lines(t, q, a, a.at);
        best = best_move(t, q, a, a.at, best);
    }
    return best;
}

// Positions of a good row into ``best`` of the arena; its cost, infinity if none was found. The best
// single move from the factual is often the optimum.
inline double find_incumbent(const Tables& t, const Question& q, const Arena& a) {
    // The factual, or where that is not allowed the cheapest value that is.
    for (Whole j = 0; j < q.n_features(); ++j) a.at[j] = cheapest(q, j, 0, q.size[j] - 1);
    a.corner.copy(a.at);
    const double found = descend(t, q, a, INFINITE);
    const double paired = pair_up(t, q, a, found);
    return paired < INFINITE ? exchange(t, q, a, paired) : paired;
}

// A row cheaper than ``best`` that lies near ``at``, if moves of single levers lead to one, into
// ``best`` of the arena; its cost. A search of the whole space has begun in the arena.
inline double reach_from(const Tables& t, const Question& q, const Arena& a, Wholes at, double best) {
    a.at.copy(at);
    const double found = descend(t, q, a, best);
    if (!(found < best)) return found;
    a.ints[HAS_BEST] = 1;
    return exchange(t, q, a, found);
}

}  // namespace ifonly
