"""Domain values into replies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Literal

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Action,
    Answer,
    Blocker,
    Counterfactual,
    Effect,
    Infeasible,
    OverGraphs,
    Prediction,
    Recourse,
    Unknown,
    Work,
)
from ifonly.explainers.causal.doubts import Doubt
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.constraints import Source
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import changed
from ifonly.explainers.target import Target
from ifonly.explainers.terms import DEARER, WayName
from ifonly.explainers.wording import DEFAULT_LANGUAGES, Wording
from ifonly.explainers.wording.conventions import conventions
from ifonly.models.schema import Feature, Kind, Labels, Task
from ifonly.models.window import ChannelProfile, Window, channels_in, parts_of, window_of
from ifonly.service.ask import write_causal as causal_parts
from ifonly.service.ask import write_menu as menus
from ifonly.service.ask.explain import Explanation
from ifonly.service.ask.over_time import OverTime
from ifonly.service.ask.problems import pointer
from ifonly.service.ask.question import Rung
from ifonly.service.ask.what_if import OffGridValue, WhatIf
from ifonly.service.errors import Path
from ifonly.service.served.causal_model import Semantics, ServedCausal
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import ifonly_version
from ifonly.service.wire import replies as wire
from ifonly.service.wire.causal import CausalGrounds
from ifonly.service.wire.causal import Doubt as CausalDoubt
from ifonly.service.words import assumptions, graphs, stability
from ifonly.service.words import time as in_time
from ifonly.service.words.catalogue import chosen
from ifonly.service.words.doubts import in_words as doubt_in_words
from ifonly.service.words.evidence import known_of
from ifonly.service.words.labels import label_or
from ifonly.service.words.ways import claimed

Known = Sequence[Evidence]
_ANOTHER_PAST = (assumptions.ANOTHER_PAST, assumptions.DECISION_NOT_OUTCOME)


@dataclass(frozen=True)
class DecidedBy:
    """The graph, other than the main one, that decides what is answered."""

    graph: str
    chance: float
    """Share of its plausible mechanisms by which what is not sure enough flips."""
    by_main: float
    cost_by_main: float | None
    """Of that, where something dearer is sure enough; None: nothing is."""

    @classmethod
    def of(cls, answer: Answer) -> DecidedBy | None:
        over, cost = None, None
        if isinstance(answer, Abstained):
            # What does not stay decides, and no graph, where it is surer at once.
            later = answer.chance_later
            over = answer.graphs if later is None or later >= answer.chance else None
        elif isinstance(answer, Recourse) and answer.counterfactuals[0].cheaper is not None:
            cheaper = answer.counterfactuals[0].cheaper
            over, cost = cheaper.graphs, cheaper.cost
        # The main graph alone is in the way: no other decides.
        if over is None or over.worst == over.each[0].name:
            return None
        worst = next(each for each in over.each if each.name == over.worst)
        return cls(worst.name, worst.chance, over.each[0].chance, cost)


class ReplyWriter:
    """Writes replies about one model in some languages."""

    def __init__(self, model: ServedModel, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._model = model
        # A language that is named twice is written once, in the order of the request.
        self._languages = tuple(dict.fromkeys(languages))

    # --- replies --------------------------------------------------------------------------

    def predictions(self, predictions: Sequence[Prediction]) -> wire.PredictionsReply:
        return wire.PredictionsReply(
            predictions=[self.prediction(p) for p in predictions], provenance=self.reference()
        )

    def what_if(self, asked: WhatIf) -> wire.WhatIfReply:
        moved = np.flatnonzero(changed(asked.row[np.newaxis], asked.factual)[0]).tolist()
        causal, before, after = asked.causal, asked.factual, asked.row

        def held(column: int) -> bool:
            """Whether what else is set would have moved it."""
            others = [j for j in asked.columns if j != column]
            return causal is not None and column in causal.consequences.follows(others)

        # What is held where it is counts as set, if it would have moved otherwise.
        set_ = moved
        if causal is not None or self._model.moves is not None:
            set_ = [j for j in asked.columns if j in moved or held(j)]
        actions = [Action(j, float(before[j]), float(after[j])) for j in set_]
        follows = self._model.moves if causal is None else causal.consequences
        effects = [
            Effect(j, float(before[j]), float(after[j]), follows.ways(asked.columns, j))
            for j in moved
            if follows is not None and j not in set_
        ]
        moved_by = [j for j in asked.columns if j in moved]
        decided = asked.before.decided >= 0
        known = [known_of(causal, actions)]
        return wire.WhatIfReply(
            id=str(asked.id),
            rung=asked.rung.value,
            changed=asked.before.decided != asked.after.decided
            if decided
            else asked.before.scores != asked.after.scores,
            prediction=wire.WhatIfPredictions(
                before=self.prediction(asked.before), after=self.prediction(asked.after)
            ),
            actions=[self.action(a) for a in actions],
            effects=[self._effect(e) for e in effects],
            instance=self._model.schema.write(asked.row),
            allowed=not (asked.broken or asked.off_grid or asked.unreadable),
            unreadable=[self._model.schema.names[j] for j in asked.unreadable],
            distribution=None
            if asked.draws is None
            else causal_parts.distribution(asked.draws, self._model.schema, self._model.decision),
            trajectory=None if asked.over is None else self._trajectory(asked.over),
            broken_rules=[self.constraint(c) for c in asked.broken],
            off_grid=[self._off_grid(o) for o in asked.off_grid],
            cost=asked.cost,
            assumptions=self._assume(
                *self._what_follows(causal, known, this_machine=asked.rung is Rung.COUNTERFACTUAL),
                *([] if asked.over is None else causal_parts.over_time(causal)),
                assumptions.PREDICTION_IS_EXACT,
            ),
            causal=self._grounds(causal, effects, known, of="what-if"),
            doubts=self._doubts(causal.doubts_under(moved_by, asked.columns) if causal else ()),
            provenance=self.reference(),
        )

    def explanation(
        self, explanation: Explanation, deadline_ms: int, times: wire.Times
    ) -> wire.ExplanationReply:
        answer, problem = explanation.answer, explanation.problem
        causal = explanation.causal
        wording = self._wording(explanation)
        found = answer.counterfactuals if isinstance(answer, Recourse) else ()
        blocking = answer.blocked_by if isinstance(answer, Infeasible) else ()
        best = answer.best if isinstance(answer, Infeasible | Unknown) else None
        is_past = explanation.semantics is Semantics.BACKTRACKING
        over_graphs = (
            answer.graphs if isinstance(answer, Abstained) else found[0].graphs if found else None
        )
        decided = DecidedBy.of(answer)
        # Another past is not something that was done: no effect was measured of it.
        known = [known_of(None if is_past else causal, c.actions) for c in found]
        over_time = explanation.over or (None,) * len(found)
        ways = explanation.ways or ()
        # Those that are shown once already are told by name.
        others = tuple(w.found for w in ways if w.found is not None)
        if explanation.menu is not None:
            others += tuple(e.found for e in explanation.menu.entries if e.found is not None)
        resting = [explanation.doubts_of(c) for c in found] or [explanation.doubts_of_none]
        shown = [
            self._counterfactual(k, c, problem.target, wording, doubts, when)
            for (k, c), doubts, when in zip(enumerate(found, 1), resting, over_time, strict=False)
        ]
        # The sentence ends with what is in doubt, so it takes the first answer's words without.
        plain = shown and not resting[0] and not over_time[0] and found[0].chance_later is None
        first = shown[0].text if plain else {}
        return wire.ExplanationReply(
            id=str(explanation.id),
            status=answer.status,
            semantics=explanation.semantics.value,
            target=self.asked_target(explanation.problem, explanation.semantics),
            deadline_hit=answer.work.deadline_hit,
            prediction=self.prediction(answer.prediction),
            counterfactuals=shown,
            ways=None if explanation.ways is None else list(self._ways(explanation, wording)),
            menu=None if explanation.menu is None else self._menu(explanation, wording),
            text=self._sentences(
                explanation, resting[0], over_time[0] if over_time else None, decided, first
            ),
            assumptions=self._assume(
                *(_ANOTHER_PAST if is_past else self._what_follows(causal, known)),
                *(causal_parts.over_time(causal) if any(over_time) else ()),
                assumptions.SMALLEST_BY_POLICY,
                assumptions.PREDICTION_IS_EXACT,
                *(self._survival(problem) if found else ()),
            ),
            causal=self._grounds(
                causal,
                [e for c in (*found, *others) for e in c.effects],
                known,
                over_graphs,
                decided,
                of="past" if is_past else "answer",
            ),
            doubts=self._doubts(dict.fromkeys(chain.from_iterable(resting))),
            chance_under_this_model=answer.chance if isinstance(answer, Abstained) else None,
            chance_when_carried_out=answer.chance_later if isinstance(answer, Abstained) else None,
            blocked_by=[self.constraint(c) for c in blocking],
            relaxation=self._relaxation(explanation, wording),
            best_prediction=None if best is None else self.prediction(best),
            provenance=self.provenance(answer.work, problem.seed),
            work=self.work(answer.work, deadline_ms, times),
        )

    def sentences(self, explanation: Explanation) -> dict[str, str]:
        """The whole answer in words, in each language: ``text`` of the reply."""
        answer, over = explanation.answer, explanation.over
        found = answer.counterfactuals[0] if isinstance(answer, Recourse) else None
        doubts = explanation.doubts_of_none if found is None else explanation.doubts_of(found)
        return self._sentences(explanation, doubts, over[0] if over else None, DecidedBy.of(answer))

    def _sentences(
        self,
        explanation: Explanation,
        doubts: Sequence[Doubt],
        over: OverTime | None,
        decided: DecidedBy | None,
        best: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str]:
        """``best``: the first answer's words, where somebody has them."""
        wording, target = self._wording(explanation), explanation.problem.target

        def said(tag: str) -> str:
            words = wording.sentence(explanation.answer, tag, target=target, best=best.get(tag, ""))
            also = [*self._decided(explanation.causal, decided, tag)]
            if isinstance(explanation.answer, Recourse):
                also = [*self._later(explanation.answer.counterfactuals[0], tag), *also]
            return self._in_doubt(_in_time(words, over, tag), doubts, tag, *also)

        return {tag: said(tag) for tag in self._languages}

    def _ways(self, explanation: Explanation, wording: Wording) -> Iterator[wire.NamedWay]:
        assert explanation.ways
        target, smallest = explanation.problem.target, explanation.ways[0]
        for way, when in zip(explanation.ways, explanation.ways_over, strict=True):
            found = None if way is smallest or way.same_as is not None else way.found
            yield wire.NamedWay(
                name=way.name,
                status=way.status.value,  # type: ignore[arg-type]
                same_as=way.same_as,
                survives=way.survives,
                cost_factor=DEARER if way.name is WayName.ROBUST else None,
                why=None if way.why is None else way.why.value,
                counterfactual=None
                if found is None
                else self._counterfactual(
                    1, found, target, wording, explanation.doubts_of(found), when
                ),
                text=chosen(claimed(way, smallest, self._model.schema), self._languages),
            )

    def _menu(self, explanation: Explanation, wording: Wording) -> wire.Menu:
        assert explanation.menu is not None
        target = explanation.problem.target

        def written(found: Counterfactual) -> wire.Counterfactual:
            return self._counterfactual(1, found, target, wording, explanation.doubts_of(found))

        return menus.menu(explanation.menu, self._model.schema, self._languages, written)

    def provenance(self, work: Work, seed: int) -> wire.Provenance:
        """Which model was asked, and what searched."""
        return wire.Provenance(
            **self.reference().model_dump(),
            engine=work.engine,
            engine_version=ifonly_version(),
            seed=seed,
        )

    def work(self, work: Work, deadline_ms: int, times: wire.Times) -> wire.Work:
        """What the search cost."""
        return wire.Work(
            rows=work.rows,
            runs=work.runs,
            nodes=work.nodes,
            deadline_ms=deadline_ms,
            rejected=list(work.rejected),
            times=times,
            calls=self.calls(work),
        )

    def calls(self, work: Work) -> wire.Calls | None:
        """How the search was limited, where the model is only in another process."""
        if self._model.deployed.has_copy or self._model.predictor is None:
            return None
        return wire.Calls(most=self._model.predictor.remote.calls, spent=work.is_spent)

    def _trajectory(self, over: OverTime) -> wire.Trajectory:
        said = in_time.in_words(over.timing, is_wanted=self._model.decision.desired is not None)

        def told(tag: str) -> str:
            broken = [self._model.wording.constraint(c, tag) for c in over.broken_on_the_way]
            also = [in_time.broken(rule, tag) for rule in broken]
            return conventions(tag).between_sentences.join([said[tag], *also])

        predictions = [self.prediction(p) for p in over.said]
        text = {tag: told(tag) for tag in self._languages}
        return causal_parts.trajectory(over, self._model.schema, predictions, text)

    def _survival(self, problem: Problem) -> list[Labels]:
        asked = problem.survives
        return [] if asked is None else [assumptions.survives(asked, problem.schema)]

    def _wording(self, explanation: Explanation) -> Wording:
        causal = explanation.causal
        if causal is None:
            return self._model.wording
        is_past = explanation.semantics is Semantics.BACKTRACKING
        return causal.history_wording if is_past else causal.wording

    def _grounds(
        self,
        causal: ServedCausal | None,
        effects: Sequence[Effect],
        known: Sequence[Known],
        over: OverGraphs | None = None,
        decided: DecidedBy | None = None,
        *,
        of: causal_parts.Telling = "answer",
    ) -> CausalGrounds | None:
        if causal is None:
            return None
        moved = (e.column for e in effects)
        by = (None, None) if decided is None else (decided.graph, decided.cost_by_main)
        return causal_parts.grounds(causal, moved, self._languages, _once(known), over, *by, of=of)

    def _what_follows(
        self, causal: ServedCausal | None, known: Sequence[Known], *, this_machine: bool = True
    ) -> tuple[Labels, ...]:
        """``known``: of the real outcome of each thing that is answered."""
        moves = () if self._model.moves is None else (assumptions.PROFILES,)
        return (*moves, *self._by_causes(causal, known, this_machine=this_machine))

    def _by_causes(
        self, causal: ServedCausal | None, known: Sequence[Known], *, this_machine: bool
    ) -> tuple[Labels, ...]:
        if causal is not None:
            return causal_parts.of_rung(
                this_machine,
                _once(known),
                self._model.schema,
                is_enough=bool(known) and all(known),
            )
        if self._model.causal is not None:
            return (assumptions.MOVED_ALONE,)
        return (assumptions.NOTHING_FOLLOWS,)

    # --- their parts ----------------------------------------------------------------------

    def reference(self) -> wire.ModelReference:
        deployed = self._model.deployed
        return wire.ModelReference(
            model=deployed.name,
            version=deployed.version,
            model_sha256=deployed.model_sha256,
            spec_sha256=deployed.spec_sha256,
            predictor=None if deployed.has_copy else self._model.asked_at,
            # A graph that nobody has accepted took no part in the answer.
            causal_sha256=deployed.causal_sha256 if self._model.causal else None,
            ifonly_version=ifonly_version(),
        )

    def prediction(self, prediction: Prediction) -> wire.Prediction:
        decision, scores = self._model.decision, prediction.scores
        name = label = probability = probabilities = None
        if prediction.decided >= 0:
            decided = decision.classes[prediction.decided]
            name, label = decided.name, self._text(decided.labels, decided.name)
        if decision.task is Task.REGRESSION:
            return wire.Prediction(
                class_=name, label=label, score=scores[0], unit=decision.unit or None
            )
        if decision.task is Task.MULTICLASS:
            probability = scores[prediction.decided]
            probabilities = dict(zip(decision.class_names, scores, strict=True))
        elif prediction.decided == decision.positive:
            probability = scores[0]
        else:
            probability = 1.0 - scores[0]
        return wire.Prediction(
            class_=name, label=label, probability=probability, probabilities=probabilities
        )

    def action(self, action: Action) -> wire.Action:
        feature = self._model.schema.features[action.column]
        window = window_of(self._model.schema)
        profile = None if window is None else window.profile_at(action.column)
        return wire.Action(
            feature=feature.name,
            profile=None if window is None or profile is None else profile_of(window, profile),
            label=self._text(feature.labels, feature.name),
            from_=feature.write(action.factual),
            to=feature.write(action.counterfactual),
            delta=delta(feature, action.factual, action.counterfactual),
            unit=feature.unit,
            sufficient_range=_range(feature, action.sufficient_range),
        )

    def constraint(self, constraint: Blocker) -> wire.Constraint:
        """The constraint, or what the target demands, by name and in words; its pointer if a
        request brought it."""
        origin = constraint.origin
        return wire.Constraint(
            source=origin.source.value,
            key=origin.key,
            # Only the request's own: a pointer into the policy would lead nowhere in the body.
            pointer=pointer(self.path(constraint)) if origin.source is Source.REQUEST else None,
            features=list(self._features(sorted(constraint.columns))),
            text={tag: self._model.wording.constraint(constraint, tag) for tag in self._languages},
            why={tag: origin.why[tag] for tag in self._languages if tag in origin.why},
        )

    def _features(self, columns: Sequence[int]) -> Iterable[str]:
        """Of a window the channels of the columns."""
        names = [self._model.schema.names[j] for j in columns]
        return names if window_of(self._model.schema) is None else channels_in(names)

    def path(self, constraint: Blocker) -> Path:
        """Where in its request a constraint stands: keys end in a feature's name or an index."""
        part, _, rest = constraint.origin.key.partition(".")
        if part != "constraints":
            return (part, rest) if part == "target" else (part,)
        section, _, last = rest.partition(".")
        if window_of(self._model.schema) is not None and section != "rules":
            # It names a channel, and was read of its columns.
            return (part, section) if last.isdecimal() else (part, section, parts_of(last)[0])
        if last in self._model.schema:
            return (part, section, last)
        return (part, section, *((int(last),) if last.isdecimal() else ()))

    def asked_target(self, problem: Problem, semantics: Semantics) -> wire.AskedTarget:
        target, survives = problem.target, problem.survives
        # JSON has no infinity (RFC 8259, 6).
        ends = [None if math.isinf(end) else end for end in (target.lower, target.upper)]
        bounds = None if ends == [None, None] else wire.AskedProbability(min=ends[0], max=ends[1])
        by_policy = target.origin.source is Source.POLICY
        source: Literal["policy", "request"] = "policy" if by_policy else "request"
        robust_source: Literal["policy", "request"] = "policy"
        # What the policy demands, and is not demanded, a request has lifted.
        is_past = semantics is Semantics.BACKTRACKING
        demanded = self._model.policy.demands_survival(target) and not is_past
        lifted = survives is None and demanded
        if lifted or (survives is not None and survives.origin.source is Source.REQUEST):
            robust_source = "request"
        wanted, names = target.wanted, self._model.decision.class_names
        return wire.AskedTarget(
            class_=None if wanted is None else names[wanted],
            probability=None if wanted is None else bounds,
            score=bounds if wanted is None else None,
            source=source,
            robust=survives is not None,
            robust_source=robust_source,
        )

    def _relaxation(self, explanation: Explanation, wording: Wording) -> wire.Relaxation | None:
        answer = explanation.answer
        if not isinstance(answer, Infeasible) or answer.relaxation is None:
            return None
        found = answer.relaxation
        doubts = explanation.doubts_of(found.counterfactual)
        return wire.Relaxation(
            lifted=self.constraint(found.lifted),
            counterfactual=self._counterfactual(
                1, found.counterfactual, found.target, wording, doubts
            ),
        )

    def _counterfactual(
        self,
        rank: int,
        found: Counterfactual,
        target: Target,
        wording: Wording,
        doubts: Sequence[Doubt],
        over: OverTime | None = None,
    ) -> wire.Counterfactual:
        return wire.Counterfactual(
            rank=rank,
            cost=found.cost,
            lower_bound=found.lower_bound,
            enumerated_changes=found.enumerated,
            rests_on_rounding=found.rests_on_rounding,
            gap=found.gap,
            actions=[self.action(a) for a in found.actions],
            effects=[self._effect(e) for e in found.effects],
            assurance=None
            # What a window's profiles move is arithmetic: nothing of it is in doubt.
            if found.assurance is None or found.chance is None or wording.is_of_model
            else causal_parts.assurance(
                found.chance,
                found.assurance,
                self._model.schema,
                found.graphs,
                causal_parts.when_carried_out(self._model.causal, found.chance_later),
            ),
            prediction=self.prediction(found.prediction),
            doubts=self._doubts(doubts),
            instance=self._model.schema.write(np.array(found.row)),
            arrives=None if over is None else causal_parts.arrives(over),
            joint_box=None
            if found.joint_box is None
            else menus.joint_box(found.joint_box, self._model.schema, self._languages),
            text={
                tag: self._in_doubt(
                    _in_time(
                        wording.counterfactual(found, tag, target=target, rank=rank), over, tag
                    ),
                    doubts,
                    tag,
                    *self._later(found, tag),
                )
                for tag in self._languages
            },
        )

    def _doubts(self, found: Iterable[Doubt]) -> list[CausalDoubt]:
        return causal_parts.doubts(found, self._model.schema, self._languages)

    def _in_doubt(self, said: str, doubts: Iterable[Doubt], tag: str, *also: str) -> str:
        """``said``, what it rests on that had failed, and what is said ``also``."""
        told = (doubt_in_words(d.check, self._model.schema)[tag] for d in doubts)
        return conventions(tag).between_sentences.join([said, *told, *also])

    def _decided(
        self, causal: ServedCausal | None, by: DecidedBy | None, tag: str
    ) -> Iterator[str]:
        """What of the graph decides that nothing is answered, or that something dearer is, and
        what would settle it."""
        if causal is None or by is None:
            return
        for other in causal.spec.alternatives:
            if other.name != by.graph:
                continue
            if by.cost_by_main is None:
                yield graphs.undecided(causal.spec, other, by.chance, by.by_main)[tag]
            else:
                yield graphs.dearer(causal.spec, other, by.cost_by_main)[tag]

    def _later(self, found: Counterfactual, tag: str) -> Iterator[str]:
        """How sure it is when it is carried out, where not all noise stays."""
        causal = self._model.causal
        if causal is None or causal.spec.stability is None or found.chance_later is None:
            return
        yield stability.flips(causal.spec.stability, found.chance_later, tag)

    def _effect(self, effect: Effect) -> wire.Effect:
        schema = self._model.schema
        feature = schema.features[effect.column]
        return wire.Effect(
            feature=feature.name,
            label=self._text(feature.labels, feature.name),
            from_=feature.write(effect.factual),
            to=feature.write(effect.counterfactual),
            delta=delta(feature, effect.factual, effect.counterfactual),
            unit=feature.unit,
            via=[schema.names[j] for j in effect.via],
        )

    def _off_grid(self, found: OffGridValue) -> wire.OffGrid:
        feature = self._model.schema.features[found.column]
        assert feature.resolution is not None
        return wire.OffGrid(
            feature=feature.name,
            value=_number(found.value, whole=found.value.is_integer()),
            unit=feature.unit,
            resolution=number(feature.resolution),
            nearest=[_number(v, whole=feature.resolution % 1 == 0) for v in found.nearest],
        )

    def _text(self, labels: Labels, fallback: str) -> dict[str, str]:
        return {tag: label_or(labels, tag, fallback) for tag in self._languages}

    def _assume(self, *taken: Labels) -> list[dict[str, str]]:
        return [chosen(text, self._languages) for text in taken]


def _in_time(said: str, over: OverTime | None, tag: str) -> str:
    """``said``, and when it has its effect."""
    if over is None:
        return said
    return conventions(tag).between_sentences.join(
        [said, in_time.in_words(over.timing, is_wanted=False)[tag]]
    )


def _once(known: Sequence[Known]) -> list[Evidence]:
    """Each piece of evidence once, in order."""
    found: list[Evidence] = []
    for evidence in chain.from_iterable(known):
        if evidence not in found:
            found.append(evidence)
    return found


def profile_of(window: Window, profile: ChannelProfile) -> wire.ActionProfile:
    return wire.ActionProfile(
        channel=window.channels[profile.channel].name,
        shape=profile.shape.value,
        from_=str(window.back(profile.steps)),
        steps=profile.steps,
    )


def delta(feature: Feature, before: float, after: float) -> float | int | None:
    """``after - before`` in the decimals that the wire carries: -7.5, never -7.499999."""
    if feature.kind.is_categorical or math.isnan(before) or math.isnan(after):
        return None
    return number(Decimal(repr(after)) - Decimal(repr(before)))


def number(decimal: Decimal) -> float | int:
    """A decimal as JSON's shortest number: whole ones without a point."""
    return int(decimal) if decimal == decimal.to_integral_value() else float(decimal)


def _number(value: float, *, whole: bool) -> float | int:
    return int(value) if whole else value


def _range(feature: Feature, interval: tuple[float, float] | None) -> list[float | int] | None:
    if interval is None or feature.kind.is_categorical:
        return None
    whole = feature.kind is Kind.INTEGER
    return [_number(end, whole=whole) for end in interval]
