"""DiCE (Mothilal et al. 2020), model-agnostic: random, genetic, kd-tree.

Recommended settings: four counterfactuals a question of which the cheapest is counted, its own
weights, ``inverse_mad`` distances, the training data, ``features_to_vary``, ``permitted_range``
and the decimals of each feature. A regression is given to it as a classifier at the limit. It
takes no rules across features.
"""

from __future__ import annotations

import numpy as np

from bench.dice.sampler import DiceSampler, SampledColumn, Wish
from bench.peers.contract import Asker, Matrix, PeerAnswer
from bench.peers.scorer import PeerScorer
from bench.study import StudySetup

COUNT = 4


class _Dice:
    def __init__(self, study: StudySetup, method: str) -> None:
        self._study = study
        self._scorer = PeerScorer(study)
        rows, _ = study.references()
        columns = [
            SampledColumn(lever.name, lever.decimals if lever.is_number else None)
            for lever in study.levers
        ]
        self._sampler = DiceSampler(columns, rows, method, COUNT)
        self._vary = tuple(
            j for j, lever in enumerate(study.levers) if lever.name not in study.rules.immutable
        )
        kinds = (("linear", study.rules.linear), ("if-then", study.rules.implications))
        self.cannot = tuple(kind for kind, rules in kinds if rules)

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer:
        before = self._scorer.rows
        allowed = tuple(self._allowed(j, float(row[j])) for j in range(len(row)))
        wish = Wish(row, self._vary, allowed, seed)
        rows = self._sampler.propose(wish, self._scorer.probabilities)
        return PeerAnswer(rows, model_rows=self._scorer.rows - before)

    def _allowed(self, j: int, value: float) -> tuple[float, ...]:
        lever = self._study.levers[j]
        sense = self._study.rules.directions.get(lever.name)
        if lever.is_number:
            low = value if sense == "up" else lever.lower
            high = value if sense == "down" else lever.upper
            return low, high
        codes = np.arange(len(lever.categories), dtype=np.float64)
        if sense is not None:
            codes = codes[codes >= value if sense == "up" else codes <= value]
        return tuple(codes.tolist())


def random(study: StudySetup) -> Asker:
    return _Dice(study, "random")


def genetic(study: StudySetup) -> Asker:
    return _Dice(study, "genetic")


def kdtree(study: StudySetup) -> Asker:
    return _Dice(study, "kdtree")
