"""NICE (Brughmans et al. 2023): from the nearest unlike neighbour back towards the factual.

Recommended settings: HEOM distance on min-max scales, a justified neighbour (one that the model
classifies rightly), its own reward; ``proximity`` is the reward nearest to our cost, ``sparsity``
is its default. It takes no rules, no grid and no ranges.
"""

from __future__ import annotations

from nice import NICE

from bench.peers.contract import Asker, Matrix, PeerAnswer
from bench.peers.scorer import PeerScorer
from bench.study import StudySetup

CANNOT = ("immutable", "direction", "grid", "linear", "if-then")


class _Nice:
    def __init__(self, study: StudySetup, optimization: str) -> None:
        self.cannot = CANNOT if study.rules.texts else ()
        rows, wanted = study.references()
        self._scorer = PeerScorer(study)
        categories = [j for j, lever in enumerate(study.levers) if not lever.is_number]
        self._nice = NICE(
            predict_fn=self._scorer.probabilities,
            X_train=rows,
            cat_feat=categories,
            num_feat=[j for j in range(len(study.levers)) if j not in categories],
            y_train=wanted.astype(int),
            optimization=optimization,
            justified_cf=True,
        )

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer:
        before = self._scorer.rows
        rows = self._nice.explain(row[None, :].copy())
        return PeerAnswer(rows, model_rows=self._scorer.rows - before)


def proximity(study: StudySetup) -> Asker:
    return _Nice(study, "proximity")


def sparsity(study: StudySetup) -> Asker:
    return _Nice(study, "sparsity")
