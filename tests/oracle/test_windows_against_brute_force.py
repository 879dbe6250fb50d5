"""Windows moved by profiles: what is claimed is what walking every action finds.

Two thousand more: ``python -m bench.oracle_campaign --windows --questions 2000``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.service.ask.explain import explain
from tests.support.windows import KINDS, Limits, asked, by_exact_engine, cheapest, instance, served


@pytest.mark.parametrize("kind", KINDS)
def test_the_claim_is_what_a_walk_over_every_action_finds(tmp_path: Path, kind: str) -> None:
    draw, found = np.random.default_rng(KINDS.index(kind)), Counter[str]()
    # Of networks with few alarms more are asked.
    for k in range({"gemm": 2, "lstm": 6}.get(kind, 3)):
        limits = Limits.drawn(draw)
        layout = ("steps-channels", "channels-steps")[k % 2]
        model = served(tmp_path / str(k), int(draw.integers(2**31)), kind, limits, layout)
        # Of convolutions that takes longer: the campaign asks so.
        model = by_exact_engine(model) if k % 2 == 0 and kind != "conv" else model
        for _ in range(3):
            question, until = asked(model, instance(draw))
            answer = explain(model, question, until).answer
            found[answer.status] += 1
            assert not answer.work.rejected
            if isinstance(answer, Recourse):
                assert answer.status == "optimal"
                best = cheapest(model, question.factual, limits)
                assert answer.counterfactuals[0].cost == pytest.approx(best, rel=1e-9)
            elif answer.status != "already_target":
                assert answer.status == "infeasible"
                assert cheapest(model, question.factual, limits) == np.inf
    assert found["optimal"] + found["infeasible"] >= 2
