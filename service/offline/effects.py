"""An effect on the real outcome, identified by the graph, from a table of logged rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.causal.effect import (
    EstimatedEffect,
    Observed,
    Overlap,
    Refutation,
    estimate_effect,
    refute,
    refuted,
    strengths,
)
from ifonly.explainers.causal.estimand import Estimand, Estimate, Strategy
from ifonly.explainers.causal.front_door import front_door_effect
from ifonly.explainers.causal.identify import Diagram, Identified
from ifonly.explainers.causal.instrument import (
    Interval,
    Moved,
    moved_effect,
    refute_moved,
    sensitivity_of,
)
from ifonly.explainers.causal.sensitivity import Sensitivity, sensitivity
from ifonly.explainers.causal.spec import CausalSpec
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Schema
from ifonly.service.offline.compared_rows import (
    Band,
    ComparedRows,
    UnreadableRows,
    columns_of,
    repeats,
)
from ifonly.service.offline.grouped_rows import RowGrouping
from ifonly.service.offline.kinds_of_rows import (
    AskedRow,
    KindsAsked,
    KindsFound,
    find_kinds,
    read_kinds,
)
from ifonly.service.offline.nuisance import (
    front_door_learners,
    learners_for,
    moved_learners,
    one_thread,
)


@dataclass(frozen=True)
class AskedEffect:
    """Which effect, of whom, by what."""

    feature: str
    bands: tuple[Band, Band]
    """Least and greatest reading before, and after."""
    outcome: str
    causes: Sequence[str] = ()
    also: Sequence[str] = ()
    hidden: Sequence[str] = ()
    estimand: Estimand = Estimand.ATE
    strategy: Strategy | None = None
    """None: the first by which the graph identifies it."""
    by: Sequence[RowGrouping] = ()
    """By what rows are grouped."""
    like: Sequence[AskedRow] = ()
    """Of rows like which the effect is asked for, too."""

    @property
    def is_by_kind(self) -> bool:
        """Whether the effect is asked for of kinds of rows."""
        return bool(self.by or self.like)

    def beside(self, schema: Schema) -> tuple[str, ...]:
        """Columns beside the features that may act on all of it."""
        more = (g.name for g in self.by if g.name not in schema)
        return tuple(dict.fromkeys((*self.also, *more)))


@dataclass(frozen=True, eq=False)
class FoundEffect:
    strategy: Strategy
    held: tuple[str, ...]
    through: tuple[str, ...]
    """Mediators of a front door, or instruments."""
    estimand: Estimand
    estimate: Estimate
    intervals: tuple[Interval, ...]
    """At 95 %; of instruments that are weak there may be several, and ends may be infinite."""
    naive: float
    is_share: bool
    gaps: int
    """Rows left out because something was missing."""
    sensitivity: Sensitivity
    refutations: tuple[Refutation, ...]
    overlap: Overlap | None
    """None: instruments compare no sides."""
    others: Mapping[Estimand, Estimate]
    first_stage: float | None
    """F of the instruments."""
    worth: tuple[float, float] | None = None
    """As how many rows of equal weight the treated and the others count."""
    kinds: KindsFound | None = None
    """None: they were not asked for."""

    @property
    def interval(self) -> Interval:
        """From the least to the greatest end."""
        return self.intervals[0][0], self.intervals[-1][1]


def find_effect(table: Table, spec: CausalSpec, asked: AskedEffect, seed: int) -> FoundEffect:
    """Identify, estimate and try to refute.

    Raises
    ------
    NotIdentified
        If no strategy, or not the one asked for, tells it; or rows do not.
    UnreadableRows
        If the table does not hold what is asked for.
    ModuleNotFoundError
        If scikit-learn is not installed.
    """
    schema = spec.schema
    asked = replace(asked, also=asked.beside(schema))
    diagram = Diagram.of(spec, asked.causes, asked.also, asked.hidden)
    by = diagram.identified(schema.index(asked.feature), asked.strategy)
    if asked.is_by_kind:
        by = _held_by_kind(diagram, schema, asked, by)
    if by.strategy is not Strategy.BACK_DOOR and asked.estimand is not Estimand.ATE:
        told = "those whom it moves" if by.strategy is Strategy.INSTRUMENT else "all rows"
        raise UnreadableRows(
            f"--estimand {asked.estimand} needs the back door; by {by.strategy} the effect is "
            f"that of {told}"
        )
    names = [tuple(diagram.names[j] for j in part) for part in (by.held, by.through)]
    compared = ComparedRows.of(table, schema, asked.feature, asked.bands, asked.outcome, asked.also)
    if by.strategy is Strategy.INSTRUMENT:
        with one_thread():
            found = _by_instrument(table, schema, asked, compared, names[0], names[1], seed)
        used = compared.whole
    else:
        with one_thread():
            found = _by_comparison(table, schema, asked, compared, by, names, seed)
        used = compared.used
    return replace(found, refutations=(*found.refutations, repeats(table, used)))


def _held_by_kind(
    diagram: Diagram, schema: Schema, asked: AskedEffect, by: Identified
) -> Identified:
    """What is held fixed where rows are told apart, too."""
    if by.strategy is not Strategy.BACK_DOOR or asked.estimand is not Estimand.ATE:
        raise UnreadableRows(
            f"--by and --row need --estimand ate and the back door; this is {asked.estimand} by "
            f"{by.strategy}"
        )
    more = [diagram.names.index(grouping.name) for grouping in asked.by]
    held = diagram.beside(schema.index(asked.feature), by.held, more)
    return replace(by, held=held)


def _by_comparison(
    table: Table,
    schema: Schema,
    asked: AskedEffect,
    compared: ComparedRows,
    by: Identified,
    names: Sequence[tuple[str, ...]],
    seed: int,
) -> FoundEffect:
    rng = np.random.default_rng(seed)
    held, through = names
    observed = compared.observed(table, schema, held, through)
    read = kinds = None
    # Read first: what cannot be grouped is refused before minutes of work.
    if asked.is_by_kind:
        rows = KindsAsked(table, schema, compared.used, held, asked.by, asked.like)
        read = read_kinds(rows, observed)
    if by.strategy is Strategy.BACK_DOOR:
        learners = learners_for(observed, seed)
        found = estimate_effect(observed, learners, rng, asked.estimand)
        doubt = sensitivity(
            found.scores, strengths(observed, learners, found), is_share=compared.is_share
        )
        checks = refute(observed, learners, found, rng, asked.estimand)
        if read is not None:
            kinds = find_kinds(read, observed, learners, found)
    else:
        _one_value_each(table, schema, asked, compared)
        by_mediators = front_door_learners(observed, seed)

        def again(other: Observed) -> Estimate:
            return front_door_effect(other, by_mediators, rng).estimate

        found = front_door_effect(observed, by_mediators, rng)
        # A hidden cause of treatment and outcome is allowed here, so no E-value speaks of it.
        doubt = sensitivity(found.scores)
        checks = refuted(observed, found.estimate, again, rng)
    told = _found(by.strategy, held, through, found, compared, doubt, checks)
    return replace(told, kinds=kinds)


def _found(
    by: Strategy,
    held: tuple[str, ...],
    through: tuple[str, ...],
    found: EstimatedEffect,
    compared: ComparedRows,
    doubt: Sensitivity,
    checks: tuple[Refutation, ...],
) -> FoundEffect:
    return FoundEffect(
        by,
        held,
        through,
        found.estimand,
        found.estimate,
        (found.estimate.interval,),
        found.naive,
        compared.is_share,
        compared.gaps,
        doubt,
        checks,
        found.overlap,
        {name: scores.estimate for name, scores in found.others.items()},
        None,
        # By the front door rows are not weighted by how likely their treatment was alone.
        found.scores.worth if by is Strategy.BACK_DOOR else None,
    )


def _by_instrument(
    table: Table,
    schema: Schema,
    asked: AskedEffect,
    compared: ComparedRows,
    held: tuple[str, ...],
    through: tuple[str, ...],
    seed: int,
) -> FoundEffect:
    # All rows: to choose them by treatment would tie the instrument to what is hidden.
    rows = compared.whole
    readings = table.rows[:, schema.index(asked.feature)]
    if schema[asked.feature].kind.is_categorical:
        if not compared.inside[rows].all():
            raise UnreadableRows(
                f"instrument: {int((~compared.inside[rows]).sum())} rows have {asked.feature} "
                f"neither at --from nor at --to; to leave rows out by {asked.feature} would tie "
                f"the instrument to what is hidden"
            )
        treatment, contrast = compared.treated.astype(np.float64), 1.0
    else:
        treatment, contrast = readings, compared.contrast(readings)
    instruments = [c for name in through for _, c in columns_of(table, schema, name)]
    covariates = [pair for name in held for pair in columns_of(table, schema, name)]
    moved = Moved(
        _stacked(instruments, len(rows))[rows],
        _stacked([column for _, column in covariates], len(rows))[rows],
        treatment[rows],
        compared.outcome[rows],
        tuple(covariate for covariate, _ in covariates),
    )
    rng = np.random.default_rng(seed)
    learners = moved_learners(moved, seed)
    found = moved_effect(moved, learners, rng, contrast)
    treated = int(compared.treated[rows].sum())
    return FoundEffect(
        Strategy.INSTRUMENT,
        held,
        through,
        Estimand.LATE,
        Estimate(found.value, found.se, len(moved), treated),
        found.intervals,
        found.naive,
        bool(np.isin(moved.outcome, (0.0, 1.0)).all()),
        int((~rows).sum()),
        sensitivity_of(moved, learners, found),
        refute_moved(moved, learners, found, rng),
        None,
        {},
        found.first_stage,
    )


def _stacked(columns: Sequence[np.ndarray], n: int) -> np.ndarray:
    return np.column_stack(columns) if columns else np.empty((n, 0))


def _one_value_each(
    table: Table, schema: Schema, asked: AskedEffect, compared: ComparedRows
) -> None:
    readings = table.rows[:, schema.index(asked.feature)]
    sides = (("--from", ~compared.treated), ("--to", compared.treated))
    for option, side in sides:
        values = np.unique(readings[compared.used & side])
        if len(values) > 1:
            raise UnreadableRows(
                f"front-door: {option} holds {len(values)} readings of {asked.feature}, from "
                f"{values[0]:g} to {values[-1]:g}; what is hidden acts within a range too: name "
                f"one value"
            )
