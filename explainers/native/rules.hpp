// Rules over boxes of positions: what they cut off, and whether one row keeps them.
#pragma once

#include <algorithm>
#include <cmath>

#include "cells.hpp"

namespace ifonly {

enum Truth : Whole { NEVER, ALWAYS, SOMETIMES };
enum Kind : Whole { COMPARISON, CHANGES, MEMBER, CONSTANT, KINDS };
enum Relation : Whole { LE, LT, GE, GT, EQ, NE, RELATIONS };

// Slack of a comparison, relative to the size of its terms; as `ifonly.explainers.space.TOLERANCE`.
inline constexpr double TOLERANCE = 1e-12;

// The total of a comparison over a box, and the margin for rounding.
struct Hull {
    double low;
    double high;
    double margin;
};

inline Hull hull(const Question& q, Whole c, Wholes lo, Wholes hi) {
    double low = q.rules.fixed[c], high = low, size = q.rules.fixed_size[c];
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        const Whole j = q.rules.term_column[k];
        const double w = q.rules.term_weight[k];
        const double x = w * value_at(q, j, lo[j]), y = w * value_at(q, j, hi[j]);
        low += std::min(x, y);
        high += std::max(x, y);
        size += std::max(std::abs(x), std::abs(y));
    }
    // Twice the slack of `true_at`, as the terms of a row may be rounded otherwise than the ends.
    return {low, high, 2.0 * TOLERANCE * std::max(size, 1.0)};
}

// 0: comparison ``c`` reads no missing value in the box, 1: it may, 2: it must.
inline int missing(const Question& q, Whole c, Wholes lo, Wholes hi) {
    int found = 0;
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        const Whole j = q.rules.term_column[k];
        // A missing value is last on its axis.
        if (std::isnan(value_at(q, j, hi[j]))) found = std::max(found, lo[j] == hi[j] ? 2 : 1);
    }
    return found;
}

// Whether the category at position ``p`` is one of those of condition ``c``.
inline bool is_member(const Question& q, Whole c, Whole j, Whole p) {
    const double code = value_at(q, j, p);
    if (std::isnan(code)) return false;
    // Not checked beforehand: the codes are the question's, the members the policy's.
    const Whole beyond = q.rules.member.size() - q.rules.flag[c];
    require(0.0 <= code && code < static_cast<double>(beyond), "a category that no rule knows");
    return q.rules.member[q.rules.flag[c] + static_cast<Whole>(code)] == 1;
}

inline Truth truth_of_comparison(const Question& q, Whole c, Wholes lo, Wholes hi) {
    // What reads a missing value is not true (`Condition.true`).
    if (const int found = missing(q, c, lo, hi)) return found == 2 ? NEVER : SOMETIMES;
    const auto [low, high, margin] = hull(q, c, lo, hi);
    switch (q.rules.flag[c]) {
        // A strict and a loose comparison differ within the margin only, where neither is certain.
        case LE:
        case LT:
            return high < -margin ? ALWAYS : low > margin ? NEVER : SOMETIMES;
        case GE:
        case GT:
            return low > margin ? ALWAYS : high < -margin ? NEVER : SOMETIMES;
        default: break;
    }
    const bool apart = low > margin || high < -margin;
    // Never ALWAYS: that needs one total, and one row is decided by `true_at`.
    if (q.rules.flag[c] == EQ) return apart ? NEVER : SOMETIMES;
    return apart ? ALWAYS : SOMETIMES;
}

// What is known of condition ``c`` over the whole box.
inline Truth truth(const Question& q, Whole c, Wholes lo, Wholes hi) {
    const Whole kind = q.rules.kind[c];
    if (kind == CONSTANT) return q.rules.flag[c] == ALWAYS ? ALWAYS : NEVER;
    if (kind == COMPARISON) return truth_of_comparison(q, c, lo, hi);
    const Whole j = q.rules.column[c];
    if (kind == CHANGES) {
        const bool does = q.rules.flag[c] != 0;
        const bool inside = lo[j] <= q.home[j] && q.home[j] <= hi[j];
        if (!inside) return does ? ALWAYS : NEVER;
        if (lo[j] == hi[j]) return does ? NEVER : ALWAYS;
        return SOMETIMES;
    }
    Whole members = 0;
    for (Whole p = lo[j]; p <= hi[j]; ++p) members += is_member(q, c, j, p);
    if (members == 0) return NEVER;
    return members == hi[j] - lo[j] + 1 ? ALWAYS : SOMETIMES;
}

// Whether condition ``c`` is true of the row at positions ``at``; as `Condition.true`.
inline bool true_at(const Question& q, Whole c, Wholes at) {
    const Whole kind = q.rules.kind[c];
    if (kind == CONSTANT) return q.rules.flag[c] == ALWAYS;
    if (kind == CHANGES) {
        const Whole j = q.rules.column[c];
        return (at[j] != q.home[j]) == (q.rules.flag[c] == 1);
    }
    if (kind == MEMBER) return is_member(q, c, q.rules.column[c], at[q.rules.column[c]]);
    double total = q.rules.fixed[c], size = q.rules.fixed_size[c];
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        const Whole j = q.rules.term_column[k];
        const double term = q.rules.term_weight[k] * value_at(q, j, at[j]);
        total += term;
        size += std::abs(term);
    }
    // A missing value makes the total one as well, and no comparison with it is true.
    const double slack = TOLERANCE * std::max(size, 1.0);
    switch (q.rules.flag[c]) {
        case LE: return total <= slack;
        case LT: return total < -slack;
        case GE: return total >= -slack;
        case GT: return total > slack;
        case EQ: return std::abs(total) <= slack;
        default: return std::abs(total) > slack;
    }
}

// First position of ``low..high`` whose value is at least ``limit``, or ``high + 1``.
inline Whole first_at_least(const Question& q, Whole j, double limit, Whole low, Whole high) {
    while (low <= high) {
        const Whole middle = (low + high) >> 1;
        if (value_at(q, j, middle) >= limit) {
            high = middle - 1;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

// Cut the box by ``sign * total <= 0``; false if nothing is left.
inline bool bound_total(const Question& q, Whole c, double sign, Wholes lo, Wholes hi) {
    // Both are of the box as it came; cuts below only make them more careful.
    const double margin = hull(q, c, lo, hi).margin;
    double least = 0.0;
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        const Whole j = q.rules.term_column[k];
        const double w = sign * q.rules.term_weight[k];
        least += std::min(w * value_at(q, j, lo[j]), w * value_at(q, j, hi[j]));
    }
    // What one term may be above its least while all others are at theirs.
    const double room = margin - sign * q.rules.fixed[c] - least;
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        const Whole j = q.rules.term_column[k];
        const double w = sign * q.rules.term_weight[k];
        const double low = value_at(q, j, lo[j]), high = value_at(q, j, hi[j]);
        const Whole beside = q.counts[j] ? 0 : 1;  // what follows may lie between two positions
        double limit = (room + std::min(w * low, w * high)) / w;
        // Outward, by more than the division and the sums before it can round.
        limit += TOLERANCE * std::max(1.0, std::abs(limit)) * (w > 0 ? 1.0 : -1.0);
        if (w > 0) {
            if (high > limit) {
                // The first value above the limit; the one before it is the last that may stay.
                const double above = std::nextafter(limit, INFINITE);
                const Whole first = first_at_least(q, j, above, lo[j], hi[j]);
                hi[j] = std::min(hi[j], first - 1 + beside);
            }
        } else if (low < limit) {
            lo[j] = std::max(lo[j], first_at_least(q, j, limit, lo[j], hi[j]) - beside);
        }
        if (lo[j] > hi[j]) return false;
    }
    return true;
}

// Cut the box to where condition ``c`` is true, or where it is ``negated``; false if nothing is left.
inline bool require_condition(const Question& q, Whole c, bool negated, Wholes lo, Wholes hi) {
    const Truth known = truth(q, c, lo, hi);
    if (known != SOMETIMES) return (known == ALWAYS) != negated;
    const Whole kind = q.rules.kind[c];
    if (kind == COMPARISON) {
        // A missing value among numbers: the box is no interval of what makes the condition true.
        if (missing(q, c, lo, hi)) return true;
        constexpr Relation opposite[] = {GT, GE, LT, LE, NE, EQ};  // of LE, LT, GE, GT, EQ, NE
        Whole relation = q.rules.flag[c];
        if (negated) relation = opposite[relation];
        const bool is_upper = relation == LE || relation == LT || relation == EQ;
        if (is_upper && !bound_total(q, c, 1.0, lo, hi)) return false;
        if (relation == GE || relation == GT || relation == EQ) {
            return bound_total(q, c, -1.0, lo, hi);
        }
        // What is left is "not equal", which takes a single value out of the middle.
        return true;
    }
    const Whole j = q.rules.column[c];
    if (kind == CHANGES) {
        const Whole home = q.home[j];
        if ((q.rules.flag[c] == 1) == negated) {
            lo[j] = hi[j] = home;
        } else if (!q.counts[j]) {
            // What follows lies between positions: the box may not lose the one nearest to home.
            return true;
        } else if (lo[j] == home) {  // boxes are intervals: home can be taken off an end only
            lo[j] += 1;
        } else if (hi[j] == home) {
            hi[j] -= 1;
        }
        return lo[j] <= hi[j];
    }
    while (lo[j] <= hi[j] && is_member(q, c, j, lo[j]) == negated) lo[j] += 1;
    while (lo[j] <= hi[j] && is_member(q, c, j, hi[j]) == negated) hi[j] -= 1;
    return lo[j] <= hi[j];
}

// Cut the box by one rule; false if nothing is left.
inline bool apply_rule(const Question& q, Whole r, Wholes lo, Wholes hi) {
    Whole open = 0, last = -1;
    for (Whole c = q.rules.rule[r]; c < q.rules.split[r]; ++c) {
        const Truth known = truth(q, c, lo, hi);
        // One condition that fails makes the rule say nothing.
        if (known == NEVER) return true;
        if (known == SOMETIMES) {
            ++open;
            last = c;
        }
    }
    if (open == 0) {
        for (Whole c = q.rules.split[r]; c < q.rules.rule[r + 1]; ++c) {
            if (!require_condition(q, c, false, lo, hi)) return false;
        }
        return true;
    }
    // If what follows is impossible, the only open condition must fail. Of a comparison that may
    // read a missing value nothing is cut: that is another way for it to fail.
    if (open == 1 && (q.rules.kind[last] != COMPARISON || !missing(q, last, lo, hi))) {
        for (Whole c = q.rules.split[r]; c < q.rules.rule[r + 1]; ++c) {
            if (truth(q, c, lo, hi) == NEVER) return require_condition(q, last, true, lo, hi);
        }
    }
    return true;
}

// A rule that reads one of ``features`` and that the row at positions ``at`` breaks, or -1.
inline Whole broken_rule(const Question& q, Whole features, Wholes at) {
    for (Whole r = 0; r < q.rules.size(); ++r) {
        // Rules that read none of what was moved held before, and hold still.
        bool applies = (q.rules.touched[r] & features) != 0;
        for (Whole c = q.rules.rule[r]; applies && c < q.rules.split[r]; ++c) {
            applies = true_at(q, c, at);
        }
        if (!applies) continue;
        for (Whole c = q.rules.split[r]; c < q.rules.rule[r + 1]; ++c) {
            if (!true_at(q, c, at)) return r;
        }
    }
    return -1;
}

// What is known of a condition between two lines of positions; of one row everything.
inline Truth known_between(const Question& q, Whole c, Wholes lo, Wholes hi) {
    const Truth found = truth(q, c, lo, hi);
    if (found != SOMETIMES) return found;
    // The bounds of a box leave room for rounding, so one row is asked by itself.
    const auto of_one = [&] { return true_at(q, c, lo) ? ALWAYS : NEVER; };
    const auto is_one = [&](Whole j) { return lo[j] == hi[j]; };
    if (q.rules.kind[c] != COMPARISON) return is_one(q.rules.column[c]) ? of_one() : SOMETIMES;
    for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
        if (!is_one(q.rules.term_column[k])) return SOMETIMES;
    }
    return of_one();
}

// Whether a rule is kept between two lines of positions.
inline Truth kept_between(const Question& q, Whole r, Wholes lo, Wholes hi) {
    Truth applies = ALWAYS, holds = ALWAYS;
    for (Whole c = q.rules.rule[r]; c < q.rules.split[r]; ++c) {
        const Truth found = known_between(q, c, lo, hi);
        // One condition that fails makes the rule say nothing.
        if (found == NEVER) return ALWAYS;
        if (found == SOMETIMES) applies = SOMETIMES;
    }
    for (Whole c = q.rules.split[r]; c < q.rules.rule[r + 1]; ++c) {
        const Truth found = known_between(q, c, lo, hi);
        if (found == NEVER) return applies == ALWAYS ? NEVER : SOMETIMES;
        if (found == SOMETIMES) holds = SOMETIMES;
    }
    return holds;
}

}  // namespace ifonly
