"""Who confirmed an exported answer: our copy of the model, or the predictor that serves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.verify.goal import ScoreGoal
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.rulebook import Rulebook
from ifonly.explainers.verify.sections import Json
from ifonly.models.said import read_said

COPY, PREDICTOR = "copy", "predictor"
"""Who confirms answers: our own model, or the process in which it is deployed."""


@dataclass(frozen=True, eq=False)
class ToldConfirmation:
    """What one answer tells of its confirmation."""

    answer: Json
    book: Rulebook

    def of_answer(self, scores: Sequence[float], n_told: int) -> Iterator[Check]:
        """Check that whoever it names confirmed it, and that it is whom the policy demands.
        Older answers name nobody."""
        whole = self.answer.get("confirmation")
        demanded = self.book.policy.get("confirmed_by") == PREDICTOR
        if whole is None:
            if demanded:
                yield Check("confirmed_by", False, "the policy demands a predictor; nobody is told")
            return
        asked = whole["by"] == PREDICTOR
        named, why, rows = whole["predictor"], whole["why"], whole["rows"]
        # A predictor that is named either confirmed all of it, or there is a reason.
        fits = isinstance(named, str) and why is None and rows > n_told
        if not asked:
            fits = (named is None) is (why is None) and rows == 0
        says = f"by {whole['by']}: {named} asked about {rows} rows, {why or 'no reason given'}"
        yield Check("confirmation", fits, says)
        yield self._confirmed(whole, scores, None)
        if demanded:
            # A class says nothing of a probability.
            more = self.answer["target"].keys() & {"probability", "score"}
            fits = asked and not (more and whole["says"] == "class")
            yield Check("confirmed_by", fits, f"{says}; the policy demands a predictor")

    def of_row(self, found: Json, scores: Sequence[float], goal: ScoreGoal) -> Iterator[Check]:
        """Check that whoever confirmed the answer confirmed this counterfactual too."""
        said, whole = found.get("confirmation"), self.answer.get("confirmation")
        if said is None or whole is None:
            return
        fits = (said["by"], said["says"]) == (whole["by"], whole["says"])
        yield Check("confirmation", fits, f"by {said['by']}, the answer by {whole['by']}")
        yield self._confirmed(said, scores, goal)

    def _confirmed(self, said: Json, scores: Sequence[float], goal: ScoreGoal | None) -> Check:
        """Check that the predictor said of a row what our model says, ``scores``, and, of an
        answer, that it meets ``goal`` by what it said."""
        by, says, word = said["by"], said["says"], said["said"]
        if by != PREDICTOR:
            fits = by == COPY and says is None and word is None
            return Check("confirmed", fits, f"by {by}, which says {says}: {word}")
        decision = self.book.decision
        read = read_said(word, decision)
        if read is None:
            return Check("confirmed", False, f"{word!r} is no word on a row")
        ours = int(decision.decide(np.array([scores]))[0])
        if read.scores is None:
            fits = says == "class" and read.decided == ours
        else:
            fits = says == "score" and read.is_near(tuple(scores))
            fits = fits and (goal is None or goal.met(list(read.scores)))
        return Check("confirmed", fits, f"{by} says {word}, the deployed model here {scores}")
