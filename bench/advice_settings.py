"""Rows whose effects are known for every row: two confounded toys, Karimi's causal models, the
default model's machine; and panels of machines. Nothing of ``ifonly.explainers.causal``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bench.causal_scms import LINEAR, LOAN, ScmTruth
from bench.effect_settings import SETTINGS, Array, Setting, sigmoid
from ifonly.models.training.milling import QUALITY, TORQUE, WEAR, Simulation, carry_out, simulate

Flags = npt.NDArray[np.bool_]
ROWS = 4_800
"""Of a population."""
MADE_ANEW = 200
"""Times that what is not held is drawn for each of its rows."""
BANDS = ((50.1, 80.0), (30.0, 50.0))
"""Torque, Nm."""


@dataclass(frozen=True, eq=False)
class KnownPopulation:
    """``n`` rows, and what is true of each."""

    covariates: Array
    propensity: Array
    outcomes: Array
    """``(2, n)``: expected, if not treated and if treated."""

    @property
    def effect(self) -> Array:
        return np.asarray(self.outcomes[1] - self.outcomes[0])


@dataclass(frozen=True)
class AdviceSetting:
    """Where rows come from, and by what they are grouped."""

    name: str
    draw: Callable[[np.random.Generator, int], tuple[Array, Flags, Array]]
    """Covariates ``(n, p)``, who was treated, outcomes."""
    population: Callable[[], KnownPopulation]
    groups: tuple[tuple[str, Callable[[Array], Flags]], ...]
    rule: Callable[[Array], Flags]
    """Of a policy: who would be treated."""
    rows: int = 800


def _toy(name: str, setting: Setting, column: int) -> AdviceSetting:
    def population() -> KnownPopulation:
        # With all signs: means of what is a line in a covariate are exact.
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
        x = np.random.default_rng(0).standard_normal((ROWS // 8, 1, 3)) * signs
        x = x.reshape(ROWS, 3)
        if setting.is_flag:
            outcomes = setting.chances(x)
        else:
            outcomes = np.stack([setting.baseline(x), setting.baseline(x) + setting.effect(x)])
        return KnownPopulation(x, setting.propensity(x), outcomes)

    return AdviceSetting(
        name,
        setting.draw,
        population,
        (("high", lambda x: x[:, column] > 0), ("low", lambda x: x[:, column] <= 0)),
        lambda x: x[:, column] > 0,
    )


# --- Karimi et al. ------------------------------------------------------------------------


def _scm(
    name: str,
    truth: ScmTruth,
    held: tuple[int, ...],
    moved: int,
    limit: float,
    chance: Callable[[Array], Array],
    divided: tuple[int, float],
) -> AdviceSetting:
    """Treated: ``moved`` above ``limit``. What is held are all of its causes, and roots."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Flags, Array]:
        rows, _ = truth.sample(rng, n)
        happened = (rng.random(n) < chance(rows)).astype(float)
        return rows[:, held], rows[:, moved] > limit, happened

    def population() -> KnownPopulation:
        rng = np.random.default_rng(0)
        rows, noise = truth.sample(rng, ROWS)
        treated, sums = np.zeros(ROWS), np.zeros((2, ROWS))
        for _ in range(MADE_ANEW):
            # The roots stay, everything else is drawn anew.
            fresh = truth.noise(rng, ROWS)
            fresh[:, held] = noise[:, held]
            again = truth.carry_out(fresh, {})
            side = again[:, moved] > limit
            treated += side
            p = chance(again)
            sums += np.stack([np.where(side, 0.0, p), np.where(side, p, 0.0)])
        counts = np.stack([MADE_ANEW - treated, treated])
        outcomes = sums / np.maximum(counts, 1.0)
        return KnownPopulation(rows[:, held], treated / MADE_ANEW, outcomes)

    column, at = divided
    return AdviceSetting(
        name,
        draw,
        population,
        (("high", lambda x: x[:, column] > at), ("low", lambda x: x[:, column] <= at)),
        lambda x: x[:, column] > at,
    )


# --- the machine --------------------------------------------------------------------------


def _readings(rows: Array) -> Array:
    quality = rows[:, QUALITY]
    return np.column_stack([rows[:, [0, 1, WEAR]], quality == 1, quality == 2])


@cache
def _made() -> Simulation:
    """Parts far enough apart that neighbours tell little of each other."""
    return simulate(20 * 40_000, 1, first_campaign=9_500_000)[np.arange(0, 20 * 40_000, 20)]


def _machine_draw(rng: np.random.Generator, n: int) -> tuple[Array, Flags, Array]:
    parts = _made()[rng.choice(40_000, n, replace=False)]
    torque = parts.rows[:, TORQUE]
    within = [(low <= torque) & (torque <= high) for low, high in BANDS]
    used = within[0] | within[1]
    return _readings(parts.rows)[used], within[1][used], parts.failed[used].astype(float)


def _machine_population() -> KnownPopulation:
    rng = np.random.default_rng(0)
    parts = _made()[rng.choice(40_000, ROWS, replace=False)]
    torque = _made().rows[:, TORQUE]
    bands = [torque[(low <= torque) & (torque <= high)] for low, high in BANDS]
    outcomes = np.zeros((2, ROWS))
    for side, band in enumerate(bands):
        for _ in range(MADE_ANEW):
            made = carry_out(parts, {"torque": rng.choice(band, ROWS)})
            outcomes[side] += made.failed / MADE_ANEW
    share = len(bands[1]) / (len(bands[0]) + len(bands[1]))
    return KnownPopulation(_readings(parts.rows), np.full(ROWS, share), outcomes)


ADVICE_SETTINGS = (
    _toy("toy, heterogeneous", SETTINGS[2], 2),
    _toy(
        "toy, a flag",
        Setting(
            "heterogeneous flag",
            lambda x: sigmoid(0.6 * np.sin(2.0 * x[:, 0]) - 0.5 * x[:, 1]),
            lambda x: -0.7 + 0.7 * x[:, 0],
            lambda x: 0.5 + 0.8 * x[:, 2],
            is_flag=True,
        ),
        2,
    ),
    _scm("Karimi, linear, x2", LINEAR, (0,), 1, 0.5,
         lambda x: sigmoid(1.5 * x.sum(axis=1)), (0, -0.5)),
    _scm("Karimi, loan, education", LOAN, (0, 1), 2, 0.0, LOAN.probability, (0, 0.5)),
    AdviceSetting(
        "milling machine, torque",
        _machine_draw,
        _machine_population,
        (("worn", lambda x: x[:, 2] >= 150), ("fresh", lambda x: x[:, 2] < 150)),
        lambda x: x[:, 2] >= 150,
        2_000,
    ),
)  # fmt: skip


def panel_draw(
    rng: np.random.Generator, units: int, times: int = 10
) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """Outcomes ``(units, times)`` with serial correlation, starts, and true effects, which grow;
    who starts early has another level."""
    start = np.where(rng.random(units) < 0.3, times, rng.integers(3, times, units))
    since = np.arange(times) - start[:, None]
    effect = np.where(since >= 0, 1.0 + 0.3 * since, 0.0)
    noise = np.zeros((units, times))
    for t in range(times):
        noise[:, t] = 0.5 * noise[:, t - 1] * (t > 0) + rng.standard_normal(units)
    level = rng.normal(0.0, 2.0, units) - 0.2 * start
    shared = np.cumsum(rng.standard_normal(times))
    return level[:, None] + shared + noise + effect, start, effect
