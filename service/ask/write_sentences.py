"""A whole answer in words: what it sets, when and how surely, and what of that is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ifonly.explainers.answer import Abstained, Answer, Counterfactual, Recourse
from ifonly.explainers.causal.doubts import Doubt
from ifonly.explainers.target import Target
from ifonly.explainers.wording import DEFAULT_LANGUAGES, Wording
from ifonly.explainers.wording.conventions import conventions
from ifonly.service.ask.explain import Explanation
from ifonly.service.ask.over_time import OverTime
from ifonly.service.served.causal_model import Semantics, ServedCausal
from ifonly.service.served.registry import ServedModel
from ifonly.service.words import graphs, stability
from ifonly.service.words import time as in_time
from ifonly.service.words.doubts import in_words as doubt_in_words


@dataclass(frozen=True)
class DecidedBy:
    """The graph, other than the main one, that decides what is answered."""

    graph: str
    chance: float
    """Share of this graph's plausible mechanisms by which the action flips: too small a share."""
    by_main: float
    """The same share under the main graph."""
    cost_by_main: float | None
    """Cost of that action, where a dearer one is the answer; None: there is no answer."""

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


class SentenceWriter:
    """Writes answers about one model in some languages."""

    def __init__(self, model: ServedModel, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._model = model
        # A language that is named twice is written once, in the order of the request.
        self._languages = tuple(dict.fromkeys(languages))

    def sentences(self, explanation: Explanation) -> dict[str, str]:
        """The whole answer in words, in each language: ``text`` of the reply."""
        answer, over = explanation.answer, explanation.over
        found = answer.counterfactuals[0] if isinstance(answer, Recourse) else None
        doubts = explanation.doubts_of_none if found is None else explanation.doubts_of(found)
        return self.explained(explanation, doubts, over[0] if over else None, DecidedBy.of(answer))

    def explained(
        self,
        explanation: Explanation,
        doubts: Sequence[Doubt],
        over: OverTime | None,
        decided: DecidedBy | None,
        best: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str]:
        """The same, of what is known already: the ``doubts`` on which the answer rests, its course
        ``over`` time, the graph that ``decided`` it, and the first answer's words, ``best``."""
        wording, target = self.wording(explanation), explanation.problem.target

        def said(tag: str) -> str:
            words = wording.sentence(explanation.answer, tag, target=target, best=best.get(tag, ""))
            also = [*self._decided(explanation.causal, decided, tag)]
            if isinstance(explanation.answer, Recourse):
                also = [*self._later(explanation.answer.counterfactuals[0], tag), *also]
            return self._in_doubt(_in_time(words, over, tag), doubts, tag, *also)

        return {tag: said(tag) for tag in self._languages}

    def counterfactual(
        self,
        found: Counterfactual,
        rank: int,
        target: Target,
        wording: Wording,
        doubts: Sequence[Doubt],
        over: OverTime | None,
    ) -> dict[str, str]:
        """One answer in words; ``over``: its course, where the causal file has time."""

        def said(tag: str) -> str:
            words = wording.counterfactual(found, tag, target=target, rank=rank)
            return self._in_doubt(_in_time(words, over, tag), doubts, tag, *self._later(found, tag))

        return {tag: said(tag) for tag in self._languages}

    def trajectory(self, over: OverTime) -> dict[str, str]:
        """How the prediction goes on over time, and which rules are broken on the way."""
        said = in_time.in_words(over.timing, is_wanted=self._model.decision.desired is not None)

        def told(tag: str) -> str:
            broken = [self._model.wording.constraint(c, tag) for c in over.broken_on_the_way]
            also = [in_time.broken(rule, tag) for rule in broken]
            return conventions(tag).between_sentences.join([said[tag], *also])

        return {tag: told(tag) for tag in self._languages}

    def wording(self, explanation: Explanation) -> Wording:
        """The words for what follows: those of the causal model that was used, or of its past."""
        causal = explanation.causal
        if causal is None:
            return self._model.wording
        is_past = explanation.semantics is Semantics.BACKTRACKING
        return causal.history_wording if is_past else causal.wording

    def _in_doubt(self, said: str, doubts: Iterable[Doubt], tag: str, *also: str) -> str:
        """``said``, the doubts on which it rests, and what is said ``also``."""
        told = (doubt_in_words(d.check, self._model.schema)[tag] for d in doubts)
        return conventions(tag).between_sentences.join([said, *told, *also])

    def _decided(
        self, causal: ServedCausal | None, by: DecidedBy | None, tag: str
    ) -> Iterator[str]:
        """Which graph decides that there is no answer, or a dearer one; what would settle it."""
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


def _in_time(said: str, over: OverTime | None, tag: str) -> str:
    """``said``, and when it has its effect."""
    if over is None:
        return said
    return conventions(tag).between_sentences.join(
        [said, in_time.in_words(over.timing, is_wanted=False)[tag]]
    )
