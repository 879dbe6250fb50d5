"""When rows that were only seen tell what setting a feature does to the outcome."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ifonly.explainers.causal import Graph
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Strategy
from ifonly.explainers.causal.identify import HIDDEN, Diagram


def diagram(edges: str, hidden: str = "") -> Diagram:
    """``Z>T T>Y`` over single letters, Y the outcome, ``hidden`` those that nobody reads."""
    pairs = [edge.split(">") for edge in edges.split()]
    read = sorted({n for pair in pairs for n in pair} - {"Y", *hidden})
    names = [*read, "Y", *hidden]
    graph = Graph.of(len(names), [(names.index(a), names.index(b)) for a, b in pairs])
    outcome = len(read)
    return Diagram(graph, tuple(names), outcome, frozenset(range(outcome + 1, len(names))))


def adjusted(edges: str, hidden: str = "") -> str:
    asked = diagram(edges, hidden)
    return "".join(asked.names[j] for j in asked.adjustment(asked.names.index("T")))


@pytest.mark.parametrize(
    ("edges", "hidden", "fixed"),
    [
        ("T>Y", "", ""),
        ("Z>T Z>Y T>Y", "", "Z"),
        ("T>M M>Y T>Y Z>M Z>T", "", "Z"),  # of what lies between nothing, of what acts on it all
        ("A>T A>C B>C B>Y T>Y", "A", "B"),  # C is where arrows meet: left alone
        ("U>T U>Z Z>Y T>Y", "U", "Z"),
        ("Z>T U>Z U>Y T>Y", "U", "Z"),  # the way through U is closed in front of T
    ],
)
def test_what_is_held_fixed_closes_every_way_from_behind_and_none_ahead(edges, hidden, fixed):
    assert adjusted(edges, hidden) == fixed


@pytest.mark.parametrize(
    ("edges", "hidden", "path"),
    [
        ("U>T U>Y T>Y", "U", "T <- U -> Y"),
        ("U>T U>M T>M M>Y", "U", "T <- U -> M -> Y"),
        ("U>T U>Z V>Z V>Y Z>Y T>Y", "UV", "T <- U -> Z <- V -> Y"),
    ],
)
def test_without_an_adjustment_set_the_open_path_is_named(edges, hidden, path):
    with pytest.raises(NotIdentified, match=path):
        adjusted(edges, hidden)


def test_what_does_not_act_on_the_outcome_has_no_effect_to_tell():
    with pytest.raises(NotIdentified, match="does not act on the outcome"):
        adjusted("Z>T Z>Y")


def separated(graph: Graph, a: int, b: int, given: set[int]) -> bool:
    """By the moral graph of what is above the three (Lauritzen 1990)."""
    kept = {a, b} | given
    kept |= {i for i, below in enumerate(graph.descendants) if below & kept}
    links = {frozenset(edge) for edge in graph.edges if set(edge) <= kept}
    for j in kept:
        links |= {frozenset(pair) for pair in itertools.combinations(graph.parents[j], 2)}
    reached, waiting = {a}, [a]
    while waiting:
        i = waiting.pop()
        for j in kept - given - reached:
            if frozenset((i, j)) in links:
                reached.add(j)
                waiting.append(j)
    return b not in reached


def drawn(seed: int, n: int = 7) -> tuple[Diagram, np.ndarray]:
    """A linear model over a random graph, and its slopes: the first two columns are hidden."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    slopes = np.zeros((n, n))
    for a, b in itertools.combinations(range(n), 2):
        if rng.random() < 0.4:
            slopes[order[a], order[b]] = rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
    graph = Graph.of(n, [(int(i), int(j)) for i, j in np.argwhere(slopes)])
    return Diagram(graph, tuple("abcdefg"[:n]), n - 3, frozenset({n - 2, n - 1})), slopes


@pytest.mark.parametrize("seed", range(150))
def test_the_set_found_tells_the_true_effect_and_none_is_missed(seed):
    asked, slopes = drawn(seed)
    n, treatment, outcome = len(slopes), 0, asked.outcome
    totals = np.linalg.inv(np.eye(n) - slopes)
    covariance = totals.T @ totals
    try:
        chosen = asked.adjustment(treatment)
    except NotIdentified:
        if outcome not in asked.graph.descendants[treatment]:
            return
        cut = Graph.of(n, [e for e in asked.graph.edges if e[0] != treatment])
        usable = set(range(n)) - asked.graph.descendants[treatment] - asked.hidden - {treatment}
        for k in range(len(usable) + 1):
            for given in itertools.combinations(sorted(usable), k):
                assert not separated(cut, treatment, outcome, set(given))
        return
    assert not set(chosen) & (asked.hidden | asked.graph.descendants[treatment] | {treatment})
    columns = [treatment, *chosen]
    fitted = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns, outcome])
    assert fitted[0] == pytest.approx(totals[treatment, outcome], abs=1e-9)


def test_a_hidden_cause_declared_of_a_feature_and_the_outcome_is_in_the_diagram(milling_spec):
    assert Diagram.of(milling_spec).adjustment(3) == (0, 1, 4, 5)  # torque: not the speed
    asked = Diagram.of(milling_spec, hidden=["torque"])
    with pytest.raises(NotIdentified, match=f"torque <- {HIDDEN} -> outcome"):
        asked.adjustment(3)


def test_what_was_recorded_besides_is_held_fixed(milling_spec):
    asked = Diagram.of(milling_spec, causes=["rotational_speed"], also=["shift"])
    assert [asked.names[j] for j in asked.adjustment(3)] == ["shift"]


def named(edges: str, hidden: str, only: Strategy | None = None) -> tuple[str, str, str]:
    asked = diagram(edges, hidden)
    found = asked.identified(asked.names.index("T"), only)
    through, held = ("".join(asked.names[j] for j in part) for part in (found.through, found.held))
    return found.strategy, through, held


@pytest.mark.parametrize(
    ("edges", "hidden", "found"),
    [
        ("Z>T Z>Y T>Y", "", ("back-door", "", "Z")),
        ("U>T U>Y T>M M>Y", "U", ("front-door", "M", "")),
        ("U>T U>Y T>M T>N M>Y N>Y", "U", ("front-door", "MN", "")),
        ("U>T U>Y T>M M>N N>Y", "U", ("front-door", "M", "")),
        # What acts on the mediator and on the outcome is held fixed.
        ("U>T U>Y T>M M>Y W>M W>Y", "U", ("front-door", "M", "W")),
        ("U>T U>Y Z>T T>Y", "U", ("instrument", "Z", "")),
        ("U>T U>Y Z>T Q>T T>Y", "U", ("instrument", "QZ", "")),
        ("U>T U>Y Z>T W>Z W>Y T>Y", "U", ("instrument", "Z", "W")),
        ("U>T U>Y V>Z V>T T>Y", "UV", ("instrument", "Z", "")),  # it need not act itself
        ("U>T U>Y Z>X X>T T>Y", "U", ("instrument", "XZ", "")),
    ],
)
def test_where_no_readings_close_the_back_door_a_front_door_or_an_instrument_may_tell(
    edges, hidden, found
):
    assert named(edges, hidden) == found


@pytest.mark.parametrize(
    ("edges", "hidden", "only", "said"),
    [
        (
            "U>T U>Y T>Y",
            "U",
            None,
            "T <- U -> Y.*no readings lie on every way.*no reading acts on T",
        ),
        # Z acts on the outcome besides, so it is none.
        (
            "U>T U>Y Z>T Z>Y T>Y",
            "U",
            Strategy.INSTRUMENT,
            r"each reading that acts on T \(Z\) acts",
        ),
        # What the treatment moves is tied to the outcome by U alone, and is no instrument.
        ("U>T U>Y T>Z T>Y", "U", Strategy.INSTRUMENT, "no reading acts on T"),
        ("U>T U>Y U>M T>M M>Y", "U", Strategy.FRONT_DOOR, r"between T and the outcome \(M\) has"),
        ("U>T U>Y T>M M>Y T>Y", "U", Strategy.FRONT_DOOR, "no readings lie on every way from T"),
        ("Z>T Z>Y", "", None, "T does not act on the outcome"),
    ],
)
def test_what_no_strategy_tells_is_refused_by_the_name_of_each(edges, hidden, only, said):
    with pytest.raises(NotIdentified, match=said):
        named(edges, hidden, only)


def partial(covariance: np.ndarray, given: tuple[int, ...]) -> np.ndarray:
    """Of all columns, once ``given`` are held fixed."""
    if not given:
        return covariance
    known = covariance[:, list(given)]
    told = known @ np.linalg.solve(covariance[np.ix_(given, given)], known.T)
    return np.asarray(covariance - told)


def told(strategy: Strategy, seed: int) -> bool:
    """Whether the strategy applies to a drawn model; then it must tell the true effect."""
    asked, slopes = drawn(seed)
    totals = np.linalg.inv(np.eye(len(slopes)) - slopes)
    covariance = totals.T @ totals
    try:
        found = asked.identified(0, strategy)
    except NotIdentified:
        return False
    true, y = totals[0, asked.outcome], asked.outcome
    left = partial(covariance, found.held)
    if strategy is Strategy.INSTRUMENT:
        for j in found.through:
            assert left[j, y] / left[j, 0] == pytest.approx(true, abs=1e-8)
        return True
    steps = left[0, list(found.through)] / left[0, 0]
    beside = [*found.through, 0]
    on = np.linalg.solve(left[np.ix_(beside, beside)], left[beside, y])[:-1]
    assert steps @ on == pytest.approx(true, abs=1e-8)
    return True


@pytest.mark.parametrize(
    ("strategy", "least"), [(Strategy.FRONT_DOOR, 20), (Strategy.INSTRUMENT, 20)]
)
def test_front_doors_and_instruments_of_drawn_models_tell_the_true_effect(strategy, least):
    assert sum(told(strategy, seed) for seed in range(1_500)) >= least
