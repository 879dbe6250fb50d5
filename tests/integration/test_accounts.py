"""Signing in to the pages with an account: the code flow, against an issuer made for it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ifonly.service.doors.pages.cookies import FLOW
from ifonly.service.settings import Settings
from tests.integration.conftest import serving

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLIENT = "ifonly-pages"
PUBLIC = "https://ifonly.plant.example"


class Issuer(BaseHTTPRequestHandler):
    """Knows one account. ``said`` is what the browser was sent there with."""

    said: dict[str, str] = {}
    claims: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        if self.path == "/keys":
            public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())
            self.reply({"keys": [{**json.loads(public), "kid": "one"}]})
        else:
            self.reply(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                }
            )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if form["code"] != "right" or challenge != self.said["code_challenge"]:
            self.reply({"error": "invalid_grant"}, 400)
            return
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "kim",
            "nonce": self.said["nonce"],
            "exp": int(time.time()) + 60,
            "roles": ["operator"],
        } | self.claims
        self.reply({"id_token": jwt.encode(claims, KEY, "RS256", headers={"kid": "one"})})

    def reply(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service(press: Path) -> Iterator[str]:
    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Issuer))
        Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        issuer = f"http://127.0.0.1:{server.server_port}"
        settings = Settings.model_validate(
            {
                "models": press,
                "oidc_issuer": issuer,
                "oidc_audience": "ifonly",
                "oidc_jwks_url": f"{issuer}/keys",
                "oidc_client_id": CLIENT,
                "public_url": PUBLIC,
            }
        )
        yield stack.enter_context(serving(settings, no_auth=False))


@pytest.fixture
def browser(service: str) -> Iterator[httpx.Client]:
    Issuer.claims = {}
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as client:
        yield client


def sent_to_issuer(browser: httpx.Client, back: str = "/alarms") -> dict[str, str]:
    reply = browser.get("/sign-in/account", params={"next": back})
    assert reply.status_code == 303
    where = urlsplit(reply.headers["location"])
    assert where.path == "/authorize"
    said = {name: values[0] for name, values in parse_qs(where.query).items()}
    Issuer.said = said
    return said


def come_back(browser: httpx.Client, **given: str) -> httpx.Response:
    return browser.get("/sign-in/account/reply", params=given)


def test_an_account_begins_a_session_with_its_roles(browser: httpx.Client) -> None:
    assert "/sign-in/account" in browser.get("/sign-in").text
    said = sent_to_issuer(browser)
    assert said["redirect_uri"] == f"{PUBLIC}/sign-in/account/reply"
    assert said["code_challenge_method"] == "S256"
    reply = come_back(browser, code="right", state=said["state"])
    assert reply.status_code == 200
    assert 'content="0; url=/alarms"' in reply.text, "a page, for the cookie is strict"
    page = browser.get("/alarms")
    assert page.status_code == 200
    assert "oidc:kim" in page.text
    assert browser.get("/records").status_code == 403


@pytest.mark.parametrize(
    "given",
    [{"code": "wrong"}, {"code": ""}, {"state": "another"}],
)
def test_whom_the_issuer_did_not_let_in_is_not_let_in(
    browser: httpx.Client, given: dict[str, str]
) -> None:
    said = sent_to_issuer(browser)
    right = {"code": "right", "state": said["state"]}
    assert come_back(browser, **(right | given)).status_code == 401
    assert browser.get("/alarms").status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"aud": "ifonly"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    browser: httpx.Client, claims: dict[str, Any]
) -> None:
    said = sent_to_issuer(browser)
    Issuer.claims = claims
    assert come_back(browser, code="right", state=said["state"]).status_code == 401
    assert browser.get("/alarms").status_code == 401


def test_a_reply_that_this_browser_did_not_ask_for_lets_nobody_in(
    browser: httpx.Client, service: str
) -> None:
    said = sent_to_issuer(browser)
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as other:
        assert come_back(other, code="right", state=said["state"]).status_code == 401
    browser.cookies.set(FLOW, "forged.cookie.value")
    assert come_back(browser, code="right", state=said["state"]).status_code == 401


def test_a_reply_is_used_once_also_by_whoever_has_copied_the_cookie(
    browser: httpx.Client, service: str
) -> None:
    said = sent_to_issuer(browser)
    cookie = browser.cookies[FLOW]
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as other:
        other.cookies.set(FLOW, cookie)
        assert come_back(browser, code="right", state=said["state"]).status_code == 200
        assert come_back(other, code="right", state=said["state"]).status_code == 401
        assert other.get("/alarms").status_code == 401


def test_a_state_that_is_no_ascii_is_refused_as_any_other(browser: httpx.Client) -> None:
    sent_to_issuer(browser)
    assert come_back(browser, code="right", state="\u00e9").status_code == 401


def test_an_account_of_no_role_sees_nothing(browser: httpx.Client) -> None:
    said = sent_to_issuer(browser)
    Issuer.claims = {"roles": []}
    come_back(browser, code="right", state=said["state"])
    assert browser.get("/alarms").status_code == 403


def test_pages_need_the_issuers_settings_whole() -> None:
    with pytest.raises(ValueError, match="public_url"):
        Settings.model_validate({"oidc_client_id": CLIENT})
