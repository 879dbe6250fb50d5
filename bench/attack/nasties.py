"""Nasty requests over every route, as every role and as nobody: does one of them end in a 5xx?

    python -m bench.attack.nasties [--requests 10000] [--seed 1] [--store sqlite|postgresql]

A sound request is made for a route, and up to four things about it are spoilt: a value, a key, a
parameter, a header, the body as bytes, the method, the id in the path. All follows from the seed.
Whatever ends in a 5xx, or in no answer, is printed with what was sent; resident memory is printed
after a tenth (warm) and at the end.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import io
import json
import re
import socket
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import httpx

from ifonly.service.access import Role
from ifonly.service.doors.http import permissions

ROUTES = tuple(
    sorted(
        {
            *permissions.ALLOWED,
            *permissions.PUBLIC,
            *permissions.PAGES,
            *permissions.PUBLIC_PAGES,
        }
    )
)
UNUSED = ("POST", "/sign-out")  # would end the session that the others need
WAIT_SECONDS = 120.0
MUTATIONS = (1, 1, 1, 2, 2, 3)
WRONG_ROLE = 0.2

DIGITS = "9" * 5_000
NUMBERS = [
    *("NaN", "Infinity", "-Infinity", "1e308", "-1e308", "1.7976931348623157e308", "1e309"),
    *("5e-324", "-0.0", "0", "-1", "9007199254740993", "18446744073709551616", "1e-400"),
    *(DIGITS, f"-{DIGITS}", f"0.{DIGITS}", f"1e{DIGITS}", "1" + "0" * 308, "1E+2", "2147483648"),
]
LITERALS = [
    *(*NUMBERS, "true", "false", "null", '""', "[]", "{}", '"\\u0000"', '"\\ud800"', '"\\ud83d"'),
    *('"é"', '"\\u202e"', '"' + "x" * 70_000 + '"', "[" * 40 + "]" * 40, "[" * 2_000),
    *('{"a":1,"a":2}', '{"":null}', '{"__proto__":{}}', "[null]", "[[],{}]", '"NaN"', '"1e308"'),
    *("[1e308,-1e308]", "[-1e308,1e308]", "[NaN,1]", "[null,null]", "[5e-324,1e-323]"),
]
TEXTS = [
    *("", " ", "é", "\x00", "\r\nX-Injected: 1", "\u202e", "\ud7ff", "\U0010ffff", "%00", "%ff"),
    *("../../etc/passwd", "'; DROP TABLE audit_records; --", "{{7*7}}", "${jndi:ldap://x}"),
    *("x" * 600, "x" * 5_000, DIGITS, "-1", "0", "1", "NaN", "inf", "1e308", "1e400", "0x10"),
    *("9223372036854775808", "١", "²", "null", "true", "[]", "{}", "*", "%", "_", "\\", "a/b"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59"),
    *("2026-02-30T00:00:00Z", "2026-01-01", "0000-00-00T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("feature:torque", "attribute:line", "feature:", "feature:\x00", "attribute:é", "json", "csv"),
    *("jsonl", "toml", "explanation", "ko", "en", "torque", "rotational_speed", "ABCD", "abcd"),
]
PARAMETERS = [
    *("version", "format", "kind", "model", "status", "actor", "request_id", "about", "writer"),
    *("since", "until", "language", "begins", "cursor", "limit", "by", "row", "x", "y", "of"),
    *("next", "code", "state", "alarms", "others", "v", "unknown", "é"),
]
_OF_RECORDS = (
    *("kind", "model", "status", "actor", "request_id", "about", "writer", "since", "until"),
    *("language", "begins", "cursor", "limit", "format"),
)
_OF_REPORT = ("model", "since", "until", "by", "format", "language")
OWN_PARAMETERS = {
    "/api/v1/audit/events": _OF_RECORDS,
    "/api/v1/audit/export": _OF_RECORDS,
    "/records": _OF_RECORDS,
    "/records/export": _OF_RECORDS,
    "/api/v1/audit/queue": ("model", "cursor", "limit", "since", "until"),
    "/reviews": ("model", "cursor", "since", "until"),
    "/api/v1/audit/report": _OF_REPORT,
    "/report": _OF_REPORT,
    "/report/table": _OF_REPORT,
    "/alarms": ("alarms", "others", "state", "search", "sort", "by", "group", "done", "left"),
    "/remedies": (
        "span",
        "since",
        "until",
        "model",
        "by",
        "group",
        "search",
        "levers",
        "change",
        "show",
    ),
    "/readings": ("model", "example"),
    "/alarms/{id}": ("row",),
    "/alarms/{id}/plane": ("row", "x", "y"),
    "/alarms/{id}/readings": ("row",),
    "/alarms/{id}/explanation": ("row",),
    "/alarms/{id}/what-if": ("row",),
    "/alarms/{id}/what-if/record": ("row",),
    "/alarms/{id}/curves": ("row",),
    "/alarms/{id}/reviews": ("of",),
    "/sign-in": ("next",),
    "/sign-in/account/reply": ("code", "state"),
}
FIELDS = (
    "csrf",
    "key",
    "next",
    "verdict",
    "comment",
    "rank",
    "outcome",
    "language",
    "theme",
    "row",
    "action",
    "model",
    "version",
    "why",
    "revision",
    "back",
    "minutes",
    "owner",
    "seen",
    "by",
    "group",
    "flood",
    "stop",
)
"""Of the pages' forms: every form is sent all of them."""
HEADERS = [
    *("Idempotency-Key", "Prefer", "Content-Type", "Content-Encoding", "Accept", "X-Request-ID"),
    *("Accept-Language", "Cookie", "If-None-Match", "traceparent", "Range", "X-CSRF-Token"),
    *("HX-Request", "Sec-Fetch-Site", "Origin", "Host", "Authorization", "Content-Length"),
    *("Transfer-Encoding", "Expect", "X-Forwarded-For", "X-HTTP-Method-Override", "Connection"),
]
HEADER_VALUES = [
    *(b"", b"a", b"\xff\xfe", b"\xc3\xa9", b"a" * 5_000, b"respond-async", b"respond-async;wait=1"),
    *(b"application/json", b"application/jsonl", b"application/zip", b"text/plain", b"*/*"),
    *(b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/html", b"gzip"),
    *(b"multipart/form-data; boundary=x", b"application/json; charset=utf-7", b"gzip, gzip"),
    *(b"ko;q=9e999", b"en;q=NaN", b"en;q=" + b"9" * 400, b"ifonly_session=\xe9", b'W/"x"'),
    *(b"ifonly_session=a.b; ifonly_account=a.b.c", b"ifonly_language=\xed\x95\x9c", b"null"),
    *(b"Bearer ", b"Bearer \xff", b"Bearer ifonly_00000000_" + b"A" * 43, b"Basic YTpi"),
    *(b"Bearer e30.e30.e30", b"Bearer " + b"W" * 4_000 + b".e30.", b"evil.example", b"-1"),
    *(b"bytes=0-", b"chunked", b"100-continue", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00"),
]


@dataclass(frozen=True)
class Nasty:
    """One request, byte for byte."""

    route: tuple[str, str]
    role: Role | None
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""

    def bytes(self) -> bytes:
        """As it goes on the wire; what a header may not hold is left out of it."""
        query = "&".join(
            f"{quote_plus(n, errors='replace')}={quote_plus(v)}" for n, v in self.query
        )
        target = self.path + (f"?{query}" if query else "")
        lines = [f"{self.method} {target} HTTP/1.1".encode()]
        given = {name.lower(): (name, value) for name, value in self.headers}
        given.setdefault("host", ("Host", b"localhost"))
        given.setdefault("content-length", ("Content-Length", str(len(self.body)).encode()))
        given["connection"] = ("Connection", b"close")
        for name, value in given.values():
            lines.append(name.encode() + b": " + re.sub(rb"[\r\n\x00]", b"", value))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class NastyWorld:
    """What there is to ask about, and how each role is known."""

    model: str
    instance: Mapping[str, Any]
    ids: tuple[str, ...]
    """Of explanations, predictions, jobs."""
    tokens: Mapping[Role, str]
    sessions: Mapping[Role, tuple[str, str]]
    """Cookie and form token."""
    cursors: tuple[str, ...] = ()


def nasties(world: NastyWorld, count: int, seed: int) -> Iterator[Nasty]:
    """So many requests; the same for the same seed and world."""
    chance = Random(seed)
    roles = (*Role, None)
    routes = [route for route in ROUTES if route != UNUSED]
    for number in range(count):
        route = routes[number % len(routes)]
        may = [role for role in Role if role in _allowed(route)]
        role = chance.choice(roles if chance.random() < WRONG_ROLE else may)
        made = _sound(world, route, role, chance)
        for _ in range(chance.choice(MUTATIONS)):
            made = chance.choice(_SPOILS)(made, world, chance)
        yield made


def _allowed(route: tuple[str, str]) -> frozenset[Role]:
    return {**permissions.ALLOWED, **permissions.PAGES}.get(route, frozenset(Role))


# --- sound requests -----------------------------------------------------------------------


def _sound(world: NastyWorld, route: tuple[str, str], role: Role | None, chance: Random) -> Nasty:
    method, template = route
    path = template.format(
        model=world.model,
        id=chance.choice(world.ids),
        name=chance.choice(("page.js", "x")),
        version=chance.choice(("1", "1", "2")),
    )
    is_page = route in permissions.PAGES or route in permissions.PUBLIC_PAGES
    headers = _known(world, role, is_page=is_page)
    kind, body = _body(world, route, chance) if method in ("POST", "PATCH") else ("", b"")
    headers += [("Content-Type", kind.encode())] if kind else []
    query = (("of", chance.choice(world.ids)),) if template == "/alarms/{id}/reviews" else ()
    if template in ("/api/v1/audit/report", "/report", "/report/table"):
        query = (("model", world.model),)
    return Nasty(route, role, method, path, query, tuple(headers), body)


def _known(world: NastyWorld, role: Role | None, *, is_page: bool) -> list[tuple[str, bytes]]:
    if role is None:
        return []
    if not is_page:
        return [("Authorization", f"Bearer {world.tokens[role]}".encode())]
    cookie, form = world.sessions[role]
    return [("Cookie", cookie.encode()), ("X-CSRF-Token", form.encode())]


def _body(world: NastyWorld, route: tuple[str, str], chance: Random) -> tuple[str, bytes]:
    template = route[1]
    if template in ("/api/v1/models", "/api/v1/staged", "/models"):
        return _upload(template, chance)
    if template.endswith("/bulk"):
        lines = [_spoilt_json(_asked(world, "explanations", chance), chance) for _ in range(2)]
        return "application/jsonl", b"\n".join(lines)
    forms = ("/sign-in", "/preferences", "/records/", "/models/", "/readings", "/demonstration")
    deeds = ("/alarms/{id}/reviews", "/alarms/{id}/actions", "/alarms/actions")
    if template.startswith(forms) or template in deeds:
        said = "&".join(f"{name}={quote_plus(chance.choice(TEXTS))}" for name in FIELDS)
        return "application/x-www-form-urlencoded", said.encode()
    last = re.split(r"[:/]", template)[-1]
    return "application/json", _spoilt_json(_asked(world, last, chance), chance)


def _tensor(name: str, value: object) -> dict[str, Any]:
    kind = "BYTES" if isinstance(value, str) else "FP64"
    return {"name": name, "shape": [2], "datatype": kind, "data": [value, value]}


def _asked(world: NastyWorld, what: str, chance: Random) -> dict[str, Any]:
    row = dict(world.instance)
    number = chance.choice([n for n, v in row.items() if not isinstance(v, str)])
    match what:
        case "predictions":
            return {"instances": [row, row], "attributes": {"line": "a"}}
        case "what-if" | "record":
            set_ = {number: row[number]}
            return {"set": set_} if what == "record" else {"instance": row, "set": set_}
        case "predict" | "explain" | "invocations":
            return {"instances": [row]}
        case "explanations" if chance.random() < 0.2:  # MLflow's, beside the native one
            return {"dataframe_records": [row, row], "params": {"max_changes": 2}}
        case "infer":
            return {"id": "a", "inputs": [_tensor(n, v) for n, v in row.items()]}
        case "index":
            return {"ready": True}
        case "activations" | "comparisons":
            return {"version": "1", "why": "x", "last": 3}
        case "{version}":
            return {"values": {"title.en": "x", "features[0].bounds": [0, 1]}, "checked": ["a"]}
        case "reviews":
            return {"verdict": "comment", "comment": "seen", "rank": 1}
        case _:
            limits: dict[str, Any] = {"freeze": [number], "ranges": {number: [0, 1e3]}}
            limits |= {"max_change": {number: 5}}
            limits |= {"directions": {number: "up"}, "rules": [f"{number} >= 1"], "max_changes": 2}
            limits |= {"only_to": {number: [row[number]]}, "robust": True}
            chosen = {k: limits[k] for k in chance.sample(sorted(limits), 2)}
            target = {"class": "normal", "probability": {"min": 0.5}, "score": {"min": 0, "max": 1}}
            kept = chance.sample(sorted(target), 1)
            return {
                "instance": row,
                "constraints": chosen,
                "target": {k: target[k] for k in kept},
                "alternatives": 1,
                "seed": 1,
                "deadline_ms": 20,
                "languages": ["en"],
                "semantics": chance.choice(("independent", "interventional", "backtracking")),
            }


def _upload(template: str, chance: Random) -> tuple[str, bytes]:
    spec = chance.choice(
        [b"", b"a.b.c=1\n" * 2_000, b"name=1", b"x = " + b"[" * 3_000, b"[[f]]\n" * 5_000, b"\xff"]
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # Of one moment: with the time of day the same seed would not give the same bytes.
        name = chance.choice(("spec.toml", "m/spec.toml", "../spec.toml", "é"))
        for entry, content in ((name, spec), ("model.onnx", b"\x08" * chance.randint(0, 99))):
            made = zipfile.ZipInfo(entry)
            made.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(made, content)
    if template == "/api/v1/models":
        return "application/zip", file.getvalue()
    head = b'--x\r\nContent-Disposition: form-data; name="folder"; filename="a.zip"\r\n\r\n'
    return "multipart/form-data; boundary=x", head + file.getvalue() + b"\r\n--x--\r\n"


# --- what is spoilt -----------------------------------------------------------------------


@dataclass
class _Holder:
    """Stands for a text of JSON that no value spells."""

    texts: list[str] = field(default_factory=list)

    def put(self, text: str) -> str:
        self.texts.append(text)
        return f"@@{len(self.texts) - 1}@@"

    def written(self, value: object) -> bytes:
        plain = json.dumps(value, ensure_ascii=False)
        return re.sub(r'"@@(\d+)@@"', lambda m: self.texts[int(m[1])], plain).encode(
            "utf-8", "surrogatepass"
        )


def _spoilt_json(value: Any, chance: Random) -> bytes:
    """``value`` as JSON with none, one or two of its places spoilt."""
    holder = _Holder()
    for _ in range(chance.randint(0, 2)):
        place = value
        while isinstance(place, dict | list) and place:
            key = chance.choice([*place] if isinstance(place, dict) else range(len(place)))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
                place = inner
                continue
            match chance.randint(0, 5):
                case 0 if isinstance(place, dict):
                    del place[key]
                case 1 if isinstance(place, dict):
                    place[chance.choice(TEXTS)] = place.pop(key)
                case 2 if isinstance(place, list):
                    place.extend([inner] * chance.choice((1, 50, 2_000)))
                case _:
                    place[key] = holder.put(chance.choice(LITERALS))
            break
    return holder.written(value)


def _with_parameter(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    known = OWN_PARAMETERS.get(made.route[1], ("version", "format"))
    name = chance.choice(PARAMETERS if chance.random() < WRONG_ROLE else known)
    value = chance.choice((*TEXTS, *world.cursors, _cursor(world, chance)))
    if name in ("cursor", "alarms", "others"):
        value = chance.choice((*world.cursors, _cursor(world, chance), _cursor(world, chance)))
    others = tuple(pair for pair in made.query if pair[0] != name or chance.random() < WRONG_ROLE)
    return replace(made, query=(*others, (name, value)))


def _cursor(world: NastyWorld, chance: Random) -> str:
    """A cursor that a page gave, read and spoilt; or what only looks like one."""
    told = chance.choice(world.cursors) if world.cursors else "e30"
    with contextlib.suppress(ValueError):
        plain = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode("latin-1")
        plain = re.sub(r"\d+", lambda _: chance.choice(NUMBERS), plain, count=1)
        return base64.urlsafe_b64encode(plain.encode("latin-1")).decode().rstrip("=")[:700]
    return told[: chance.randint(0, len(told))] + chance.choice(TEXTS)


def _with_header(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    name = chance.choice(HEADERS)
    others = tuple(h for h in made.headers if h[0] != name)
    return replace(made, headers=(*others, (name, chance.choice(HEADER_VALUES))))


def _with_id(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    filled = quote(chance.choice((*TEXTS, *world.ids)), safe="", errors="replace")[:9_000]
    path = re.sub(r"\{\w+\}", lambda _: filled, made.route[1])
    return replace(made, path=path)


def _with_method(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    others = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
    return replace(made, method=chance.choice(others))


def _with_bytes(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    body, at = made.body, chance.randint(0, len(made.body))
    match chance.randint(0, 5):
        case 0:
            body = body[:at]
        case 1:
            body = body[:at] + chance.randbytes(3) + body[at:]
        case 2:
            return _packed(
                made,
                gzip.compress(body, mtime=0)
                + chance.choice((b"", b"x", gzip.compress(b"", mtime=0))),
            )
        case 3:
            return _packed(made, gzip.compress(body, mtime=0)[: chance.randint(0, 40)])
        case 4:
            body = b"\xef\xbb\xbf" + body
        case _:
            body = chance.choice(LITERALS).encode("utf-8", "replace")
    return replace(made, body=body)


def _packed(made: Nasty, body: bytes) -> Nasty:
    return replace(made, body=body, headers=(*made.headers, ("Content-Encoding", b"gzip")))


def _with_json(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    if made.method != "POST":
        return made
    kind, body = _body(world, made.route, chance)
    others = tuple(h for h in made.headers if h[0] != "Content-Type")
    return replace(made, body=body, headers=(*others, ("Content-Type", kind.encode())))


def _deeper(made: Nasty, world: NastyWorld, chance: Random) -> Nasty:
    """What a route reads: the body, or the parameters."""
    is_asked = made.method == "POST" and "Content-Type" in dict(made.headers)
    return (_with_json if is_asked else _with_parameter)(made, world, chance)


_SPOILS = (
    *(_deeper, _deeper, _deeper, _deeper, _deeper, _deeper, _with_parameter),
    *(_with_header, _with_id, _with_bytes, _with_method),
)


# --- asking -------------------------------------------------------------------------------


@dataclass
class NastyOutcome:
    """What came of many."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[tuple[Nasty, int, str]] = field(default_factory=list)
    """What ended in a 5xx, or (0) in no answer at all."""


def ask(base: str, made: Nasty) -> tuple[int, str]:
    """Status and the beginning of the reply; 0 if there was none. Event streams are not waited
    for to end."""
    where = urlsplit(base)
    with socket.create_connection((where.hostname, where.port), timeout=WAIT_SECONDS) as connection:
        with contextlib.suppress(OSError):  # refused while it was sent: the reply tells why
            connection.sendall(made.bytes())
        reply = HTTPResponse(connection, method=made.method)
        try:
            reply.begin()
            said = reply.read(2_000) if reply.status >= 500 else b""
        except (HTTPException, OSError) as error:
            return 0, repr(error)
        return reply.status, said.decode("utf-8", "replace")


def ask_all(base: str, made: Iterator[Nasty], into: NastyOutcome) -> None:
    for one in made:
        status, said = ask(base, one)
        into.statuses[status] += 1
        if status == 0 or status >= 500:
            into.failures.append((one, status, said))


def world_of(base: str, model: str, tokens: Mapping[Role, str]) -> NastyWorld:
    """What a service has, once something was asked of it; a session for each role."""
    headers = {"Authorization": f"Bearer {tokens[Role.ADMIN]}"}
    with httpx.Client(base_url=base, headers=headers, timeout=300, trust_env=False) as api:
        described = api.get(f"/api/v1/models/{model}").raise_for_status().json()
        instance = described["examples"][0]["instance"]
        path = f"/api/v1/models/{model}"
        kinds: list[tuple[str, Any]] = [
            ("explanations", {"instance": instance}),
            ("predictions", {"instances": [instance, instance]}),
        ]
        ids = [
            api.post(f"{path}/{kind}", json=body).raise_for_status().json()["audit"]["id"]
            for kind, body in kinds
        ]
        bulk = api.post(
            f"{path}/explanations/bulk",
            content=json.dumps({"instance": instance}),
            headers={"Content-Type": "application/jsonl"},
        )
        ids.append(bulk.raise_for_status().json()["id"])
        told = api.get("/api/v1/audit/events", params={"limit": "1"}).raise_for_status().json()
    sessions = {role: _session(base, token) for role, token in tokens.items()}
    return NastyWorld(model, instance, tuple(ids), tokens, sessions, (told["next"],))


def _session(base: str, token: str) -> tuple[str, str]:
    with httpx.Client(base_url=base, timeout=300, trust_env=False) as browser:
        form = _form_token(browser.get("/sign-in").text)
        signed = browser.post("/sign-in", data={"csrf": form, "key": token, "next": "/"})
        assert signed.status_code == 303, signed.text
        missing = browser.get("/not-there", headers={"accept": "text/html"})
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        return cookies, _form_token(missing.text)


def _form_token(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def main() -> None:
    from bench import load  # what a test of the requests does without
    from ifonly.service.store import keys
    from ifonly.service.store.journal import JournalOptions
    from ifonly.service.store.opened import opened

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ifonly-nasties-") as folder,
        load.store(options.store, Path(folder)) as url,
    ):
        tokens = {}
        with opened(url, JournalOptions("nasties")) as store:
            for role in Role:
                tokens[role], work = keys.create(role, "", None, "bench")
                store.journal.append(work).result(30)
        given = {"IFONLY_MAX_DEADLINE_MS": "50", "IFONLY_DEFAULT_DEADLINE_MS": "50"}
        given["IFONLY_BODY_SECONDS"] = "1"  # of some, the end never comes
        with load.service(url, 1, given) as running:
            world = world_of(running.base, "milling-machine", tokens)
            found, made = NastyOutcome(), nasties(world, options.requests, options.seed)
            for tenth in range(10):
                few = [one for one, _ in zip(made, range(options.requests // 10), strict=False)]
                ask_all(running.base, iter(few), found)
                print(f"{tenth + 1}/10: {running.resident_mib():.0f} MiB resident")
    print("statuses:", dict(sorted(found.statuses.items())))
    print("5xx or no answer:", len(found.failures))
    for one, status, said in found.failures[:50]:
        print(f"\n{status} {one.route} as {one.role}: {one.bytes()[:1_500]!r}\n  {said[:600]}")
    raise SystemExit(bool(found.failures))


if __name__ == "__main__":
    main()
