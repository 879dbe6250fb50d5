"""Who may do what: every route with every role, keys and tokens, and none at all."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.routing import APIRoute

from ifonly.service.access import Role
from ifonly.service.doors.app import create_app
from ifonly.service.doors.http import oidc
from ifonly.service.doors.http.oidc import Issuer
from ifonly.service.doors.http.permissions import (
    ALLOWED,
    PAGES,
    PUBLIC,
    PUBLIC_PAGES,
    allowed,
    may_see,
)
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.routers import ROUTERS
from ifonly.service.settings import Settings
from ifonly.service.store import archive, keys
from ifonly.service.store.database import connect
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.opened import opened
from tests.integration.conftest import serving

ISSUER, AUDIENCE = "https://accounts.plant.example/realms/one", "ifonly"
SIGNING = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
ENCRYPTING = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())

O, P, A, ADMIN = Role.OPERATOR, Role.PIPELINE, Role.AUDITOR, Role.ADMIN  # noqa: E741
S = Role.SENDER

TABLE = {
    ("GET", "/metrics"): {O, P, A, ADMIN},
    ("GET", "/api/v1/models"): {O, P, A, ADMIN},
    ("POST", "/api/v1/models"): {ADMIN},
    ("GET", "/api/v1/models/{model}"): {O, P, A, ADMIN},
    ("POST", "/api/v1/models/{model}/activations"): {ADMIN},
    ("POST", "/api/v1/models/{model}/comparisons"): {ADMIN},
    ("GET", "/api/v1/staged"): {ADMIN},
    ("POST", "/api/v1/staged"): {ADMIN},
    ("GET", "/api/v1/staged/{model}/{version}"): {ADMIN},
    ("PATCH", "/api/v1/staged/{model}/{version}"): {ADMIN},
    ("DELETE", "/api/v1/staged/{model}/{version}"): {ADMIN},
    ("POST", "/api/v1/staged/{model}/{version}/explanations"): {ADMIN},
    ("GET", "/api/v1/models/{model}/spec"): {O, P, A, ADMIN},
    ("GET", "/api/v1/models/{model}/quality"): {O, P, A, ADMIN},
    ("GET", "/api/v1/models/{model}/alarm-rate"): {O, P, A, ADMIN},
    ("GET", "/api/v1/models/{model}/differences"): {O, P, A, ADMIN},
    ("POST", "/api/v1/models/{model}/predictions"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/what-if"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/explanations"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/explanations/bulk"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/explanations/stream"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/common-remedies"): {O, P, ADMIN},
    ("POST", "/api/v1/models/{model}/reasons"): {O, P, ADMIN},
    ("POST", "/"): {S, P, ADMIN},
    ("POST", "/api/v1/events"): {S, P, ADMIN},
    ("GET", "/api/v1/events/dead-letters"): {ADMIN},
    ("POST", "/api/v1/events/dead-letters/{id}/retry"): {ADMIN},
    ("DELETE", "/api/v1/events/dead-letters/{id}"): {ADMIN},
    ("POST", "/invocations"): {O, P, ADMIN},
    ("POST", "/invocations/explanations"): {O, P, ADMIN},
    ("GET", "/v1/models"): {O, P, A, ADMIN},
    ("GET", "/v1/models/{model}"): {O, P, A, ADMIN},
    ("POST", "/v1/models/{model}:predict"): {O, P, ADMIN},
    ("POST", "/v1/models/{model}:explain"): {O, P, ADMIN},
    ("GET", "/v2/models/{model}"): {O, P, A, ADMIN},
    ("GET", "/v2/models/{model}/config"): {O, P, A, ADMIN},
    ("GET", "/v2/models/{model}/ready"): {O, P, A, ADMIN},
    ("GET", "/v2/models/{model}/versions/{version}"): {O, P, A, ADMIN},
    ("GET", "/v2/models/{model}/versions/{version}/config"): {O, P, A, ADMIN},
    ("GET", "/v2/models/{model}/versions/{version}/ready"): {O, P, A, ADMIN},
    ("POST", "/v2/repository/index"): {O, P, A, ADMIN},
    ("POST", "/v2/models/{model}/infer"): {O, P, ADMIN},
    ("POST", "/v2/models/{model}/versions/{version}/infer"): {O, P, ADMIN},
    ("GET", "/api/v1/jobs"): {O, P, A, ADMIN},
    ("GET", "/api/v1/jobs/{id}"): {O, P, A, ADMIN},
    ("DELETE", "/api/v1/jobs/{id}"): {O, P, ADMIN},
    ("GET", "/api/v1/jobs/{id}/events"): {O, P, A, ADMIN},
    ("GET", "/api/v1/jobs/{id}/result"): {O, P, A, ADMIN},
    ("GET", "/api/v1/explanations/{id}"): {O, P, A, ADMIN},
    ("GET", "/api/v1/explanations/{id}/reviews"): {O, A, ADMIN},
    ("POST", "/api/v1/explanations/{id}/reviews"): {O, A, ADMIN},
    ("POST", "/api/v1/explanations/{id}/outcomes"): {O, P, ADMIN},
    ("GET", "/api/v1/explanations/{id}/follow-up"): {O, A, ADMIN},
    ("POST", "/api/v1/outcomes"): {O, P, ADMIN},
    ("GET", "/api/v1/audit/follow-up"): {A, ADMIN},
    ("GET", "/api/v1/audit/fairness"): {A, ADMIN},
    ("GET", "/api/v1/alarms"): {O, P, A, ADMIN},
    ("GET", "/api/v1/alarms/{id}"): {O, P, A, ADMIN},
    ("POST", "/api/v1/alarms/{id}/actions"): {O, ADMIN},
    ("POST", "/api/v1/alarms/actions"): {O, ADMIN},
    ("GET", "/api/v1/experiments"): {O, A, ADMIN},
    ("POST", "/api/v1/experiments"): {ADMIN},
    ("GET", "/api/v1/experiments/{id}"): {A, ADMIN},
    ("POST", "/api/v1/experiments/{id}/stop"): {ADMIN},
    ("GET", "/api/v1/audit/events"): {A, ADMIN},
    ("GET", "/api/v1/audit/events/{id}"): {A, ADMIN},
    ("GET", "/api/v1/audit/events/{id}/verify"): {A, ADMIN},
    ("POST", "/api/v1/audit/events/{id}/replay"): {A, ADMIN},
    ("GET", "/api/v1/audit/queue"): {A, ADMIN},
    ("GET", "/api/v1/audit/groups"): {A, ADMIN},
    ("GET", "/api/v1/audit/samples"): {A, ADMIN},
    ("POST", "/api/v1/audit/samples"): {A, ADMIN},
    ("GET", "/api/v1/audit/samples/{id}"): {A, ADMIN},
    ("GET", "/api/v1/audit/samples/{id}/redraw"): {A, ADMIN},
    ("GET", "/api/v1/audit/report"): {A, ADMIN},
    ("GET", "/api/v1/audit/verify"): {A, ADMIN},
    ("GET", "/api/v1/audit/export"): {A, ADMIN},
    ("GET", "/api/v1/audit/events/{id}/bundle"): {A, ADMIN},
    ("GET", "/api/v1/audit/log/checkpoint"): {O, P, A, ADMIN},
    ("GET", "/api/v1/audit/log/consistency"): {O, P, A, ADMIN},
}
"""Written a second time, by hand: a slip in the first is a difference here."""

PAGE_TABLE = {
    ("GET", "/"): {O, P, A, ADMIN},
    ("POST", "/sign-out"): {O, P, A, ADMIN},
    ("GET", "/records"): {A, ADMIN},
    ("GET", "/records/export"): {A, ADMIN},
    ("POST", "/records/verify"): {A, ADMIN},
    ("GET", "/records/{id}"): {A, ADMIN},
    ("POST", "/records/{id}/verify"): {A, ADMIN},
    ("POST", "/records/{id}/replay"): {A, ADMIN},
    ("POST", "/records/{id}/reviews"): {A, ADMIN},
    ("GET", "/records/table"): {A, ADMIN},
    ("GET", "/reviews"): {A, ADMIN},
    ("GET", "/reviews/samples"): {A, ADMIN},
    ("POST", "/reviews/samples"): {A, ADMIN},
    ("GET", "/reviews/samples/{id}"): {A, ADMIN},
    ("POST", "/reviews/samples/{id}/redraw"): {A, ADMIN},
    ("GET", "/experiments"): {O, A, ADMIN},
    ("POST", "/experiments"): {ADMIN},
    ("GET", "/experiments/new"): {ADMIN},
    ("GET", "/experiments/{id}"): {O, A, ADMIN},
    ("GET", "/experiments/{id}/results"): {A, ADMIN},
    ("POST", "/experiments/{id}/stop"): {ADMIN},
    ("GET", "/report"): {A, ADMIN},
    ("GET", "/report/table"): {A, ADMIN},
    ("GET", "/report/follow-up"): {A, ADMIN},
    ("GET", "/report/fairness"): {A, ADMIN},
    ("POST", "/report/common"): {A, ADMIN},
    ("GET", "/models"): {O, P, A, ADMIN},
    ("POST", "/models"): {ADMIN},
    ("GET", "/models/{model}"): {O, P, A, ADMIN},
    ("GET", "/models/{model}/differences"): {O, P, A, ADMIN},
    ("GET", "/models/{model}/staged/{version}"): {ADMIN},
    ("POST", "/models/{model}/staged/{version}"): {ADMIN},
    ("POST", "/models/{model}/staged/{version}/discard"): {ADMIN},
    ("GET", "/models/{model}/staged/{version}/explanation"): {ADMIN},
    ("GET", "/models/{model}/comparison"): {ADMIN},
    ("POST", "/models/{model}/activation"): {ADMIN},
    ("POST", "/demonstration"): {ADMIN},
    ("GET", "/readings"): {O, P, ADMIN},
    ("POST", "/readings"): {O, P, ADMIN},
    ("GET", "/alarms"): {O, P, ADMIN},
    ("GET", "/alarms/events"): {O, P, ADMIN},
    ("GET", "/alarms/{id}"): {O, P, ADMIN},
    ("POST", "/alarms/{id}/explanation"): {O, P, ADMIN},
    ("POST", "/alarms/{id}/reasons"): {O, P, ADMIN},
    ("GET", "/sheets/{id}"): {O, P, A, ADMIN},
    ("GET", "/sheets/{id}/file"): {O, P, A, ADMIN},
    ("POST", "/alarms/{id}/what-if"): {O, P, ADMIN},
    ("POST", "/alarms/{id}/what-if/record"): {O, P, ADMIN},
    ("POST", "/alarms/{id}/curves"): {O, P, ADMIN},
    ("GET", "/alarms/{id}/plane"): {O, P, ADMIN},
    ("GET", "/alarms/{id}/readings"): {O, P, ADMIN},
    ("POST", "/alarms/{id}/reviews"): {O, ADMIN},
    ("POST", "/alarms/{id}/actions"): {O, ADMIN},
    ("POST", "/alarms/actions"): {O, ADMIN},
    ("GET", "/remedies"): {O, P, ADMIN},
    ("POST", "/remedies"): {O, P, ADMIN},
    ("POST", "/remedies/flood"): {O, P, ADMIN},
}
"""The same of the pages."""


OF_NO_SIGNATURE: dict[str, dict[str, Any]] = {
    "encrypts": {"use": "enc"},
    "encrypts, too": {"use": "enc", "alg": "RS256"},
    "of an encryption": {"alg": "RSA-OAEP"},
}
"""Keys that the issuer publishes, and signs nothing with."""


class Jwks(BaseHTTPRequestHandler):
    """An issuer's keys, counted."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        found = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid}
            for kid, key in SIGNING.items()
        ]
        curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key()))
        published = [*found, {**curve, "kid": "curve"}]
        for kid, more in OF_NO_SIGNATURE.items():
            public = jwt.algorithms.RSAAlgorithm.to_jwk(ENCRYPTING.public_key())
            published.append({**json.loads(public), **more, "kid": kid})
        body = json.dumps({"keys": published}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def jwks_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Jwks) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('access') / 'store.sqlite3'}"


@pytest.fixture(scope="module")
def tokens(store_url: str) -> dict[str, str]:
    """A key for each role, one that was revoked and one that has expired."""
    made: dict[str, str] = {}
    with opened(store_url, JournalOptions("test")) as store:
        for role in Role:
            made[role], work = keys.create(role, "", None, "test")
            store.journal.append(work).result(30)
        made["expired"], work = keys.create(ADMIN, "", 1, "test")
        store.journal.append(work).result(30)
        made["revoked"], work = keys.create(ADMIN, "", None, "test")
        store.journal.append(work).result(30)
        store.journal.append(keys.revoke(made["revoked"].split("_")[1], "test")).result(30)
    return made


@pytest.fixture(scope="module")
def guarded(
    press: Path, store_url: str, tokens: dict[str, str], jwks_url: str
) -> Iterator[httpx.Client]:
    settings = Settings.model_validate(
        {
            "models": press,
            "database_url": store_url,
            "oidc_issuer": ISSUER,
            "oidc_audience": AUDIENCE,
            "oidc_jwks_url": jwks_url,
            "oidc_roles_claim": "realm_access.roles",
        }
    )
    with ExitStack() as stack:
        url = stack.enter_context(serving(settings, no_auth=False))
        yield stack.enter_context(httpx.Client(base_url=url, timeout=300, trust_env=False))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """A request that is as wrong as can be: whoever may not is refused before it is read."""
    filled = path.format(model="press", id="nothing", version="1")
    return client.request(
        method, filled, headers=headers, content=b"{" if method == "POST" else b""
    )


# --- routes and roles ---------------------------------------------------------------------


def test_the_table_says_what_was_meant() -> None:
    assert {key: set(roles) for key, roles in ALLOWED.items()} == TABLE
    assert {key: set(roles) for key, roles in PAGES.items()} == PAGE_TABLE


def test_every_route_is_in_the_table_or_public(guarded: httpx.Client) -> None:
    document = guarded.get("/openapi.json").json()
    served = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert served | {("GET", "/openapi.json")} == set(ALLOWED) | set(PUBLIC)


def test_the_document_says_where_a_key_is_needed(
    guarded: httpx.Client, client: httpx.Client
) -> None:
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) is ((method.upper(), path) not in PUBLIC)
    open_to_all = client.get("/openapi.json").json()
    assert "securitySchemes" not in open_to_all["components"]


def test_a_route_that_nobody_has_allowed_cannot_be_built() -> None:
    with pytest.raises(KeyError):
        allowed({"GET"}, "/api/v1/secrets")
    with pytest.raises(KeyError):
        may_see("GET", "/secrets")


def test_every_page_is_in_the_table_or_public() -> None:
    served = {
        (method, path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for path in [route.path_format]
        for method in route.methods or ()
    }
    assert served == {*PAGES, *PUBLIC_PAGES}


def test_only_files_are_served_without_asking_who_it_is() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    plain = [r for r in routes if not isinstance(r, PageRoute)]
    assert [r.path for r in plain if isinstance(r, APIRoute)] == ["/static/{name}"]


@pytest.mark.parametrize("role", Role)
def test_each_role_may_exactly_what_the_table_says(
    guarded: httpx.Client, tokens: dict[str, str], role: Role
) -> None:
    for (method, path), roles in TABLE.items():
        reply = ask(guarded, method, path, bearer(tokens[role]))
        problem = reply.json() if reply.status_code >= 400 else {}
        if role in roles:
            assert reply.status_code not in (401, 403), (method, path)
        else:
            assert (reply.status_code, problem["type"]) == (403, "urn:ifonly:problem:forbidden")
            assert role in problem["detail"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer x",
        "Bearer ifonly_00000000_" + "A" * 43,
        "Bearer " + "A" * 9_000,
        "Bearer a.b.c",
    ],
)
def test_whoever_is_not_known_gets_nothing_but_what_is_public(
    guarded: httpx.Client, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in TABLE:
        reply = ask(guarded, method, path, headers)
        assert reply.status_code == 401, (method, path)
        assert reply.json()["type"] == "urn:ifonly:problem:unauthenticated"
        tried = 'Bearer error="invalid_token"' if header else "Bearer"
        assert reply.headers["www-authenticate"] == tried
    for method, path in PUBLIC:
        # A witness asks nobody who they are: it reads what they have signed, which is nothing.
        expected = 400 if path.endswith("/add-checkpoint") else 200
        assert guarded.request(method, path, headers=headers).status_code == expected


@pytest.mark.parametrize("which", ["expired", "revoked"])
def test_a_key_that_has_ended_opens_nothing(
    guarded: httpx.Client, tokens: dict[str, str], which: str
) -> None:
    assert guarded.get("/api/v1/models", headers=bearer(tokens[which])).status_code == 401


def test_a_key_works_at_once_and_ends_within_seconds(
    guarded: httpx.Client, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "RELOAD_SECONDS", 0.0)
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    with opened(store_url, JournalOptions("test")) as store:
        token, work = keys.create(P, "", None, "test")
        store.journal.append(work).result(30)
        assert guarded.get("/api/v1/models", headers=bearer(token)).status_code == 200
        store.journal.append(keys.revoke(token.split("_")[1], "test")).result(30)
        assert guarded.get("/api/v1/models", headers=bearer(token)).status_code == 401


def test_records_name_the_key_by_its_prefix_and_its_role(
    guarded: httpx.Client, tokens: dict[str, str], store_url: str
) -> None:
    body = {"instance": {"pressure": 10.0, "speed": 100}}
    path = "/api/v1/models/press/predictions"
    reply = guarded.post(path, json=body, headers=bearer(tokens[P]))
    database = connect(store_url)
    record, _ = archive.get(database, reply.json()["audit"]["id"])
    database.close()
    assert record.facts.actor == f"key:{tokens[P].split('_')[1]}"
    assert record.facts.role == "pipeline"


def test_a_verdict_is_for_who_may_give_it(guarded: httpx.Client, tokens: dict[str, str]) -> None:
    body = {"instance": {"pressure": 10.0, "speed": 100}, "target": {"score": {"min": 50.0}}}
    explained = guarded.post(
        "/api/v1/models/press/explanations", json=body, headers=bearer(tokens[O])
    ).json()
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    acted = {"verdict": "acted", "outcome": "as_predicted"}
    expected = {
        (O, "approve"): 403,
        (O, "acted"): 201,
        (A, "approve"): 201,
        (A, "acted"): 403,
        (ADMIN, "approve"): 201,
        (ADMIN, "acted"): 201,
    }
    for (role, verdict), status in expected.items():
        body = acted if verdict == "acted" else {"verdict": verdict}
        assert guarded.post(path, json=body, headers=bearer(tokens[role])).status_code == status


def test_no_key_and_no_token_gets_into_the_log(
    guarded: httpx.Client, tokens: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    token = signed()
    with caplog.at_level(logging.DEBUG):
        for each in (tokens[A], tokens[A][:-1] + "!", token, token[:-5]):
            ask(guarded, "GET", "/api/v1/audit/events", bearer(each))
    for each in (tokens[A], token):
        assert each[-20:-6] not in caplog.text


# --- tokens of the plant's accounts -------------------------------------------------------


def signed(key: Any = None, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
    """A token as the issuer would sign it; a claim that is None is left out."""
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "kim",
        "exp": int(time.time()) + 600,
        "realm_access": {"roles": ["auditor", "something else"]},
    } | claims
    present = {k: v for k, v in said.items() if v is not None}
    return jwt.encode(present, key or SIGNING[kid], algorithm, headers={"kid": kid})


def events(client: httpx.Client, token: str) -> int:
    return client.get("/api/v1/audit/events", headers=bearer(token)).status_code


def test_a_token_of_the_issuer_opens_what_its_roles_open(guarded: httpx.Client) -> None:
    assert events(guarded, signed()) == 200
    assert events(guarded, signed(key=CURVE, kid="curve", algorithm="ES256")) == 200
    others: list[Any] = [
        {"roles": ["operator"]},
        {"roles": []},
        {},
        None,
        "auditor",
        {"roles": {"a": 1}},
    ]
    for roles in others:
        assert events(guarded, signed(realm_access=roles)) == 403
    assert events(guarded, signed(realm_access={"roles": "auditor"})) == 200


def signed_with_the_public_key() -> str:
    """What a verifier that believes a token's own algorithm takes for the issuer's word."""
    head, claims, _ = signed().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').decode().rstrip("=")
    public = SIGNING["one"].public_key()
    secret = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = hmac.digest(secret, f"{head}.{claims}".encode(), "sha256")
    return f"{head}.{claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_any_other_token_opens_nothing(guarded: httpx.Client) -> None:
    now = int(time.time())
    wrong = {
        "by a stranger": signed(STRANGER),
        "expired": signed(exp=now - 120),
        "not yet": signed(nbf=now + 120),
        "for somebody else": signed(aud="other"),
        "of another issuer": signed(iss="https://elsewhere.example"),
        "that never ends": signed(exp=None),
        "of nobody": signed(sub=None),
        "for nobody": signed(aud=None),
        "with the public key as a secret": signed_with_the_public_key(),
        "unsigned": jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "kim"}, "", "none"),
        "cut": signed()[:-10],
        "of an unknown key": signed(STRANGER, kid="two"),
    }
    for what, token in wrong.items():
        assert events(guarded, token) == 401, what


def test_a_key_that_is_published_for_encryption_signs_nothing(guarded: httpx.Client) -> None:
    for kid in OF_NO_SIGNATURE:
        assert events(guarded, signed(ENCRYPTING, kid=kid)) == 401, kid


def test_a_head_without_bottom_is_no_token(guarded: httpx.Client) -> None:
    head = base64.urlsafe_b64encode(b'{"a":' * 1_000).decode().rstrip("=")
    assert events(guarded, f"{head}.e30.AA") == 401


def test_two_accounts_whose_beginnings_are_alike_are_two(guarded: httpx.Client) -> None:
    for end in ("a", "b"):
        token = bearer(signed(sub="k" * 250 + end))
        told = guarded.post("/api/v1/models/press/predictions", headers=token, json={})
        assert f"oidc:{'k' * 250}{end} has auditor" in told.json()["detail"]
    assert events(guarded, signed(sub="k" * 2_000)) == 401
    assert events(guarded, signed(sub="kim\nroot")) == 401


def test_a_new_key_of_the_issuer_is_fetched_but_not_for_every_unknown_one(
    guarded: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events(guarded, signed()) == 200
    asked = Jwks.asked
    for k in range(5):
        assert events(guarded, signed(STRANGER, kid=f"unknown-{k}")) == 401
    assert Jwks.asked <= asked + 1
    SIGNING["new"] = STRANGER
    try:
        monkeypatch.setattr("ifonly.service.doors.http.oidc.REFETCH_SECONDS", 0.0)
        assert events(guarded, signed(kid="new")) == 200
    finally:
        del SIGNING["new"]


# --- no accounts --------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "plant.example"])
def test_accounts_can_be_left_out_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Settings(host=host, no_auth=True)
    assert Settings(host="127.0.0.1", no_auth=True).no_auth
    assert Settings(host="::1", no_auth=True).no_auth


def test_a_service_without_accounts_says_so_in_its_log(
    press: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "ifonly"),
        serving(Settings(models=press)) as url,
    ):
        assert httpx.get(f"{url}/api/v1/models", timeout=300, trust_env=False).status_code == 200
    assert "no accounts" in caplog.text


def test_an_issuer_that_does_not_answer_holds_up_nobody_whose_key_is_known(
    monkeypatch: pytest.MonkeyPatch, jwks_url: str
) -> None:
    """Its keys are asked for again, for a key that is not known; counted is who asks meanwhile."""
    issuer = Issuer(ISSUER, AUDIENCE, jwks_url, "realm_access.roles")
    assert issuer.find(signed()) is not None
    answer, asked = Event(), list[str]()

    def silent(url: str) -> bytes:
        asked.append(url)
        answer.wait(600)
        raise httpx.ReadError("it never answered")

    monkeypatch.setattr(oidc, "_read", silent)
    monkeypatch.setattr(oidc, "REFETCH_SECONDS", 0.0)
    unknown = jwt.encode({}, "x" * 32, "HS256", headers={"kid": "unknown"})
    waiting = issuer.asked_for(unknown)
    assert waiting is not None
    assert issuer.asked_for(unknown) is waiting  # one asks for all
    assert issuer.find(unknown, waits=False) is None  # in the threads at the door nobody waits
    monkeypatch.setattr(oidc, "KEEP_SECONDS", 0.0)  # what is known is old, and good meanwhile
    for _ in range(20):
        assert issuer.asked_for(signed()) is None
        assert issuer.find(signed()) is not None
    assert not waiting.done()
    assert len(asked) <= 1
    answer.set()
    waiting.result(600)
    assert issuer.find(signed()) is not None


def test_the_keys_of_an_issuer_come_by_https_or_loopback() -> None:
    given = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE}
    for url in ("http://accounts.plant.example/keys", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="https"):
            Settings.model_validate(given | {"oidc_jwks_url": url})
    with pytest.raises(ValueError, match="together"):
        Settings.model_validate(given)


def test_an_application_is_made_with_accounts_unless_told_otherwise() -> None:
    assert Settings().no_auth is False
    assert create_app(Settings()) is not None
