"""What policies would have come to, identified by the graph, from a table of logged rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import and_

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import Refutation
from ifonly.explainers.causal.estimand import Strategy
from ifonly.explainers.causal.identify import Diagram
from ifonly.explainers.causal.policy_value import (
    ActionLog,
    ActionScores,
    Choices,
    ValuesFound,
    best_by_row,
    policy_values,
    refute_values,
    score_actions,
)
from ifonly.explainers.causal.spec import CausalSpec
from ifonly.explainers.constraints.rule_language import read_conditions
from ifonly.explainers.errors import InvalidRule
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Schema
from ifonly.service.offline.compared_rows import (
    Band,
    Flags,
    UnreadableRows,
    band_of,
    covariates_of,
    repeats,
    whole_rows,
)
from ifonly.service.offline.nuisance import learners_for, one_thread

Index = npt.NDArray[np.int64]
ALWAYS = "always "
BY_EFFECT = "by effect"
"""The policy that effects, as learned from other rows, call for."""


@dataclass(frozen=True)
class AskedValue:
    """Of which policies, by what."""

    feature: str
    """What was done: a feature, or the column of actions."""
    outcome: str
    is_higher_better: bool
    bands: tuple[str, str] | None = None
    """Two actions, as text; None: every category of the feature."""
    causes: Sequence[str] = ()
    also: Sequence[str] = ()
    hidden: Sequence[str] = ()
    advised: str = ""
    """A column that says what a policy advised in each row."""
    when: str = ""
    """A rule in whose rows the second action is chosen, and in all others the first."""


@dataclass(frozen=True, eq=False)
class PolicyValuesFound:
    held: tuple[str, ...]
    actions: tuple[str, ...]
    counts: tuple[int, ...]
    """Rows in which each was done."""
    is_share: bool
    gaps: int
    """Rows left out because something was missing."""
    others: int
    """Rows left out because something else was done."""
    found: ValuesFound
    refutations: tuple[Refutation, ...]


def find_values(table: Table, spec: CausalSpec, asked: AskedValue, seed: int) -> PolicyValuesFound:
    """Identify, estimate, compare with what was done, and try to refute.

    Raises
    ------
    NotIdentified
        If no set of readings closes the back door; or rows do not tell it.
    UnreadableRows
        If the table does not hold what is asked for.
    ModuleNotFoundError
        If scikit-learn is not installed.
    """
    schema = spec.schema
    diagram = Diagram.of(spec, asked.causes, asked.also, asked.hidden)
    by = diagram.identified(schema.index(asked.feature), Strategy.BACK_DOOR)
    held = tuple(diagram.names[j] for j in by.held)
    whole, outcome = whole_rows(table, schema, asked.outcome, asked.also)
    actions = _Actions.of(table, schema, asked, whole)
    used = whole & (actions.done >= 0)
    columns, covariates = covariates_of(table, schema, held)
    log = ActionLog(covariates[used], actions.done[used], outcome[used], actions.names, columns)
    fixed = _fixed(table, schema, asked, actions, used)
    with one_thread():
        found, checks = _valued(log, fixed, seed, is_higher_better=asked.is_higher_better)
    return PolicyValuesFound(
        held,
        actions.names,
        tuple(np.bincount(log.done, minlength=len(actions.names)).tolist()),
        bool(np.isin(log.outcome, (0.0, 1.0)).all()),
        int((~whole).sum()),
        int((whole & (actions.done < 0)).sum()),
        found,
        (*checks, repeats(table, used)),
    )


def _valued(
    log: ActionLog, fixed: dict[str, Choices], seed: int, *, is_higher_better: bool
) -> tuple[ValuesFound, tuple[Refutation, ...]]:
    rng = np.random.default_rng(seed)
    learners = [learners_for(log.observed(side), seed) for side in log.sides]
    scores = score_actions(log, learners, rng)
    learn = partial(_learned, is_higher_better=is_higher_better)
    always = {f"{ALWAYS}{name}": np.full(len(log), a) for a, name in enumerate(log.actions)}
    policies = {**always, **fixed, **learn(log, scores)}
    found = policy_values(log, scores, policies)
    return found, refute_values(log, learners, policies, found, learn, rng)


def _learned(log: ActionLog, scores: ActionScores, *, is_higher_better: bool) -> dict[str, Choices]:
    return {BY_EFFECT: best_by_row(log, scores, is_higher_better=is_higher_better)}


@dataclass(frozen=True, eq=False)
class _Actions:
    names: tuple[str, ...]
    done: Index
    """``(n,)``; -1: something else, or nobody knows."""

    @classmethod
    def of(cls, table: Table, schema: Schema, asked: AskedValue, whole: Flags) -> _Actions:
        feature, values = schema[asked.feature], table.rows[:, schema.index(asked.feature)]
        if asked.bands is None:
            if not feature.kind.is_categorical:
                raise UnreadableRows(
                    f"{feature.name} is a number: name two ranges of it with --from and --to"
                )
            codes = np.unique(values[whole]).astype(np.int64)
            bands = [(float(c), float(c)) for c in codes]
            names = tuple(feature.category_names[c] for c in codes)
            if len(names) < 2:
                shown = ", ".join(names) or "nothing"
                raise UnreadableRows(
                    f"{feature.name} is {shown} in every row with an outcome: nothing to compare"
                )
        else:
            names = asked.bands
            bands = [
                band_of(feature, text, option)
                for text, option in zip(names, ("--from", "--to"), strict=True)
            ]
            if max(b[0] for b in bands) <= min(b[1] for b in bands):
                raise UnreadableRows("--from and --to meet: no row may be in both")
        return cls(names, _places(values, bands))


def _places(values: npt.NDArray[np.float64], bands: Sequence[Band]) -> Index:
    """In which band each value lies; -1: in none."""
    found = np.full(len(values), -1, dtype=np.int64)
    for a, (low, high) in enumerate(bands):
        found[(low <= values) & (values <= high)] = a
    return found


def _fixed(
    table: Table, schema: Schema, asked: AskedValue, actions: _Actions, used: Flags
) -> dict[str, Choices]:
    """Policies that choose without looking at outcomes, of the rows that are used."""
    found = {}
    if asked.advised:
        found[f"as {asked.advised} says"] = _advised(table, schema, asked, actions, used)
    if asked.when:
        if len(actions.names) != 2:
            raise UnreadableRows("--when chooses between two actions: name them by --from and --to")
        found[f"{actions.names[1]} when {asked.when}"] = _when(table, schema, asked, used)
    return found


def _advised(
    table: Table, schema: Schema, asked: AskedValue, actions: _Actions, used: Flags
) -> Choices:
    cells = np.array(table.others[asked.advised])[used]
    feature = schema[asked.feature]
    if feature.kind.is_categorical:
        places = {name: a for a, name in enumerate(actions.names)}
        chosen = np.array([places.get(str(cell), -1) for cell in cells])
    else:
        assert asked.bands is not None
        bands = [band_of(feature, text, "--from") for text in asked.bands]
        chosen = _places(_numbers(cells), bands)
    odd = chosen < 0
    if odd.any():
        raise UnreadableRows(
            f"--advised {asked.advised} is {str(cells[odd][0])!r} in {int(odd.sum())} rows, none "
            f"of {', '.join(actions.names)}: a policy must say what to do in every row"
        )
    return chosen


def _numbers(cells: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    def number(cell: str) -> float:
        try:
            return float(cell)
        except ValueError:
            return np.nan

    return np.array([number(str(cell)) for cell in cells])


def _when(table: Table, schema: Schema, asked: AskedValue, used: Flags) -> Choices:
    # What was done is no reading that a policy could have looked at.
    j = schema.index(asked.feature)
    readable = replace(
        schema, features=tuple(f for f in schema.features if f.name != asked.feature)
    )
    rows = np.delete(table.rows[used], j, axis=1)
    try:
        given, conditions = read_conditions(asked.when, readable)
    except InvalidRule as error:
        raise UnreadableRows(f"--when: {error}") from None
    if given:
        raise UnreadableRows("--when is a condition without `if`: rows in which it holds")
    columns = list(rows.T)
    truths = [np.broadcast_to(c.true(columns, columns), len(rows)) for c in conditions]
    return np.asarray(reduce(and_, truths)).astype(np.int64)
