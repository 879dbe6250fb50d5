// A first answer that survives the sensors, before the search: exact moves of one lever at a time.
//
// As primal_heuristic.hpp, but what is taken must survive. Outward along a line, from one value to the
// next that is in the target and in no box of `fragile`: what fails notes such a box, so few values of a
// line are asked about.
#pragma once

#include <algorithm>
#include <vector>

#include "primal_heuristic.hpp"

namespace ifonly {

// Rows of one line, and of the whole of a first answer, that are asked whether they survive.
inline constexpr Whole MOST_OF_LINE = 12, MOST_ASKED = 160;

// Outward from ``from`` along ``column`` through ``at``, by ``away`` -1 or 1: put the first row that
// costs less than ``best`` and survives into the arena's ``best``; the lesser of the two costs.
inline double surviving_outward(
    const Tables& t, const Question& q, const Arena& a, Wholes at, Whole column, Whole from, Whole away,
    double best, Whole& left
) {
    const Wholes trial = a.trial;
    trial.copy(at);
    const double others = cost_of(q, at) - cost_at(q, column, at[column]);
    Whole asked = 0;
    for (Whole p = from; 0 <= p && p < q.size[column];) {
        // Costs rise outward; those of a declared matrix need not, and its axes are short.
        if (others + cost_at(q, column, p) >= best) {
            if (q.table[column] < 0) break;
            p += away;
            continue;
        }
        const Whole cell = cell_at(t, q, column, p);
        trial[column] = p;
        if (missing_by(q, a, t.cells[column] + cell) > 0.0 || !allowed(q, ALL, trial)) {
            p = away > 0 ? first_in(t, q, column, cell + 1) : first_in(t, q, column, cell) - 1;
            continue;
        }
        Whole fragile = is_fragile(a, trial, trial);
        if (fragile < 0) {
            if (asked == MOST_OF_LINE || left == 0) break;
            ++asked;
            --left;
            const Survival found = survives(t, q, a, trial, 0);
            if (found == SURVIVES) {
                // Added up again in order: the difference above may be off in its last digit.
                const double exact = cost_of(q, trial);
                if (!(exact < best)) break;
                a.best.copy(trial);
                return exact;
            }
            if (found == UNDECIDED) break;
            fragile = note_failed(a, a.lo[0], a.hi[0]);
        }
        const Whole end = away > 0 ? a.fragile_hi[fragile][column] : a.fragile_lo[fragile][column];
        p = away * (end - p) >= 0 ? end + away : p + away;
    }
    return best;
}

// As `best_move`, among the rows that survive.
inline double best_surviving_move(
    const Tables& t, const Question& q, const Arena& a, Wholes at, double best, Whole& left
) {
    for (Whole j = 0; j < at.size(); ++j) {
        if (q.size[j] < 2) continue;
        const Whole from = cheapest(q, j, 0, q.size[j] - 1);
        best = surviving_outward(t, q, a, at, j, from, 1, best, left);
        best = surviving_outward(t, q, a, at, j, from - 1, -1, best, left);
    }
    return best;
}

// Positions of a good row that survives into ``best`` of the arena; its cost, infinity if none was found.
// ``guess``: cost of the row in the target, whatever the sensors make of it, that is in ``best`` already;
// infinity if there is none. The cheapest corner is in ``corner``.
inline double find_surviving(const Tables& t, const Question& q, const Arena& a, double guess) {
    // Merged tables know nothing of readings.
    if (a.ints[UNMERGED] == 0 || a.fragile_lo.size() == 0) return INFINITE;
    Whole left = MOST_ASKED;
    double best = INFINITE;
    const auto around = [&]() {
        sum_lines(t, q, a, a.at);
        best = best_surviving_move(t, q, a, a.at, best, left);
    };
    // From the row in ``best``, and from it with one lever put back.
    std::vector<Whole> from(static_cast<std::size_t>(q.n_features()));
    const auto exchange = [&]() {
        std::copy(a.best.begin(), a.best.end(), from.begin());
        for (Whole back = -1; back < q.n_features(); ++back) {
            if (back >= 0 && from[static_cast<std::size_t>(back)] == a.corner[back]) continue;
            std::copy(from.begin(), from.end(), a.at.begin());
            if (back >= 0) a.at[back] = a.corner[back];
            around();
        }
    };
    if (guess < INFINITE) exchange();
    for (Whole j = 0; j < q.n_features(); ++j) {
        if (q.size[j] < 2) continue;
        a.at.copy(a.corner);
        sum_lines(t, q, a, a.at);
        if (step_along(t, q, a, a.at, j, best)) around();
    }
    for (double before = INFINITE; best < before && left > 0;) {
        before = best;
        exchange();
    }
    return best;
}

}  // namespace ifonly
