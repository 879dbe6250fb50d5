"""Signing in to the pages: sessions, forms, roles, and what a page tells a browser not to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.access import Role
from ifonly.service.doors.http.permissions import PAGES
from ifonly.service.doors.pages.cookies import SESSION
from ifonly.service.doors.pages.failures import PAUSE_SECONDS, Failures
from ifonly.service.settings import Settings
from ifonly.service.store import archive, keys
from ifonly.service.store.database import connect
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened
from tests.integration.conftest import serving

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
"""What a browser asks for: to whoever does not, the first page is a sign of life."""


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('pages') / 'store.sqlite3'}"


@pytest.fixture(autouse=True)
def new_keys_are_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RELOAD_SECONDS", 0.0)


def new_key(store_url: str, role: Role) -> str:
    with opened(store_url, JournalOptions("test")) as store:
        token, work = keys.create(role, "", None, "test")
        store.journal.append(work).result(30)
    return token


def revoke(store_url: str, token: str) -> None:
    with opened(store_url, JournalOptions("test")) as store:
        store.journal.append(keys.revoke(token.split("_")[1], "test")).result(30)


@pytest.fixture(scope="module")
def service(press: Path, store_url: str) -> Iterator[str]:
    settings = Settings.model_validate({"models": press, "database_url": store_url})
    with serving(settings, no_auth=False) as url:
        yield url


@pytest.fixture
def browser(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as client:
        yield client


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def sign_in(browser: httpx.Client, key: str, back: str = "/") -> httpx.Response:
    token = form_token(browser.get("/sign-in"))
    return browser.post("/sign-in", data={"csrf": token, "key": key, "next": back})


def test_a_key_begins_a_session_that_ends_with_the_key(
    browser: httpx.Client, store_url: str
) -> None:
    key = new_key(store_url, Role.ADMIN)
    assert browser.get("/", headers=HTML).status_code == 401
    reply = sign_in(browser, key)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert key not in cookie
    assert browser.get("/", headers=HTML).status_code in (200, 303)
    revoke(store_url, key)
    assert browser.get("/", headers=HTML).status_code == 401


def test_signing_out_ends_the_session_for_a_stolen_cookie_too(
    browser: httpx.Client, service: str, store_url: str
) -> None:
    sign_in(browser, new_key(store_url, Role.ADMIN))
    stolen = {SESSION: browser.cookies[SESSION]}
    with httpx.Client(base_url=service, cookies=stolen, timeout=300, trust_env=False) as thief:
        assert thief.get("/", headers=HTML).status_code in (200, 303)
        missing = browser.get("/not-there", headers={"accept": "text/html"})
        left = browser.post("/sign-out", data={"csrf": form_token(missing)})
        assert left.headers["location"] == "/sign-in"
        assert thief.get("/", headers=HTML).status_code == 401


def test_who_signed_in_and_out_is_in_the_chain_and_never_what_was_typed(
    browser: httpx.Client, service: str, store_url: str
) -> None:
    key = new_key(store_url, Role.ADMIN)
    wrong = "ifonly_00000000_" + "B" * 43
    sign_in(browser, wrong)
    sign_in(browser, key)
    browser.post("/sign-out", data={"csrf": form_token(browser.get("/records"))})
    with httpx.Client(
        base_url=f"{service}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False
    ) as api:
        events = api.get("/audit/events", params={"kind": "sign_in", "limit": 3}).json()["events"]
        exported = api.get("/audit/export", params={"kind": "sign_in"}).text
        assert api.get("/audit/verify").json()["holds"] is True
    me = f"key:{key.split('_')[1]}"
    signed_out, signed_in = events[:2]
    assert (signed_out["status"], signed_out["actor"]) == ("signed_out", me)
    assert (signed_in["status"], signed_in["actor"]) == ("signed_in", me)
    assert (signed_in["role"], signed_in["detail"]["by"]) == ("admin", "key")
    assert signed_in["detail"]["key"] == key.split("_")[1]
    for typed in (key, wrong):
        assert typed.rpartition("_")[2] not in exported


def test_failures_are_recorded_once_in_a_while_and_none_is_forgotten() -> None:
    failures = Failures()
    assert failures.told(10.0) == 0
    assert [failures.told(10.0 + k / 10) for k in range(5)] == [None] * 5
    assert failures.told(10.0 + PAUSE_SECONDS) == 5
    assert failures.told(100.0) == 0


def test_who_is_not_let_in_leaves_a_record(press: Path, tmp_path: Path) -> None:
    store_url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate({"models": press, "database_url": store_url})
    with (
        serving(settings, no_auth=False) as url,
        httpx.Client(base_url=url, timeout=600, trust_env=False) as browser,
    ):
        assert sign_in(browser, "ifonly_00000000_" + "A" * 43).status_code == 401
    with opened(store_url, JournalOptions("test")) as store:
        wanted = archive.Filter({"kind": RecordKind.SIGN_IN.value})
        (record,) = archive.page(store.database, wanted, None, 10).records
    assert (record.facts.status, record.facts.actor) == ("sign_in_failed", "anonymous")
    assert record.facts.detail == {"by": "key", "others": 0}
    assert record.payload_digest is None


def test_signing_in_gives_another_token_than_the_browser_had(
    browser: httpx.Client, store_url: str
) -> None:
    browser.get("/sign-in")
    before = browser.cookies[SESSION]
    sign_in(browser, new_key(store_url, Role.ADMIN))
    assert browser.cookies[SESSION] != before


@pytest.mark.parametrize("key", ["", "ifonly_00000000_" + "A" * 43, "x" * 300, "a.b.c"])
def test_no_other_key_lets_anybody_in(browser: httpx.Client, key: str) -> None:
    reply = sign_in(browser, key)
    assert reply.status_code == 401
    assert "not accepted" in reply.text
    assert browser.get("/", headers=HTML).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "token.signature", "a" * 5_000, "ÿ"])
def test_a_forged_cookie_is_nobodys(service: str, cookie: str) -> None:
    headers = [(b"cookie", f"{SESSION}={cookie}".encode()), (b"accept", b"text/html")]
    assert (
        httpx.get(f"{service}/", headers=headers, timeout=300, trust_env=False).status_code == 401
    )


def test_a_form_that_no_page_of_ours_sent_changes_nothing(
    browser: httpx.Client, store_url: str
) -> None:
    key = new_key(store_url, Role.ADMIN)
    browser.get("/sign-in")
    for token in ("", "wrong"):
        reply = browser.post("/sign-in", data={"csrf": token, "key": key})
        assert reply.status_code == 403
    token = form_token(browser.get("/sign-in"))
    for site in ("cross-site", "same-site"):
        reply = browser.post(
            "/sign-in", data={"csrf": token, "key": key}, headers={"sec-fetch-site": site}
        )
        assert reply.status_code == 403
    assert browser.get("/", headers=HTML).status_code == 401


def test_the_token_of_another_browser_is_none(
    browser: httpx.Client, service: str, store_url: str
) -> None:
    token = form_token(browser.get("/sign-in"))
    key = new_key(store_url, Role.ADMIN)
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as other:
        other.get("/sign-in")
        assert other.post("/sign-in", data={"csrf": token, "key": key}).status_code == 403


@pytest.mark.parametrize(
    "back", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example", "x", ""]
)
def test_signing_in_leads_to_no_other_place(
    browser: httpx.Client, store_url: str, back: str
) -> None:
    reply = sign_in(browser, new_key(store_url, Role.ADMIN), back)
    assert reply.headers["location"] == "/"


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_exactly_the_pages_of_the_table(
    browser: httpx.Client, store_url: str, role: Role
) -> None:
    sign_in(browser, new_key(store_url, role))
    token = form_token(browser.get("/not-there", headers={"accept": "text/html"}))
    for (method, path), roles in PAGES.items():
        if path == "/sign-out":
            continue
        filled = re.sub(r"\{\w+\}", "nothing", path)
        if path.endswith("/events"):
            continue  # never ends
        headers = {"X-CSRF-Token": token, "accept": "text/html"}
        reply = browser.request(method, filled, headers=headers)
        assert (reply.status_code == 403) is (role not in roles), (method, path)


def test_a_browser_is_told_to_take_nothing_from_elsewhere(browser: httpx.Client) -> None:
    for path in ("/sign-in", "/healthz/live", "/not-there", "/static/ifonly.css"):
        headers = browser.get(path, headers={"accept": "text/html"}).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_a_page_that_is_not_there_is_a_page_and_an_address_of_the_api_is_not(
    browser: httpx.Client,
) -> None:
    html = {"accept": "text/html,*/*"}
    page = browser.get("/<script>alert(1)</script>", headers=html)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in page.text
    assert browser.get("/api/v1/no", headers=html).headers["content-type"].endswith("problem+json")
    assert browser.get("/no").headers["content-type"].endswith("problem+json")


def test_a_store_that_is_away_is_told_in_a_page(press: Path, tmp_path: Path) -> None:
    """Also that nobody is known then: the session itself cannot be read."""
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate({"models": press, "database_url": store})
    with (
        serving(settings, no_auth=False) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as browser,
    ):
        sign_in(browser, new_key(store, Role.AUDITOR))
        with closing(connect(store)) as other, other.writer.begin() as connection:
            connection.execute(sa.text("ALTER TABLE sessions RENAME TO away"))
        asked = HTML | {"Accept-Language": "en"}
        away = browser.get("/records", headers=asked)
        nowhere = browser.get("/nowhere", headers=asked)
        part = browser.get("/records", headers=asked | {"HX-Request": "true"})
    assert [r.status_code for r in (away, nowhere, part)] == [503, 404, 503]
    for reply in (away, nowhere, part):
        assert reply.headers["content-type"].startswith("text/html")
    assert away.headers["retry-after"] == "5"
    assert "<html" in away.text
    assert "<html" not in part.text


def test_files_are_named_by_their_content_and_not_sent_twice(browser: httpx.Client) -> None:
    found = re.search(r'href="(/static/ifonly\.css\?v=\w+)"', browser.get("/sign-in").text)
    assert found is not None
    first = browser.get(found[1])
    assert "immutable" in first.headers["cache-control"]
    again = browser.get(found[1], headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert browser.get("/static/..%2fpages.py").status_code == 404


def test_language_and_light_are_kept(browser: httpx.Client) -> None:
    page = browser.get("/sign-in", headers={"accept-language": "ko-KR,ko;q=0.9"})
    assert '<html lang="ko" data-theme="auto">' in page.text
    form = {"csrf": form_token(page), "back": "/sign-in"}
    reply = browser.post("/preferences", data={**form, "language": "en"})
    assert reply.headers["location"] == "/sign-in"
    browser.post("/preferences", data={**form, "theme": "dark"})
    page = browser.get("/sign-in", headers={"accept-language": "ko"})
    assert '<html lang="en" data-theme="dark">' in page.text
    browser.post("/preferences", data={**form, "language": "xx", "theme": "<b>"})
    assert '<html lang="en" data-theme="dark">' in browser.get("/sign-in").text


def test_without_accounts_whoever_is_here_sees_all_but_forms_are_checked(
    client: httpx.Client,
) -> None:
    page = client.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/alarms")
    listed = client.get("/alarms", headers={"accept-language": "en"})
    assert "no accounts" in listed.text
    assert client.post("/preferences", data={"csrf": "", "theme": "dark"}).status_code == 403
    kept = {"csrf": form_token(listed), "theme": "dark", "back": "/alarms"}
    assert client.post("/preferences", data=kept).status_code == 303
    client.cookies.clear()
