"""Domain values into replies: predictions, what-ifs, explanations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Action,
    Counterfactual,
    Effect,
    Infeasible,
    OverGraphs,
    Prediction,
    Recourse,
    Unknown,
)
from ifonly.explainers.causal.doubts import Doubt
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import changed
from ifonly.explainers.target import Target
from ifonly.explainers.terms import DEARER, WayName
from ifonly.explainers.wording import DEFAULT_LANGUAGES, Wording
from ifonly.models.schema import Labels
from ifonly.service.ask import write_causal as causal_parts
from ifonly.service.ask import write_menu as menus
from ifonly.service.ask.explain import Explanation
from ifonly.service.ask.over_time import OverTime
from ifonly.service.ask.question import Rung
from ifonly.service.ask.what_if import WhatIf
from ifonly.service.ask.write_parts import PartWriter
from ifonly.service.ask.write_sentences import DecidedBy, SentenceWriter
from ifonly.service.served.causal_model import Semantics, ServedCausal
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import replies as wire
from ifonly.service.wire.causal import CausalGrounds
from ifonly.service.wire.causal import Doubt as CausalDoubt
from ifonly.service.words import assumptions
from ifonly.service.words.catalogue import chosen
from ifonly.service.words.evidence import known_of
from ifonly.service.words.ways import claimed

Known = Sequence[Evidence]
_ANOTHER_PAST = (assumptions.ANOTHER_PAST, assumptions.DECISION_NOT_OUTCOME)


class ReplyWriter:
    """Writes whole replies about one model in some languages."""

    def __init__(self, model: ServedModel, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._model = model
        # A language that is named twice is written once, in the order of the request.
        self._languages = tuple(dict.fromkeys(languages))
        self._parts = PartWriter(model, self._languages)
        self._sentences = SentenceWriter(model, self._languages)

    def predictions(self, predictions: Sequence[Prediction]) -> wire.PredictionsReply:
        return wire.PredictionsReply(
            predictions=[self._parts.prediction(p) for p in predictions],
            provenance=self._parts.reference(),
        )

    def what_if(self, asked: WhatIf) -> wire.WhatIfReply:
        moved = np.flatnonzero(changed(asked.row[np.newaxis], asked.factual)[0]).tolist()
        actions, effects = self._actions_and_effects(asked, moved)
        causal = asked.causal
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
                before=self._parts.prediction(asked.before),
                after=self._parts.prediction(asked.after),
            ),
            actions=[self._parts.action(a) for a in actions],
            effects=[self._parts.effect(e) for e in effects],
            instance=self._model.schema.write(asked.row),
            allowed=not (asked.broken or asked.off_grid or asked.unreadable),
            unreadable=[self._model.schema.names[j] for j in asked.unreadable],
            distribution=None
            if asked.draws is None
            else causal_parts.distribution(asked.draws, self._model.schema, self._model.decision),
            trajectory=None if asked.over is None else self._trajectory(asked.over),
            broken_rules=[self._parts.constraint(c) for c in asked.broken],
            off_grid=[self._parts.off_grid(o) for o in asked.off_grid],
            cost=asked.cost,
            assumptions=self._parts.assumptions(
                *self._what_follows(causal, known, this_machine=asked.rung is Rung.COUNTERFACTUAL),
                *([] if asked.over is None else causal_parts.over_time(causal)),
                assumptions.PREDICTION_IS_EXACT,
            ),
            causal=self._grounds(causal, effects, known, of="what-if"),
            doubts=self._doubts(causal.doubts_under(moved_by, asked.columns) if causal else ()),
            provenance=self._parts.reference(),
        )

    def _actions_and_effects(
        self, asked: WhatIf, moved: Sequence[int]
    ) -> tuple[list[Action], list[Effect]]:
        """What is set, and what of ``moved`` follows."""
        causal, before, after = asked.causal, asked.factual, asked.row

        def held(column: int) -> bool:
            """Whether what else is set would have moved it."""
            others = [j for j in asked.columns if j != column]
            return causal is not None and column in causal.consequences.follows(others)

        # What is held where it is counts as set, if it would have moved otherwise.
        set_ = moved
        if causal is not None or self._model.moves is not None:
            set_ = [j for j in asked.columns if j in moved or held(j)]
        follows = self._model.moves if causal is None else causal.consequences
        actions = [Action(j, float(before[j]), float(after[j])) for j in set_]
        effects = [
            Effect(j, float(before[j]), float(after[j]), follows.ways(asked.columns, j))
            for j in moved
            if follows is not None and j not in set_
        ]
        return actions, effects

    def explanation(
        self, explanation: Explanation, deadline_ms: int, times: wire.Times
    ) -> wire.ExplanationReply:
        answer, problem = explanation.answer, explanation.problem
        causal = explanation.causal
        wording = self._sentences.wording(explanation)
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
            target=self._parts.asked_target(explanation.problem, explanation.semantics),
            deadline_hit=answer.work.deadline_hit,
            prediction=self._parts.prediction(answer.prediction),
            counterfactuals=shown,
            ways=None if explanation.ways is None else list(self._ways(explanation, wording)),
            menu=None if explanation.menu is None else self._menu(explanation, wording),
            text=self._sentences.explained(
                explanation, resting[0], over_time[0] if over_time else None, decided, first
            ),
            assumptions=self._parts.assumptions(
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
            blocked_by=[self._parts.constraint(c) for c in blocking],
            relaxation=self._relaxation(explanation, wording),
            best_prediction=None if best is None else self._parts.prediction(best),
            provenance=self._parts.provenance(answer.work, problem.seed),
            work=self._parts.work(answer.work, deadline_ms, times),
        )

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

    def _relaxation(self, explanation: Explanation, wording: Wording) -> wire.Relaxation | None:
        answer = explanation.answer
        if not isinstance(answer, Infeasible) or answer.relaxation is None:
            return None
        found = answer.relaxation
        doubts = explanation.doubts_of(found.counterfactual)
        return wire.Relaxation(
            lifted=self._parts.constraint(found.lifted),
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
            actions=[self._parts.action(a) for a in found.actions],
            effects=[self._parts.effect(e) for e in found.effects],
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
            prediction=self._parts.prediction(found.prediction),
            doubts=self._doubts(doubts),
            instance=self._model.schema.write(np.array(found.row)),
            arrives=None if over is None else causal_parts.arrives(over),
            joint_box=None
            if found.joint_box is None
            else menus.joint_box(found.joint_box, self._model.schema, self._languages),
            text=self._sentences.counterfactual(found, rank, target, wording, doubts, over),
        )

    def _trajectory(self, over: OverTime) -> wire.Trajectory:
        predictions = [self._parts.prediction(p) for p in over.said]
        text = self._sentences.trajectory(over)
        return causal_parts.trajectory(over, self._model.schema, predictions, text)

    def _survival(self, problem: Problem) -> list[Labels]:
        asked = problem.survives
        return [] if asked is None else [assumptions.survives(asked, problem.schema)]

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

    def _doubts(self, found: Iterable[Doubt]) -> list[CausalDoubt]:
        return causal_parts.doubts(found, self._model.schema, self._languages)


def _once(known: Sequence[Known]) -> list[Evidence]:
    """Each piece of evidence once, in order."""
    found: list[Evidence] = []
    for evidence in chain.from_iterable(known):
        if evidence not in found:
            found.append(evidence)
    return found
