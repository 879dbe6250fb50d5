"""A version is chosen over HTTP: recorded, survives a restart, one of two who decide at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import write_all
from tests.integration.test_upload import ZIP, last_event, zipped

PATH = "/api/v1/models/press/activations"
MADE = {"instance": {"pressure": 20.0, "speed": 1000}}


def asked(api: httpx.Client) -> str:
    reply = api.post("/api/v1/models/press/predictions", json=MADE)
    version: str = reply.json()["provenance"]["version"]
    return version


def choose(api: httpx.Client, version: str, **more: Any) -> httpx.Response:
    return api.post(PATH, json={"version": version, "why": "too many alarms", **more})


def test_back_and_forth_recorded_and_kept_over_a_restart(tmp_path: Path) -> None:
    settings = Settings(models=write_all(tmp_path / "models"), refresh_seconds=0)
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as api,
    ):
        assert api.post("/api/v1/models", content=zipped("2"), headers=ZIP).status_code == 201
        assert asked(api) == "2"
        reply = choose(api, "1", previous="2")
        assert reply.status_code == 201, reply.text
        assert (reply.json()["version"], reply.json()["previous"]) == ("1", "2")
        assert asked(api) == "1"
        event = last_event(api)
        assert event["id"] == reply.json()["audit"]["id"]
        assert (event["status"], event["version"], event["detail"]) == (
            "rolled_back", "1", {"previous": "2"}
        )  # fmt: skip
        whole = api.get(f"/api/v1/audit/events/{event['id']}").json()
        assert whole["request"]["why"] == "too many alarms"
        listed = api.get("/api/v1/models").json()["models"]
        (press,) = [model for model in listed if model["name"] == "press"]
        assert (press["version"], press["versions"]) == ("1", ["1", "2"])
        # By its name it still answers: records of it can be replayed.
        named = api.get("/api/v1/models/press", params={"version": "2"})
        assert named.json()["version"] == "2"
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as api,
    ):
        assert asked(api) == "1"
        assert choose(api, "2").status_code == 201
        assert last_event(api)["status"] == "activated"
        assert asked(api) == "2"
        refused = [
            (choose(api, "2"), 409, "active already"),
            (choose(api, "1", previous="1"), 409, "not 1"),
            (choose(api, "7"), 404, "no version"),
            (choose(api, "1", why=""), 422, "why"),
        ]
        for reply, status, words in refused:
            assert reply.status_code == status
            assert words in reply.text
        assert asked(api) == "2"
        events = api.get("/api/v1/audit/events", params={"kind": "model", "limit": "2"})
        assert [e["status"] for e in events.json()["events"]] == ["refused", "refused"]
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: choose(api, "1", previous="2"), range(4)))
        assert sorted(r.status_code for r in replies) == [201, 409, 409, 409]
        assert asked(api) == "1"
        assert api.get("/api/v1/audit/verify").json()["holds"]
