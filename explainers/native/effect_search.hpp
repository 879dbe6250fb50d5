// Branch and bound where other features follow from what is set.
//
// The search of kernel.hpp, depth first on the same tables. Of a box of settings the causal model
// bounds what follows; these bounds are positions of the boxes on the stack like any other, so they
// narrow with their box and the masks with them. Only what is set is cut. A row of which anything is in
// doubt waits for the caller's word (VERDICT).
#pragma once

#include <vector>

#include "following.hpp"
#include "primal_heuristic.hpp"

namespace ifonly {

// The middle of what the box holds of an axis.
inline Cut halving(Whole column, Wholes lo, Wholes hi) {
    if (column < 0) return {};
    return {column, (lo[column] + hi[column] + 1) >> 1};
}

inline constexpr Whole SLICES = 16;

// A cut of what is set: the cut itself, or where it is of what follows, of what that follows from.
inline Cut of_what_is_set(Following& f, Cut cut, Wholes at, Wholes lo, Wholes hi) {
    if (cut.column >= 0 && f.q.counts[cut.column] == 0) {
        const Whole column = f.instead(cut.column, lo, hi);
        if (column < 0) return {};
        // Where it passes the edge, if that is well inside: a slice at an end tells too little.
        const Whole margin = (hi[column] - lo[column]) / SLICES;
        const Whole edge =
            f.crossing(column, cut.column, value_at(f.q, cut.column, cut.edge), at, lo, hi);
        const bool inside = lo[column] + margin < edge && edge <= hi[column] - margin;
        return inside ? Cut{column, edge} : halving(column, lo, hi);
    }
    const bool inside = cut.column >= 0 && lo[cut.column] < cut.edge && cut.edge <= hi[cut.column];
    // No tree gains: cut the widest, as bounds of what follows tighten with the box.
    return inside ? cut : halving(f.widest(lo, hi), lo, hi);
}

// Whether what follows is in a few cells at most. Where such an edge runs through a box of settings, a
// box is as many small ones as a fine grid has values along it: whatever else tells its rows apart is
// to be cut first. Two thresholds that float32 hardly tells apart have a cell of their own between.
inline constexpr Whole MOST_STRADDLED = 4;
inline bool straddles(const Arena& a, Whole sp, Whole follower) {
    return a.cell_hi[sp][follower] - a.cell_lo[sp][follower] < MOST_STRADDLED;
}

// Whether a row of the box may be in the target, with what follows in one cell after the other: no row
// reaches leaves on both sides of an edge, and no box is so small that it has no edge in it.
inline bool may_reach(const Tables& t, const Question& q, const Arena& a, Whole sp, Whole follower) {
    const Words mask = a.mask[sp];
    const auto reaches = [&](Words up, Words down) {
        for (Whole g = 0; g < q.n_goals(); ++g) {
            double total = a.base[g];
            for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
                const Whole tree = a.tree[i];
                Whole least = -1;
                for (Whole w = t.words[tree]; w < t.words[tree + 1] && least < 0; ++w) {
                    const Word word = mask[w] & up[w] & down[w];
                    if (word != 0) least = w * 64 + lowest_bit(word);
                }
                // No row of the box has what follows in this cell.
                if (least < 0) return false;
                total += t.value[least];
            }
            if (total > q.limit[g] + q.band[g]) return false;
        }
        return true;
    };
    for (Whole cell = a.cell_lo[sp][follower]; cell <= a.cell_hi[sp][follower]; ++cell) {
        const Whole at = t.cells[follower] + cell;
        if (reaches(t.at_most[at], t.at_least[at])) return true;
    }
    return false;
}

// The cut of what is set that promises most, once `best_cut` has noted what each gains.
inline Cut best_lever_cut(const Tables& t, const Question& q, const Arena& a) {
    double most = 0.0;
    Cut cut;
    for (Whole j = 0; j < q.n_features(); ++j) {
        if (q.counts[j] == 0) continue;
        for (Whole side = 0; side < 2; ++side) {
            if (a.gain[j][side] <= most) continue;
            most = a.gain[j][side];
            // Above the leaf's last cell, or from its first.
            cut = {j, a.edge[j][side] + (side == 0 ? 1 : 0)};
        }
    }
    if (cut.column >= 0) cut.edge = first_in(t, q, cut.column, cut.edge);
    return cut;
}

// As `judge`, of a box whose corner is in `a.at`.
inline Outcome judge_effects(
    const Tables& t, const Arena& a, Following& f, Whole sp, double cost, Cut& cut
) {
    const Question& q = f.q;
    const Wholes lo = a.lo[sp], hi = a.hi[sp], at = a.at;
    const auto place = f.place(t, at, lo, hi);
    if (place.impossible >= 0) {
        cut = halving(f.instead(f.e.followers[place.impossible], lo, hi), lo, hi);
        return Outcome::cut;
    }
    const Score score = corner_score(t, q, a, sp);
    if (score == Score::outside && !place.in_doubt) {
        cut = best_cut(t, q, a);
        if (cut.column >= 0 && q.counts[cut.column] == 0 && straddles(a, sp, cut.column)) {
            if (!may_reach(t, q, a, sp, cut.column)) return Outcome::closed;
            const Cut other = best_lever_cut(t, q, a);
            if (other.column >= 0) cut = other;
        }
        cut = of_what_is_set(f, cut, at, lo, hi);
        return Outcome::cut;
    }
    // Nothing follows from this row: it was searched with all of its kind.
    if (!f.opens(at)) {
        for (const Whole j : f.e.openers) {
            if (lo[j] < hi[j]) {
                cut = {j, at[j] > lo[j] ? at[j] : at[j] + 1};
                break;
            }
        }
        return Outcome::cut;
    }
    // Rows that reach the corner's leaves have its score: all of them are outside.
    if (score == Score::in_doubt && !place.in_doubt && f.leaves.is_outside(t, at)) {
        cut = other_leaves_cut(t, q, a, sp);
        if (cut.column < 0) return Outcome::closed;
        cut = of_what_is_set(f, cut, at, lo, hi);
        return Outcome::cut;
    }
    // The caller has said no to this very row, or it was not sure enough: cut on.
    if (is_refused(a)) {
        if (!f.may_hold(t, lo, hi)) return Outcome::closed;
        cut = halving(f.dearest(at, lo, hi), lo, hi);
        return Outcome::cut;
    }
    bool in_doubt = place.in_doubt || score != Score::inside;
    if (const Whole broken = f.broken(at, in_doubt); broken >= 0) {
        cut = of_what_is_set(f, rule_cut(q, a, sp, broken), at, lo, hi);
        return Outcome::cut;
    }
    if (q.is_robust() && !in_doubt) {
        const Survival survival = f.survives(t, a, at, sp + 1);
        if (survival == FAILS) {
            cut = halving(f.dearest(at, lo, hi), lo, hi);
            return Outcome::cut;
        }
        in_doubt = survival == UNDECIDED;
    }
    const Trust trust = in_doubt ? Trust::in_doubt : f.trust(t, at);
    if (trust == Trust::in_doubt) return Outcome::waits;
    if (trust == Trust::fails) {
        a.refused.copy(at);
        a.ints[REFUSED] = 1;
        if (!f.may_hold(t, lo, hi)) return Outcome::closed;
        cut = halving(f.dearest(at, lo, hi), lo, hi);
        return Outcome::cut;
    }
    // The corner is the cheapest row of the box, so nothing else in it is worth a look.
    a.floats[BEST] = cost;
    a.ints[HAS_BEST] = 1;
    a.best.copy(at);
    return Outcome::closed;
}

// Rounds of cutting a box by what follows, and by rules that read it.
inline constexpr int ROUNDS = 4;

// As `shrink`, with what follows.
inline double shrink_effects(
    Following& f, double best, Whole moved, Wholes lo, Wholes hi, Wholes at
) {
    const Question& q = f.q;
    double cost = INFINITE;
    for (int round = 0; round < ROUNDS; ++round) {
        cost = shrink(q, best, moved, lo, hi, at);
        moved = 0;
        if (cost == INFINITE || !f.narrow(lo, hi, moved) || !f.may_open(lo, hi)) return INFINITE;
        bool is_read = false;
        for (Whole r = 0; r < q.rules.size(); ++r) is_read = is_read || (q.rules.touched[r] & moved) != 0;
        if (!is_read) break;
    }
    return cost;
}

// As `search`, where other features follow from what is set.
inline Status search_effects(const Tables& t, const Arena& a, Following& f, Whole max_nodes) {
    const auto shrunk = [&](Whole sp, double best) {
        return shrink_effects(f, best, a.moved[sp], a.lo[sp], a.hi[sp], a.at);
    };
    const auto judged = [&](Whole sp, double cost, Cut& cut) {
        return judge_effects(t, a, f, sp, cost, cut);
    };
    const auto fails = [&](Whole sp) { return f.all_fail(t, a, a.lo[sp], a.hi[sp]); };
    return open_boxes(t, f.q, a, max_nodes, shrunk, fails, judged);
}

// Whether the action at positions ``at`` would do; ``at`` gets what follows.
inline Verdict judge_action(const Tables& t, const Arena& a, Following& f, Wholes at) {
    const Question& q = f.q;
    // Rules apart: those that read what follows need more than one position.
    if (!allowed(q, 0, at)) return FAILED;
    const auto place = f.place(t, at, q.least, q.most);
    if (place.impossible >= 0) return FAILED;
    bool in_doubt = place.in_doubt;
    if (f.broken(at, in_doubt) >= 0) return FAILED;
    if (in_doubt) return IN_DOUBT;
    const Score score = f.leaves.score(t, at, at);
    if (score != Score::inside) return score == Score::outside ? FAILED : IN_DOUBT;
    if (q.is_robust()) {
        const Survival survival = f.survives(t, a, at, 0);
        if (survival != SURVIVES) return survival == FAILS ? FAILED : IN_DOUBT;
    }
    // Where nothing follows no mechanism is in doubt.
    if (!f.opens(at)) return HOLDS;
    const Trust trust = f.trust(t, at);
    return trust == Trust::holds ? HOLDS : trust == Trust::fails ? FAILED : IN_DOUBT;
}

// Values that are judged at once, at first and at most; as much work as some four one by one.
inline constexpr Whole FIRST_JUDGED = 8, MOST_JUDGED = 128;

// What is known of the actions with some values of ``column`` in the place of that in ``at``, up to the
// first that will not do; FAILED beyond.
inline void judge_along(
    const Tables& t, const Arena& a, Following& f, Wholes at, Whole column, Wholes positions, Bytes out
) {
    out.fill(FAILED);
    std::vector<Whole> lo(at.begin(), at.end()), hi(lo);
    Whole at_once = FIRST_JUDGED, one_by_one = 1;
    for (Whole i = 0; i < positions.size();) {
        const Whole last = i + at_once - 1;
        const bool run = one_by_one <= 0 && last < positions.size() &&
                         std::abs(positions[last] - positions[i]) == at_once - 1;
        if (run) {
            lo[static_cast<std::size_t>(column)] = std::min(positions[i], positions[last]);
            hi[static_cast<std::size_t>(column)] = std::max(positions[i], positions[last]);
            if (f.must_hold(t, a, {lo.data(), at.size()}, {hi.data(), at.size()}, column)) {
                for (; i <= last; ++i) out[i] = HOLDS;
                at_once = std::min(2 * at_once, MOST_JUDGED);
                continue;
            }
            one_by_one = at_once;
            at_once = FIRST_JUDGED;
        }
        a.trial.copy(at);
        a.trial[column] = positions[i];
        out[i] = judge_action(t, a, f, a.trial);
        if (out[i] == FAILED) return;
        ++i;
        --one_by_one;
    }
}

// Put one box on the stack, as `start`.
inline void start_effects(
    const Tables& t, const Arena& a, Following& f, double best, Wholes lo, Wholes hi
) {
    const Question& q = f.q;
    a.lo[0].copy(lo);
    a.hi[0].copy(hi);
    // What follows first, so that what is noted of the whole is as tight as can be.
    Whole moved = 0;
    const bool is_open = f.narrow(a.lo[0], a.hi[0], moved);
    start(t, q, a, best, a.lo[0], a.hi[0]);
    if (!is_open) a.ints[SP] = 0;
}

}  // namespace ifonly
