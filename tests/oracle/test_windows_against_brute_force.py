"""Windows moved by profiles: what is claimed is what walking every action finds.

Two thousand more: ``python -m bench.oracle_campaign --windows --questions 2000``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import MOST_ALONE
from ifonly.explainers.search.profiles import Profiles
from ifonly.service.ask.explain import explain
from ifonly.service.ask.question import problem_of
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


def test_what_lifts_a_rule_between_profiles_is_not_walked_one_profile_at_a_time(
    tmp_path: Path,
) -> None:
    """Found by the campaign: with the rule lifted that a channel is moved by one profile, a walk
    over single profiles claimed that there is none."""
    limits = Limits(None, None, 2.0, None, False, False, -0.28, 0, "step")
    model = served(tmp_path, 1236165804, "trees", limits, "steps-channels")
    values = {
        "coolant": [5.5, 8.5, 6.4, 5.9],
        "flow": [4.0, 3.0, 3.0, 5.0],
        "load": [1.5, 3.6, 1.8, 4.6],
    }
    question, until = asked(model, values)
    problem = problem_of(model, question)
    meter, walk = Meter(model.deployed.predictor, until), Profiles(MOST_ALONE)
    assert walk.search(problem, meter, until).lower_bound == np.inf
    loose = [c for c in problem.constraints if len(c.columns) < 2 or "coolant@" not in str(c)]
    with pytest.raises(NotEligible, match="coolant may be moved by several profiles at once"):
        walk.search(replace(problem, constraints=tuple(loose)), meter, until)
