"""Nasty requests over every route, as every role; more of them: ``bench.attack.nasties``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.attack.nasties import (
    ROUTES,
    UNUSED,
    NastyOutcome,
    NastyWorld,
    ask_all,
    nasties,
    world_of,
)
from ifonly.service.access import Role
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_sign_in import new_key


# A form that breaks off in the midst leaves its file to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "count", [600, pytest.param(3_000, marks=[pytest.mark.slow, pytest.mark.long])]
)
def test_none_of_them_makes_the_service_fail(repository: Path, tmp_path: Path, count: int) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    given = {"models": repository, "database_url": url, "body_seconds": 0.5}
    given |= {"max_deadline_ms": 50, "default_deadline_ms": 50}
    tokens = {role: new_key(url, role) for role in Role}
    with serving(Settings.model_validate(given), no_auth=False) as base:
        found = NastyOutcome()
        ask_all(base, nasties(world_of(base, "milling-machine", tokens), count, seed=4), found)
    said = [(status, one.bytes()[:2_000], reply[:500]) for one, status, reply in found.failures]
    assert not said, said[:3]
    assert sum(found.statuses.values()) == count
    assert found.statuses[200] > count / 15, "they are to get past the door"
    assert found.statuses[422] > count / 20, "and to be looked at"


def test_they_follow_from_the_seed_and_reach_every_route() -> None:
    roles = {role: f"ifonly_{role}" for role in Role}
    known = dict.fromkeys(Role, ("cookie", "form"))
    world = NastyWorld("m", {"a": 1.0, "b": "x"}, ("id",), roles, known, ("WzEsICJhIiwgMl0",))
    first, again = ([one.bytes() for one in nasties(world, 500, 7)] for _ in range(2))
    assert first == again
    assert first != [one.bytes() for one in nasties(world, 500, 8)]
    assert len({*first}) > 450
    routes = Counter(one.route for one in nasties(world, 500, 7))
    assert {*routes} == {*ROUTES} - {UNUSED}
