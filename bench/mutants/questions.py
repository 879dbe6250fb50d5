"""The fixed questions, each asked through the documents as a client would, on grids small enough
for a walk over every action."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.mutants.laws import WORLDS, causal_toml, milling_world, speed_json
from bench.mutants.truth import OracleGoal, OracleLimit, OracleTruth, World
from ifonly import models
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.schema import Schema, Task
from tests.support import kinds as declared
from tests.support.affine import prices
from tests.support.bruteforce import settable
from tests.support.generated import SCHEMA, factual
from tests.support.kinds import ConstraintKind, missing_stays
from tests.support.onnx_layers import layered_model
from tests.support.onnx_trees import spec_text, tree_model
from tests.support.questions import MODE_COSTS, PENALTY

ARTIFACT = Path(models.__file__).parent / "artifacts" / "milling-machine" / "1"
KIND = {kind.name: kind for kind in declared.KINDS}
TOLERANCES = (0.15, 8.0, 0.0, 0.0, 0.06)
SCALES = {"pressure": 2.0, "speed": 90.0, "flow": 0.7}


@dataclass(frozen=True, eq=False)
class Case:
    """One question with its truth."""

    name: str
    model: str
    """Of the folder that it is asked of."""
    engine: str
    """``own``: those that the service makes for the model; ``blackbox``: that one alone;
    ``merging``: its own, with trees merged from the first box."""
    request: Mapping[str, Any]
    make_truth: Callable[[DeployedModel], OracleTruth]
    again: Callable[[], Case] | None = None
    """The same of another factual, for where this one is in the target already."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Folders:
    """Model folders, written to ``root`` and loaded once."""

    root: Path

    @cache  # noqa: B019
    def load(self, name: str) -> DeployedModel:
        if name == "milling":
            return load_folder(ARTIFACT)
        family, task, seed, laws, kinds = name.split("/")
        folder = self.root / "generated" / str(len(list(self.root.glob("generated/*"))) + 1)
        folder.mkdir(parents=True)
        text = spec_text(Task(task)).replace(
            'version = "1"', f'version = "{folder.name}"'
        ) + _policy([KIND[k] for k in kinds.split("+") if k])
        (folder / "spec.toml").write_text(text, "utf-8")
        (folder / "model.onnx").write_bytes(_graph(family, Task(task), int(seed)))
        if laws:
            (folder / "causal.toml").write_text(causal_toml(laws), "utf-8")
            (folder / "mechanisms").mkdir()
            (folder / "mechanisms" / "speed.json").write_bytes(speed_json())
        return load_folder(folder)


def _graph(family: str, task: Task, seed: int) -> bytes:
    draw = np.random.default_rng(seed)
    if family == "trees":
        return tree_model(seed, task, int(draw.integers(1, 25)), int(draw.integers(1, 5)))
    if family == "few":
        return tree_model(seed, task, int(draw.integers(2, 6)), 2)
    hidden = () if family == "linear" else tuple(draw.integers(2, 9, int(draw.integers(1, 3))))
    return layered_model(seed, task, tuple(map(int, hidden)))


def _policy(kinds: Sequence[ConstraintKind]) -> str:
    """The ``[policy]`` of a generated model, as TOML."""
    features: dict[str, dict[str, Any]] = {
        "pressure": {"tolerance": TOLERANCES[0], "scale": SCALES["pressure"]},
        "speed": {"tolerance": TOLERANCES[1], "scale": SCALES["speed"], "weight": 2.0},
        "mode": {"cost_matrix": [list(row) for row in MODE_COSTS]},
        "grade": {},
        "flow": {"tolerance": TOLERANCES[4], "scale": SCALES["flow"], "fixed_cost": 0.25},
    }
    for kind in kinds:
        for name, table in kind.feature.items():
            features[name].update(table)
    rules = [{"rule": kind.rule} for kind in kinds if kind.rule]
    lines = ["\n[policy]", f"change_penalty = {PENALTY}", f"rules = {_written(rules)}"]
    lines += ["[policy.causal]", "gamma = 1.0", "floor = 0.7"]
    for name, table in features.items():
        lines.append(f"[policy.features.{name}]")
        lines += [f"{key} = {_written(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return repr(float(value)) if isinstance(value, float) else repr(value)


# --- generated models ------------------------------------------------------------------------


def _by_row(keeps: Any) -> Callable[[Any, Any], np.ndarray]:
    return lambda rows, before: np.array([bool(keeps(row, before)) for row in rows], dtype=bool)


def _limits(kinds: Sequence[ConstraintKind], asked: Sequence[ConstraintKind]) -> list[OracleLimit]:
    """Of the policy and of the request, by key."""
    found, rules = [], 0
    for kind in kinds:
        for name, table in kind.feature.items():
            (part,) = table
            if part != "fillable":
                key = f"policy.features.{name}.{part}"
                found.append(OracleLimit(key, _by_row(kind.keeps)))
        if kind.rule:
            key, rules = f"policy.rules.{rules}", rules + 1
            found.append(OracleLimit(key, _by_row(kind.keeps), of_action=False, of_history=True))
    if not any(kind.name == "may be filled" for kind in kinds):
        key = "policy.features.flow.fillable"
        found.append(OracleLimit(key, _by_row(missing_stays), of_action=False, of_history=True))
    for kind in asked:
        found += _asked_limits(kind)
    return found


def _asked_limits(kind: ConstraintKind) -> list[OracleLimit]:
    if kind.rule:
        key = "constraints.rules.0"
        return [OracleLimit(key, _by_row(kind.keeps), of_action=False, of_history=True)]
    (part,) = kind.request
    if part == "freeze":
        return [
            OracleLimit(f"constraints.freeze.{i}", _stays(SCHEMA.index(name)), of_history=True)
            for i, name in enumerate(kind.request[part])
        ]
    own = kind.request[part]
    key = f"constraints.{part}" + (f".{next(iter(own))}" if isinstance(own, Mapping) else "")
    of_action = part != "ranges"
    return [OracleLimit(key, _by_row(kind.keeps), of_action=of_action, of_history=True)]


def _stays(j: int) -> Callable[[Any, Any], np.ndarray]:
    return lambda rows, before: (
        (rows[:, j] == before[j]) | (np.isnan(rows[:, j]) & np.isnan(before[j]))
    )


def _wanted(decision: Any, target: Mapping[str, Any] | None) -> OracleGoal:
    """The target of a request to a generated model, whose policy demands no probability."""
    if target is None:
        return OracleGoal(decision, decision.desired)
    ends = target.get("score") or target.get("probability") or {}
    low, high = ends.get("min", -math.inf), ends.get("max", math.inf)
    wanted = decision.class_names.index(target["class"]) if "class" in target else None
    return OracleGoal(decision, wanted, low, high)


def _generated(
    family: str,
    task: Task,
    seed: int,
    kinds: Sequence[str] = (),
    *,
    asked: Sequence[str] = (),
    laws: str = "",
    engine: str = "own",
    model_seed: int | None = None,
    more: Mapping[str, Any] | None = None,
    may_be_there: bool = False,
) -> Case:
    def again() -> Case:
        return _generated(
            family, task, seed + 3_000, kinds, asked=asked, laws=laws, engine=engine,
            model_seed=which + (seed % 9_000 > 6_000), more=more,
        )  # fmt: skip

    missing = seed % 3 == 0 and not laws
    before = factual(seed, missing=missing)
    more = more or {}
    instance = {
        f.name: f.categories[int(v)].name if f.kind.is_categorical else (None if v != v else v)
        for f, v in zip(SCHEMA.features, before.tolist(), strict=True)
    }
    constraints: dict[str, Any] = dict(more.get("constraints", {}))
    for name in asked:
        kind = KIND[name]
        constraints |= {"rules": [kind.rule]} if kind.rule else dict(kind.request)
    semantics = more.get("semantics", "interventional" if laws else "independent")
    request = {
        "instance": instance,
        **{k: v for k, v in more.items() if k not in ("constraints", "semantics")},
        "constraints": constraints,
        "semantics": semantics,
    }
    which = seed % 20 if model_seed is None else model_seed
    model = f"{family}/{task.value}/{which}/{laws}/{'+'.join(kinds)}"

    def make(deployed: DeployedModel) -> OracleTruth:
        is_history = semantics == "backtracking"
        limits = _limits([KIND[k] for k in kinds], [KIND[k] for k in asked])
        if is_history:
            limits = [limit for limit in limits if limit.of_history]
        robust = constraints.get("robust", False)
        world = WORLDS[laws] if laws and semantics != "independent" else None
        if world is not None:
            world = World(world.laws, world.whole, 1.0, 0.7, is_history)
        steps = [0.0 if f.resolution is None else float(f.resolution) for f in SCHEMA.features]
        tolerance = [TOLERANCES[j] if j in (0, 1, 4) else 0.0 for j in range(5)]
        sd = [t / math.sqrt(3.0) if s else 0.0 for t, s in zip(tolerance, steps, strict=True)]
        return OracleTruth(
            SCHEMA, before, _wanted(deployed.spec.decision, request.get("target")),
            tuple(limits), prices, deployed.predictor.score,
            [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)],
            [_on_grid(SCHEMA, j) for j in range(5)], world,
            _readings(deployed) if robust else None, np.array(sd),
            engine != BLACKBOX, "target.probability",
        )  # fmt: skip

    told = "+".join((*kinds, *asked)) or "no limits"
    who = {"own": family, "merging": f"{family} merging"}.get(engine, engine)
    said = f"{who} {task.value} {seed} {told}"
    parts = [laws, semantics if laws else "", *(k for k in more if k != "semantics")]
    name = " ".join([said, *filter(None, parts)])
    return Case(name, model, engine, request, make, None if may_be_there else again)


def _on_grid(schema: Schema, j: int) -> Callable[[float], bool]:
    values = frozenset(settable(schema.features[j], math.nan)) - {math.nan}
    return lambda value: value in values


def _readings(deployed: DeployedModel) -> Callable[[Any], Any]:
    """Every reading within tolerance that a threshold could tell apart."""

    def readings(row: Any) -> Any:
        choices = []
        for j, (feature, value) in enumerate(zip(SCHEMA.features, row.tolist(), strict=True)):
            off = TOLERANCES[j]
            if not off or math.isnan(value):
                choices.append(np.array([value]))
                continue
            low = max(value - off, min(feature.lower, value))
            high = min(value + off, max(feature.upper, value))
            cuts = np.asarray(deployed.thresholds.get(j, ()), dtype=np.float32)
            sides = [np.nextafter(cuts, np.float32(s)) for s in (-np.inf, np.inf)]
            near = np.unique(np.concatenate([cuts, *sides]).astype(np.float64))
            choices.append(np.array([low, high, value, *near[(near >= low) & (near <= high)]]))
        return np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, len(row))

    return readings


# --- the shipped model -----------------------------------------------------------------------

ALARM = {
    "air_temperature": 303.3, "process_temperature": 312.8, "rotational_speed": 1384.0,
    "torque": 62.7, "tool_wear": 196.0, "quality": "L",
}  # fmt: skip
AIR, PROCESS, RPM, TORQUE, WEAR, QUALITY = range(6)
ROUND = 1e-6
MOST_DRAWN = 24
"""Factuals that are tried for one that is not in the target already."""


def _milling_price(rows: Any, before: Any) -> Any:
    moves = rows != before
    cost = np.abs(rows - before) / np.array([1.0, 1.6, 90.0, 6.7, 300.0, 1.0])
    cost[:, WEAR] += 2.0
    return np.where(moves, cost, 0.0).sum(axis=1)


def _within(j: int, low: float, high: float) -> Callable[[Any, Any], Any]:
    return lambda rows, before: (
        (rows[:, j] == before[j]) | (low <= rows[:, j]) & (rows[:, j] <= high)
    )


_MILLING = (
    OracleLimit("policy.features.air_temperature.actionable", _stays(AIR)),
    OracleLimit("policy.features.process_temperature.range", _within(PROCESS, 304.0, 316.0)),
    OracleLimit("policy.features.rotational_speed.range", _within(RPM, 1168.0, 2886.0)),
    OracleLimit("policy.features.torque.range", _within(TORQUE, 3.8, 76.6)),
    OracleLimit("policy.features.tool_wear.only_to", _within(WEAR, 0.0, 0.0)),
    OracleLimit("policy.features.quality.actionable", _stays(QUALITY)),
    OracleLimit(
        "policy.rules.0",
        lambda rows, before: rows[:, PROCESS] - rows[:, AIR] >= 6.0 - ROUND,
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.rules.1",
        lambda rows, before: (rows[:, PROCESS] == before[PROCESS])
        | (rows[:, PROCESS] - rows[:, AIR] <= 12.0 + ROUND),
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.rules.2",
        lambda rows, before: (rows[:, WEAR] == before[WEAR]) | (rows[:, WEAR] == 0.0),
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.rules.3",
        lambda rows, before: rows[:, RPM] + 12.5 * rows[:, TORQUE] >= 1750.0 - ROUND,
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.rules.4",
        lambda rows, before: (rows[:, TORQUE] >= 20.0 - ROUND) | (rows[:, RPM] >= 1750.0 - ROUND),
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.rules.5",
        lambda rows, before: (rows[:, TORQUE] <= 65.0 + ROUND) | (rows[:, RPM] <= 1550.0 + ROUND),
        of_action=False, of_history=True,
    ),
    OracleLimit(
        "policy.max_changes",
        lambda rows, before: (rows != before).sum(axis=1) <= 3,
        of_history=True,
    ),
)  # fmt: skip


def _milling(
    name: str,
    constraints: Mapping[str, Any],
    *,
    semantics: str = "interventional",
    instance: Mapping[str, Any] = ALARM,
    engine: str = "own",
    most: Mapping[str, float] | None = None,
    **more: Any,
) -> Case:
    """``most``: how far each lever may move, so that a walk can follow; added to the request."""
    most = {"rotational_speed": 12.0, "torque": 12.0, "process_temperature": 0.2, **(most or {})}
    table = {**constraints, "max_change": most}
    # Of readings the walk knows nothing here, so the policy's demand is lifted.
    asked = {**table, "robust": False}
    request = {"instance": instance, "constraints": asked, "semantics": semantics, **more}

    def make(deployed: DeployedModel) -> OracleTruth:
        schema = deployed.spec.schema
        before = schema.read(instance)
        history = semantics == "backtracking"
        limits = [limit for limit in _MILLING if limit.of_history or not history]
        limits += _milling_limits(table)
        frozen = table.get("freeze", ())
        axes = [
            [float(before[j])] if name in frozen else _axis(schema, j, before, most, history)
            for j, name in enumerate(schema.names)
        ]
        target = more.get("target")
        ends = {"min": 0.95} if target is None else (target.get("probability") or {})
        goal = OracleGoal(
            deployed.spec.decision, 0, ends.get("min", -math.inf), ends.get("max", math.inf)
        )
        world = None if semantics == "independent" else milling_world(ARTIFACT, is_history=history)
        tolerances = np.array([0.2, 0.2, 5.0, 0.5, 0.5, 0.0])
        key = "policy.target.probability" if target is None else "target.probability"
        return OracleTruth(
            schema, before, goal, tuple(limits), _milling_price, deployed.predictor.score, axes,
            [_on_grid(schema, j) for j in range(6)], world, None, tolerances / math.sqrt(3.0),
            engine == "own" and not history, key, is_whole=False,
        )  # fmt: skip

    return Case(f"milling {name} {semantics} {engine}", "milling", engine, request, make)


def _axis(
    schema: Schema, j: int, before: Any, most: Mapping[str, float], is_history: bool
) -> list[float]:
    feature, value = schema.features[j], float(before[j])
    if j in (AIR, QUALITY) and not is_history:
        return [value]
    if j == WEAR and not is_history:
        return sorted({0.0, value})
    if feature.name not in most:
        return settable(feature, value)
    room = most[feature.name] + 1e-7
    return [v for v in settable(feature, value) if abs(v - value) <= room]


def _milling_limits(table: Mapping[str, Any]) -> list[OracleLimit]:
    index = tuple(ALARM).index
    found = [
        OracleLimit(f"constraints.freeze.{i}", _stays(index(name)), of_history=True)
        for i, name in enumerate(table.get("freeze", ()))
    ]
    for name, amount in table["max_change"].items():
        found.append(OracleLimit(f"constraints.max_change.{name}", _near(index(name), amount),
                           of_history=True))  # fmt: skip
    for name, (low, high) in table.get("ranges", {}).items():
        found.append(
            OracleLimit(f"constraints.ranges.{name}", _ends(index(name), low, high),
                        of_action=False, of_history=True)
        )  # fmt: skip
    for name, sense in table.get("directions", {}).items():
        found.append(
            OracleLimit(
                f"constraints.directions.{name}", _one_way(index(name), sense), of_history=True
            )
        )
    if "max_changes" in table:
        count = table["max_changes"]
        found.append(OracleLimit("constraints.max_changes",
                           lambda rows, before: (rows != before).sum(axis=1) <= count,
                           of_history=True))  # fmt: skip
    return found


def _near(j: int, amount: float) -> Callable[[Any, Any], Any]:
    return lambda rows, before: np.abs(rows[:, j] - before[j]) <= amount + 1e-7


def _ends(j: int, low: float | None, high: float | None) -> Callable[[Any, Any], Any]:
    bottom, top = -math.inf if low is None else low, math.inf if high is None else high
    return lambda rows, before: (bottom <= rows[:, j]) & (rows[:, j] <= top)


def _one_way(j: int, sense: str) -> Callable[[Any, Any], Any]:
    if sense == "up":
        return lambda rows, before: rows[:, j] >= before[j]
    return lambda rows, before: rows[:, j] <= before[j]


# --- all of them -----------------------------------------------------------------------------

BLACKBOX = "blackbox"
B, M, R = Task.BINARY, Task.MULTICLASS, Task.REGRESSION
ALONE = {"class": "normal", "probability": {}}


def _sweep(family: str, engine: str = "own", first: int = 0) -> list[Case]:
    """Every kind of constraint, two at a time, over the three tasks."""
    names = [k.name for k in declared.KINDS]
    cases = []
    for k in range(10):
        pair = (names[2 * k % 19], names[(2 * k + 1) % 19])
        policy = [n for n in pair if not KIND[n].request]
        asked = [n for n in pair if KIND[n].request]
        seed = first + 7 * k + 1
        cases.append(_generated(family, (B, M, R)[k % 3], seed, policy, asked=asked, engine=engine))
    return cases


def all_cases() -> list[Case]:
    """The fixed questions."""
    return [
        *_sweep("trees", first=0),
        *_sweep("trees", "merging", first=17)[:6],
        *_sweep("linear", first=3)[:7],
        *_sweep("relu", first=5)[:7],
        *_sweep("trees", "blackbox", first=11)[:6],
        *_special(),
        *_causal(),
        *_of_milling(),
    ]


def _special() -> list[Case]:
    three = {"alternatives": 3}
    sure = {"target": {"class": "normal", "probability": {"min": 0.6, "max": 0.95}}}
    score = {"target": {"score": {"min": -0.5, "max": 0.25}}}
    robust = {"constraints": {"robust": True}}
    return [
        _generated("trees", B, 4, more=three),
        _generated("linear", B, 12, ("immutable",), may_be_there=True),
        _generated("linear", M, 8, more=three),
        _generated("relu", R, 10, more=three),
        _generated("trees", B, 16, more=sure),
        _generated("linear", B, 5, more=sure),
        _generated("relu", B, 14, more=sure, engine="blackbox"),
        _generated("trees", R, 20, more=score),
        _generated("relu", R, 23, more=score),
        _generated("trees", B, 25, more=robust),
        _generated("trees", R, 31, more=robust),
        _generated("trees", B, 34, more=robust, asked=("requested freeze",), engine="merging"),
        _generated("trees", M, 37, more=three, engine="merging"),
        _generated("trees", B, 9, ("max change", "if it changes"), asked=("requested freeze",)),
        _generated("linear", B, 12, ("immutable", "only up"), asked=("requested freeze",)),
        _generated("relu", R, 18, ("linear of three", "only down"), asked=("requested freeze",)),
        _generated("trees", R, 27, ("cyclic",), asked=("at most two changes", "requested range")),
        _generated("few", M, 33, ("linear of two",), asked=("requested range",)),
    ]


def _causal() -> list[Case]:
    past = {"semantics": "backtracking"}
    return [
        _generated("trees", B, 41, ("linear of two",), laws="affine"),
        _generated("trees", R, 46, ("only up",), asked=("requested range",), laws="curved"),
        _generated("trees", M, 53, ("if a category",), laws="fitted"),
        _generated("trees", B, 56, laws="fitted", more={"alternatives": 2}),
        _generated("linear", B, 58, ("against the factual",), laws="affine"),
        _generated("linear", R, 61, ("what may be set",), laws="affine"),
        _generated("relu", B, 64, ("linear of three",), laws="affine"),
        _generated("relu", M, 68, laws="curved"),
        _generated("linear", B, 71, ("max change",), laws="fitted"),
        _generated("trees", R, 74, laws="affine", engine="blackbox"),
        _generated("trees", B, 77, laws="affine", more=past),
        _generated("trees", R, 79, ("cyclic",), laws="fitted", more=past),
    ]


def _of_milling() -> list[Case]:
    other = {**ALARM, "torque": 46.0, "rotational_speed": 1300.0, "process_temperature": 310.3,
             "air_temperature": 302.4, "tool_wear": 40.0}  # fmt: skip
    return [
        _milling("as in the README", {}),
        _milling("three ways", {}, alternatives=3),
        _milling("decision alone", {}, target=ALONE),
        _milling("surer", {"freeze": ["tool_wear"]},
                 target={"class": "normal", "probability": {"min": 0.97}}),
        _milling("little torque", {}, most={"torque": 3.0}),
        _milling("nothing but speed", {"freeze": ["torque", "tool_wear"]}),
        _milling("features alone", {"directions": {"torque": "down"}}, semantics="independent"),
        _milling("a slower one", {"ranges": {"rotational_speed": [None, 1420]}}),
        _milling("heat", {"max_changes": 1}, instance=other, target=ALONE,
                 most={"rotational_speed": 60.0, "torque": 1.0, "process_temperature": 1.0}),
        _milling("another past", {"freeze": ["air_temperature", "quality", "tool_wear",
                                             "process_temperature"]},
                 semantics="backtracking", most={"rotational_speed": 20.0}),
        _milling("by asking", {"freeze": ["rotational_speed", "process_temperature"]},
                 engine="blackbox"),
    ]  # fmt: skip


def tree_cases() -> list[Case]:
    """Those that the compiled search answers on small models."""
    return [c for c in all_cases() if c.model.startswith(("trees", "few")) and c.engine != BLACKBOX]


class Questions:
    """Cases with their models and truths."""

    def __init__(self, cases: Sequence[Case], root: Path) -> None:
        self._folders = Folders(root)
        self.cases = {case.name: case for case in map(self._not_there, cases)}

    def _not_there(self, case: Case) -> Case:
        for _ in range(MOST_DRAWN):
            if case.again is None or not case.make_truth(self.deployed(case)).is_there():
                break
            case = case.again()
        return case

    def deployed(self, case: Case) -> DeployedModel:
        return self._folders.load(case.model)

    @cached_property
    def truths(self) -> dict[str, OracleTruth]:
        return {c.name: c.make_truth(self.deployed(c)) for c in self.cases.values()}
