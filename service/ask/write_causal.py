"""What a causal answer rests on, as replies say it: the graph, its assumptions, how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ifonly.explainers.answer import OverGraphs
from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.checks import MAIN
from ifonly.explainers.causal.doubts import Doubt
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.causal.noise_stability import NodeStability
from ifonly.explainers.causal.spec import CheckResult, ProvenanceCheck
from ifonly.explainers.causal.timing import Duration
from ifonly.explainers.consequences import Assurance
from ifonly.models.schema import Decision, Labels, Schema, Task
from ifonly.models.window import window_of
from ifonly.service.ask.over_time import OverTime
from ifonly.service.ask.what_if import Draws
from ifonly.service.served.causal_model import ServedCausal
from ifonly.service.wire import causal as wire
from ifonly.service.wire.replies import Moment, Prediction, Trajectory
from ifonly.service.words import assumptions, evidence, graphs, stability
from ifonly.service.words import doubts as words
from ifonly.service.words.catalogue import chosen

Telling = Literal["answer", "what-if", "past"]


def reference(spec: CausalSpec) -> wire.CausalReference:
    return wire.CausalReference(
        version=spec.version,
        status=spec.status.value,
        accepted_by=spec.accepted_by,
        accepted_at=spec.accepted_at,
        sha256=spec.sha256,
    )


def summary(spec: CausalSpec, used: bool) -> wire.CausalSummary:
    names = spec.schema.names
    return wire.CausalSummary(
        **reference(spec).model_dump(),
        used=used,
        edges=[(names[i], names[j]) for i, j in spec.graph.edges],
    )


def grounds(
    causal: ServedCausal,
    effects: Iterable[int],
    languages: Sequence[str],
    known: Sequence[Evidence] = (),
    over: OverGraphs | None = None,
    deciding: str | None = None,
    cost_by_main: float | None = None,
    *,
    of: Telling = "answer",
) -> wire.CausalGrounds:
    """The graph, and what is assumed of ``effects``; of all that may follow if there are none.
    ``known``: of the real outcome of what is answered; ``over``: how sure it is over all graphs;
    ``deciding``: which decides, and ``cost_by_main`` of what would do were the main one certain.
    ``of``: what is told; only an answer is held against other graphs."""
    spec = causal.spec
    # Without effects all that could follow is named: that nothing followed rests on it too.
    moved = sorted(set(effects)) or [j for j, p in enumerate(spec.graph.parents) if p]
    moved = list(_by_law(spec, moved))
    return wire.CausalGrounds(
        **reference(spec).model_dump(),
        gamma=causal.consequences.gamma,
        floor=causal.consequences.floor,
        assumptions=[
            *_assumed(spec, moved, languages),
            *(_assumption(text, [], languages) for text in _of_others(causal, of)),
            *(_assumption(text, [], languages) for text in _of_noise(causal, of)),
        ],
        graphs=_graphs(causal, over, languages) if spec.alternatives and of != "past" else None,
        worst_graph=None if over is None else over.worst,
        deciding_graph=deciding,
        cost_by_main_graph=cost_by_main,
        evidence=list(evidence.written(known, spec.schema, languages)) or None,
    )


def _by_law(spec: CausalSpec, columns: Sequence[int]) -> Iterator[int]:
    """Those that follow by a law of nature: of a window the last reading of each channel that
    others act on, for the arithmetic of profiles is told by itself."""
    window = window_of(spec.schema)
    for j in columns:
        if window is None:
            yield j
        elif j % window.steps == window.steps - 1 and window.profile_at(j) is None:
            causes = spec.graph.parents[j]
            if any(window.profile_at(i) is None for i in causes):
                yield j


def _of_others(causal: ServedCausal, of: Telling) -> Iterator[Labels]:
    """What other graphs that may be the true one mean for what is told."""
    spec = causal.spec
    if of == "past" and spec.alternatives:
        yield graphs.MAIN_ALONE
        return
    for other, is_held in zip(spec.alternatives, _held(causal), strict=True):
        if of == "answer":
            yield graphs.assumed(spec, other, is_held)
        else:
            yield graphs.not_asked(spec, other)


def _of_noise(causal: ServedCausal, of: Telling) -> Iterator[Labels]:
    """How much of it is taken to stay; only an answer is held against what does not."""
    if of == "answer" and causal.consequences.redrawing is not None:
        yield from stability.assumed(causal.spec)


def over_time(causal: ServedCausal | None) -> Iterator[Labels]:
    """What is assumed wherever is told when anything arrives."""
    yield assumptions.AT_REST_BEFORE
    if causal is not None and causal.spec.alternatives:
        yield graphs.TIME_BY_MAIN


def _held(causal: ServedCausal) -> list[bool]:
    return [other.is_held for other in causal.consequences.others]


def _graphs(
    causal: ServedCausal, over: OverGraphs | None, languages: Sequence[str]
) -> list[wire.PossibleGraph]:
    spec = causal.spec
    chances = {} if over is None else {each.name: each.chance for each in over.each}
    main = wire.PossibleGraph(
        name=MAIN,
        weight=spec.weight,
        held=True,
        chance=chances.get(MAIN),
        text=chosen(graphs.MAIN_GRAPH, languages),
        settled_by={},
        reason="",
    )
    return [
        main,
        *(
            wire.PossibleGraph(
                name=other.name,
                weight=other.weight,
                held=held,
                chance=chances.get(other.name),
                text=chosen(graphs.differs(spec, other), languages),
                settled_by=chosen(graphs.settled_by(spec, other), languages),
                reason=other.reason,
            )
            for other, held in zip(spec.alternatives, _held(causal), strict=True)
        ),
    ]


def _assumed(
    spec: CausalSpec, moved: Sequence[int], languages: Sequence[str]
) -> Iterator[wire.Assumption]:
    checks = spec.provenance.checks
    # Checks of the graph are of the whole, so they stand beside each edge that is used.
    graph = [c for c in checks if c.check == "graph"]
    for j in moved:
        yield _assumption(assumptions.follows(spec, j), graph, languages)
    for j in moved:
        own = [c for c in checks if c.node == spec.schema.names[j]]
        yield _assumption(assumptions.known_mechanism(spec, j), own, languages)
    # No data can test these, so no check is shown beside them.
    for text in assumptions.hidden_causes(spec, moved):
        yield _assumption(text, [], languages)
    yield _assumption(assumptions.NO_HIDDEN_CAUSE, [], languages)
    yield _assumption(assumptions.SAME_WHEN_SET, [], languages)


def _assumption(
    text: Labels, checks: Sequence[ProvenanceCheck], languages: Sequence[str]
) -> wire.Assumption:
    """With the first check that failed, or else that did not tell, or else the first."""
    said = chosen(text, languages)
    # A check that failed comes first: the worst is what a reader must see.
    for shown in sorted(checks, key=lambda c: _WORST.index(c.standing)):
        return wire.Assumption(
            text=said,
            standing=_STANDINGS[shown.standing],
            check=shown.check,
            value=shown.value,
            limit=shown.limit,
        )
    return wire.Assumption(text=said, standing="untested")


_WORST = (CheckResult.FAILED, CheckResult.NOT_REJECTED, CheckResult.TESTED)
_STANDINGS: dict[CheckResult, Literal["tested", "not_rejected", "failed"]] = {
    CheckResult.FAILED: "failed",
    CheckResult.NOT_REJECTED: "not_rejected",
    CheckResult.TESTED: "tested",
}


def doubts(found: Iterable[Doubt], schema: Schema, languages: Sequence[str]) -> list[wire.Doubt]:
    return [
        wire.Doubt(
            check=doubt.check.check,
            features=list(doubt.check.between or filter(None, [doubt.check.node])),
            value=doubt.check.value,
            limit=doubt.check.limit,
            text=chosen(words.in_words(doubt.check, schema), languages),
        )
        for doubt in found
    ]


def when_carried_out(
    causal: ServedCausal | None, chance: float | None
) -> wire.WhenCarriedOut | None:
    """``chance``: by which an answer flips then; None: all noise stays."""
    if causal is None or causal.spec.stability is None or chance is None:
        return None
    declared = causal.spec.stability
    after = declared.after
    return wire.WhenCarriedOut(
        chance=chance,
        drawn_anew=[n for n in causal.spec.schema.names if _is_drawn_anew(declared.nodes.get(n))],
        after=None if after is None else float(after.amount),
        unit=None if after is None else after.unit.value,
    )


def _is_drawn_anew(own: NodeStability | None) -> bool:
    return own is not None and not own.stays


def assurance(
    chance: float,
    found: Assurance,
    schema: Schema,
    over: OverGraphs | None = None,
    later: wire.WhenCarriedOut | None = None,
) -> wire.Assurance:
    names = schema.names
    return wire.Assurance(
        chance_under_this_model=chance,
        survives_sensor_errors=found.survival,
        extrapolates=[names[j] for j in found.extrapolates],
        hidden_causes=[
            wire.Tie(
                between=(names[t.between[0]], names[t.between[1]]), held=t.held, correlation=t.rho
            )
            for t in found.ties
        ],
        graphs=None
        if over is None
        else [wire.GraphChance(name=g.name, weight=g.weight, chance=g.chance) for g in over.each],
        when_carried_out=later,
    )


def arrives(over: OverTime) -> wire.Arrives:
    trajectory = over.course.trajectory
    assert trajectory.whole is not None
    return wire.Arrives(
        unit=trajectory.step.unit.value,
        after=_at(trajectory.whole, trajectory.step),
        in_target_from=None if over.wanted_from is None else _at(over.wanted_from, trajectory.step),
        decision_changes=over.decision_changes,
    )


def trajectory(
    over: OverTime,
    schema: Schema,
    said: Sequence[Prediction],
    text: Mapping[str, str],
) -> Trajectory:
    """``said``: the model's word at each step."""
    found, features = over.course, schema.features
    step, names = found.trajectory.step, schema.names
    begins, ends = found.trajectory.begins, found.trajectory.arrives
    whole = found.trajectory.whole
    return Trajectory(
        unit=step.unit.value,
        step=float(step.amount),
        arrivals=[
            wire.Arrival(
                feature=names[j], begins=_at(begins[j], step), arrives=_at_or_none(ends[j], step)
            )
            for j in found.moving
        ],
        after=_at_or_none(whole, step),
        is_whole=found.is_whole,
        desired_from=_at_or_none(over.wanted_from, step),
        decision_changes=over.decision_changes,
        moments=[
            Moment(
                at=_at(k, step),
                instance={names[j]: features[j].write(float(row[j])) for j in found.moving},
                arrived=[names[j] for j in found.moving if _is_past(ends[j], k)],
                broken_rules=[c.origin.key for c in over.broken[k]],
                prediction=prediction,
            )
            for k, (row, prediction) in enumerate(zip(found.rows, said, strict=True))
        ],
        text=dict(text),
    )


def _at(steps: int, step: Duration) -> float:
    return float(step.amount * steps)


def _at_or_none(steps: int | None, step: Duration) -> float | None:
    return None if steps is None else _at(steps, step)


def _is_past(end: int | None, step: int) -> bool:
    return end is not None and end <= step


def distribution(draws: Draws, schema: Schema, decision: Decision) -> wire.Distribution:
    n = len(draws.rows)
    shares = {
        name: float((draws.decided == k).mean())
        for k, name in enumerate(decision.class_names)
        # -1 stands for no decision: shares of what is not decided would be shares of nothing.
        if (draws.decided >= 0).all()
    }
    # Scores of many classes have no one order, so no quantiles.
    scores = None if decision.task is Task.MULTICLASS else _quantiles(draws.scores[:, 0])
    moved = {schema.names[j]: _quantiles(draws.rows[:, j]) for j in draws.effects}
    return wire.Distribution(draws=n, decisions=shares, scores=scores, effects=moved)


def _quantiles(values: npt.NDArray[np.float64]) -> wire.Quantiles:
    low, middle, high = (float(q) for q in np.quantile(values, [0.05, 0.5, 0.95]))
    return wire.Quantiles(p5=low, p50=middle, p95=high)


def of_rung(
    counterfactual: bool, known: Sequence[Evidence], schema: Schema, *, is_enough: bool
) -> tuple[Labels, ...]:
    """What is said of the machine, and of what the answer is about; ``known`` of the real
    outcome, and whether that ``is_enough`` for all that is answered."""
    machine = assumptions.THIS_MACHINE if counterfactual else assumptions.ANY_MACHINE
    said = [evidence.in_words(e, schema) for e in known]
    # Who reads must know that the model's decision is not the machine's outcome.
    if not is_enough:
        said.append(assumptions.DECISION_NOT_OUTCOME)
    return machine, *said
