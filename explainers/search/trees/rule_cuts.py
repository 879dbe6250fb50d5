"""Rules over boxes of positions: what they cut off, and whether one row keeps them."""

from __future__ import annotations

import numpy as np

from explainers.search.trees.compiled import inner, value_at
from explainers.search.trees.question import Question
from explainers.search.trees.structs import Flag, Ints, Whole
from explainers.space import TOLERANCE

ALWAYS, NEVER, SOMETIMES = 1, 0, 2
COMPARISON, CHANGES, MEMBER, CONSTANT = 0, 1, 2, 3
LE, LT, GE, GT, EQ, NE = 0, 1, 2, 3, 4, 5


@inner
def _hull(q: Question, c: Whole, lo: Ints, hi: Ints) -> tuple[float, float, float]:
    """Least and greatest total of comparison ``c`` over the box, and the margin for rounding."""
    low = high = q.rules.fixed[c]
    size = q.rules.fixed_size[c]
    for k in range(q.rules.terms[c], q.rules.terms[c + 1]):
        j, w = q.rules.term_column[k], q.rules.term_weight[k]
        x, y = w * value_at(q, j, lo[j]), w * value_at(q, j, hi[j])
        low += min(x, y)
        high += max(x, y)
        size += max(abs(x), abs(y))
    # Twice the slack of `_true_at`, as the terms of a row may be rounded otherwise than the ends.
    return low, high, 2.0 * TOLERANCE * max(size, 1.0)


@inner
def _missing(q: Question, c: Whole, lo: Ints, hi: Ints) -> Whole:
    """0: comparison ``c`` reads no missing value in the box, 1: it may, 2: it must."""
    found = 0
    for k in range(q.rules.terms[c], q.rules.terms[c + 1]):
        j = q.rules.term_column[k]
        if np.isnan(value_at(q, j, hi[j])):  # a missing value is last on its axis
            found = max(found, 2 if lo[j] == hi[j] else 1)
    return found


@inner
def _is_member(q: Question, c: Whole, j: Whole, p: Whole) -> bool:
    """Whether the category at position ``p`` is one of those of condition ``c``."""
    code = value_at(q, j, p)
    return not np.isnan(code) and q.rules.member[q.rules.flag[c] + np.int64(code)] == 1


@inner
def _truth(q: Question, c: Whole, lo: Ints, hi: Ints) -> Whole:
    """What is known of condition ``c`` over the whole box."""
    kind = q.rules.kind[c]
    if kind == CONSTANT:
        return q.rules.flag[c]
    if kind == COMPARISON:
        missing = _missing(q, c, lo, hi)
        # What reads a missing value is not true (`Condition.true`).
        if missing:
            return NEVER if missing == 2 else SOMETIMES
        low, high, margin = _hull(q, c, lo, hi)
        relation = q.rules.flag[c]
        # A strict and a loose comparison differ within the margin only, where neither is certain.
        if relation == LE or relation == LT:
            return ALWAYS if high < -margin else NEVER if low > margin else SOMETIMES
        if relation == GE or relation == GT:
            return ALWAYS if low > margin else NEVER if high < -margin else SOMETIMES
        apart = low > margin or high < -margin
        # Never ALWAYS: that needs one total, and one row is decided by `_true_at`.
        if relation == EQ:
            return NEVER if apart else SOMETIMES
        return ALWAYS if apart else SOMETIMES
    j = q.rules.column[c]
    if kind == CHANGES:
        home = q.home[j]
        inside = lo[j] <= home <= hi[j]
        if not inside:
            return ALWAYS if q.rules.flag[c] else NEVER
        if lo[j] == hi[j]:
            return NEVER if q.rules.flag[c] else ALWAYS
        return SOMETIMES
    members = 0
    for p in range(lo[j], hi[j] + 1):
        members += _is_member(q, c, j, p)
    if members == 0:
        return NEVER
    return ALWAYS if members == hi[j] - lo[j] + 1 else SOMETIMES


@inner
def _true_at(q: Question, c: Whole, at: Ints) -> bool:
    """Whether condition ``c`` is true of the row at positions ``at``; as `Condition.true`."""
    kind = q.rules.kind[c]
    if kind == CONSTANT:
        return q.rules.flag[c] == ALWAYS
    if kind == CHANGES:
        j = q.rules.column[c]
        return (at[j] != q.home[j]) == (q.rules.flag[c] == 1)
    if kind == MEMBER:
        return _is_member(q, c, q.rules.column[c], at[q.rules.column[c]])
    total, size = q.rules.fixed[c], q.rules.fixed_size[c]
    for k in range(q.rules.terms[c], q.rules.terms[c + 1]):
        j = q.rules.term_column[k]
        term = q.rules.term_weight[k] * value_at(q, j, at[j])
        total += term
        size += abs(term)
    slack = TOLERANCE * max(size, 1.0)
    relation = q.rules.flag[c]
    if relation == LE:
        return total <= slack
    if relation == LT:
        return total < -slack
    if relation == GE:
        return total >= -slack
    if relation == GT:
        return total > slack
    if relation == EQ:
        return abs(total) <= slack
    return abs(total) > slack


@inner
def _first_at_least(q: Question, j: Whole, limit: float, low: Whole, high: Whole) -> Whole:
    """First position of ``low..high`` whose value is at least ``limit``, or ``high + 1``."""
    while low <= high:
        middle = (low + high) >> 1
        if value_at(q, j, middle) >= limit:
            high = middle - 1
        else:
            low = middle + 1
    return low


@inner
def _bound(q: Question, c: Whole, sign: float, lo: Ints, hi: Ints) -> bool:
    """Cut the box by ``sign * total <= 0``; False if nothing is left."""
    # Both are of the box as it came; cuts below only make them more careful.
    _, _, margin = _hull(q, c, lo, hi)
    least = 0.0
    for k in range(q.rules.terms[c], q.rules.terms[c + 1]):
        j, w = q.rules.term_column[k], sign * q.rules.term_weight[k]
        least += min(w * value_at(q, j, lo[j]), w * value_at(q, j, hi[j]))
    # What one term may be above its least while all others are at theirs.
    room = margin - sign * q.rules.fixed[c] - least
    for k in range(q.rules.terms[c], q.rules.terms[c + 1]):
        j, w = q.rules.term_column[k], sign * q.rules.term_weight[k]
        low, high = value_at(q, j, lo[j]), value_at(q, j, hi[j])
        beside = 1 - np.int64(q.counts[j])  # what follows may lie between two positions
        limit = (room + min(w * low, w * high)) / w
        # Outward, by more than the division and the sums before it can round.
        limit += TOLERANCE * max(1.0, abs(limit)) * (1.0 if w > 0 else -1.0)
        if w > 0:
            if high > limit:
                # The first value above the limit; the one before it is the last that may stay.
                first = _first_at_least(q, j, np.nextafter(limit, np.inf), lo[j], hi[j])
                hi[j] = min(hi[j], first - 1 + beside)
        elif low < limit:
            lo[j] = max(lo[j], _first_at_least(q, j, limit, lo[j], hi[j]) - beside)
        if lo[j] > hi[j]:
            return False
    return True


@inner
def _require(q: Question, c: Whole, negated: Flag, lo: Ints, hi: Ints) -> bool:
    """Cut the box to where condition ``c`` is (not) true; False if nothing is left."""
    truth = _truth(q, c, lo, hi)
    if truth != SOMETIMES:
        return (truth == ALWAYS) != negated
    kind = q.rules.kind[c]
    if kind == COMPARISON:
        # A missing value among numbers: the box is no interval of what makes the condition true.
        if _missing(q, c, lo, hi):
            return True
        relation = q.rules.flag[c]
        if negated:
            relation = (GT, GE, LT, LE, NE, EQ)[relation]  # indexed by LE, LT, GE, GT, EQ, NE
        if (relation == LE or relation == LT or relation == EQ) and not _bound(q, c, 1.0, lo, hi):
            return False
        if relation == GE or relation == GT or relation == EQ:
            return _bound(q, c, -1.0, lo, hi)
        # What is left is "not equal", which takes a single value out of the middle.
        return True
    j = q.rules.column[c]
    if kind == CHANGES:
        home = q.home[j]
        if (q.rules.flag[c] == 1) == negated:
            lo[j] = hi[j] = home
        # What follows lies between positions: the box may not lose the position nearest to home.
        elif q.counts[j] == 0:
            return True
        # Boxes are intervals: home can be taken off an end only.
        elif lo[j] == home:
            lo[j] += 1
        elif hi[j] == home:
            hi[j] -= 1
        return lo[j] <= hi[j]
    while lo[j] <= hi[j] and _is_member(q, c, j, lo[j]) == negated:
        lo[j] += 1
    while lo[j] <= hi[j] and _is_member(q, c, j, hi[j]) == negated:
        hi[j] -= 1
    return lo[j] <= hi[j]


@inner
def apply_rule(q: Question, r: Whole, lo: Ints, hi: Ints) -> bool:
    """Cut the box by one rule; False if nothing is left."""
    # A typed -1 and typed truth values: a literal would compile every callee once more.
    open_ones, last = np.int64(0), np.int64(-1)
    for c in range(q.rules.rule[r], q.rules.split[r]):
        truth = _truth(q, c, lo, hi)
        # One condition that fails makes the rule say nothing.
        if truth == NEVER:
            return True
        if truth == SOMETIMES:
            open_ones += 1
            last = np.int64(c)
    if open_ones == 0:
        for c in range(q.rules.split[r], q.rules.rule[r + 1]):
            if not _require(q, c, np.bool_(False), lo, hi):
                return False
        return True
    # If what follows is impossible, the only open condition must fail. Of a comparison that may
    # read a missing value nothing is cut: that is another way for it to fail.
    if open_ones == 1 and (q.rules.kind[last] != COMPARISON or not _missing(q, last, lo, hi)):
        for c in range(q.rules.split[r], q.rules.rule[r + 1]):
            if _truth(q, c, lo, hi) == NEVER:
                return _require(q, last, np.bool_(True), lo, hi)
    return True


@inner
def broken_rule(q: Question, features: Whole, at: Ints) -> Whole:
    """A rule that reads one of ``features`` and that the row at positions ``at`` breaks, or -1."""
    for r in range(len(q.rules.rule) - 1):
        # Rules that read none of what was moved held before, and hold still.
        applies = q.rules.touched[r] & features != 0
        for c in range(q.rules.rule[r], q.rules.split[r]):
            if not _true_at(q, c, at):
                applies = False
                break
        if applies:
            for c in range(q.rules.split[r], q.rules.rule[r + 1]):
                if not _true_at(q, c, at):
                    return r
    return -1
