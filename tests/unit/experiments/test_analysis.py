"""Experiments whose truth is known, as their operators would see them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.errors import InvalidRequest
from ifonly.service.experiments.analysis import ExperimentVerdict, analyse
from ifonly.service.experiments.assignment import arm_of
from ifonly.service.experiments.course import LOOKS, course
from ifonly.service.experiments.design import (
    ArmObservation,
    BetterWay,
    ExperimentDesign,
    ExperimentMetric,
)
from ifonly.service.words.experiments import conclusion

DESIGN = ExperimentDesign(
    "robust-or-smallest",
    "salt",
    "smallest",
    "robust",
    ExperimentMetric("cleared"),
    guards=(ExperimentMetric("minutes", BetterWay.DOWN),),
    units=1_500,
)


def observed(design, effect=0.0, slower=0.0, n=1_500, seed=0, lost=0.0):
    """Machines with one to three alarms each; ``lost``: a share of treated ones of whom nothing
    is heard."""
    generator = np.random.default_rng(seed)
    for k in range(n):
        unit = f"Mill {k}"
        arm = arm_of(design.salt, unit, design.weights)
        treated = arm == design.treatment
        if treated and generator.random() < lost:
            continue
        own = generator.normal()
        for _ in range(generator.integers(1, 4)):
            follows = bool(generator.random() < (0.7 if treated else 0.1))
            cleared = generator.random() < min(1.0, 0.4 + 0.1 * np.tanh(own) + effect * follows)
            minutes = generator.exponential(10.0) + slower * treated
            values = {"cleared": float(cleared), "minutes": minutes}
            yield ArmObservation(unit, arm, values, follows, own)


def test_a_better_arm_is_found_and_what_following_it_does():
    found = analyse(DESIGN, observed(DESIGN, effect=0.25))
    assert found.verdict is ExperimentVerdict.BETTER
    assert found.metric.difference.lower < 0.25 * 0.6 < found.metric.difference.upper
    assert found.metric.compliers is not None
    assert found.metric.compliers.lower < 0.25 < found.metric.compliers.upper
    assert found.crossed == 0
    assert sum(found.units) == 1_500


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ExperimentVerdict.NOT_SHOWN),
        ({"n": 60}, ExperimentVerdict.TOO_EARLY),
        ({"n": 0}, ExperimentVerdict.TOO_EARLY),
        ({"effect": 0.25, "slower": 4.0}, ExperimentVerdict.GUARD),
        ({"effect": -0.35}, ExperimentVerdict.WORSE),
        ({"effect": 0.25, "lost": 0.4}, ExperimentVerdict.MISMATCH),
    ],
)
def test_what_may_be_concluded(changed, said):
    assert analyse(DESIGN, observed(DESIGN, **changed)).verdict is said


def test_an_aa_experiment_finds_nothing_more_often_than_it_may():
    design = replace(DESIGN, is_aa=True, units=400, guards=())
    wrong = sum(
        analyse(design, observed(design, n=400, seed=seed)).verdict
        is not ExperimentVerdict.NOT_SHOWN
        for seed in range(40)
    )
    assert wrong <= 4


def test_a_unit_that_was_shown_both_arms_counts_in_neither():
    rows = [*observed(DESIGN, n=200)]
    other = {DESIGN.control: DESIGN.treatment, DESIGN.treatment: DESIGN.control}
    crossed = replace(rows[0], arm=other[rows[0].arm])
    found = analyse(DESIGN, [*rows, crossed, replace(rows[1], unit="x", arm="of another design")])
    assert (found.crossed, sum(found.units)) == (1, 199)


def test_what_is_not_known_is_no_zero():
    some = [replace(o, values={}, followed=None) for o in observed(DESIGN, n=150)]
    found = analyse(DESIGN, some)
    assert found.metric.units == (0, 0)
    assert math.isnan(found.metric.means[0])
    assert found.metric.compliers is None
    assert found.verdict is ExperimentVerdict.TOO_EARLY


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "Mill 7"}, "name is 'Mill 7'"),
        ({"salt": ""}, "salt is empty"),
        ({"treatment": "smallest"}, "called as the control"),
        ({"share": 1.5}, "share is 1.5, not within 0.01 and 0.99"),
        ({"share": math.nan}, "share is nan"),
        ({"alpha": 0.0}, "alpha is 0"),
        ({"units": 3}, "units is 3, below 100"),
        ({"guards": (ExperimentMetric("cleared"),)}, "guards has 'cleared' twice"),
        (
            {"guards": tuple(ExperimentMetric(f"m{k}") for k in range(17))},
            "has 17 metrics; 16 at most",
        ),
    ],
)
def test_a_design_says_what_is_wrong_with_it(wrong, says):
    with pytest.raises(InvalidRequest, match=says):
        replace(DESIGN, **wrong)


def test_the_course_ends_with_what_the_analysis_says_and_covers_the_truth_at_every_look():
    rows = [(k * 60_000_000, each) for k, each in enumerate(observed(DESIGN, effect=0.25))]
    told = course(DESIGN, reversed(rows))
    found = analyse(DESIGN, (each for _, each in rows))
    assert told[-1].difference == found.metric.difference
    assert told[-1].units == found.metric.units
    assert len(told) <= LOOKS
    assert [look.time_us for look in told] == sorted({look.time_us for look in told})
    known = [look.difference for look in told if math.isfinite(look.difference.lower)]
    assert len(known) > LOOKS / 2
    assert all(each.lower < 0.25 * 0.6 < each.upper for each in known)
    assert course(DESIGN, []) == []
    # All at one moment: one look.
    assert len(course(DESIGN, [(7, each) for _, each in rows[:200]])) == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"effect": 0.25}, "‘robust’ is better than ‘smallest’. Alarms cleared: "),
        ({"effect": -0.35}, "‘robust’ is worse than ‘smallest’."),
        ({"n": 60}, "Nothing can be said yet: 60 units have been counted, 100 are needed."),
        ({"effect": 0.25, "lost": 0.4}, "where 50 % was meant"),
        ({"effect": 0.25, "slower": 4.0}, "Stop: ‘robust’ makes a guard worse. Minutes until"),
        ({}, "That does not show that the arms are alike."),
    ],
)
def test_what_may_be_concluded_is_said_in_every_language(changed, says):
    told = conclusion(analyse(DESIGN, observed(DESIGN, **changed)))
    assert says in told["en"]
    assert set(told) == set(LANGUAGES)
    assert len(set(told.values())) == len(LANGUAGES)
    aa = analyse(replace(DESIGN, is_aa=True), observed(DESIGN, **changed))
    if says.startswith("‘robust’"):
        assert "differ all the same" in conclusion(aa)["en"]
