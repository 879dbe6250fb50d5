"""What would have come of always doing this, or of doing what a policy says: off-policy evaluation.

Doubly robust (Dudik, Langford and Li 2011; Athey and Wager 2021, 2.1): a row's score of an action
is its outcome as predicted under it, corrected by what was seen where it was done, weighted by how
likely it was. A policy's value is the mean score of what it would have done. Predictions are
cross-fitted, and so is the policy that is learned here: no row has a say in what is chosen for it.
All policies are compared over the same rows, those in which every action was open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.cate import EffectLaw, chosen_form
from ifonly.explainers.causal.effect import (
    FOLDS,
    LEAST_ROWS,
    TRIM,
    Covariate,
    Learners,
    Observed,
    Refutation,
    cross_fitted,
    divisions,
    enough,
)
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Z95, Estimate, Flags, effective_size
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.sensitivity import nearest, robustness
from ifonly.models.predictor import Rows

Choices = npt.NDArray[np.int64]
"""``(n,)``: what is done in each row, as the place of an action."""


@dataclass(frozen=True, eq=False)
class ActionLog:
    """Rows in which one of several actions was done, none missing."""

    covariates: Rows
    """``(n, p)``: what was known before, and may have led to the action."""
    done: Choices
    outcome: Array
    actions: tuple[str, ...]
    columns: tuple[Covariate, ...] = ()

    def __len__(self) -> int:
        return len(self.done)

    def __getitem__(self, index: npt.NDArray[np.int64] | Flags) -> ActionLog:
        return ActionLog(
            self.covariates[index],
            self.done[index],
            self.outcome[index],
            self.actions,
            self.columns,
        )

    def observed(self, action: int) -> Observed:
        """The action against all others."""
        return Observed(self.covariates, self.done == action, self.outcome, self.columns)

    @property
    def sides(self) -> tuple[int, ...]:
        """Actions whose predictions are learned apart: of two the second tells both."""
        return (1,) if len(self.actions) == 2 else tuple(range(len(self.actions)))


@dataclass(frozen=True, eq=False)
class ActionScores:
    """Of ``n`` rows and ``k`` actions."""

    scores: Array
    """``(k, n)``: what each row adds to the mean outcome were the action always done."""
    propensity: Array
    """``(k, n)``."""
    residual: Array
    """``(n,)``: the outcome less what was predicted of it."""
    fold: npt.NDArray[np.int64]
    """``(n,)``: a division of the rows."""
    kept: Flags
    """``(n,)``: every action was open."""

    @property
    def trimmed(self) -> float:
        """Share of the rows that are left out."""
        return float(1.0 - self.kept.mean())


@dataclass(frozen=True)
class PolicyValue:
    """What a policy's choices would have come to, over the rows in which every action was open."""

    policy: str
    shares: tuple[float, ...]
    """Of rows for which it chooses each action."""
    matched: int
    """Rows in which what it chooses was done."""
    worth: float
    """Rows of equal weight that these are worth (Kish 1965)."""
    value: Estimate | None
    """Mean outcome; ``treated`` are the matched rows. None: fewer than :data:`LEAST_ROWS` rows
    match, or are worth so many."""
    gain: Estimate | None
    """Its value less the mean of what was done, in the same rows."""
    robustness: float | None
    """Strength of a hidden cause of action and outcome that explains all of the gain."""
    robustness_of_interval: float | None


@dataclass(frozen=True, eq=False)
class ValuesFound:
    """Of several policies, over the same rows."""

    rows: int
    trimmed: float
    done: Estimate
    """What was done: the mean outcome, as it was."""
    values: tuple[PolicyValue, ...]
    propensity: tuple[tuple[int, ...], ...]
    """Of each action, counts of rows by how likely it was, in tenths; all rows."""

    def of(self, policy: str) -> PolicyValue:
        return next(v for v in self.values if v.policy == policy)


def score_actions(
    log: ActionLog, learners: Sequence[Learners], rng: np.random.Generator, trim: float = TRIM
) -> ActionScores:
    """Of every action in every row.

    Parameters
    ----------
    log : ActionLog
        ``n`` rows.
    learners : sequence of Learners
        Of each of :attr:`ActionLog.sides`.
    rng : numpy.random.Generator
        Draws the folds.
    trim : float
        Rows in which some action was less likely are left out.

    Raises
    ------
    NotIdentified
        If an action was done in fewer than :data:`LEAST_ROWS` (comparable) rows, or all outcomes
        are one.
    """
    _enough(log, "rows")
    fold = divisions(log.done, rng)
    propensity, predicted = np.empty((2, len(log.actions), len(log)))
    for side, learned in zip(log.sides, learners, strict=True):
        seen = cross_fitted(log.observed(side), learned, fold)
        propensity[side], predicted[side] = seen.propensity, seen.if_treated
        if len(log.actions) == 2:
            propensity[0], predicted[0] = 1.0 - seen.propensity, seen.if_not
    # Learned one by one, chances need not add up to 1.
    propensity = propensity / propensity.sum(axis=0)
    kept = (propensity >= trim).all(axis=0)
    _enough(log[kept], "comparable rows")
    is_done = np.arange(len(log.actions))[:, None] == log.done
    # Where it is not kept a chance may be 0.
    weight = np.where(is_done, 1.0 / np.maximum(propensity, 1e-9), 0.0)
    scores = predicted + weight * (log.outcome - predicted)
    residual = log.outcome - predicted[log.done, np.arange(len(log))]
    return ActionScores(scores, propensity, residual, fold[0], kept)


def best_by_row(
    log: ActionLog, found: ActionScores, *, is_higher_better: bool, fresh: Rows | None = None
) -> npt.NDArray[np.int64]:
    """What effects, as laws of the covariates that have not seen a row, say is best for it.

    Returns
    -------
    ndarray
        ``(n,)``; of ``fresh`` rows ``(m, p)``, ``(FOLDS, m)``: by the laws of each fold.
    """
    sign = 1.0 if is_higher_better else -1.0
    asked = log.covariates if fresh is None else fresh
    chosen = np.empty((FOLDS, len(asked)), dtype=np.int64)
    for k in range(FOLDS):
        own = found.kept & (found.fold != k)
        rows = log.covariates[own]
        inner = np.arange(int(own.sum())) % FOLDS
        beyond_first = np.zeros((len(log.actions), len(asked)))
        for a in range(1, len(log.actions)):
            effect = found.scores[a, own] - found.scores[0, own]
            law = EffectLaw.fitted(chosen_form(rows, effect, inner), rows, effect)
            beyond_first[a] = sign * law(asked)
        chosen[k] = beyond_first.argmax(axis=0)
    return chosen if fresh is not None else chosen[found.fold, np.arange(len(log))]


def policy_values(
    log: ActionLog, found: ActionScores, policies: Mapping[str, Choices]
) -> ValuesFound:
    """Of what each policy chooses in each row, ``(n,)``."""
    own = log[found.kept]
    mean, se = float(own.outcome.mean()), _error(own.outcome)
    return ValuesFound(
        len(own),
        found.trimmed,
        Estimate(mean, se, len(own), len(own)),
        tuple(_value(name, own, found, chosen[found.kept]) for name, chosen in policies.items()),
        tuple(
            tuple(int(c) for c in np.histogram(e, bins=10, range=(0.0, 1.0))[0])
            for e in found.propensity
        ),
    )


def _value(name: str, log: ActionLog, found: ActionScores, chosen: Choices) -> PolicyValue:
    n, places = len(log), np.arange(len(log))
    propensity = found.propensity[:, found.kept][chosen, places]
    matches = log.done == chosen
    weights = matches / propensity
    shares = np.bincount(chosen, minlength=len(log.actions)) / n
    matched, worth = int(matches.sum()), effective_size(weights)
    told = PolicyValue(name, tuple(shares.tolist()), matched, worth, None, None, None, None)
    if min(matched, worth) < LEAST_ROWS:
        return told
    scores = found.scores[:, found.kept][chosen, places]
    gained = scores - log.outcome
    gain = Estimate(float(gained.mean()), _error(gained), n, matched)
    # What was done needs no prediction: the representer is of the difference (see sensitivity).
    residual = found.residual[found.kept]
    scale = float(np.sqrt(np.mean(residual**2) * np.mean((weights - 1.0) ** 2)))
    scale = max(scale, np.finfo(float).tiny)
    return replace(
        told,
        value=Estimate(float(scores.mean()), _error(scores), n, matched),
        gain=gain,
        robustness=robustness(abs(gain.value), scale),
        robustness_of_interval=robustness(nearest(gain), scale),
    )


def refute_values(
    log: ActionLog,
    learners: Sequence[Learners],
    policies: Mapping[str, Choices],
    found: ValuesFound,
    learn: Callable[[ActionLog, ActionScores], Mapping[str, Choices]],
    rng: np.random.Generator,
) -> tuple[Refutation, ...]:
    """As refuters of effects: actions shuffled among rows must gain nothing over what was done; a
    random common cause, or a part of the rows, must leave gains where they are. Of all policies
    that which comes nearest to its limit, or goes farthest beyond, is told.

    Parameters
    ----------
    policies : mapping
        What each chooses in each row of ``log``.
    learn : callable
        Those of ``policies`` that are learned, learned anew: where actions were shuffled.
    """
    shuffled = replace(log, done=rng.permutation(log.done))
    noise = rng.standard_normal((len(log), 1))
    more = replace(log, covariates=np.hstack([log.covariates, noise]), columns=())
    part = np.sort(rng.permutation(len(log))[: round(0.8 * len(log))])
    by_chance = score_actions(shuffled, learners, rng)
    nothing = policy_values(shuffled, by_chance, {**policies, **learn(shuffled, by_chance)})
    # Of the same choices: what is learned from other rows is another policy.
    same = policy_values(more, score_actions(more, learners, rng), policies)
    fewer = policy_values(
        log[part],
        score_actions(log[part], learners, rng),
        {name: chosen[part] for name, chosen in policies.items()},
    )
    told = []
    for name, gains, factor in (
        ("placebo treatment", _gains(nothing), Z95),
        ("random common cause", _moved(found, same), 1.0),
        # A part of 4/5 differs from the whole with half the standard error: three of those.
        ("four fifths of the rows", _moved(found, fewer), 1.5),
    ):
        checks = [Refutation(name, size, factor * se) for size, se in gains]
        if checks:
            told.append(max(checks, key=lambda c: abs(c.value) / max(c.limit, 1e-300)))
    return tuple(told)


def _gains(found: ValuesFound) -> list[tuple[float, float]]:
    return [(v.gain.value, v.gain.se) for v in found.values if v.gain is not None]


def _moved(before: ValuesFound, after: ValuesFound) -> list[tuple[float, float]]:
    return [
        (b.gain.value - a.gain.value, a.gain.se)
        for a, b in zip(before.values, after.values, strict=True)
        if a.gain is not None and b.gain is not None
    ]


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _enough(log: ActionLog, what: str) -> None:
    for a, name in enumerate(log.actions):
        n = int((log.done == a).sum())
        if n < LEAST_ROWS:
            raise NotIdentified(
                f"{name} was done in {n} {what}: {LEAST_ROWS} are needed. --from and --to compare "
                f"two actions alone"
            )
    enough(log.observed(log.sides[0]), what)
