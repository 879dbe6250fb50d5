"""What follows as time passes, against a simulator that walks step by step: random graphs with
random delays, shapes and lagged columns, each read from its own ``causal.toml``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from ifonly.explainers.causal import build_model, parse_causal
from ifonly.explainers.causal.trajectory import TimedModel, Trajectory
from ifonly.explainers.verify.passing import read_passing
from ifonly.explainers.verify.read_laws import read_laws
from ifonly.models.schema import Feature, Kind, Schema

CASES = 400
STEPS = 30
TOLERANCE = 1e-9
Form = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Takes:
    """A delay: steps of half a minute, and whether it is of first order."""

    steps: int
    is_gradual: bool

    @property
    def toml(self) -> str:
        shape = ", shape = 'first-order'" if self.is_gradual else ""
        return f"{{seconds = {30 * self.steps}{shape}}}"

    def arrived(self, age: int) -> float:
        """The part of a change that has come through ``age`` steps after it."""
        if age >= self.steps:
            return 1.0
        if not self.is_gradual or age < 0:
            return 0.0
        return (1.0 - math.exp(-5.0 * age / self.steps)) / (1.0 - math.exp(-5.0))


@dataclass(frozen=True)
class Scm:
    """Features 0 to k - 1 in causal order, and behind them earlier readings of some."""

    text: str
    parents: list[list[int]]
    forms: list[Form | None]
    scales: list[Form | None]
    edges: dict[tuple[int, int], Takes]
    sets: list[Takes]
    lags: dict[int, tuple[int, int]]

    @property
    def schema(self) -> Schema:
        return Schema(tuple(Feature(f"x{j}", Kind.CONTINUOUS, "m") for j in range(len(self.sets))))


def takes(draw: np.random.Generator) -> Takes:
    return Takes(int(draw.integers(0, 6)), bool(draw.random() < 0.3))


def drawn(draw: np.random.Generator, with_lags: bool) -> Scm:
    k = int(draw.integers(2, 6))
    n_lags = int(draw.integers(1, 4)) if with_lags else 0
    pasts = draw.choice(4 * k, n_lags, replace=False).tolist()
    lags = {k + i: (past // 4, 1 + past % 4) for i, past in enumerate(pasts)}
    d = k + n_lags
    edges = {(i, j): takes(draw) for j in range(k) for i in range(j) if draw.random() < 0.6}
    # An earlier reading may act on its own source, and on what is above it.
    edges |= {(i, j): takes(draw) for i in lags for j in range(k) if draw.random() < 0.4}
    sets = [takes(draw) for _ in range(d)]
    parents = [sorted(i for i, j in edges if j == own) for own in range(d)]
    lines = ["format = 1", "version = '1'", "status = 'accepted'", "accepted_by = 'a test'",
             "accepted_at = '2026-01-31'", "time.step = {minutes = 0.5}"]  # fmt: skip
    for j in range(d):
        role = "'fixed'" if j in lags else "'actionable'"
        past = f", kind = 'lagged', of = 'x{lags[j][0]}', lag = {lags[j][1]}" if j in lags else ""
        lines.append(f"nodes.x{j} = {{role = {role}{past}, delay = {sets[j].toml}}}")
    for (i, j), delay in edges.items():
        lines.append(f"[[edges]]\nfrom = 'x{i}'\nto = 'x{j}'\ndelay = {delay.toml}")
    forms: list[Form | None] = [None] * d
    scales: list[Form | None] = [None] * d
    for j in range(d):
        if parents[j]:
            forms[j], scales[j], text = law(draw, parents[j])
            lines.append(f"[mechanisms.x{j}]\nkind = 'expression'\n{text}")
    return Scm("\n".join(lines), parents, forms, scales, edges, sets, lags)


def law(draw: np.random.Generator, parents: Sequence[int]) -> tuple[Form, Form | None, str]:
    w = [round(float(v), 3) for v in draw.normal(scale=0.6, size=len(parents))]
    total = " + ".join(f"{c} * x{i}" for c, i in zip(w, parents, strict=True))
    is_bent, is_scaled = draw.random() < 0.5, draw.random() < 0.3

    def form(z: Sequence[float]) -> float:
        s = sum(c * v for c, v in zip(w, z, strict=True))
        return 2.0 * math.tanh(s) + 0.3 * s if is_bent else s

    def scale(z: Sequence[float]) -> float:
        return math.exp(math.tanh(sum(z)) / 2.0)

    text = f"expression = '2 * tanh({total}) + 0.3 * ({total})'" if is_bent else (
        f"expression = '{total}'")  # fmt: skip
    if is_scaled:
        whole = " + ".join(f"x{i}" for i in parents)
        text += f"\nnoise = 'location-scale'\nlog_scale = 'tanh({whole}) / 2'"
    return form, scale if is_scaled else None, text


def walked(scm: Scm, factual: Sequence[float], settings: dict[int, float]) -> list[list[float]]:
    """One step after another, one feature after another, each change followed on its own."""
    noise = [
        0.0
        if form is None
        else (factual[j] - form([factual[i] for i in scm.parents[j]]))
        / (1.0 if scale is None else scale([factual[i] for i in scm.parents[j]]))
        for j, (form, scale) in enumerate(zip(scm.forms, scm.scales, strict=True))
    ]
    rows: list[list[float]] = []
    order = [*scm.lags, *(j for j in range(len(factual)) if j not in scm.lags)]
    for t in range(STEPS + 1):
        rows.append([math.nan] * len(factual))
        for j in order:
            rows[t][j] = moment(scm, factual, settings, noise, rows, t, j)
    return rows


def moment(
    scm: Scm,
    factual: Sequence[float],
    settings: dict[int, float],
    noise: Sequence[float],
    rows: list[list[float]],
    t: int,
    j: int,
) -> float:
    if j in settings:
        return factual[j] + (settings[j] - factual[j]) * scm.sets[j].arrived(t)
    if j in scm.lags:
        source, lag = scm.lags[j]
        if t >= lag:
            return rows[t - lag][source]
        # What is known of the source's past, and no later than the moment that is asked for.
        past = {age: i for i, (of, age) in scm.lags.items() if of == source and age >= lag - t}
        return factual[past[min(past)]]
    form, scale = scm.forms[j], scm.scales[j]
    if form is None:
        return factual[j]
    z = [come(scm.edges[i, j], factual[i], [row[i] for row in rows]) for i in scm.parents[j]]
    return form(z) + (1.0 if scale is None else scale(z)) * noise[j]


def come(delay: Takes, before: float, seen: Sequence[float]) -> float:
    """Where a signal is that came through a delay: every change of it has come so far."""
    value, was = before, before
    for s, now in enumerate(seen):
        value += (now - was) * delay.arrived(len(seen) - 1 - s)
        was = now
    return value


def asked(scm: Scm, draw: np.random.Generator) -> tuple[list[float], dict[int, float]]:
    factual = draw.normal(size=len(scm.sets)).round(2).tolist()
    k = len(scm.sets) - len(scm.lags)
    chosen = draw.choice(k, int(draw.integers(1, min(k, 3) + 1)), replace=False).tolist()
    # Some are held where they are: they cut what leads to them, and move nothing.
    settings = {
        j: factual[j] if draw.random() < 0.15 else round(float(draw.normal(scale=2.0)), 2)
        for j in sorted(chosen)
    }
    return factual, settings


def unrolled(scm: Scm, factual: Sequence[float], settings: dict[int, float]) -> Trajectory:
    spec = parse_causal(scm.text.encode(), "causal.toml", scm.schema)
    timed = TimedModel.of(spec, build_model(spec))
    values = np.array([*settings.values()])
    return timed.trajectory(np.array(factual), [*settings], values, STEPS)


@pytest.mark.parametrize("with_lags", [False, True], ids=["delays", "delays and lags"])
def test_every_row_is_the_simulators(with_lags: bool) -> None:
    seen = Counter[str]()
    for seed in range(CASES):
        draw = np.random.default_rng((seed, with_lags))
        scm = drawn(draw, with_lags)
        factual, settings = asked(scm, draw)
        found = unrolled(scm, factual, settings)
        expected = np.array(walked(scm, factual, settings))
        np.testing.assert_allclose(found.rows, expected, rtol=TOLERANCE, atol=TOLERANCE)
        check_arrivals(found, expected, factual)
        check_checker(scm, found, factual, settings)
        seen[kind_of(found)] += 1
    assert seen["ends"] >= 100
    assert seen["never ends"] >= (100 if with_lags else 0)


def check_arrivals(found: Trajectory, rows: np.ndarray, factual: Sequence[float]) -> None:
    """Nothing moves before it begins, nor after it has arrived."""
    for j, before in enumerate(factual):
        begins, ends = found.begins.get(j, STEPS + 1), found.arrives.get(j, 0)
        assert (found.rows[:begins, j] == before).all()
        if ends is not None:
            np.testing.assert_allclose(rows[ends:, j], rows[-1, j], rtol=TOLERANCE, atol=TOLERANCE)


def check_checker(
    scm: Scm, found: Trajectory, factual: Sequence[float], settings: dict[int, float]
) -> None:
    """The checker, which reads the file by itself, says the same."""
    laws = read_laws(scm.text.encode(), {}, scm.schema, {})
    assert laws is not None
    passing = read_passing(scm.text.encode(), scm.schema, laws)
    assert passing is not None
    times = {j: (begin, found.arrives[j]) for j, begin in found.begins.items()}
    assert passing.times(factual, settings) == times
    rows = passing.rows(factual, settings, STEPS)
    np.testing.assert_allclose(rows, found.rows, rtol=TOLERANCE, atol=TOLERANCE)


def kind_of(found: Trajectory) -> str:
    if found.whole is None:
        return "never ends"
    return "ends" if found.whole <= STEPS else "ends later"


def test_at_the_end_stands_the_counterfactual() -> None:
    """By the model that answers where time is not asked for, and by the checker's laws."""
    ended = 0
    for seed in range(CASES):
        draw = np.random.default_rng((seed, 2))
        scm = drawn(draw, with_lags=False)
        factual, settings = asked(scm, draw)
        spec = parse_causal(scm.text.encode(), "causal.toml", scm.schema)
        found = unrolled(scm, factual, settings)
        if found.whole is None or found.whole > STEPS:
            continue
        ended += 1
        at_last = build_model(spec).counterfactual(
            np.array(factual), [*settings], np.array([[*settings.values()]])
        )[0]
        laws = read_laws(scm.text.encode(), {}, scm.schema, {})
        assert laws is not None
        for row in found.rows[found.whole :]:
            np.testing.assert_allclose(row, at_last, rtol=TOLERANCE, atol=TOLERANCE)
            np.testing.assert_allclose(row, laws.row(factual, settings), rtol=1e-9, atol=1e-9)
    assert ended >= 200


def test_arrival_is_the_step_at_which_the_last_of_it_comes() -> None:
    """Of steps alone, along lines, what arrives last is to be seen: not a step too late."""
    tight = 0
    for seed in range(CASES):
        draw = np.random.default_rng((seed, 3))
        scm = drawn(draw, with_lags=False)
        factual, settings = asked(scm, draw)
        found = unrolled(scm, factual, settings)
        for j, end in found.arrives.items():
            if end is not None and 0 < end <= STEPS:
                tight += found.rows[end, j] != found.rows[end - 1, j]
    assert tight >= 300
