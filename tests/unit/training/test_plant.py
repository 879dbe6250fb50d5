"""The demonstration's machines: the same ones each time, as the model takes them, and marked."""

from __future__ import annotations

from itertools import islice

import numpy as np

from ifonly.models.spec.attributes import SIMULATED
from ifonly.models.training.milling import CAMPAIGN_ROWS
from ifonly.models.training.plant import PROFILES, plant
from ifonly.service.doors.demonstration import MODEL
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings

ROUNDS = 40


def test_the_same_seed_gives_the_same_readings_and_another_gives_others() -> None:
    first, again, other = (list(islice(plant(seed), 5 * len(PROFILES))) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_it_goes_on_after_a_campaign_with_noise_of_its_own() -> None:
    n_machines = len(PROFILES)
    found = list(islice(plant(0), (CAMPAIGN_ROWS + 1) * n_machines))
    before, after = found[:n_machines], found[-n_machines:]
    assert [r.attributes for r in before] == [r.attributes for r in after]
    speeds = [[r.instance["rotational_speed"] for r in part] for part in (before, after)]
    assert speeds[0] != speeds[1]


def test_every_machine_is_one_of_twelve_and_says_that_it_is_simulated() -> None:
    found = list(islice(plant(0), 2 * len(PROFILES)))
    names = [reading.attributes["equipment"] for reading in found]
    assert len(set(names)) == len(PROFILES) == 12
    assert names[:12] == names[12:]
    for reading in found:
        assert reading.attributes["equipment"].startswith("Simulated ")
        assert reading.attributes[SIMULATED] == "true"


def test_the_shipped_model_sees_what_the_profiles_are_for() -> None:
    registry = Registry.of(Settings())
    registry.load()
    model = registry.get(MODEL, None)
    said = list(islice(plant(0), ROUNDS * len(PROFILES)))
    rows = np.array([model.schema.read(reading.instance) for reading in said])
    scores = model.deployed.predictor.score(rows)
    alarms = (model.decision.decide(scores) == model.decision.positive).reshape(ROUNDS, -1)
    shares = alarms.mean(axis=0)
    raised = (alarms[1:] & ~alarms[:-1]).sum(axis=0)
    quiet, chatters, stands = [0, 2, 4, 6, 8], 5, 7
    assert not shares[quiet].any()
    assert shares[stands] == 1.0
    assert raised[chatters] >= 10
    drifting = [k for k in range(12) if k not in (*quiet, chatters, stands)]
    # They begin without, come into alarm once, and out of it again.
    assert not alarms[0, drifting].any()
    assert (raised[drifting] == 1).all()
    assert not alarms[-1, drifting].any()
