"""What rows can tell of a graph is told, what they cannot is kept, with the weight that it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal import CausalSpec, Graph, build_alternatives, build_model
from ifonly.explainers.causal.alternatives import EdgeRuns, find_alternatives
from ifonly.explainers.causal.fit import fit, fit_alternatives
from ifonly.explainers.causal.held_out import LEAST_ROWS, HeldOutDensity
from ifonly.explainers.causal.normal_part import SHARES, normal_share
from ifonly.explainers.causal.spec import (
    Alternative,
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    Confounder,
    GraphProvenance,
    MechanismSpec,
    NodeKind,
    NodeRole,
)
from ifonly.explainers.causal.which_graphs import (
    LEAST_WEIGHT,
    MOST,
    MOST_TOGETHER,
    ChangeKind,
    GraphChange,
    KnownColumns,
    changes,
    weigh,
)
from ifonly.models.schema import Category, Feature, Kind, Schema

REVERSED, ABSENT, HIDDEN, ADDED = ChangeKind
N = 1000
PAIR = Graph(((), (0,)))
EDGE = (0, 1)
TURNED = GraphChange(REVERSED, EDGE, (EDGE,))
NONE, SHARED = GraphChange(ABSENT, EDGE), GraphChange(HIDDEN, EDGE)
EVEN = {TURNED: 0.25, NONE: 0.25, SHARED: 0.25}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def columns(*each: np.ndarray) -> np.ndarray:
    return np.stack(each, axis=1)


def lines(n: int = N, seed: int = 3) -> np.ndarray:
    """Normal and straight: the same either way round."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    return columns(x, x + draw.normal(size=n))


def bent(n: int = N) -> np.ndarray:
    draw = np.random.default_rng(3)
    x = draw.normal(size=n)
    return columns(x, np.tanh(2 * x) + 0.3 * draw.normal(size=n))


def skewed(n: int = N) -> np.ndarray:
    """Straight, but that the cause is not normal."""
    draw = np.random.default_rng(3)
    x = np.where(draw.random(n) < 0.5, -2.0, 2.0) + 0.5 * draw.normal(size=n)
    return columns(x, x + draw.normal(size=n))


def weights(rows: np.ndarray, graph: Graph = PAIR, given=None, **options):
    density = HeldOutDensity(rows, [False] * rows.shape[1], rng())
    found = weigh(graph, EVEN if given is None else given, density, rng(), **options)
    return {w.change: w for w in found}


# --- what rows tell -----------------------------------------------------------------------


@pytest.mark.parametrize("rows", [bent(), skewed(2000)])
def test_a_direction_that_rows_show_leaves_nothing_to_the_other(rows):
    found = weights(rows)[TURNED]
    assert not found.kept
    assert found.weight < 0.01
    assert found.gain + 2 * found.error < 0


@pytest.mark.parametrize("rows", [bent(), skewed(2000)])
def test_an_edge_declared_the_wrong_way_has_hardly_any_weight_beside_the_right_one(rows):
    found = weights(rows[:, ::-1])
    assert found[TURNED].weight == pytest.approx(MOST_TOGETHER, abs=0.02)
    # Of a graph that rows deny nothing is doubted any more.
    assert [change for change, w in found.items() if w.kept] == [TURNED]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [(0.0, 0.0), (0.1, 0.1), (0.0, 0.1), (0.1, 0.0), (1.0, 1.0)])
def test_of_normal_lines_no_row_tells_the_direction_however_they_were_rounded(seed, steps):
    """Rounded values stand on a grid, by which a root would look likelier than an effect."""
    rows = lines(seed=seed)
    for j, step in enumerate(steps):
        rows[:, j] = np.round(rows[:, j] / step) * step if step else rows[:, j]
    found = weights(rows)
    # As likely as before any row was seen, but for chance: 0.2, and 0.16 of a hidden cause.
    assert 0.03 < found[TURNED].weight < 0.6
    assert 0.08 < found[SHARED].weight <= 0.2
    assert not found[NONE].kept


def cut(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return columns(x, np.maximum(y, 0.0))


def switched(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return columns(x, (y > 0.0).astype(float))


@pytest.mark.parametrize("seen", [cut, switched])
@pytest.mark.parametrize("turned", [False, True])
def test_a_column_that_is_cut_off_or_switched_tells_nothing_of_a_direction(seen, turned):
    rows = seen(*lines().T)
    found = weights(rows[:, ::-1] if turned else rows)
    assert found[TURNED].weight == pytest.approx(0.2)
    # That one acts on the other at all is seen.
    assert found[NONE].weight < 0.001


def test_an_edge_that_is_seen_is_not_absent_and_one_that_is_not_may_be():
    draw = np.random.default_rng(5)
    alone = columns(draw.normal(size=N), draw.normal(size=N))
    assert not weights(lines())[NONE].kept
    assert weights(alone)[NONE].kept


def test_a_hidden_cause_has_the_weight_that_it_had_before_whatever_the_rows():
    for rows in (lines(), bent(), skewed()):
        found = weights(rows, given={SHARED: 0.25})[SHARED]
        assert (found.weight, found.gain, found.kept) == (pytest.approx(0.2), 0.0, True)


def test_an_idle_edge_elsewhere_takes_nothing_from_a_hidden_cause():
    """A graph without an edge is a case of the one with it: the doubt about another edge stays."""
    draw = np.random.default_rng(5)
    rows = columns(*lines().T, draw.normal(size=N))
    graph, idle = Graph.of(3, [(0, 1), (2, 1)]), GraphChange(ABSENT, (2, 1))
    found = weights(rows, graph, {SHARED: 0.25, idle: 100.0})
    assert found[idle].weight > 0.7
    assert found[SHARED].weight == pytest.approx(0.2, abs=0.01)


def test_more_rows_than_count_are_drawn_and_missing_readings_left_out():
    rows = lines(2 * 2000)
    rows[::2, 0] = np.nan
    assert len(HeldOutDensity(rows, [False] * 2, rng())) == 2000
    with pytest.raises(ValueError, match=f"{LEAST_ROWS - 1} rows are complete"):
        HeldOutDensity(lines(LEAST_ROWS - 1), [False] * 2, rng())


def test_constants_copies_and_huge_values_have_numbers():
    x = lines()[:, 0]
    for rows in (columns(x, np.ones(N)), columns(x, x), columns(x * 1e100, 1e-100 * x)):
        found = weights(rows)
        assert all(
            np.isfinite([w.weight, w.gain, w.error, w.strength]).all() for w in found.values()
        )


# --- how strong a hidden cause can be -----------------------------------------------------


def test_noise_leaves_as_much_room_for_a_normal_part_as_its_shape_does():
    draw = np.random.default_rng(1)
    narrow = np.where(draw.random(2000) < 0.5, -2.0, 2.0) + draw.normal(0, 0.5, 2000)
    # A normal part of 0.25 is all there can be, of a variance of 4.25.
    assert normal_share(narrow) <= 0.1
    assert normal_share(draw.uniform(size=2000)) <= 0.1
    assert normal_share(draw.normal(size=2000)) == max(SHARES)
    assert normal_share(narrow + draw.normal(0, 2.5, 2000)) == max(SHARES)
    assert normal_share(np.zeros(100)) == min(SHARES)


def test_the_strength_is_what_both_noises_leave_room_for():
    draw = np.random.default_rng(1)
    x = np.where(draw.random(N) < 0.5, -2.0, 2.0) + draw.normal(0, 0.3, N)
    smooth = draw.normal(size=N)
    given = {SHARED: 0.25}
    assert weights(columns(x, x + smooth), given=given)[SHARED].strength <= 0.2
    assert weights(lines(), given=given)[SHARED].strength == max(SHARES)
    # Of the effect it is the noise that counts, not the values.
    assert weights(columns(smooth, 9 * smooth + x), given=given)[SHARED].strength <= 0.2


# --- what is kept -------------------------------------------------------------------------


def test_at_most_so_many_are_kept_each_of_weight_enough():
    size = 2 * (MOST + 1)
    graph = Graph.of(size, [(j, j + 1) for j in range(0, size, 2)])
    rows = np.random.default_rng(2).normal(size=(200, size))
    given = {GraphChange(HIDDEN, edge): 0.25 for edge in graph.edges}
    found = weights(rows, graph, given)
    kept = [w.weight for w in found.values() if w.kept]
    assert len(kept) == MOST
    assert min(kept) >= LEAST_WEIGHT
    assert sum(kept) < 1
    # Beside one that is likelier by far the last of them would have too little.
    sure = {**given, GraphChange(HIDDEN, (0, 1)): 3.0}
    kept = [w.weight for w in weights(rows, graph, sure).values() if w.kept]
    assert 1 < len(kept) < MOST
    assert min(kept) >= LEAST_WEIGHT


def test_what_others_take_of_the_weight_is_left_to_them():
    whole, half = weights(lines()), weights(lines(), room=0.5)
    assert half[TURNED].weight == pytest.approx(0.5 * whole[TURNED].weight)
    assert not any(w.kept for w in weights(lines(), room=0.1).values())


def test_odds_that_are_of_the_rows_already_are_not_weighed_by_them_again():
    found = weights(bent(), given={TURNED: 1.0}, by_rows=False)[TURNED]
    assert found.weight == pytest.approx(0.5)
    assert found.gain < 0


# --- which graphs are asked about ---------------------------------------------------------


def levers(n: int, **known) -> KnownColumns:
    return replace(KnownColumns((True,) * n, frozenset(range(n)), frozenset()), **known)


def test_an_edge_whose_turning_closes_a_loop_is_turned_with_another():
    chain = Graph.of(3, [(0, 1), (1, 2), (0, 2)])
    turned = {c.turned for c in changes(chain, levers(3)) if c.edge == (0, 2) and c.turned}
    assert turned == {((0, 2), (0, 1)), ((0, 2), (1, 2))}
    for change in changes(chain, levers(3)):
        assert len(change.of(chain).edges) == 3 - (change.kind is ABSENT)


def test_what_is_known_is_not_asked_about():
    """A category has no law, nothing that moves acts on what is fixed, and along an edge that no
    action moves nothing is changed."""
    graph = Graph.of(3, [(0, 1), (2, 1)])
    every = {(c.kind, c.edge) for c in changes(graph, levers(3))}
    assert every == {(kind, edge) for kind in (REVERSED, ABSENT, HIDDEN) for edge in graph.edges}
    category = changes(graph, levers(3, numeric=(False, True, True)))
    assert (REVERSED, (0, 1)) in every - {(c.kind, c.edge) for c in category}
    fixed = changes(graph, levers(3, settable=frozenset({1, 2}), fixed=frozenset({0})))
    assert {(c.kind, c.edge) for c in fixed} == {
        (kind, (2, 1)) for kind in (REVERSED, ABSENT, HIDDEN)
    }


# --- of a spec ----------------------------------------------------------------------------


def spec_of(
    edges: dict[tuple[str, str], str],
    roles: dict[str, NodeRole] | None = None,
    alternatives: tuple[Alternative, ...] = (),
    confounders: tuple[Confounder, ...] = (),
) -> CausalSpec:
    names = sorted({name for edge in edges for name in edge})
    kinds = {"quality": Feature("quality", Kind.NOMINAL, categories=(Category("L"), Category("H")))}
    features = (kinds.get(name) or Feature(name, Kind.CONTINUOUS) for name in names)
    found = {name: (roles or {}).get(name, NodeRole.ACTIONABLE) for name in names}
    return CausalSpec(
        version="1",
        status=ApprovalStatus.PROPOSED,
        schema=Schema(tuple(features)),
        nodes={name: CausalNode(name, NodeKind.FEATURE, role) for name, role in found.items()},
        edges=tuple(CausalEdge(*edge, source=source) for edge, source in edges.items()),
        confounders=confounders,
        mechanisms={},
        provenance=GraphProvenance(),
        alternatives=alternatives,
    )


def kinds_of(spec: CausalSpec, rows: np.ndarray, **options) -> list[ChangeKind]:
    return sorted(d.change.kind for d in find_alternatives(spec, rows, rng(), **options))


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("", [ABSENT, HIDDEN, REVERSED]),
        ("declared", [ABSENT, HIDDEN, REVERSED]),
        ("discovery", [ABSENT, HIDDEN, REVERSED]),
        ("physics", [HIDDEN]),
        ("experiment", []),
    ],
)
def test_whoever_knows_why_is_doubted_of_less(source, asked):
    spec = spec_of({("a", "b"): source})
    assert kinds_of(spec, lines()) == asked
    assert kinds_of(spec, lines(), doubt_all=True) == [ABSENT, HIDDEN, REVERSED]


def test_a_direction_that_an_algorithm_found_is_no_likelier_than_the_other():
    told = {}
    for source in ("", "discovery"):
        found = find_alternatives(spec_of({("a", "b"): source}), lines(), rng())
        told[source] = {d.change.kind: d.weighed.weight for d in found}[REVERSED]
    assert told["discovery"] > told[""] + 0.05


def test_what_a_person_gave_keeps_its_weight_and_is_not_asked_again():
    given = Alternative("mine", 0.5, "expert", remove=(("a", "b"),), add=(("b", "a"),))
    old = Alternative("old", 0.3, "validation", remove=(("a", "b"),))
    spec = spec_of({("a", "b"): ""}, alternatives=(given, old))
    found = find_alternatives(spec, lines(), rng())
    assert sorted(d.change.kind for d in found) == [ABSENT, HIDDEN]
    (hidden,) = (d for d in found if d.weighed.kept)
    assert hidden.alternative.weight == pytest.approx(0.5 * 0.2)
    assert hidden.alternative.confounders == (Confounder(("a", "b"), strength=0.5),)
    # Nor is a hidden cause that was declared.
    spec = spec_of({("a", "b"): ""}, confounders=(Confounder(("b", "a"), strength=0.1),))
    assert HIDDEN not in kinds_of(spec, lines())


def test_runs_of_an_algorithm_weigh_directions_in_place_of_rows():
    spec = spec_of({("a", "b"): ""})
    for runs, low, high in (
        (EdgeRuns(30, 1.0, 0.0), 0.0, 0.05),
        (EdgeRuns(30, 0.5, 0.4), 0.2, 0.5),
    ):
        found = find_alternatives(spec, bent(), rng(), runs={EDGE: runs})
        (turned,) = (d for d in found if d.change.kind is REVERSED)
        assert low < turned.weighed.weight < high
        assert (turned.runs, turned.alternative.source) == (runs, "discovery")
    # An edge that no run could have found keeps its directions.
    assert kinds_of(spec, bent(), runs={}) == [HIDDEN]


def test_names_are_plain_whatever_features_are_called():
    spec = spec_of({("온도", "a b"): "", ("c", "온도"): ""})
    rows = columns(*np.random.default_rng(0).normal(size=(3, N)))
    found = [d.alternative.name for d in find_alternatives(spec, rows, rng())]
    assert len(set(found)) == len(found)
    assert "column2-column0-reversed" in found
    assert all(name.isascii() for name in found)


def test_alternatives_are_fitted_where_their_causes_are_others_and_what_was_declared_is_kept():
    draw = np.random.default_rng(0)
    a, quality = draw.normal(size=N), draw.integers(0, 2, N).astype(float)
    b = 2 * a + quality + draw.normal(size=N)
    rows = columns(a, b, quality)
    line = MechanismSpec("linear", parameters={"intercept": 0.0, "coefficients": {"a": 2.0}})
    spec = spec_of(
        {("a", "b"): "", ("quality", "b"): ""},
        {"quality": NodeRole.FIXED},
        (
            Alternative("turned", 0.2, remove=(("a", "b"),), add=(("b", "a"),)),
            Alternative("less", 0.2, remove=(("quality", "b"),), mechanisms={"b": line}),
            Alternative("hidden", 0.2, confounders=(Confounder(("a", "b")),)),
        ),
    )
    fitted = fit(spec, rows, rng())
    whole, files = fit_alternatives(fitted.spec, rows, rng())
    turned, less, hidden = whole.alternatives
    assert set(turned.mechanisms) == {"a", "b"}
    assert set(files) == {f"mechanisms/alternative.turned.{name}.json" for name in "ab"}
    # By the variances: 2 of both together, 4 + 1 + 0.25 of b.
    models = build_alternatives(whole, {**fitted.files, **files}, main=fitted.model)
    law = models[0].mechanisms[0]
    assert law is not None
    below, above = law.location(np.array([[-1.0], [1.0]]))
    assert (above - below) / 2 == pytest.approx(2 / (4 + 1 + 0.25), abs=0.05)
    assert less.mechanisms["b"].parameters == line.parameters
    assert less.mechanisms["b"].sd == pytest.approx((1 + 0.25) ** 0.5, abs=0.05)
    assert not hidden.mechanisms
    assert models[2].mechanisms[1] is fitted.model.mechanisms[1]
    assert build_model(whole, fitted.files).mechanisms[1] is not None
