"""The checker keeps what predicates written apart keep, and costs what the design's formula says:
read from the documents, and transcribed from a problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.explainers.explain import agreed
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.transcript import terms_of
from ifonly.explainers.verify import Asked, Checker, Proposal, Rulebook, Terms
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from tests.support.bruteforce import Predicate, moved, settable
from tests.support.generated import SCHEMA, decision
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.questions import policy_table, price, question, request_table

N_ACTIONS = 60
MISSING = 4
some_kinds = st.lists(st.sampled_from(KINDS), min_size=0, max_size=3, unique_by=lambda k: k.name)
seeds = st.integers(0, 10_000)


def all_met(rows: Rows) -> Scores:
    """Everything is normal."""
    return np.zeros((len(rows), 1))


def from_documents(kinds: Sequence[ConstraintKind]) -> Terms:
    book = Rulebook.read(policy_table(kinds), SCHEMA, decision(Task.BINARY))
    return book.terms(Asked(constraints=request_table(kinds)))


def some_actions(factual: Row, seed: int) -> list[list[float]]:
    """Some features set: most to values of their grids, some beside them, some out of bounds."""
    draw = np.random.default_rng(seed)
    actions = []
    for _ in range(N_ACTIONS):
        action = factual.tolist()
        for j in np.flatnonzero(draw.random(len(action)) < 0.4).tolist():
            values = settable(SCHEMA.features[j], float(factual[j]))
            action[j] = float(draw.choice(values))
            if draw.random() < 0.15:
                beside = [0.125, 0.3, 1e-9, 15.0, -200.0, 1e12, math.nan, math.inf, -math.inf]
                action[j] = action[j] + float(draw.choice(beside))
        actions.append(action)
    return actions


def is_settable(j: int, value: float, before: float) -> bool:
    """A decimal grid, written out; the value that is there already is always one."""
    return any(
        value == v or (v != v and value != value) for v in settable(SCHEMA.features[j], before)
    )


def is_kept(action: Row, factual: Row, kept: Sequence[Predicate]) -> bool:
    pairs = enumerate(zip(action, factual, strict=True))
    if not all(is_settable(j, float(a), float(b)) for j, (a, b) in pairs):
        return False
    return all(keeps(action, factual) for keeps in kept)


@settings(max_examples=120)
@given(kinds=some_kinds, seed=seeds)
def test_the_checker_keeps_what_the_predicates_and_a_decimal_grid_keep_and_costs_the_formula(
    kinds: list[ConstraintKind], seed: int
) -> None:
    problem, _, kept = question(kinds, seed)
    factual = problem.factual
    actions = some_actions(factual, seed)
    checker = Checker(from_documents(kinds), tuple(factual.tolist()), all_met)
    reports = checker.check_all([Proposal(a) for a in actions])
    for action, report in zip(actions, reports, strict=True):
        expected = is_kept(np.array(action), factual, kept)
        assert report.holds is expected, (action, report.reasons)
        if expected:
            assert report.cost == pytest.approx(price(list(action), factual.tolist()), rel=1e-12)


@settings(max_examples=120)
@given(kinds=some_kinds, seed=seeds)
def test_terms_transcribed_from_a_problem_say_the_same_as_terms_read_from_the_documents(
    kinds: list[ConstraintKind], seed: int
) -> None:
    problem, model, _ = question(kinds, seed)
    read, written = from_documents(kinds), terms_of(problem)
    assert agreed(problem, read) is read
    assert (read.goal, read.keys) == (written.goal, written.keys)
    factual = tuple(problem.factual.tolist())
    proposals = [Proposal(a) for a in some_actions(problem.factual, seed)]
    by_documents = Checker(read, factual, model.score, tells_all=True).check_all(proposals)
    transcribed = Checker(written, factual, model.score, tells_all=True).check_all(proposals)
    for one, other in zip(by_documents, transcribed, strict=True):
        assert {(c.name, c.holds) for c in one.checks} == {(c.name, c.holds) for c in other.checks}
        assert (one.cost, one.scores) == (other.cost, other.scores)


@settings(max_examples=60)
@given(kinds=some_kinds, seed=seeds)
def test_a_row_costs_alone_what_it_costs_among_others(
    kinds: list[ConstraintKind], seed: int
) -> None:
    problem, _, _ = question(kinds, seed)
    before = problem.factual.tolist()
    actions = np.array(
        [a for a in some_actions(problem.factual, seed)
         if all(map(is_settable, range(len(a)), a, before))]
    )  # fmt: skip
    assert len(actions) > 1
    alone = [float(problem.cost_of(action[None])[0]) for action in actions]
    assert alone == problem.cost_of(actions).tolist()


def test_every_kind_is_kept_by_some_action_and_broken_by_another_whatever_pair_it_is_in() -> None:
    """So that no comparison above was of nothing."""
    for kind in KINDS:
        if kind.name == "may be filled":
            continue
        found = set()
        for seed in range(12):
            problem, _, kept = question([kind], seed)
            actions = np.array(some_actions(problem.factual, seed))
            found |= {bool(kept[0](a, problem.factual)) for a in actions if np.isfinite(a).all()}
        assert found == {True, False}, kind.name


def at_most(count: int) -> Predicate:
    return lambda row, was: sum(moved(row, was)) <= count


@settings(max_examples=60)
@given(seed=seeds, first=st.sampled_from(KINDS), second=st.sampled_from(KINDS))
def test_a_kind_in_the_policy_and_another_in_the_request_hold_together(
    seed: int, first: ConstraintKind, second: ConstraintKind
) -> None:
    problem, _, _ = question([], seed)
    factual = problem.factual
    asked: dict[str, Any] = {"max_changes": 3, **second.request}
    if second.rule:
        asked["rules"] = [{"rule": second.rule}]
    book = Rulebook.read(policy_table([first]), SCHEMA, decision(Task.BINARY))
    terms = book.terms(Asked(constraints=asked))
    checker = Checker(terms, tuple(factual.tolist()), all_met)
    kept = [at_most(asked["max_changes"])]
    kept += [first.keeps] if first.rule or first.feature or first.policy else []
    kept += [second.keeps] if second.rule or second.request else []
    kept += [missing_stays] if first.name != "may be filled" else []
    actions = some_actions(factual, seed)
    reports = checker.check_all([Proposal(a) for a in actions])
    for action, report in zip(actions, reports, strict=True):
        assert report.holds is is_kept(np.array(action), factual, kept), report.reasons


# --- rules, to the letter ----------------------------------------------------------------------

AWKWARD = Schema(
    (
        Feature("air temperature [K]", Kind.CONTINUOUS, "K", 0.0, 1e6, Decimal("0.1")),
        Feature("process", Kind.CONTINUOUS, "K", -1e6, 1e6, Decimal("0.1"), may_be_missing=True),
        Feature("grade", Kind.ORDINAL, categories=tuple(map(Category, ("in", "not in", "a, b")))),
        Feature("colour", Kind.NOMINAL, categories=tuple(map(Category, ("rot ä", "and", "x']")))),
    )
)
DECISION = Decision(Task.BINARY, (Category("good"), Category("bad")), 1, 0.5, desired=0)


def keeps(rule: str, now: Sequence[float], was: Sequence[float]) -> bool:
    book = Rulebook.read({"rules": [rule]}, AWKWARD, DECISION)
    report = Checker(book.terms(Asked()), tuple(was), all_met, tells_all=True).check(Proposal(now))
    own = [c.holds for c in report.checks if c.name == "policy.rules.0"]
    engine = Policy.read({"rules": [rule]}, AWKWARD, DECISION).constraints
    said = [c for c in engine if c.origin.key == "policy.rules.0"]
    assert bool(said[0].holds(np.array([now]), np.array(was))[0]) is own[0]
    return own[0]


NAN = math.nan
EDGE, COLD = (300.3, 308.2, 0, 0), (300.3, 300.0, 0, 0)
IF_STAYS = 'if colour == "x\']" and process stays then grade changes'


@pytest.mark.parametrize(
    ("rule", "now", "was", "expected"),
    [
        # at the edge, where float64 says 308.2 - 300.3 == 7.899999999999977
        ("process - `air temperature [K]` >= 7.9", EDGE, COLD, True),
        ("process - `air temperature [K]` > 7.9", EDGE, COLD, False),
        ("process - `air temperature [K]` <= 7.9", EDGE, COLD, True),
        ("process - `air temperature [K]` < 7.9", EDGE, COLD, False),
        ("process - `air temperature [K]` == 7.9", EDGE, COLD, True),
        ("process - `air temperature [K]` != 7.9", EDGE, COLD, False),
        ("process - `air temperature [K]` < 7.9", (300.3, 308.1, 0, 0), (300.3, 300, 0, 0), True),
        # primes: the bare names are the factual's
        ("process' <= 1.1 * process", (300.0, 330.0, 0, 0), (300.0, 300.0, 0, 0), True),
        ("process' <= 1.1 * process", (300.0, 330.1, 0, 0), (300.0, 300.0, 0, 0), False),
        ("process' - process < 0", (300.0, 299.9, 0, 0), (300.0, 300.0, 0, 0), True),
        ("process' - process < 0", (300.0, 300.0, 0, 0), (300.0, 300.0, 0, 0), False),
        # divided, negative, doubled and cancelled weights
        ("process / 3 <= 0.1", (0.0, 0.3, 0, 0), (0.0, 1.0, 0, 0), True),
        ("process / 3 < 0.1", (0.0, 0.3, 0, 0), (0.0, 1.0, 0, 0), False),
        ("-2 * process - 3 <= process * 4", (0.0, -0.5, 0, 0), (0.0, 1.0, 0, 0), True),
        ("-2 * process - 3 < process * 4", (0.0, -0.5, 0, 0), (0.0, 1.0, 0, 0), False),
        ("0 - process - process + 2 >= 0", (0.0, 1.0, 0, 0), (0.0, 5.0, 0, 0), True),
        ("process - process + `air temperature [K]` < 1", (0.9, NAN, 0, 0), (2.0, NAN, 0, 0), True),
        # nothing that reads a missing value is true
        ("process >= -1e6", (0.0, NAN, 0, 0), (1.0, NAN, 0, 0), False),
        ("process != 3", (0.0, NAN, 0, 0), (1.0, NAN, 0, 0), False),
        ("if process > 3 then grade == \"in\"", (0.0, NAN, 1, 0), (1.0, NAN, 1, 0), True),
        # categories whose names need care
        ('grade >= "not in"', (0.0, 0.0, 0, 0), (0.0, 1.0, 0, 0), False),
        ('grade >= "not in"', (0.0, 0.0, 2, 0), (0.0, 1.0, 0, 0), True),
        ('grade in ["in", "a, b"]', (0.0, 0.0, 2, 0), (0.0, 1.0, 0, 0), True),
        ('grade not in ["in", "a, b"]', (0.0, 0.0, 2, 0), (0.0, 1.0, 0, 0), False),
        ('colour not in ["and", "x\']"]', (0.0, 0.0, 2, 0), (0.0, 1.0, 0, 0), True),
        ('colour != "rot ä"', (0.0, 0.0, 2, 0), (0.0, 1.0, 0, 0), False),
        (IF_STAYS, (0, 1, 0, 2), (0, 1, 0, 0), False),
        (IF_STAYS, (0, 1, 1, 2), (0, 1, 0, 0), True),
        ('if colour\' == "and" then colour == "rot ä"', (0, 1, 1, 1), (0, 1, 0, 0), True),
        ('if colour\' == "and" then colour == "rot ä"', (0, 1, 1, 1), (0, 1, 0, 2), False),
    ],
)  # fmt: skip
def test_a_rule_means_what_it_says(
    rule: str, now: Sequence[float], was: Sequence[float], expected: bool
) -> None:
    assert keeps(rule, [float(v) for v in now], [float(v) for v in was]) is expected


tenths = st.integers(-5_000, 5_000).map(lambda n: n / 10)
weights = st.sampled_from(["", "2 * ", "-0.1 * ", "0.7 * "])


@settings(max_examples=150)
@given(
    now=st.tuples(tenths, tenths), was=st.tuples(tenths, tenths), a=weights,
    b=st.sampled_from(["", "3 * ", "0.3 * "]),
    sign=st.sampled_from("+-"), relation=st.sampled_from(["<=", "<", ">=", ">", "==", "!="]),
    limit=st.integers(-999, 999), at_edge=st.booleans(), prime=st.booleans(),
)  # fmt: skip
def test_a_comparison_is_what_fractions_say(
    now: tuple[float, float], was: tuple[float, float], a: str, b: str, sign: str, relation: str,
    limit: int, at_edge: bool, prime: bool,
) -> None:  # fmt: skip
    """Right at the limit, where float64 would blur, as anywhere else."""
    wa, wb = (Decimal(w.rstrip(" *") or "1") for w in (a, b))
    left, right = Decimal(str(now[0])), Decimal(str((was if prime else now)[1]))
    total = wa * left + (wb if sign == "+" else -wb) * right
    most = total if at_edge else Decimal(limit) / 10
    first = "`air temperature [K]`" + ("'" if prime else "")
    rule = f"{a}{first} {sign} {b}process {relation} {most}"
    expected = {
        "<=": total <= most, "<": total < most, ">=": total >= most,
        ">": total > most, "==": total == most, "!=": total != most,
    }[relation]  # fmt: skip
    assert keeps(rule, [*now, 0.0, 0.0], [*was, 0.0, 0.0]) is expected


# --- costs, plausibility, filling, survival -----------------------------------------------------


def readings(seed: int, n: int = 40) -> Rows:
    draw = np.random.default_rng(seed)
    rows = np.column_stack(
        [
            draw.integers(0, 9, n) * 0.25, draw.integers(10, 101, n), draw.integers(0, 3, n),
            draw.integers(0, 3, n), np.round(draw.uniform(-0.3, 0.4, n), 1),
        ]
    )  # fmt: skip
    rows[draw.random(n) < 0.3, MISSING] = np.nan
    if seed % 4 == 0:
        rows[: n - n // 4, 1] = 40.0  # more than half alike: no median deviation
    if seed % 5 == 0:
        rows[:, 0] = 1.0  # all alike
    return np.asarray(rows, dtype=np.float64)


@settings(max_examples=60)
@given(seed=seeds)
def test_scales_that_nobody_declared_come_from_the_reference_rows_as_in_the_policy(
    seed: int,
) -> None:
    seen = readings(seed)
    table: dict[str, Any] = {"change_penalty": 0.1, "features": {"flow": {"fillable": True}}}
    policy = Policy.read(table, SCHEMA, decision(Task.BINARY), reference=seen)
    book = Rulebook.read(table, SCHEMA, decision(Task.BINARY), seen)
    factual = readings(seed + 1)[0]
    actions = readings(seed + 2)
    actions[:, 1] = 15 * np.round(actions[:, 1] / 15)
    checker = Checker(book.terms(Asked()), tuple(factual.tolist()), all_met)
    costs = policy.cost.of(actions, factual)
    for action, cost in zip(actions, costs, strict=True):
        report = checker.check(Proposal(action.tolist()))
        if report.holds:
            assert report.cost == pytest.approx(cost, rel=1e-12)
        else:  # a reading was there, and would be lost
            assert np.isnan(action[MISSING]) or action[1] > 100.0


class Far:
    """An outlier score for each row: minus the speed's distance from 40."""

    def score(self, rows: Rows) -> Scores:
        return -np.abs(rows[:, [1]] - 40.0)


@settings(max_examples=40)
@given(seed=seeds, k=st.integers(1, 5), by_graph=st.booleans())
def test_a_row_is_as_plausible_as_the_policy_finds_it_also_right_at_the_limit(
    seed: int, k: int, by_graph: bool
) -> None:
    seen, factual = readings(seed), readings(seed + 1)[0]
    scale = {"features": {"pressure": {"scale": 0.3}, "flow": {"fillable": True}}}
    rows = readings(seed + 2)
    distances = _distances(rows, seen, scale, k)
    limit = float(distances[seed % len(rows)])  # one row stands right at it
    plausibility: dict[str, Any] = {"method": "knn", "k": k, "max_distance": limit}
    if by_graph:
        plausibility = {"method": "onnx", "min_score": -30.0}
    table = {**scale, "plausibility": plausibility}
    scorer: Any = Far()
    policy = Policy.read(table, SCHEMA, DECISION, reference=seen, plausibility=scorer)
    book = Rulebook.read(table, SCHEMA, DECISION, seen, scorer)
    (limit_of_policy,) = (c for c in policy.constraints if c.origin.key == "policy.plausibility")
    checker = Checker(book.terms(Asked()), tuple(factual.tolist()), all_met, tells_all=True)
    kept = limit_of_policy.holds(rows, factual)
    for row, own in zip(rows, kept, strict=True):
        report = checker.check(Proposal(row.tolist()))
        (said,) = (c.holds for c in report.checks if c.name == "policy.plausibility")
        assert said == own


def _distances(rows: Rows, seen: Rows, table: dict[str, Any], k: int) -> Row:
    plausibility = {"method": "knn", "k": k, "max_distance": 1.0}
    policy = Policy.read({**table, "plausibility": plausibility}, SCHEMA, DECISION, reference=seen)
    (limit,) = (c for c in policy.constraints if c.origin.key == "policy.plausibility")
    return np.asarray(limit.scorer.score(rows)[:, 0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("who", ["policy", "request", "both", "nobody"])
def test_who_demands_that_sensors_errors_are_survived_is_held_to_it(who: str) -> None:
    table: dict[str, Any] = {"features": {"pressure": {"tolerance": 0.2}}}
    if who in ("policy", "both"):
        table["robust"] = True
    asked = {"robust": True} if who in ("request", "both") else {}
    book = Rulebook.read(table, SCHEMA, DECISION)
    terms = book.terms(Asked(constraints=asked))
    policy = Policy.read(table, SCHEMA, DECISION)
    factual = np.array([2.0, 40.0, 0.0, 0.0, 0.1])
    problem = policy.problem(
        factual, constraints=read_constraints(asked, SCHEMA, policy.tolerances)
    )
    assert agreed(problem, terms) is terms

    def by_pressure(rows: Rows) -> Scores:
        return np.asarray(rows[:, [0]] / 2.0)  # good below a pressure of 1

    for checker in (
        Checker(terms, tuple(factual.tolist()), by_pressure),
        Checker(terms_of(problem), tuple(factual.tolist()), by_pressure),
    ):
        assert checker.check(Proposal([0.75, *factual[1:].tolist()])).holds
        report = checker.check(Proposal([0.875 - 0.125 + 0.0, *factual[1:].tolist()]))
        assert report.holds
        edge = Checker(checker.terms, checker.factual, lambda rows: rows[:, [0]] / 1.8)
        near_edge = edge.check(Proposal([0.75, *factual[1:].tolist()]))  # good below 0.9
        assert near_edge.holds is (who == "nobody")


def test_what_another_past_must_keep_is_what_the_request_adds_and_what_speaks_of_the_row() -> None:
    table: dict[str, Any] = {
        "features": {
            "pressure": {"actionable": False}, "speed": {"max_change": 30, "direction": "up"},
            "mode": {"only_to": ["eco"]},
        },
        "rules": ["speed >= 20"], "max_changes": 2,
    }  # fmt: skip
    asked = {
        "freeze": ["mode"], "directions": {"speed": "up"}, "max_change": {"speed": 10},
        "ranges": {"speed": [10, 90]}, "only_to": {"grade": ["H"]}, "rules": ["speed <= 80"],
        "max_changes": 3,
    }  # fmt: skip
    book = Rulebook.read(table, SCHEMA, DECISION)
    keys = book.terms(Asked(constraints=asked, semantics="backtracking")).keys
    assert keys == {
        "policy.rules.0", "policy.max_changes", "policy.features.flow.fillable",
        "constraints.freeze.0", "constraints.directions.speed", "constraints.max_change.speed",
        "constraints.ranges.speed", "constraints.only_to.grade", "constraints.rules.0",
        "constraints.max_changes",
    }  # fmt: skip


def test_a_step_that_decimals_cannot_divide_without_end_is_a_value_and_no_failure() -> None:
    """A feature without bounds, and a proposal of 1e300: off the grid or on it, but told."""
    schema = Schema((Feature("level", Kind.CONTINUOUS, "mm", 0.0, math.inf, Decimal("0.1")),))
    terms = Rulebook.read({"features": {"level": {"scale": 1.0}}}, schema, DECISION).terms(Asked())
    checker = Checker(terms, (1.0,), all_met)
    for value in (1e300, 1e30, math.inf, -math.inf, math.nan, -0.0, 5e-324):
        report = checker.check(Proposal((value,)))
        assert report.holds is (value in (0.0, 1e30, 1e300)), (value, report.reasons)


def test_what_is_claimed_of_a_tiny_unit_is_not_taken_for_equal() -> None:
    """In metres, a wavelength is of the size of a rounding of sums; a row is to be the action."""
    schema = Schema((Feature("wave", Kind.CONTINUOUS, "m", 0.0, 1e-6, Decimal("1e-9")),))
    terms = Rulebook.read({"features": {"wave": {"scale": 1e3}}}, schema, DECISION).terms(Asked())
    checker = Checker(terms, (4e-7,), all_met)
    right = checker.check(Proposal((5e-7,), (5e-7,), 1e-10))
    assert right.holds, right.reasons
    assert not checker.check(Proposal((5e-7,), (5.01e-7,), 1e-10)).holds
    assert not checker.check(Proposal((5e-7,), (5e-7,), 3e-10)).holds


def test_a_claim_is_refuted_by_the_first_rows_that_do_and_no_more_are_asked_about() -> None:
    table = {"features": {"flow": {"fillable": True}}}
    terms = Rulebook.read(table, SCHEMA, DECISION).terms(Asked())
    asked: list[int] = []

    def counted(rows: Rows) -> Scores:
        asked.append(len(rows))
        return all_met(rows)

    row = [0.25, 30.0, 1.0, 1.0, 0.1]
    checker = Checker(terms, (1.0, 40.0, 0.0, 0.0, 0.1), counted)
    found = checker.contradicted(math.inf, [row] * 10_000)
    assert found is not None
    assert found.action == tuple(row)
    assert sum(asked) <= 64
    assert checker.contradicted(found.cost, [row]) is None
    assert checker.contradicted(found.cost * 1.001, [row]) is not None
