"""Everything that the documents of one model say of an answer, read once when it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ifonly.explainers.verify.goal import ScoreGoal, read_goal
from ifonly.explainers.verify.laws import Laws
from ifonly.explainers.verify.likeness import plausibility_limit
from ifonly.explainers.verify.limits import (
    Limit,
    policy_limits,
    request_limits,
    rests_not_on,
    stays,
)
from ifonly.explainers.verify.passing import Passing
from ifonly.explainers.verify.price import Price, read_price
from ifonly.explainers.verify.what_follows import WhatFollows
from ifonly.explainers.verify.window import WindowMoves
from ifonly.models.predictor import Predictor, Row, Rows
from ifonly.models.schema import Decision, Schema
from ifonly.models.window import unrolled_constraints

Table = Mapping[str, Any]

INDEPENDENT, INTERVENTIONAL, BACKTRACKING = "independent", "interventional", "backtracking"


@dataclass(frozen=True, eq=False)
class Asked:
    """One request, as it was written: nothing of it read by the engines."""

    target: Table | None = None
    constraints: Table = field(default_factory=dict)
    semantics: str = INDEPENDENT
    seed: int = 0


class Sensors(NamedTuple):
    """What each feature's sensor may read, each ``(n_features,)``."""

    errs: npt.NDArray[np.bool_]
    """Whether it errs at all: a category is read as it is."""
    least: Row
    greatest: Row
    tolerance: Row


@dataclass(frozen=True, eq=False)
class Terms:
    """What one answer must keep: the rulebook and the request together."""

    schema: Schema
    goal: ScoreGoal
    limits: tuple[Limit, ...]
    price: Price
    what_follows: WhatFollows | None = None
    """None: features move alone."""
    is_history: bool = False
    """Whether another past is told, in which backgrounds move and nothing is set."""
    tolerances: tuple[float, ...] = ()
    """How far off each reading may be, in its feature's unit, where somebody demands that answers
    survive it."""
    survival: frozenset[str] = frozenset()
    """Keys of who demands it; empty: nobody."""
    seed: int = 0

    def without(self, key: str) -> Terms:
        """The same terms, the limit of that key lifted."""
        kept = tuple(limit for limit in self.limits if limit.key != key)
        # A key may be a demand for survival, which is no limit.
        return replace(self, limits=kept, survival=self.survival - {key})

    def aiming(self, goal: ScoreGoal) -> Terms:
        """The same terms with another target."""
        return replace(self, goal=goal)

    def excluding(self, limit: Limit) -> Terms:
        """The same terms and one more limit."""
        return replace(self, limits=(*self.limits, limit))

    def surviving(self, key: str, tolerances: tuple[float, ...]) -> Terms:
        """The same terms, and ``key`` demands that readings so far off be survived too."""
        # Whoever survives the wider box survives both.
        if self.survival:
            tolerances = tuple(map(max, zip(self.tolerances, tolerances, strict=True)))
        return replace(self, tolerances=tolerances, survival=self.survival | {key})

    @cached_property
    def sensors(self) -> Sensors:
        """What is told of the sensors, in arrays."""
        features = self.schema.features
        return Sensors(
            np.array([not f.kind.is_categorical for f in features]),
            np.array([f.lower for f in features], dtype=np.float64),
            np.array([f.upper for f in features], dtype=np.float64),
            np.array(self.tolerances, dtype=np.float64),
        )

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of everything that must be kept, the target apart."""
        return frozenset(limit.key for limit in self.limits) | self.survival


@dataclass(frozen=True, eq=False)
class Rulebook:
    """The documents of one model: its spec, its policy, its reference rows, its causal file."""

    schema: Schema
    decision: Decision
    policy: Table
    limits: tuple[Limit, ...]
    price: Price
    tolerances: tuple[float, ...]
    references: Rows | None = None
    laws: Laws | None = None
    """What ``causal.toml`` says, if somebody has accepted it."""
    never_set: tuple[Limit, ...] = ()
    """Features that it says are not acted on."""
    passing: Passing | None = None
    """When it says that they follow, if it does."""
    moves: WindowMoves | None = None
    """Of a window: what its profiles move, whatever else follows."""
    follows: WhatFollows | None = None
    """What follows by the causal file: :attr:`laws`, or of a window the same over its steps."""

    @classmethod
    def read(
        cls,
        policy: Table,
        schema: Schema,
        decision: Decision,
        reference: Rows | None = None,
        plausibility: Predictor | None = None,
        laws: Laws | None = None,
        never_set: Sequence[str] = (),
    ) -> Rulebook:
        """The rulebook of a spec's ``[policy]`` table.

        Parameters
        ----------
        reference : ndarray, shape (n_rows, n_features), optional
            Rows that give scales and outlier limits.
        plausibility : Predictor, optional
            Scores rows by ``plausibility.onnx``.
        laws : Laws, optional
            What ``causal.toml`` says; None: features move alone.
        never_set : sequence of str
            Features that it says are not acted on.

        Raises
        ------
        InvalidRule, KeyError, ValueError
            If the documents do not fit together; :class:`~ifonly.explainers.policy.Policy` says it
            better, and is read first.
        """
        price = read_price(policy, schema, reference)
        limits = list(policy_limits(policy, schema))
        if "plausibility" in policy:
            table = policy["plausibility"]
            limits.append(plausibility_limit(table, schema, price, reference, plausibility))
        own = policy.get("features", {})
        tolerances = tuple(float(own.get(n, {}).get("tolerance", 0.0)) for n in schema.names)
        # A feature that the policy freezes already needs no second limit, which would be named too.
        frozen = {limit.columns for limit in limits if limit.key.endswith(".actionable")}
        nodes = (stays(f"causal.nodes.{n}.role", schema.index(n)) for n in never_set)
        return cls(
            schema, decision, policy, tuple(limits), price, tolerances, reference, laws,
            tuple(limit for limit in nodes if limit.columns not in frozen),
        )  # fmt: skip

    @property
    def has_causes(self) -> bool:
        """Whether a causal file that somebody has accepted says what follows."""
        return self.laws is not None or self.follows is not None

    def of_window(self, alone: WindowMoves, causal: WindowMoves | None) -> Rulebook:
        """The rulebook of a window: ``alone`` its profiles, ``causal`` what follows besides."""
        never = () if causal is None else causal.never_set
        nodes = (stays(f"causal.nodes.{n}.role", self.schema.index(n)) for n in never)
        frozen = {limit.columns for limit in self.limits if limit.key.endswith(".actionable")}
        kept = tuple(limit for limit in nodes if limit.columns not in frozen)
        return replace(self, moves=alone, follows=causal, never_set=kept)

    def terms(self, asked: Asked) -> Terms:
        """What an answer to one request must keep.

        Raises
        ------
        InvalidRule, KeyError, ValueError
            If the request does not fit the model.
        """
        said = unrolled_constraints(asked.constraints, self.schema)
        limits = (*self.limits, *request_limits(said, self.schema))
        is_history = asked.semantics == BACKTRACKING
        goal = read_goal(asked.target, self.decision, self.policy)
        # The causal file's roles are about acting, so only interventions keep them.
        if asked.semantics == INTERVENTIONAL:
            limits = (*limits, *self.never_set, *self._severed(is_history))
        elif is_history:
            kept = (limit for limit in limits if limit.is_of_history)
            limits = (*kept, *self._severed(is_history))
        return Terms(
            self.schema,
            goal,
            limits,
            self.price,
            self.moves if asked.semantics == INDEPENDENT else self.follows or self.laws,
            is_history,
            self.tolerances,
            self._survival(asked, goal),
            asked.seed,
        )

    def _severed(self, is_history: bool) -> Iterator[Limit]:
        """That no answer rests on what had failed, where the policy says so."""
        laws = self.laws
        forbidden = self.policy.get("causal", {}).get("failed_checks", "tell") == "forbid"
        if laws is None or not forbidden:
            return
        for part in laws.failed:
            test = partial(part.is_rested_on, below=laws.effects, is_history=is_history)
            # Of a past that nothing can rest on there is nothing to keep.
            if not is_history or any(test([j]) for j in range(len(self.schema))):
                yield rests_not_on(part.key, test)

    def _survival(self, asked: Asked, goal: ScoreGoal) -> frozenset[str]:
        """Who demands that the sensors' errors be survived."""
        told = {"policy.robust": self.policy, "constraints.robust": asked.constraints}
        # Demanded of what somebody is to do, of the desired class, unless the request says.
        is_default = asked.semantics != BACKTRACKING and goal.wanted == self.decision.desired
        if is_default and goal.wanted is not None and asked.constraints.get("robust") is None:
            told["policy.target.robust"] = self.policy.get("target", {})
        return frozenset(key for key, table in told.items() if table.get("robust", False))
