"""What is true of a question, by a walk over every action; and what of a reply is not.

It shares nothing with the engines and nothing with the checker: limits are predicates written
beside their text, the price is the design's formula, what follows is worked out from each law as
it is written, and the deployed model is asked. Plain numpy, one small grid at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Decision, Schema, Task

N_VERSIONS = 64
NEAR = 1e-9

Law = Callable[..., Any]
"""A level or a log scale of ``(parameters, *causes)``."""


@dataclass(frozen=True, eq=False)
class OracleFollows:
    """One feature that follows from others, as its law is written."""

    causes: tuple[int, ...]
    level: Law
    log_scale: Law | None = None
    weights: np.ndarray | None = None
    """Parameters of the level, ``(b,)``."""
    root: np.ndarray | None = None
    """Their plausible values are ``weights + root @ z``, ``z`` normal."""

    def moved(self, before: Rows, now: Rows, own: np.ndarray, weights: Any) -> np.ndarray:
        was = [before[:, i] for i in self.causes]
        will = [now[:, i] for i in self.causes]
        with np.errstate(all="ignore"):
            rise = self.level(weights, *will) - self.level(weights, *was)
            if self.log_scale is None:
                return np.asarray(own + rise)
            growth = np.exp(self.log_scale(*will) - self.log_scale(*was))
            noise = own - self.level(weights, *was)
            return np.asarray(self.level(weights, *will) + growth * noise)


@dataclass(frozen=True, eq=False)
class World:
    """Who follows from whom, causes first; and how sure an answer must be."""

    laws: Mapping[int, OracleFollows]
    whole: frozenset[int]
    gamma: float = 2.5
    floor: float = 0.9
    is_history: bool = False

    @cached_property
    def versions(self) -> list[dict[int, Any]]:
        """The parameters of every plausible version, drawn in schema order from seed 0."""
        rng = np.random.default_rng(0)
        drawn = {}
        for j in sorted(self.laws):
            law = self.laws[j]
            if law.root is not None and law.weights is not None:
                z = rng.standard_normal((N_VERSIONS, law.root.shape[1]))
                drawn[j] = law.weights + z @ law.root.T
        return [{j: w[m] for j, w in drawn.items()} for m in range(N_VERSIONS)]

    def rows(self, actions: Rows, before: Rows, weights: Mapping[int, Any] | None = None) -> Rows:
        """What each action leads to, ``before`` ``(1, d)`` or one each."""
        before = np.broadcast_to(before, actions.shape)
        is_set = _differ(actions, before)
        return self.follow(actions, before, is_set, weights)

    def follow(
        self, actions: Rows, before: Rows, is_set: np.ndarray, weights: Mapping[int, Any] | None
    ) -> Rows:
        now, touched = np.array(actions), np.array(is_set)
        for j, law in self.laws.items():
            above = touched[:, list(law.causes)].any(axis=1)
            follows = above if self.is_history else above & ~is_set[:, j]
            own = law.weights if weights is None else weights.get(j, law.weights)
            moved = law.moved(before, now, before[:, j], own)
            if self.is_history:
                moved = moved + np.where(is_set[:, j], actions[:, j] - before[:, j], 0.0)
            now[follows, j] = moved[follows]
            touched[:, j] |= follows
        for j in self.whole:
            followed = now[:, j] != actions[:, j]
            now[followed, j] = np.rint(now[followed, j])
        return now

    def effects(self, columns: Sequence[int]) -> frozenset[int]:
        moved, found = set(columns), set()
        for j, law in self.laws.items():
            if set(law.causes) & moved and (self.is_history or j not in columns):
                found.add(j)
                moved.add(j)
        return frozenset(found)

    def via(self, columns: Sequence[int], effect: int) -> frozenset[int]:
        """What is set and leads to ``effect``, not through another that is set."""
        found, waiting = set(), list(self.laws[effect].causes)
        while waiting:
            j = waiting.pop()
            if j in columns:
                found.add(j)
            elif j in self.laws:
                waiting += self.laws[j].causes
        return frozenset(found)


@dataclass(frozen=True)
class OracleLimit:
    """One thing that must hold, by the key under which it is declared."""

    key: str
    holds: Callable[[Rows, Row], np.ndarray]
    of_action: bool = True
    of_history: bool = False


@dataclass(frozen=True)
class OracleGoal:
    """The target, as the request means it."""

    decision: Decision
    wanted: int | None
    low: float = -math.inf
    high: float = math.inf

    @property
    def alone(self) -> OracleGoal:
        return self if self.wanted is None else OracleGoal(self.decision, self.wanted)

    def met(self, scores: Scores) -> np.ndarray:
        measured = self._measured(scores)
        inside = (self.low <= measured) & (measured <= self.high)
        decided = np.asarray(True if self.wanted is None else self._decided(scores) == self.wanted)
        return np.asarray(inside & decided)

    def margin(self, scores: Scores) -> np.ndarray:
        measured = self._measured(scores)
        within = np.minimum(measured - self.low, self.high - measured)
        return np.asarray(np.minimum(within, self._ahead(scores)))

    def _decided(self, scores: Scores) -> np.ndarray:
        if self.decision.task is Task.MULTICLASS:
            return np.asarray(np.argmax(scores, axis=1))
        assert self.decision.threshold is not None
        over = scores[:, 0] >= self.decision.threshold
        return np.where(over, self.decision.positive, 1 - self.decision.positive)

    def _measured(self, scores: Scores) -> np.ndarray:
        if self.wanted is None or self.decision.task is Task.REGRESSION:
            return scores[:, 0]
        if self.decision.task is Task.MULTICLASS:
            return scores[:, self.wanted]
        return scores[:, 0] if self.wanted == self.decision.positive else 1.0 - scores[:, 0]

    def _ahead(self, scores: Scores) -> np.ndarray:
        if self.wanted is None:
            return np.full(len(scores), np.inf)
        if self.decision.task is Task.MULTICLASS:
            others = np.delete(scores, self.wanted, axis=1)
            return np.asarray(scores[:, self.wanted] - others.max(axis=1))
        assert self.decision.threshold is not None
        over = scores[:, 0] - self.decision.threshold
        return over if self.wanted == self.decision.positive else -over


@dataclass(frozen=True, eq=False)
class OracleTruth:
    """A question, and the walk that answers it."""

    schema: Schema
    factual: Row
    goal: OracleGoal
    limits: tuple[OracleLimit, ...]
    price: Callable[[Rows, Row], np.ndarray]
    score: Callable[[Rows], Scores]
    axes: Sequence[Sequence[float]]
    """Every value of every feature that could be allowed."""
    grids: Sequence[Callable[[float], bool]]
    """Whether a value of a feature can be set at all."""
    world: World | None = None
    readings: Callable[[Row], Rows] | None = None
    """Every reading that the sensors could give of a row; None: none must be survived."""
    error_sd: Row | None = None
    proves: bool = True
    """Whether an exact engine answers, which has to prove what it says."""
    demand_key: str = ""
    is_whole: bool = True
    """Whether the walk sees what lifting a limit allows."""
    _walked: dict[str, Any] = field(default_factory=dict)

    # --- of some actions ------------------------------------------------------------------

    def leads_to(self, actions: Rows) -> Rows:
        return actions if self.world is None else self.world.rows(actions, self.factual[None])

    def kept(self, limit: OracleLimit, actions: Rows, rows: Rows) -> np.ndarray:
        return np.asarray(limit.holds(actions if limit.of_action else rows, self.factual))

    def readable(self, actions: Rows, rows: Rows) -> np.ndarray:
        low = np.array([f.lower for f in self.schema.features])
        high = np.array([f.upper for f in self.schema.features])
        return np.asarray(((low <= rows) & (rows <= high) | ~_differ(rows, actions)).all(axis=1))

    def sure(self, action: Row, goal: OracleGoal) -> bool:
        margins = self._margins(action, goal)
        if margins is None or self.world is None:
            return True
        if np.isnan(margins).any():
            return False
        lower = margins.mean() - self.world.gamma * margins.std(ddof=1)
        return bool(lower >= -NEAR and (margins >= 0.0).mean() >= self.world.floor)

    def _margins(self, action: Row, goal: OracleGoal) -> np.ndarray | None:
        """By each plausible version of the laws; None where nothing follows."""
        world = self.world
        columns = np.flatnonzero(_differ(action[None], self.factual[None])[0]).tolist()
        if world is None or not world.effects(columns):
            return None
        rows = [world.rows(action[None], self.factual[None], w)[0] for w in world.versions]
        return goal.margin(self.score(np.array(rows)))

    def survives(self, row: Row, goal: OracleGoal) -> bool:
        if self.readings is None:
            return True
        return bool(goal.met(self.score(self.readings(row))).all())

    # --- of all of them -------------------------------------------------------------------

    @cached_property
    def actions(self) -> Rows:
        """Cheapest first."""
        every = np.array(list(itertools.product(*self.axes)))
        return every[np.argsort(self.price(every, self.factual), kind="stable")]

    @cached_property
    def prices(self) -> np.ndarray:
        return self.price(self.actions, self.factual)

    @cached_property
    def rows(self) -> Rows:
        return self.leads_to(self.actions)

    @cached_property
    def scores(self) -> Scores:
        told = np.where(np.isfinite(self.rows) | np.isnan(self.factual), self.rows, 0.0)
        return np.concatenate([self.score(part) for part in np.array_split(told, 8)])

    @cached_property
    def _readable(self) -> np.ndarray:
        return self.readable(self.actions, self.rows)

    @cached_property
    def _kept(self) -> dict[str, np.ndarray]:
        return {a.key: self.kept(a, self.actions, self.rows) for a in self.limits}

    def allowed(self, keys: Sequence[str]) -> np.ndarray:
        found = self._readable.copy()
        for key in keys:
            if key in self._kept:
                found &= self._kept[key]
        return found

    def least(
        self,
        keys: Sequence[str] | None = None,
        goal: OracleGoal | None = None,
        leaving: Sequence[frozenset[int]] = (),
    ) -> float:
        """What the cheapest answer costs that keeps the limits under ``keys`` (all of them), and
        leaves one lever of each set alone; infinity if there is none."""
        goal = goal or self.goal
        keys = self.keys if keys is None else keys
        known = f"{sorted(keys)} {goal.low} {goal.high} {sorted(map(sorted, leaving))}"
        if known not in self._walked:
            self._walked[known] = self._least(keys, goal, leaving)
        return float(self._walked[known])

    def _least(
        self, keys: Sequence[str], goal: OracleGoal, leaving: Sequence[frozenset[int]]
    ) -> float:
        may = self.allowed(keys) & goal.met(self.scores)
        moved = _differ(self.actions, self.factual[None])
        for levers in leaving:
            may &= ~moved[:, sorted(levers)].all(axis=1)
        survives = self.readings is not None and any(k.endswith(".robust") for k in keys)
        for i in np.flatnonzero(may):
            if self.sure(self.actions[i], goal) and (
                not survives or self.survives(self.rows[i], goal)
            ):
                return float(self.prices[i])
        return math.inf

    @property
    def keys(self) -> list[str]:
        robust = ["constraints.robust"] if self.readings is not None else []
        return [limit.key for limit in self.limits] + robust

    @property
    def likely(self) -> bool:
        """Whether anything that is allowed leads into the target by what is believed."""
        return bool((self.allowed(self.keys) & self.goal.met(self.scores)).any())

    @property
    def furthest(self) -> float:
        """The greatest margin of what is allowed."""
        allowed = self.allowed(self.keys)
        return float(self.goal.margin(self.scores[allowed]).max()) if allowed.any() else -math.inf

    def is_there(self) -> bool:
        """Whether the factual is in the target already. What the policy demands of a change is
        not asked of it."""
        by_policy = self.demand_key.startswith("policy")
        goal = self.goal.alone if by_policy else self.goal
        return bool(goal.met(self.score(self.factual[None]))[0])


def _differ(rows: Rows, others: Rows) -> np.ndarray:
    return np.asarray((rows != others) & ~(np.isnan(rows) & np.isnan(others)))


# --- what of a reply is not so -----------------------------------------------------------------

Reply = Mapping[str, Any]


@dataclass
class Faults:
    """What is wrong with a reply."""

    wrong: list[str] = field(default_factory=list)
    """Of rows that it publishes: one row and one call of the model show it."""
    false: list[str] = field(default_factory=list)
    """Of what it claims of all other rows."""


def faults(truth: OracleTruth, reply: Reply) -> Faults:
    """Everything of a reply that is not so."""
    found, status = Faults(), reply["status"]
    if status == "already_target" and not truth.is_there():
        found.wrong.append("already there: it is not")
    # A question that the checker refuses has no answer, and so no wrong one.
    is_refused = status == "unknown" and not reply["found"] and bool(reply.get("rejected"))
    if status != "already_target" and truth.is_there() and not is_refused:
        found.wrong.append(f"{status}: it is there already")
    if status == "infeasible" and not truth.is_there():
        _judge_infeasible(truth, reply, found)
    if status == "abstained" and (truth.least() < math.inf or not truth.likely):
        found.false.append("abstained: something is sure enough, or nothing likely")
    leaving: list[frozenset[int]] = []
    for k, one in enumerate(reply["found"]):
        _judge_one(truth, one, found, leaving)
        _judge_cost(truth, one, found, truth.least(leaving=leaving), f"answer {k}")
        leaving.append(frozenset(one["action"]))
    return found


def _judge_infeasible(truth: OracleTruth, reply: Reply, found: Faults) -> None:
    if truth.least() < math.inf:
        found.false.append(f"infeasible: {truth.least()} does")
    if reply["is_contradiction"]:
        if truth.allowed(reply["blocked_by"]).any():
            found.false.append("contradiction: something keeps all of these")
        return
    if truth.is_whole:
        _judge_blocking(truth, reply, found)
    best, furthest = reply["best"], truth.furthest
    if best is not None and len(best) == 1 and truth.proves and truth.readings is None:
        margin = float(truth.goal.margin(np.array([best]))[0])
        if abs(margin - furthest) > 1e-4:
            found.false.append(f"nearest: {margin}, and {furthest} can be reached")


def _judge_blocking(truth: OracleTruth, reply: Reply, found: Faults) -> None:
    blocked = reply["blocked_by"]
    if _least(truth, blocked) < math.inf:
        found.false.append("blocking: what is named leaves something")
    for key in blocked:
        if _least(truth, [k for k in blocked if k != key]) == math.inf:
            found.false.append(f"blocking: {key} need not be named")
    ways = {key: _least(truth, [k for k in _whole(truth) if k != key]) for key in blocked}
    relaxed = reply["relaxation"]
    if relaxed is None:
        if truth.demand_key not in blocked and min(ways.values(), default=math.inf) < math.inf:
            found.false.append("relaxation: there is one")
        return
    goal = OracleGoal(truth.goal.decision, truth.goal.wanted, *relaxed["target"])
    key = relaxed["lifted"]
    _judge_one(_lifted(truth, key, goal), relaxed["found"], found, [])
    least = _lifted(truth, key, goal).least()
    _judge_cost(truth, relaxed["found"], found, least, "relaxation")
    if key != truth.demand_key and relaxed["found"]["cost"] > min(ways.values()) + NEAR:
        found.false.append("relaxation: another is cheaper")


def _whole(truth: OracleTruth) -> list[str]:
    demand = [truth.demand_key] if not math.isinf(truth.goal.low) and truth.goal.wanted == 0 else []
    return truth.keys + demand


def _least(truth: OracleTruth, keys: Sequence[str]) -> float:
    demands = truth.demand_key in keys or truth.goal.wanted is None
    return truth.least(keys, truth.goal if demands else truth.goal.alone)


def _lifted(truth: OracleTruth, key: str, goal: OracleGoal) -> OracleTruth:
    limits = tuple(limit for limit in truth.limits if limit.key != key)
    readings = None if key == "constraints.robust" else truth.readings
    return OracleTruth(
        truth.schema, truth.factual, goal, limits, truth.price, truth.score, truth.axes,
        truth.grids, truth.world, readings, truth.error_sd, truth.proves, truth.demand_key,
    )  # fmt: skip


def _judge_one(
    truth: OracleTruth, one: Reply, found: Faults, leaving: Sequence[frozenset[int]]
) -> None:
    action, row = _action(truth, one), np.array(one["row"])
    found.wrong += [f"row: {why}" for why in _broken(truth, action, row, leaving)]
    price = float(truth.price(action[None], truth.factual)[0])
    if abs(one["cost"] - price) > NEAR * max(1.0, price):
        found.wrong.append(f"cost: {one['cost']} is said, {price} is right")
    if not np.allclose(one["scores"], truth.score(row[None])[0], atol=1e-9):
        found.wrong.append("prediction: the model says another")
    followed = set(np.flatnonzero(_differ(row[None], action[None])[0]).tolist())
    if {j for j, _, _ in one["effects"]} != followed:
        found.wrong.append("effects: not those of the row")
    columns = sorted(one["action"])
    for j, value, via in one["effects"]:
        if value != row[j]:
            found.wrong.append("effects: not as in the row")
        if truth.world is not None and set(via) != truth.world.via(columns, j):
            found.wrong.append(f"via: {via}")
    _judge_ranges(truth, one, action, found)
    _judge_assurance(truth, one, action, found)


def _action(truth: OracleTruth, one: Reply) -> Row:
    action = truth.factual.copy()
    for j, value in one["action"].items():
        action[j] = value
    return action


def _broken(
    truth: OracleTruth, action: Row, row: Row, leaving: Sequence[frozenset[int]] = ()
) -> Iterator[str]:
    """What one action and its row do not keep."""
    moved = np.flatnonzero(_differ(action[None], truth.factual[None])[0]).tolist()
    yield from (
        f"{j} = {action[j]} is off the grid" for j in moved if not truth.grids[j](action[j])
    )
    expected = truth.leads_to(action[None])
    if not np.allclose(row, expected[0], rtol=NEAR, atol=NEAR, equal_nan=True):
        yield f"{row} is not what follows, {expected[0]}"
    if not truth.readable(action[None], row[None])[0]:
        yield "out of bounds"
    for limit in truth.limits:
        if not truth.kept(limit, action[None], row[None])[0]:
            yield f"{limit.key} is broken"
    if not truth.goal.met(truth.score(row[None]))[0]:
        yield "the model does not decide so"
    elif not truth.sure(action, truth.goal):
        yield "not sure enough"
    elif not truth.survives(row, truth.goal):
        yield "a reading is lost"
    if any(set(levers) <= set(moved) for levers in leaving):
        yield "the same levers once more"


def _judge_cost(truth: OracleTruth, one: Reply, found: Faults, least: float, what: str) -> None:
    bound, cost = one["lower_bound"], one["cost"]
    if bound is not None and bound > least + NEAR * max(1.0, least):
        found.false.append(f"{what}: nothing below {bound} is said, {least} does")
    if one["enumerated"] and cost > least + NEAR:
        moved = _differ(truth.actions, truth.factual[None]).sum(axis=1) <= one["enumerated"]
        cheaper = truth.prices < cost - NEAR
        may = truth.allowed(truth.keys) & truth.goal.met(truth.scores) & moved & cheaper
        if any(truth.sure(truth.actions[i], truth.goal) for i in np.flatnonzero(may)):
            found.false.append(f"{what}: something of so few changes is cheaper")


def _judge_ranges(truth: OracleTruth, one: Reply, action: Row, found: Faults) -> None:
    for j, ends in one["ranges"].items():
        if ends is None:
            continue
        values = np.array([v for v in truth.axes[j] if ends[0] <= v <= ends[1]])
        if len(values) > 24:
            values = values[np.linspace(0, len(values) - 1, 24).round().astype(int)]
        for value in dict.fromkeys([*ends, *values]):
            other = action.copy()
            other[j] = value
            if not np.isfinite(value) or any(True for _ in _holding(truth, other)):
                place = found.wrong if value in ends else found.false
                place.append(f"range: {j} = {value} does not do")
                break


def _holding(truth: OracleTruth, action: Row) -> Iterator[str]:
    return _broken(truth, action, truth.leads_to(action[None])[0])


def _judge_assurance(truth: OracleTruth, one: Reply, action: Row, found: Faults) -> None:
    if one["chance"] is None or truth.world is None:
        return
    margins = truth._margins(action, truth.goal)
    chance = 1.0 if margins is None else float((margins >= 0.0).mean())
    if abs(one["chance"] - chance) > NEAR:
        found.wrong.append(f"chance: {one['chance']} is said, {chance} is right")
    survival = _survival(truth, action)
    if abs(one["survival"] - survival) > 0.011:
        found.false.append(f"survival: {one['survival']} is said, {survival} is right")


def _survival(truth: OracleTruth, action: Row) -> float:
    """Share of 200 draws of the sensors' errors, from seed 0, by which the target is met."""
    assert truth.world is not None
    assert truth.error_sd is not None
    noise = np.random.default_rng(0).standard_normal((200, len(action)))
    errors = np.where(np.isnan(truth.factual), 0.0, truth.error_sd)
    states = truth.factual + errors * noise
    is_set = np.broadcast_to(_differ(action[None], truth.factual[None]), states.shape)
    shift = states + (action - truth.factual) if truth.world.is_history else action
    actions = np.where(is_set, shift, states)
    rows = truth.world.follow(actions, states, is_set, None)
    return float((truth.goal.margin(truth.score(rows)) >= 0.0).mean())
