"""Limits over HTTP: how often one may ask, whichever process is asked."""

from __future__ import annotations

from pathlib import Path

import httpx

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_faults import ASK, BODY


def test_who_asks_too_often_is_told_when_to_come_back(press: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "models": press,
            "database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}",
            "rate_per_second": 0.01,
            "rate_burst": 5,
        }
    )
    with serving(settings) as one, serving(settings) as other:
        replies = [
            httpx.post(f"{base}{ASK}", json=BODY, timeout=300, trust_env=False)
            for base in (one, other, one, other, one, other, one)
        ]
        assert httpx.get(f"{one}/healthz/live", timeout=300, trust_env=False).status_code == 200
    assert [r.status_code for r in replies] == [200] * 5 + [429] * 2
    for refused in replies[5:]:
        assert refused.json()["type"] == "urn:ifonly:problem:too-often"
        assert 90 <= int(refused.headers["retry-after"]) <= 100
