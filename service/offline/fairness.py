"""Whether a model's recourse is fair, by rows that are asked anew: groups, and twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ifonly.explainers.answer import Recourse, Status
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.fairness.over_worlds import DecisionTwins, UncertainValue
from ifonly.explainers.fairness.twins import WORLDS, draw_worlds
from ifonly.explainers.wording import LANGUAGES
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Labels
from ifonly.service.ask.question import problem_of
from ifonly.service.audit.fairness.measuring import FairnessFound, FairnessQuestion, compared
from ifonly.service.audit.fairness.telling import FairnessScope, name_of, told
from ifonly.service.audit.recourse_by_group.cases import LeverChange, RecourseCase
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.offline.past_rows import alarms, answered, question_of
from ifonly.service.offline.twins import (
    AttributeLevel,
    CostTwins,
    TwinQuestion,
    TwinsOfLevel,
    TwinTerms,
    groups_of,
    levels_of,
    twins,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import fairness as wire
from ifonly.service.words.catalogue import in_each, say, say_all

Edge = tuple[str, str]


@dataclass(frozen=True)
class TwinOptions:
    """How twins are made."""

    wanted: bool = True
    worlds: int = WORLDS
    cost_worlds: int = 8
    most: int = 200
    """Individuals of a level whose twins' recourse is asked for."""
    allowed: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    """By attribute: edges along which its effect is allowed, besides what the graph says."""
    seed: int = 0


@dataclass(frozen=True)
class FairnessAnew:
    """What was found, as it is told and as it was counted."""

    reply: wire.FairnessReply
    found: FairnessFound
    twins: Mapping[str, tuple[TwinsOfLevel, ...]]
    """By attribute; along every path."""


def fairness(
    model: ServedModel,
    rows: Rows,
    others: Mapping[str, Sequence[str]],
    question: FairnessQuestion,
    seconds: float,
    options: TwinOptions = TwinOptions(),
    tick: Callable[[int], None] = lambda n: None,
) -> FairnessAnew:
    """Of ``rows``, ``(n, d)``, each asked as the model's own policy asks, for ``seconds`` at most;
    ``others``: by name, what else is known of them. ``tick`` is told of rows that were answered.

    Raises
    ------
    InvalidRequest
        If it is to be grouped by what is neither feature nor in ``others``, or an edge is allowed
        that the graph does not have.
    CannotReplay
        If nothing is an alarm.
    GraphError
        If the model cannot score rows.
    """
    features = {f.name: f for f in model.schema.features}
    _check(question.by, others)
    ask = _asking(model, seconds, tick)
    said = [
        {name: values[k] for name, values in others.items() if values[k]} for k in range(len(rows))
    ]
    cases = ask(rows, said)
    found = compared(cases, features, question)
    reports, each, notes = list[wire.TwinReport](), dict[str, tuple[TwinsOfLevel, ...]](), []
    for by in dict.fromkeys(question.by if options.wanted else ()):
        reason = _no_twins(model, by)
        if reason is not None:
            notes.append(_note("no_twins", reason=reason))
            continue
        report, every = _twin_report(model, rows, cases, by, options, lambda r: ask(r, None))
        reports.append(report)
        each[by] = every
        failed = _doubts(model, by.partition(":")[2])
        if failed:
            count: Labels = dict.fromkeys(LANGUAGES, str(failed))
            notes.append(_note("note_doubts", name=name_of(by, features), count=count))
    scope = FairnessScope(model.name)
    return FairnessAnew(told(found, features, scope, reports, notes), found, each)


def _check(by: Sequence[str], others: Mapping[str, Sequence[str]]) -> None:
    for how in by:
        kind, _, name = how.partition(":")
        if kind == "attribute" and name not in others:
            problem = f"{name!r} is neither a feature of the model nor a column of the rows"
            raise InvalidRequest(
                RequestPart.REQUEST, [Fault(("by",), problem, name, limit=list(others))]
            )


def _no_twins(model: ServedModel, by: str) -> Labels | None:
    """Why there are none; None: there are."""
    kind, _, name = by.partition(":")
    if kind != "feature":
        return say_all("fairness.why_no_column", name=name)
    # Of windows what follows in time is another question.
    if model.causal is None or not isinstance(model.causal.consequences, CausalConsequences):
        return say_all("fairness.why_no_graph")
    return None


def _doubts(model: ServedModel, name: str) -> int:
    """Parts of the causal model that had failed when it was accepted, and on which twins rest."""
    assert model.causal is not None
    column = model.schema.index(name)
    return len(model.causal.doubts_under((column,)))


def _note(key: str, **gaps: Labels) -> Labels:
    """With what is in its gaps in each language."""
    return in_each(
        lambda tag: say(f"fairness.{key}", tag, **{name: said[tag] for name, said in gaps.items()})
    )


# --- rows asked anew ----------------------------------------------------------------------------


def _asking(
    model: ServedModel, seconds: float, tick: Callable[[int], None]
) -> Callable[[Rows, Sequence[Mapping[str, str]] | None], list[RecourseCase]]:
    def ask(rows: Rows, said: Sequence[Mapping[str, str]] | None) -> list[RecourseCase]:
        if not len(rows):
            return []
        found = []
        for k, (row, alarm) in enumerate(zip(rows, alarms(model, rows), strict=True)):
            own = {} if said is None else said[k]
            found.append(_case(model, f"row {k}", row, seconds if alarm else None, own))
            tick(1)
        return found

    return ask


def _case(
    model: ServedModel, name: str, row: Row, seconds: float | None, said: Mapping[str, str]
) -> RecourseCase:
    """``seconds``: None, there is no alarm."""
    # Costs of different policies cannot be compared, so each case says its own.
    policy, instance = model.deployed.spec_sha256, model.schema.write(row)
    if seconds is None:
        return RecourseCase(name, Status.ALREADY_TARGET, policy, instance=instance, attributes=said)
    answer = answered(model, row, seconds)
    first = answer.counterfactuals[0] if isinstance(answer, Recourse) else None
    if first is None:
        return RecourseCase(name, answer.status, policy, instance=instance, attributes=said)
    features = model.schema.features
    levers = tuple(
        LeverChange(features[a.column].name, features[a.column].unit, None) for a in first.actions
    )
    return RecourseCase(
        name,
        answer.status,
        policy,
        cost=first.cost,
        lower_bound=first.lower_bound,
        chance=_chance(model, row, first.action_on(row), first.chance),
        levers=levers,
        instance=instance,
        attributes=said,
    )


def _chance(model: ServedModel, row: Row, action: Row, chance: float | None) -> float | None:
    """That the decision changes once the action is carried out, by the accepted causal model, also
    where the answer was sought as though features moved alone."""
    if chance is not None or model.causal is None:
        return chance
    moved = np.flatnonzero(~((action == row) | (np.isnan(action) & np.isnan(row)))).tolist()
    consequences = model.causal.consequences
    if not moved or not consequences.effects(moved):
        return 1.0
    margin = problem_of(model, question_of(model, row)).margin(model.deployed.predictor.score)
    trust = consequences.trust(row, moved, action[None, moved], margin)
    return float(trust.chance[0])


# --- twins --------------------------------------------------------------------------------------


def _twin_report(
    model: ServedModel,
    rows: Rows,
    cases: Sequence[RecourseCase],
    by: str,
    options: TwinOptions,
    ask: Callable[[Rows], list[RecourseCase]],
) -> tuple[wire.TwinReport, tuple[TwinsOfLevel, ...]]:
    assert model.causal is not None
    name, features = by.partition(":")[2], model.schema.features
    column = model.schema.index(name)
    bounds = np.array([f.lower for f in features]), np.array([f.upper for f in features])
    terms = TwinTerms(bounds, options.cost_worlds, options.most, options.seed)
    question = TwinQuestion(
        rows, cases, column, lambda r: np.array(alarms(model, r), dtype=np.bool_), ask, terms
    )
    levels = levels_of(groups_of(cases, features[column]), cases, rows[:, column])
    consequences = model.causal.consequences
    worlds = draw_worlds(consequences, options.worlds, options.seed)
    every = twins(question, worlds, levels)
    allowed = _allowed(model, name, options)
    unfair: tuple[TwinsOfLevel, ...] = ()
    if allowed:
        index = model.schema.index
        edges = frozenset((index(cause), index(effect)) for cause, effect in allowed)
        kept = draw_worlds(consequences, options.worlds, options.seed, edges)
        unfair = twins(question, kept, levels)
    report = wire.TwinReport(
        by=by,
        label=dict(name_of(by, {f.name: f for f in features})),
        worlds=options.worlds,
        cost_worlds=options.cost_worlds,
        pairs=[_pair(each) for each in every],
        allowed=[f"{cause} → {effect}" for cause, effect in allowed],
        unfair=[_pair(each) for each in unfair],
    )
    return report, every


def _allowed(model: ServedModel, name: str, options: TwinOptions) -> list[Edge]:
    """Edges along which an effect of ``name`` is allowed: by the graph, and by whoever asks.

    Raises
    ------
    InvalidRequest
        If there is no such edge.
    """
    assert model.causal is not None
    edges = [(e.cause, e.effect) for e in model.causal.spec.edges if e.cause in model.schema]
    said = [(e.cause, e.effect) for e in model.causal.spec.edges if name in e.allowed_for]
    for edge in options.allowed.get(name, ()):
        if edge not in edges:
            problem = f"{edge[0]}->{edge[1]} is no edge of the causal model"
            known = [f"{cause}->{effect}" for cause, effect in edges]
            value = f"{edge[0]}->{edge[1]}"
            raise InvalidRequest(
                RequestPart.REQUEST, [Fault(("allowed",), problem, value, limit=known)]
            )
        said.append(edge)
    return list(dict.fromkeys(said))


def _pair(found: TwinsOfLevel) -> wire.TwinPair:
    return wire.TwinPair(
        value=found.own.group.key,
        twin=found.other.group.key,
        label=_label(found.own),
        twin_label=_label(found.other),
        untold=found.untold,
        decisions=_decisions(found.decisions),
        costs=None if found.costs is None else _costs(found.costs),
    )


def _label(level: AttributeLevel) -> dict[str, str]:
    return dict(level.group.label)


def _decisions(found: DecisionTwins) -> wire.TwinDecisions:
    return wire.TwinDecisions(
        of=found.of,
        better=_uncertain(found.better),
        worse=_uncertain(found.worse),
        either=_uncertain(found.either),
        net=_uncertain(found.net),
    )


def _costs(found: CostTwins) -> wire.TwinCosts:
    return wire.TwinCosts(
        of=found.of,
        both=found.both,
        difference=None if found.difference is None else _uncertain(found.difference),
        largest=found.largest,
        only_own=_uncertain(found.only_own),
        only_twin=_uncertain(found.only_twin),
    )


def _uncertain(found: UncertainValue) -> wire.Uncertain:
    return wire.Uncertain(value=found.value, low=found.low, high=found.high)
