"""Every kind of limit on what may be done, read from the policy's table and the request's.

A limit speaks either of the *action*, what is set, or of the *row* that the action leads to. The
keys are those of the documents, dotted: ``policy.features.torque.range``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.verify.reading import Reading, exact, is_missing, moved, moves, slack
from ifonly.explainers.verify.rules import Test, read_statement
from ifonly.models.schema import Feature, Schema

Table = Mapping[str, Any]
REQUEST = "constraints."
"""What the keys of a request's limits begin with."""
MAX_CHANGES = "policy.max_changes"
ALTERNATIVES = "alternatives"


@dataclass(frozen=True)
class Limit:
    """One thing that must hold."""

    key: str
    says: str
    holds: Test
    columns: tuple[int, ...] = ()
    """Features that it speaks of; empty: all."""
    of_action: bool = True
    """Whether it speaks of what is set, and not of the row that this leads to."""

    @property
    def is_of_history(self) -> bool:
        """Whether another past must keep it too, in which nothing is set."""
        by_request = self.key == ALTERNATIVES or self.key.startswith(REQUEST)
        # What may be *set* says nothing of a past in which nothing is set.
        return by_request or not self.of_action or self.key == MAX_CHANGES


# --- one function a kind ---------------------------------------------------------------------


def stays(key: str, j: int) -> Limit:
    """The feature is not set."""
    return Limit(key, "is not set", lambda now, was: not moves(now, was, j), (j,))


def stays_present(key: str, j: int) -> Limit:
    """The feature's reading is, and stays, there or absent."""

    def holds(now: Reading, was: Reading) -> bool:
        # Both ways: a sensor cannot be set to be broken either.
        return now.is_missing(j) == was.is_missing(j)

    return Limit(key, "stays present or absent", holds, (j,), of_action=False)


def one_way(key: str, j: int, sense: str) -> Limit:
    """The feature only rises, or only falls."""
    up = {"up": True, "down": False}[sense]

    def holds(now: Reading, was: Reading) -> bool:
        # Without a reading there is no side to be on.
        if was.is_missing(j):
            return True
        return now[j] >= was[j] if up else now[j] <= was[j]

    return Limit(key, f"only {sense}", holds, (j,))


def ends_within(key: str, j: int, low: float, high: float) -> Limit:
    """The feature ends in an interval, set or not."""

    def holds(now: Reading, was: Reading) -> bool:
        # Whether a value may be missing is said by another key.
        return now.is_missing(j) or low <= now[j] <= high

    return Limit(key, f"ends in [{low}, {high}]", holds, (j,), of_action=False)


def set_within(key: str, j: int, low: float, high: float) -> Limit:
    """If the feature is set, then to a value of an interval."""

    def holds(now: Reading, was: Reading) -> bool:
        return not moves(now, was, j) or now.is_missing(j) or low <= now[j] <= high

    return Limit(key, f"is set within [{low}, {high}]", holds, (j,))


def moves_at_most(key: str, j: int, amount: float) -> Limit:
    """The feature moves by so much at most, in its unit."""
    most = exact(amount)

    def holds(now: Reading, was: Reading) -> bool:
        if was.is_missing(j):
            return True
        if now.is_missing(j):
            return False
        # In decimals, and within the tolerance that every sum is compared with.
        return abs(now.exact(j) - was.exact(j)) <= most + slack(was.exact(j))

    return Limit(key, f"moves by at most {amount}", holds, (j,))


def only_to(key: str, j: int, values: Sequence[float]) -> Limit:
    """If the feature is set, then to one of some values."""

    def holds(now: Reading, was: Reading) -> bool:
        # Left alone is allowed: the list says what may be set.
        return not moves(now, was, j) or now[j] in values

    return Limit(key, f"is set only to {list(values)}", holds, (j,))


def few_changes(key: str, count: int) -> Limit:
    """So many features are set at most."""
    return Limit(key, f"at most {count} are set", lambda now, was: len(moved(now, was)) <= count)


def leaves_one(levers: frozenset[int], key: str = ALTERNATIVES) -> Limit:
    """One at least of some levers is left alone: another answer than those before."""

    def holds(now: Reading, was: Reading) -> bool:
        return any(not moves(now, was, j) for j in levers)

    return Limit(key, "uses other levers", holds, tuple(sorted(levers)))


def few_of(key: str, levers: frozenset[int], count: int) -> Limit:
    """So many of some levers are set at most."""

    def holds(now: Reading, was: Reading) -> bool:
        return sum(moves(now, was, j) for j in levers) <= count

    return Limit(key, f"sets at most {count} of some levers", holds, tuple(sorted(levers)))


def rule(key: str, text: str, schema: Schema) -> Limit:
    """A rule in the language of rules, of the whole row."""
    statement = read_statement(text, schema)
    return Limit(key, text, statement.holds, statement.columns, of_action=False)


def rests_not_on(
    key: str, acts: Callable[[Sequence[int]], bool], says: str = "rests on nothing that failed"
) -> Limit:
    """No action rests on a part that failed a check; ``acts``: whether one on such columns does."""
    return Limit(key, says, lambda now, was: not acts(moved(now, was)))


def scored_within(
    key: str, score: Callable[[Sequence[float]], float], low: float, high: float
) -> Limit:
    """The row's outlier score is in an interval."""

    def holds(now: Reading, was: Reading) -> bool:
        return low <= score(now.values) <= high

    return Limit(key, f"outlier score in [{low}, {high}]", holds, of_action=False)


# --- from the documents ------------------------------------------------------------------------


def policy_limits(policy: Table, schema: Schema) -> Iterator[Limit]:
    """What ``[policy]`` says, but for plausibility, probability and survival."""
    features = policy.get("features", {})
    for j, feature in enumerate(schema.features):
        own = features.get(feature.name, {})
        yield from _of_feature(f"policy.features.{feature.name}", j, feature, own)
    yield from _rules(policy, "policy", schema)
    if policy.get("max_changes") is not None:
        yield few_changes(MAX_CHANGES, policy["max_changes"])


def _of_feature(key: str, j: int, feature: Feature, table: Table) -> Iterator[Limit]:
    can_be_set = feature.kind.is_categorical or feature.resolution is not None
    if not table.get("actionable", can_be_set):
        # A feature that is not set has no other limit that could be broken.
        yield stays(f"{key}.actionable", j)
        return
    # The default is that a missing value stays missing.
    if feature.may_be_missing and not table.get("fillable", False):
        yield stays_present(f"{key}.fillable", j)
    if table.get("direction", "any") != "any":
        yield one_way(f"{key}.direction", j, table["direction"])
    if "range" in table:
        yield set_within(f"{key}.range", j, *_ends(table["range"]))
    if "max_change" in table:
        yield moves_at_most(f"{key}.max_change", j, float(table["max_change"]))
    if "only_to" in table:
        yield only_to(f"{key}.only_to", j, _codes(feature, table["only_to"]))


def request_limits(asked: Table, schema: Schema) -> Iterator[Limit]:
    """What one request adds, by the table under its ``constraints``."""
    for i, name in enumerate(asked.get("freeze") or ()):
        yield stays(f"{REQUEST}freeze.{i}", schema.index(name))
    for name, ends in (asked.get("ranges") or {}).items():
        yield ends_within(f"{REQUEST}ranges.{name}", schema.index(name), *_ends(ends))
    for name, sense in (asked.get("directions") or {}).items():
        yield one_way(f"{REQUEST}directions.{name}", schema.index(name), sense)
    for name, amount in (asked.get("max_change") or {}).items():
        yield moves_at_most(f"{REQUEST}max_change.{name}", schema.index(name), float(amount))
    for name, values in (asked.get("only_to") or {}).items():
        codes = _codes(schema[name], values)
        yield only_to(f"{REQUEST}only_to.{name}", schema.index(name), codes)
    yield from _rules(asked, "constraints", schema)
    if asked.get("max_changes") is not None:
        yield few_changes(f"{REQUEST}max_changes", asked["max_changes"])


def _rules(table: Table, parent: str, schema: Schema) -> Iterator[Limit]:
    for i, given in enumerate(table.get("rules") or ()):
        text = given if isinstance(given, str) else given["rule"]
        yield rule(f"{parent}.rules.{i}", text, schema)


def _ends(pair: Sequence[float | None]) -> tuple[float, float]:
    low, high = pair
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


def _codes(feature: Feature, values: Sequence[Any]) -> list[float]:
    """Values as a row holds them: numbers, and categories by their place."""
    names = feature.category_names
    if feature.kind.is_categorical:
        return [float(names.index(value)) for value in values]
    return [float(value) for value in values if not is_missing(float(value))]
