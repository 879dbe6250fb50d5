"""Under which names the service answers, and what pages from elsewhere cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from ifonly.service.doors.http.hosts import Hosts
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_rejections import BODY, PRESS

PROBLEM = "urn:ifonly:problem:"
OTHERS = ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", "localhost@evil.example"]
OTHERS += ["0x7f000001", "", "evil.example:8080", "localhost evil.example"]
OURS = ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "127.9.9.9", "localhost."]
FOREIGN = ["https://evil.example", "null", "http://localhost:3000", "file://", "http://127.0.0.1"]


@pytest.fixture(scope="module")
def here(press: Path) -> Iterator[httpx.Client]:
    """Without accounts, as ``ifonly run``."""
    with serving(Settings(models=press)) as url, httpx.Client(base_url=url, timeout=300) as client:
        yield client


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize("path", ["/", "/api/v1/models", "/api/v1/audit/export", "/alarms"])
def test_a_name_that_was_made_to_lead_here_gets_nothing(
    here: httpx.Client, host: str, path: str
) -> None:
    reply = here.get(path, headers={"Host": host})
    assert (reply.status_code, reply.json()["type"]) == (421, f"{PROBLEM}misdirected")
    assert "IFONLY_ALLOWED_HOSTS" in reply.json()["detail"]


def test_such_a_page_explains_and_approves_nothing(here: httpx.Client) -> None:
    asked = here.post(PRESS, json=BODY, headers={"Host": "evil.example"})
    assert asked.status_code == 421
    assert here.get("/healthz/ready", headers={"Host": "10.0.0.7:8080"}).status_code == 200


@pytest.mark.parametrize("host", OURS)
def test_names_of_this_machine_are_known(here: httpx.Client, host: str) -> None:
    assert here.get("/api/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_from_elsewhere_changes_nothing_and_listens_to_nothing(
    here: httpx.Client, origin: str
) -> None:
    given = {"Origin": origin}
    found = here.post(PRESS, json=BODY).json()["id"]
    replayed = here.post(f"/api/v1/audit/events/{found}/replay", headers=given)
    asked = here.post(PRESS, json=BODY, headers=given)
    listened = here.get("/alarms/events", headers=given)
    for reply in (replayed, asked, listened):
        assert (reply.status_code, reply.json()["type"]) == (403, f"{PROBLEM}forbidden")
    assert here.get("/api/v1/models", headers=given).status_code == 200  # it cannot read that


def test_a_page_of_ours_may(here: httpx.Client) -> None:
    ours = {"Origin": str(here.base_url).rstrip("/")}
    assert here.post(PRESS, json=BODY, headers=ours).status_code == 200
    named = {"Origin": "http://localhost", "Host": "localhost:80"}
    assert here.post(PRESS, json=BODY, headers=named).status_code == 200


def test_private_replies_are_kept_in_no_cache(here: httpx.Client) -> None:
    for path in ("/api/v1/models", "/api/v1/audit/export", "/api/v1/audit/events", "/alarms"):
        assert here.get(path).headers["cache-control"] == "no-store"
    assert here.get("/static/page.js").headers["cache-control"] == "no-cache"


def hosts(**given: object) -> Hosts:
    return Hosts.of(Settings.model_validate(given))


def test_a_service_that_others_reach_is_asked_by_address_and_by_its_names() -> None:
    found = hosts(host="0.0.0.0", allowed_hosts="ifonly, *.plant.example")
    for name in (
        "10.1.2.3",
        "[fd00::1]",
        "localhost",
        "ifonly",
        "a.plant.example",
        "A.PLANT.Example.",
    ):
        assert found.has(name), name
    for name in ("evil.example", "plant.example", "xplant.example", "ifonly.evil.example"):
        assert not found.has(name), name
    assert hosts(host="plant-7").has("plant-7")
    public = hosts(host="0.0.0.0", public_url="https://Ifonly.Plant.example/x")
    assert public.has("ifonly.plant.example")
    assert hosts(host="0.0.0.0", allowed_hosts="*").has("anything.example")
    assert not hosts(host="127.0.0.1").has("10.1.2.3")


def test_a_proxy_that_puts_another_host_in_is_believed_by_name(press: Path) -> None:
    settings = Settings(models=press, allowed_hosts="ifonly.plant.example")
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300) as client:
        for origin, status in (
            ("https://ifonly.plant.example", 200),
            ("https://evil.example", 403),
        ):
            assert client.post(PRESS, json=BODY, headers={"Origin": origin}).status_code == status
        headers = {"Host": "ifonly.plant.example", "Origin": "https://ifonly.plant.example"}
        assert client.post(PRESS, json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("names", ["https://a.example", "a.example:80", "a b", "*x.example", "a/b"])
def test_settings_name_hosts_and_nothing_else(names: str) -> None:
    with pytest.raises(ValidationError, match="allowed_hosts"):
        Settings(allowed_hosts=names)


def test_without_accounts_no_name_is_let_through_unseen() -> None:
    with pytest.raises(ValidationError, match="no_auth"):
        Settings(no_auth=True, allowed_hosts="*")
