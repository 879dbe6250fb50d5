"""The last word: does a proposed answer hold, by the documents and the deployed model?

Nothing here is shared with the engines: neither their definitions of constraints, cost, target
and effects nor anything that reads the policy for them. What is published is computed here, and
scored by the deployed graph, before anybody sees it.

What a checker of rows cannot see is that nothing cheaper exists: that rests on the search's
proof. It sees where such a claim contradicts itself (:meth:`Checker.contradicted`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from ifonly.explainers.verify.drafts import (
    CheckDraft,
    Proposal,
    ScoredRows,
    VersionCount,
    WorldCount,
)
from ifonly.explainers.verify.limits import Limit
from ifonly.explainers.verify.margins import (
    Margins,
    by_graph,
    certain,
    certain_later,
    chances,
    margins_of,
    worst,
)
from ifonly.explainers.verify.reading import Reading, differing, exact, moved, near, slack
from ifonly.explainers.verify.report import Check, GraphMargins, Report
from ifonly.explainers.verify.rulebook import Terms
from ifonly.explainers.verify.what_follows import PossibleWorld
from ifonly.models.predictor import Rows, Scores
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Feature

READINGS = 128
"""Readings within the sensors' tolerances that are tried against a proof that all will do."""
AT_ONCE = 64
"""Rows at hand that are held against a claim together: the first that holds is enough."""
_WIDE = Context(prec=700)
"""Digits enough for any float64 by any step: 1e300 is a multiple of 0.1."""

Score = Callable[[Rows], Scores]


@dataclass(frozen=True, eq=False)
class Checker:
    """Checks proposed answers about one factual."""

    terms: Terms
    factual: tuple[float, ...]
    score: Score
    """The deployed model: rows ``(n, n_features)`` to scores ``(n, n_outputs)``."""
    rounding: Rounding = UNKNOWN
    """How far its scores may differ between sessions: a row must be in the target in all."""
    tells_all: bool = False
    """Whether reports tell of what holds too, with its numbers; a request needs what does not."""

    def under(self, terms: Terms) -> Checker:
        """The same, under other terms."""
        return replace(self, terms=terms)

    def firm(self, rounding: Rounding) -> Checker:
        """The same, for answers that hold in every session of the model, whose scores may differ
        by ``rounding``."""
        return replace(self, rounding=rounding)

    def excluding(self, limit: Limit) -> Checker:
        return self.under(self.terms.excluding(limit))

    def check(self, proposal: Proposal) -> Report:
        """Everything that can be said of one proposal."""
        return self.check_all([proposal])[0]

    def check_all(self, proposals: Iterable[Proposal]) -> list[Report]:
        """A report on each proposal; the deployed model is asked once for all of them."""
        # One call of the model for all, since a call costs more than most of what is checked.
        return self.judge([self.draft(proposal) for proposal in proposals])

    @cached_property
    def _was(self) -> Reading:
        return Reading(self.factual)

    # --- before the model is asked ---------------------------------------------------------

    def draft(self, proposal: Proposal) -> CheckDraft:
        """All that can be said before the model is asked. A row that is off the grid, out of
        bounds or against a limit is not sent to it."""
        was, action = self._was, Reading(proposal.action)
        columns = moved(action, was)
        row = self._row(action, columns)
        # The same object where nothing follows, so that its decimals are worked out once.
        read = action if row is action.values else Reading(row)
        draft = CheckDraft([], proposal.action, row)
        self._settable(draft, action, columns)
        if read is not action:
            self._readable(draft, read, action)
        if not any(map(math.isinf, [*action.values, *row])):  # of infinity no limit says anything
            self._kept(draft, action, read, was)
        # A price of what is off the grid or infinite would mean nothing.
        if draft.is_open:
            draft.cost = float(self.terms.price.of(action, was, columns))
        # Also where something is broken already: the report tells of all that does not hold.
        self._as_claimed(draft, proposal, columns)
        if draft.is_open:
            # What is published is what is scored: the claimed row, which is this one but for
            # the rounding of sums.
            draft.row = row if proposal.row is None else list(proposal.row)
            self._ask_about(draft, action, columns)
        return draft

    def _ask_about(self, draft: CheckDraft, action: Reading, columns: Sequence[int]) -> None:
        """The rows of which the model's word is needed."""
        draft.to_score.append(np.array([draft.row], dtype=np.float64))
        # In this order: `_judged` takes the scores apart again by these counts.
        for world in self._worlds(action, columns):
            main = draft.worlds[0].world if draft.worlds else None
            asked = main is None or world.groups is not main.groups
            counts = self._count(draft, world.groups, asked)
            again = main is None or world.later is not main.later
            later = self._count(draft, world.later, again)
            draft.worlds.append(WorldCount(world, counts, asked, later, again))
        if self.terms.survival:
            draft.to_score.append(self._readings(draft.row))
        if self.terms.what_follows is not None:
            draft.via = self.terms.what_follows.via(columns)
        # A law without a value for this action is no law by which it surely flips.
        if draft.lost:
            says = f"{draft.lost} plausible versions cannot be told"
            draft.checks.append(Check("certainty", False, says))

    def _count(
        self, draft: CheckDraft, groups: Sequence[list[list[float]]], is_asked: bool
    ) -> tuple[VersionCount, ...]:
        counts = []
        for group in groups:
            rows = np.array(group, dtype=np.float64)
            told = rows[~self._are_lost(rows)]
            if is_asked:
                draft.to_score.append(told)
            counts.append(VersionCount(len(told), len(group) - len(told)))
        return tuple(counts)

    def _row(self, action: Reading, columns: Sequence[int]) -> list[float]:
        """What the action leads to."""
        follows = self.terms.what_follows
        if follows is None or not columns:
            return action.values
        settings = {j: action[j] for j in columns}
        return follows.row(self.factual, settings, self.terms.is_history)

    def _settable(self, draft: CheckDraft, action: Reading, columns: Sequence[int]) -> None:
        """Check that each value can be set, by the text that the wire will carry: 53.2 is a
        multiple of 0.1 because "53.2" is."""
        for j in columns:
            feature, value = self.terms.schema.features[j], action[j]
            if feature.kind.is_categorical:
                # By place, so 1.5 and NaN are no category.
                fits = value in range(len(feature.categories))
            else:
                step = feature.resolution
                # Exact decimals: in float64, 53.2 leaves a remainder by 0.1.
                fits = step is not None and math.isfinite(value)
                fits = fits and feature.lower <= value <= feature.upper
                fits = fits and _WIDE.remainder(action.exact(j), step or Decimal(1)) == 0
            if not fits or self.tells_all:
                draft.checks.append(Check("grid", fits, _grid(feature, value)))

    def _readable(self, draft: CheckDraft, read: Reading, action: Reading) -> None:
        for j in moved(read, action):
            feature, value = self.terms.schema.features[j], read[j]
            fits = feature.lower <= value <= feature.upper and not math.isinf(value)
            if not fits or self.tells_all:
                bounds = f"[{feature.lower}, {feature.upper}]"
                told = f"{feature.name} would be {value}, within {bounds}"
                draft.checks.append(Check("bounds", fits, told))

    def _kept(self, draft: CheckDraft, action: Reading, read: Reading, was: Reading) -> None:
        for limit in self.terms.limits:
            now = action if limit.of_action else read
            # Every limit, even after one is broken: the reasons are read by people.
            if not limit.holds(now, was):
                draft.checks.append(Check(limit.key, False, self._broken(limit, now)))
            elif self.tells_all:
                draft.checks.append(Check(limit.key, True, limit.says))

    def _broken(self, limit: Limit, now: Reading) -> str:
        names = self.terms.schema.names
        told = ", ".join(f"{names[j]} = {now[j]}" for j in limit.columns)
        return f"{limit.says}; {told}" if told else limit.says

    def _as_claimed(self, draft: CheckDraft, proposal: Proposal, columns: Sequence[int]) -> None:
        """Whether the row and the cost are what is claimed of them."""
        if proposal.row is not None:
            names, apart = self.terms.schema.names, self._apart(proposal.row, draft.row, columns)
            if apart or self.tells_all:
                told = ", ".join(
                    f"{names[j]} = {proposal.row[j]}, not {draft.row[j]}" for j in apart
                )
                draft.checks.append(Check("row", not apart, told or "what follows is as claimed"))
        if proposal.cost is not None and draft.is_open:
            # A sum of what is not negative has an error of its own size.
            fits = near(proposal.cost, draft.cost, floor=0.0)
            if not fits or self.tells_all:
                told = f"{proposal.cost} claimed, {draft.cost} recomputed"
                draft.checks.append(Check("cost", fits, told))

    def _apart(
        self, claimed: Sequence[float], row: Sequence[float], columns: Sequence[int]
    ) -> list[int]:
        """Columns of the claimed row that are not as computed once ``columns`` are set: to the
        last digit, and of what follows up to the rounding of sums."""
        apart = differing(claimed, row)
        follows = self.terms.what_follows
        if not apart or follows is None:
            return apart
        loose = follows.effects(columns, self.terms.is_history)
        features = self.terms.schema.features
        # Sums are near by the size of their terms; a feature of a small range has small ones.
        size = {j: min(1.0, features[j].upper - features[j].lower) for j in loose}
        return [j for j in apart if j not in loose or not near(claimed[j], row[j], size[j])]

    def _worlds(self, action: Reading, columns: Sequence[int]) -> list[PossibleWorld]:
        """What the action leads to by each plausible version of the laws of each graph."""
        terms = self.terms
        if terms.what_follows is None:
            return []
        settings = {j: action[j] for j in columns}
        return terms.what_follows.worlds(self.factual, settings, terms.is_history)

    def _readings(self, row: Sequence[float]) -> Rows:
        """Readings within the sensors' tolerances: corners first, then points inside."""
        sensors, values = self.terms.sensors, np.array(row, dtype=np.float64)
        # Drawn from the question's seed, so that the same answer meets the same readings.
        read = values + _shares(self.terms.seed, len(row)) * sensors.tolerance
        # A sensor reads nothing beyond its bounds, but for a factual that is there already.
        low, high = np.minimum(sensors.least, values), np.maximum(sensors.greatest, values)
        # What is missing stays missing: whatever is added to it, and between any ends.
        read = np.minimum(np.maximum(read, low), high)
        return np.where(sensors.errs, read, values)

    # --- after ----------------------------------------------------------------------------

    def judge(self, drafts: Sequence[CheckDraft]) -> list[Report]:
        """The drafts with the deployed model's word, which is asked once for all of them."""
        rows = self.rows_of(drafts)
        # Without rows nothing is asked: a model need not take an empty batch.
        return self.judged(drafts, self.score(rows) if len(rows) else None)

    def rows_of(self, drafts: Sequence[CheckDraft]) -> Rows:
        """The rows, ``(n, n_features)``, that the model is to be asked about for some drafts."""
        rows = [rows for draft in drafts for rows in draft.to_score]
        return np.concatenate(rows) if rows else np.empty((0, len(self.factual)))

    def judged(self, drafts: Sequence[CheckDraft], scores: Scores | None) -> list[Report]:
        """The drafts with the model's word on :meth:`rows_of` them; None: of no rows."""
        ends = list(accumulate((draft.n_to_score for draft in drafts), initial=0))
        if scores is None:
            return [self._judged(draft, None) for draft in drafts]
        # Of all at once, for a hundred readings are asked about with each answer.
        goal, follows = self.terms.goal, self.terms.what_follows is not None
        met = goal.all_met(scores, self.rounding).tolist()
        margins = goal.margins(scores, self.rounding).tolist() if follows else []
        return [
            self._judged(draft, ScoredRows(scores[a:b], met[a:b], margins[a:b]) if b > a else None)
            for draft, (a, b) in zip(drafts, pairwise(ends), strict=True)
        ]

    def _judged(self, draft: CheckDraft, said: ScoredRows | None) -> Report:
        checks, follows = list(draft.checks), self.terms.what_follows
        scores = [] if said is None else said.scores[0].tolist()
        graphs, later = Margins(), Margins()
        if follows is not None and said is not None:
            graphs, later = margins_of(draft, said)
        if said is not None:
            met = said.met[0]
            if not met or self.tells_all:
                checks.append(Check("target", met, f"the deployed model scores it {scores}"))
            # With versions lost, the check above has said so already.
            if follows is not None and draft.worlds and not draft.lost:
                checks.append(certain(draft.worlds, graphs, follows))
            if follows is not None and later:
                checks.append(certain_later(draft.worlds, later, follows))
            readings = said.met[1 + sum(world.asked for world in draft.worlds) :]
            if readings:
                lost = readings.count(False)
                checks.append(Check("robust", not lost, f"{lost} of {len(readings)} readings lost"))
        each: tuple[GraphMargins, ...] = ()
        if follows is not None and len(graphs) > 1:
            each = tuple(by_graph(draft.worlds, graphs, follows))
        # Whatever hidden causes there are: the worst of them tells how sure the action is.
        return Report(
            tuple(checks), tuple(draft.action), tuple(draft.row), draft.cost,
            tuple(scores), worst(graphs[0]) if graphs else (), draft.via,
            each,
            tuple(chances(groups) for groups in later),
            tuple(w.world.weight for w in draft.worlds) if later else (),
        )  # fmt: skip

    def _are_lost(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """In which rows a mechanism has no value; a missing *reading* stays missing."""
        # NaN from a reading that is there means that nobody can tell what it would be.
        stays = np.isnan(rows) & np.isnan(self.factual)
        return np.asarray(~(np.isfinite(rows) | stays).all(axis=1))

    # --- claims -----------------------------------------------------------------------------

    def bounded(self, cost: float, lower_bound: float) -> Check:
        """No bound is above the cost of what was found."""
        # A bound above the cost of an answer would prove the answer impossible.
        fits = exact(lower_bound) <= exact(cost) + slack(exact(cost))
        return Check("bound", fits, f"nothing below {lower_bound} claimed, {cost} found")

    def contradicted(self, cost: float, others: Iterable[Sequence[float]]) -> Report | None:
        """The report on an action that refutes the claim that nothing costs less than ``cost``.

        An infinite ``cost`` claims that there is no answer. The report is on the first of the
        actions ``others`` that is allowed, flips and is cheaper; None if none is.
        """
        was, most = self._was, Decimal(cost)
        # Cheaper by more than rounding: an answer of the same cost contradicts nothing.
        most -= slack(most) if most.is_finite() else 0
        # The cheap look first: reference rows are many, and most break a limit of the action.
        may = [Proposal(a) for a in others if self._may_hold(Reading(a), was, most)]
        batches = (may[i : i + AT_ONCE] for i in range(0, len(may), AT_ONCE))
        return next((r for batch in batches for r in self.check_all(batch) if r.holds), None)

    def _may_hold(self, action: Reading, was: Reading, most: Decimal) -> bool:
        """A look that ends at the first thing that is broken."""
        if any(map(math.isinf, action.values)):
            return False
        # Limits on the row wait until what follows is known.
        limits = (limit for limit in self.terms.limits if limit.of_action)
        if not all(limit.holds(action, was) for limit in limits):
            return False
        columns, draft = moved(action, was), CheckDraft([], action.values, action.values)
        self._settable(draft, action, columns)
        return draft.is_open and self.terms.price.of(action, was, columns) < most


@lru_cache(maxsize=64)
def _shares(seed: int, n: int) -> Rows:
    """Draws of how far off the sensors of ``n`` features are, -1 to 1 in parts of their tolerances,
    ``(READINGS, n)``: half of them corners, where a linear score is at its worst."""
    shares = np.random.default_rng(seed).uniform(-1.0, 1.0, (READINGS, n))
    shares[: READINGS // 2] = np.where(shares[: READINGS // 2] < 0.0, -1.0, 1.0)
    shares.setflags(write=False)
    return shares


def _grid(feature: Feature, value: float) -> str:
    if feature.kind.is_categorical:
        return f"{feature.name} = {value}, a category's place"
    bounds = f"[{feature.lower}, {feature.upper}]"
    return f"{feature.name} = {value}, steps of {feature.resolution} in {bounds}"
