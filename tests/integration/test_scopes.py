"""Route by role by scope: what is out of somebody's scope is not there for them.

There are two models, and two lines that requests say they are of. Whoever is asked about here has a
key for ``line-a-*`` and line ``a``. Of everything that can be named there are three: one within
that, one of the other model, one of the other line.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.access import EVERYTHING, NOTHING, Role, Scope
from ifonly.service.doors.http.oidc import Issuer
from ifonly.service.doors.http.permissions import ALLOWED, PAGES, WHOLE
from ifonly.service.doors.pages.operator.sheet_pdf import is_available
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened
from ifonly.service.words.catalogue import say
from tests.integration.conftest import serving
from tests.integration.small_models import SORTER, linear
from tests.integration.test_access import bearer
from tests.integration.test_sign_in import form_token, sign_in
from tests.integration.test_upload import ZIP
from tests.support import logged

SCOPE = Scope(("line-a-*",), (("line", ("a",)),))
HERE, ELSEWHERE = "line-a-sorter", "line-b-sorter"
ROW = {"size": 5.0, "colour/shade": "red", "dirt": 0.0}
WEIGHTS = [[-2.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]]
WITHIN, OTHER_MODEL, OTHER_LINE = "within", "of the other model", "of the other line"
MODEL_OF = {WITHIN: HERE, OTHER_MODEL: ELSEWHERE, OTHER_LINE: HERE}
LINE_OF = {WITHIN: "a", OTHER_MODEL: "a", OTHER_LINE: "b"}

ASK, MODEL, RECORD, SHEET, JOB, LIST, ALL, SEND, OWN, ONLY, EVENTS, COUNTS = (
    *("ask", "model", "record", "sheet", "job"),
    *("list", "all", "send", "own", "only", "events", "counts"),
)
ROUTES = {
    ("GET", "/metrics"): ALL,
    ("GET", "/api/v1/models"): LIST,
    ("POST", "/api/v1/models"): SEND,
    ("GET", "/api/v1/models/{model}"): MODEL,
    ("POST", "/api/v1/models/{model}/activations"): SEND,  # these: see test_staging
    ("POST", "/api/v1/models/{model}/comparisons"): SEND,
    ("GET", "/api/v1/staged"): SEND,
    ("POST", "/api/v1/staged"): SEND,
    ("GET", "/api/v1/staged/{model}/{version}"): SEND,
    ("PATCH", "/api/v1/staged/{model}/{version}"): SEND,
    ("DELETE", "/api/v1/staged/{model}/{version}"): SEND,
    ("POST", "/api/v1/staged/{model}/{version}/explanations"): SEND,
    ("GET", "/api/v1/models/{model}/spec"): MODEL,
    ("GET", "/api/v1/models/{model}/quality"): MODEL,
    ("GET", "/api/v1/models/{model}/differences"): MODEL,
    ("GET", "/api/v1/models/{model}/alarm-rate"): COUNTS,
    ("POST", "/api/v1/models/{model}/predictions"): ASK,
    ("POST", "/api/v1/models/{model}/what-if"): ASK,
    ("POST", "/api/v1/models/{model}/explanations"): ASK,
    ("POST", "/api/v1/models/{model}/common-remedies"): ASK,
    ("POST", "/api/v1/models/{model}/reasons"): ASK,
    ("POST", "/api/v1/models/{model}/explanations/bulk"): MODEL,
    ("POST", "/api/v1/models/{model}/explanations/stream"): MODEL,  # its lines: see below
    ("GET", "/v1/models"): LIST,
    ("GET", "/v1/models/{model}"): MODEL,
    ("POST", "/v1/models/{model}:predict"): ASK,
    ("POST", "/v1/models/{model}:explain"): ASK,
    ("GET", "/v2/models/{model}"): MODEL,
    ("GET", "/v2/models/{model}/config"): MODEL,
    ("GET", "/v2/models/{model}/ready"): MODEL,
    ("GET", "/v2/models/{model}/versions/{version}"): MODEL,
    ("GET", "/v2/models/{model}/versions/{version}/config"): MODEL,
    ("GET", "/v2/models/{model}/versions/{version}/ready"): MODEL,
    ("POST", "/v2/repository/index"): LIST,
    ("POST", "/v2/models/{model}/infer"): ASK,
    ("POST", "/v2/models/{model}/versions/{version}/infer"): ASK,
    ("POST", "/"): EVENTS,  # of services: see below
    ("POST", "/api/v1/events"): EVENTS,
    ("GET", "/api/v1/events/dead-letters"): ALL,
    ("POST", "/api/v1/events/dead-letters/{id}/retry"): ALL,
    ("DELETE", "/api/v1/events/dead-letters/{id}"): ALL,
    ("POST", "/invocations"): ONLY,  # the only model of whoever asks: see below
    ("POST", "/invocations/explanations"): ONLY,
    ("GET", "/api/v1/jobs"): LIST,
    ("GET", "/api/v1/jobs/{id}"): JOB,
    ("GET", "/api/v1/jobs/{id}/events"): JOB,
    ("GET", "/api/v1/jobs/{id}/result"): JOB,
    ("DELETE", "/api/v1/jobs/{id}"): JOB,
    ("GET", "/api/v1/alarms"): LIST,
    ("GET", "/api/v1/alarms/{id}"): RECORD,
    ("POST", "/api/v1/alarms/{id}/actions"): RECORD,
    ("POST", "/api/v1/alarms/actions"): SEND,  # of several: see below
    ("GET", "/api/v1/explanations/{id}"): RECORD,
    ("GET", "/api/v1/explanations/{id}/reviews"): RECORD,
    ("POST", "/api/v1/explanations/{id}/reviews"): RECORD,
    ("POST", "/api/v1/explanations/{id}/outcomes"): RECORD,
    ("GET", "/api/v1/explanations/{id}/follow-up"): RECORD,
    ("POST", "/api/v1/outcomes"): SEND,  # of several: each is looked up in the scope
    ("GET", "/api/v1/audit/follow-up"): LIST,
    ("GET", "/api/v1/audit/fairness"): LIST,
    ("GET", "/api/v1/experiments"): ALL,  # of all equipment that is assigned
    ("POST", "/api/v1/experiments"): ALL,
    ("GET", "/api/v1/experiments/{id}"): ALL,
    ("POST", "/api/v1/experiments/{id}/stop"): ALL,
    ("GET", "/api/v1/audit/events"): LIST,
    ("GET", "/api/v1/audit/events/{id}"): RECORD,
    ("GET", "/api/v1/audit/events/{id}/verify"): RECORD,
    ("POST", "/api/v1/audit/events/{id}/replay"): RECORD,
    ("GET", "/api/v1/audit/events/{id}/bundle"): RECORD,
    ("GET", "/api/v1/audit/log/checkpoint"): OWN,  # a size and a root, of nothing in particular
    ("GET", "/api/v1/audit/log/consistency"): OWN,
    ("GET", "/api/v1/audit/queue"): LIST,
    ("GET", "/api/v1/audit/groups"): LIST,
    ("GET", "/api/v1/audit/samples"): ALL,  # of populations that scopes would change
    ("POST", "/api/v1/audit/samples"): ALL,
    ("GET", "/api/v1/audit/samples/{id}"): ALL,
    ("GET", "/api/v1/audit/samples/{id}/redraw"): ALL,
    ("GET", "/api/v1/audit/report"): LIST,
    ("GET", "/api/v1/audit/verify"): ALL,
    ("GET", "/api/v1/audit/export"): LIST,
    ("GET", "/"): OWN,
    ("POST", "/sign-out"): OWN,
    ("GET", "/records"): LIST,
    ("GET", "/records/export"): LIST,
    ("POST", "/records/verify"): ALL,
    ("GET", "/records/{id}"): RECORD,
    ("POST", "/records/{id}/verify"): RECORD,
    ("POST", "/records/{id}/replay"): RECORD,
    ("POST", "/records/{id}/reviews"): RECORD,
    ("GET", "/records/table"): LIST,
    ("GET", "/reviews"): LIST,
    ("GET", "/reviews/samples"): ALL,
    ("POST", "/reviews/samples"): ALL,
    ("GET", "/reviews/samples/{id}"): ALL,
    ("POST", "/reviews/samples/{id}/redraw"): ALL,
    ("GET", "/experiments"): ALL,
    ("POST", "/experiments"): ALL,
    ("GET", "/experiments/new"): ALL,
    ("GET", "/experiments/{id}"): ALL,
    ("GET", "/experiments/{id}/results"): ALL,
    ("POST", "/experiments/{id}/stop"): ALL,
    ("GET", "/report"): LIST,
    ("GET", "/report/table"): LIST,
    ("GET", "/report/follow-up"): LIST,
    ("GET", "/report/fairness"): LIST,
    ("POST", "/report/common"): SEND,  # of many alarms: see below
    ("GET", "/models"): LIST,
    ("POST", "/models"): SEND,
    ("GET", "/models/{model}"): MODEL,
    ("GET", "/models/{model}/differences"): MODEL,
    ("GET", "/models/{model}/staged/{version}"): SEND,
    ("POST", "/models/{model}/staged/{version}"): SEND,
    ("POST", "/models/{model}/staged/{version}/discard"): SEND,
    ("GET", "/models/{model}/staged/{version}/explanation"): SEND,
    ("GET", "/models/{model}/comparison"): SEND,
    ("POST", "/models/{model}/activation"): SEND,
    ("POST", "/demonstration"): SEND,  # nobody's where there are accounts: see test_demonstration
    ("GET", "/readings"): LIST,
    ("POST", "/readings"): SEND,  # of a model: see below
    ("GET", "/alarms"): LIST,
    ("GET", "/alarms/events"): OWN,  # a sign that there is something, and of what: see below
    ("GET", "/alarms/{id}"): RECORD,
    ("POST", "/alarms/{id}/explanation"): RECORD,
    ("POST", "/alarms/{id}/reasons"): RECORD,
    ("GET", "/sheets/{id}"): SHEET,
    ("GET", "/sheets/{id}/file"): SHEET,
    ("POST", "/alarms/{id}/what-if"): RECORD,
    ("POST", "/alarms/{id}/what-if/record"): RECORD,
    ("POST", "/alarms/{id}/curves"): RECORD,
    ("GET", "/alarms/{id}/plane"): RECORD,
    ("GET", "/alarms/{id}/readings"): RECORD,
    ("POST", "/alarms/{id}/reviews"): RECORD,
    ("POST", "/alarms/{id}/actions"): RECORD,
    ("POST", "/alarms/actions"): SEND,
    ("GET", "/remedies"): LIST,
    ("POST", "/remedies"): SEND,
    ("POST", "/remedies/flood"): SEND,
}
"""By hand, what each route tells of. A route without an entry here fails the first test."""

OWN_QUERY = {"/api/v1/audit/log/consistency": {"from": 1}}

QUESTIONS: dict[str, Any] = {
    "predictions": {"instance": ROW},
    "what-if": {"instance": ROW, "set": {"size": 1.0}},
    "explanations": {"instance": ROW},
    "common-remedies": {"instances": [ROW]},
    "reasons": {"instance": ROW},
    ":predict": {"instances": [ROW]},
    ":explain": {"instances": [ROW]},
    "infer": {
        "inputs": [
            {
                "name": name,
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "shape": [1],
                "data": [value],
            }
            for name, value in ROW.items()
        ]
    },
}


@dataclass(frozen=True)
class World:
    """What there is, by where it is."""

    records: dict[str, str]
    """Ids of explanations."""
    jobs: dict[str, str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lines")
    for name in (HERE, ELSEWHERE):
        folder = root / name / "1"
        folder.mkdir(parents=True)
        # With bounds: of every reading there is something to say.
        spec = SORTER.replace('"sorter"', f'"{name}"').replace("inf]", "10.0]")
        (folder / "spec.toml").write_text(spec, "utf-8")
        graph = linear(WEIGHTS, [0.0, 0.4, 0.0], softmax=True)
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
    return root


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('scopes') / 'store.sqlite3'}"


def made(store_url: str, role: Role, scope: Scope = EVERYTHING) -> str:
    with opened(store_url, JournalOptions("test")) as store:
        token, work = keys.create(role, "", None, "test", scope)
        store.journal.append(work).result(30)
    return token


@pytest.fixture(scope="module")
def tokens(store_url: str) -> dict[Role, str]:
    return {role: made(store_url, role, SCOPE) for role in Role}


@pytest.fixture(scope="module")
def whole(store_url: str) -> str:
    """The key of an admin of everything."""
    return made(store_url, Role.ADMIN)


@pytest.fixture(scope="module")
def service(root: Path, store_url: str, tokens: dict[Role, str], whole: str) -> Iterator[str]:
    settings = Settings.model_validate(
        {"models": root, "database_url": store_url, "refresh_seconds": 0}
    )
    with serving(settings, no_auth=False) as url:
        yield url


@pytest.fixture(scope="module")
def api(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def world(api: httpx.Client, tokens: dict[Role, str], whole: str) -> World:
    found = World({}, {})
    for place, model in MODEL_OF.items():
        # It raises an alarm, whose id is the record's.
        body = {"instance": ROW, "attributes": {"line": LINE_OF[place], "equipment": "M1"}}
        path = f"/api/v1/models/{model}/explanations"
        reply = api.post(path, json=body, headers=bearer(whole))
        assert reply.status_code == 200, reply.text
        found.records[place] = reply.json()["id"]
        # A job is of whoever asked for it: one of everything's is not within.
        asker = tokens[Role.OPERATOR] if place == WITHIN else whole
        bulk = api.post(
            f"{path}/bulk",
            content=json.dumps(body),
            headers=bearer(asker) | {"Content-Type": "application/jsonl"},
        )
        assert bulk.status_code == 202, bulk.text
        found.jobs[place] = bulk.json()["id"]
    for job in found.jobs.values():
        finished(api, whole, job)
    # So there is a head of the log, too.
    last = api.get(
        f"/api/v1/explanations/{found.records[WITHIN]}?proof=true", headers=bearer(whole)
    )
    assert last.json()["proof"]["checkpoint"]
    return found


def finished(api: httpx.Client, token: str, job: str) -> list[dict[str, Any]]:
    for _ in range(600):
        if api.get(f"/api/v1/jobs/{job}", headers=bearer(token)).json()["state"] == "done":
            lines = api.get(f"/api/v1/jobs/{job}/result", headers=bearer(token)).text.splitlines()
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    pytest.fail("the job was not finished")


@dataclass(frozen=True)
class Asker:
    """Somebody with a role and the scope, at the API and at the pages."""

    role: Role
    api: httpx.Client
    pages: httpx.Client
    csrf: str

    def ask(
        self, method: str, path: str, model: str, identity: str, line: str = "a"
    ) -> httpx.Response:
        is_page = (method, path) in PAGES
        filled = path.format(model=model, id=identity, version="1")
        headers = {"X-CSRF-Token": self.csrf, "HX-Request": "true"} if is_page else {}
        client = self.pages if is_page else self.api
        asked = _body(path, line, self.role, is_page=is_page) if method == "POST" else {}
        if path == "/alarms/{id}/plane":
            asked = {"params": {"x": "size", "y": "size"}}
        if path == "/alarms/{id}/reviews":
            asked["params"] = {"of": identity}
        if path.endswith(("/report", "/report/table", "/follow-up")) and "{id}" not in path:
            asked = {"params": {"model": model}}
        if path.endswith("/fairness"):
            asked = {"params": {"model": model, "by": "attribute:line", "least": "2"}}
        return client.request(method, filled, headers=headers | asked.pop("headers", {}), **asked)


def _body(path: str, line: str, role: Role, *, is_page: bool) -> dict[str, Any]:
    last = re.split(r"(?=:)|/", path)[-1]
    if path.endswith("/stream"):
        question = json.dumps({"attributes": {"line": line}})
        return {"content": json.dumps(ROW), "params": {"question": question}} | {
            "headers": {"Content-Type": "application/jsonl"}
        }
    if path.endswith("/bulk"):
        return {
            "content": json.dumps({"instance": ROW, "attributes": {"line": line}}),
            "headers": {"Content-Type": "application/jsonl"},
        }
    if last == "infer":
        return {"json": QUESTIONS[last] | {"parameters": {"attribute.line": line}}}
    if last in QUESTIONS and "{model}" in path:
        return {"json": QUESTIONS[last] | {"attributes": {"line": line}}}
    if last == "actions":
        done = {"action": "comment", "comment": "seen"}
        return {"data": done} if is_page else {"json": done}
    if last == "reviews":
        verdict = "not_acted" if path.startswith("/alarms") else "comment"
        said = {"verdict": verdict, "comment": "seen"}
        return {"data": said} if is_page else {"json": said}
    if last == "outcomes":
        told = {"result": "success"}
        return {"json": told if "{id}" in path else {"outcomes": [told | {"explanation": "none"}]}}
    if path.startswith("/alarms") and ("what-if" in path or last == "curves"):
        return {"json": {"set": {"size": 1.0}}}
    return {}


@pytest.fixture(params=Role, scope="module")
def asker(
    request: pytest.FixtureRequest, service: str, tokens: dict[Role, str], world: World
) -> Iterator[Asker]:
    role = request.param
    with ExitStack() as stack:

        def client(**more: Any) -> httpx.Client:
            made = httpx.Client(base_url=service, timeout=300, trust_env=False, **more)
            return stack.enter_context(made)

        pages = client()
        assert sign_in(pages, tokens[role]).status_code == 303
        missing = pages.get("/not-there", headers={"accept": "text/html"})
        api = client(headers=bearer(tokens[role]))
        yield Asker(role, api, pages, form_token(missing))


def routes(*kinds: str) -> list[tuple[str, str]]:
    """``DELETE`` comes last in the table: it ends what the others look at."""
    return [route for route, kind in ROUTES.items() if kind in kinds]


def may(role: Role, route: tuple[str, str]) -> bool:
    return role in {**ALLOWED, **PAGES}[route]


def test_every_route_has_an_entry() -> None:
    """What is served is what ``ALLOWED`` and ``PAGES`` have: see ``test_access``."""
    assert set(ROUTES) == {*ALLOWED, *PAGES}
    assert set(routes(ALL)) == WHOLE


def test_a_model_out_of_scope_is_not_there(asker: Asker) -> None:
    for method, path in routes(ASK, MODEL):
        status = asker.ask(method, path, HERE, "").status_code
        other = asker.ask(method, path, ELSEWHERE, "")
        if not may(asker.role, (method, path)):
            assert (status, other.status_code) == (403, 403), path
            continue
        assert status in (200, 202), (method, path)
        assert other.status_code == 404, (method, path)
        never = asker.ask(method, path, "line-c-sorter", "")
        assert other.text.replace(ELSEWHERE, "X").count("line-b") == 0
        assert plain(other, ELSEWHERE) == plain(never, "line-c-sorter"), path


def test_what_is_counted_over_all_machines_is_for_nobody_who_sees_some(asker: Asker) -> None:
    for method, path in routes(COUNTS):
        assert asker.ask(method, path, HERE, "").status_code == 403
        other = asker.ask(method, path, ELSEWHERE, "")
        never = asker.ask(method, path, "line-c-sorter", "")
        assert other.status_code == (404 if may(asker.role, (method, path)) else 403)
        assert plain(other, ELSEWHERE) == plain(never, "line-c-sorter"), path


def test_a_wrong_question_does_not_tell_what_is_out_of_scope(asker: Asker) -> None:
    """Of a model that is there a wrong question is recorded, and the reply says where."""
    for method, path in routes(ASK):
        if may(asker.role, (method, path)):
            names = (ELSEWHERE, "line-c-sorter")
            told = [
                plain(asker.api.request(method, filled(path, name), json={"x": 1}), name)
                for name in names
            ]
            assert told[0] == told[1], path
            assert '"audit"' not in told[0]
            here = asker.api.request(method, filled(path, HERE), json={"x": 1})
            assert '"audit"' in here.text or path.startswith("/v1/"), path


def filled(path: str, model: str) -> str:
    return path.format(model=model, version="1")


def plain(reply: httpx.Response, name: str) -> str:
    """What it says, but for what is each request's own."""
    return re.sub(r'"request_id":\s*"[^"]*"|<code>[^<]*</code>', "", reply.text.replace(name, "X"))


def test_a_question_of_another_line_or_of_none_is_refused(asker: Asker) -> None:
    for method, path in routes(ASK):
        if may(asker.role, (method, path)):
            other = asker.ask(method, path, HERE, "", line="b")
            assert other.status_code == 403, path
            assert "attributes say line = a" in other.text
            question = QUESTIONS[re.split(r"(?=:)|/", path)[-1]]
            silent = asker.api.post(filled(path, HERE), json=question)
            assert silent.status_code == 403, path


def test_a_client_that_names_no_model_asks_the_only_one_in_scope(asker: Asker, whole: str) -> None:
    of_a, of_b = ({"params": {"attributes": {"line": line}}} for line in "ab")
    asked = {"dataframe_records": [ROW]}
    for route in routes(ONLY):
        replies = [asker.api.post(route[1], json=asked | more) for more in (of_a, of_b, {})]
        expected = [200, 403, 403] if may(asker.role, route) else [403] * 3
        assert [reply.status_code for reply in replies] == expected
        several = asker.api.post(route[1], json=asked, headers=bearer(whole))
        assert (several.status_code, "2 models are served" in several.text) == (404, True)


def test_a_record_out_of_scope_is_not_there(asker: Asker, world: World) -> None:
    for method, path in routes(RECORD):
        status = asker.ask(method, path, HERE, world.records[WITHIN]).status_code
        if not may(asker.role, (method, path)):
            assert status == 403, path
            continue
        expected = (200, 201, 303, 422) if path.endswith("/plane") else (200, 201, 303)
        assert status in expected, (method, path)
        for place in (OTHER_MODEL, OTHER_LINE):
            other = asker.ask(method, path, HERE, world.records[place])
            assert other.status_code == 404, (method, path, place)
        never = asker.ask(method, path, HERE, "00000000-0000-0000-0000-000000000000")
        assert never.status_code == 404


def test_a_sheet_out_of_scope_is_not_there(asker: Asker, world: World, whole: str) -> None:
    for place, explanation in world.records.items():
        path = f"/api/v1/models/{MODEL_OF[place]}/reasons"
        made = asker.api.post(path, json={"explanation": explanation}, headers=bearer(whole))
        identity = made.json()["id"]
        for method, sheet in routes(SHEET):
            reply = asker.ask(method, sheet, HERE, identity)
            if not may(asker.role, (method, sheet)):
                assert reply.status_code == 403
            elif place != WITHIN:
                assert reply.status_code == 404
            else:  # what makes the file need not be installed
                assert reply.status_code == 200 or (sheet.endswith("/file") and not is_available())
        # Nor can its row be asked about by whoever may not see it.
        if may(asker.role, ("POST", "/api/v1/models/{model}/reasons")):
            asked = asker.api.post(path, json={"explanation": explanation})
            assert (asked.status_code == 200) is (place == WITHIN), asked.text


def test_a_job_out_of_scope_is_not_there(asker: Asker, world: World) -> None:
    for method, path in routes(JOB):
        status = asker.ask(method, path, HERE, world.jobs[WITHIN]).status_code
        if not may(asker.role, (method, path)):
            assert status == 403, path
            continue
        if method != "DELETE":  # that is for who asked for it
            assert status == 200, path
        for place in (OTHER_MODEL, OTHER_LINE):
            other = asker.ask(method, path, HERE, world.jobs[place])
            assert other.status_code == 404, (method, path, place)


def test_lists_have_what_is_within_and_nothing_else(asker: Asker, world: World) -> None:
    for method, path in routes(LIST):
        reply = asker.ask(method, path, HERE, "")
        if not may(asker.role, (method, path)):
            assert reply.status_code == 403, path
            continue
        assert reply.status_code == 200, (path, reply.text)
        for place in (OTHER_MODEL, OTHER_LINE):
            assert world.records[place] not in reply.text, (path, place)
            assert world.jobs[place] not in reply.text, (path, place)
        assert ELSEWHERE not in reply.text, path
        if path == "/api/v1/jobs":  # one's own, and to some everybody's
            sees = asker.role is not Role.PIPELINE  # an operator asked for these
            assert (world.jobs[WITHIN] in reply.text) is sees
            continue
        if path != "/report/table":  # has counts, and no names: see the next test
            assert world.records[WITHIN] in reply.text or HERE in reply.text, path


def test_a_report_counts_what_is_within(
    tokens: dict[Role, str], api: httpx.Client, world: World
) -> None:
    def asked(model: str) -> int:
        headers = bearer(tokens[Role.AUDITOR])
        reply = api.get("/api/v1/audit/report", params={"model": model}, headers=headers)
        count: int = reply.json()["total"]["asked"]
        return count

    events = api.get(
        "/api/v1/audit/events",
        params={"kind": "explanation", "limit": 500},
        headers=bearer(tokens[Role.AUDITOR]),
    ).json()["events"]
    assert asked(HERE) == len(events) > 0
    assert asked(ELSEWHERE) == 0


def test_a_page_of_records_is_full_and_leads_on(
    tokens: dict[Role, str], api: httpx.Client, world: World
) -> None:
    headers, seen, cursor = bearer(tokens[Role.AUDITOR]), list[str](), None
    while True:
        query = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        reply = api.get("/api/v1/audit/events", params=query, headers=headers).json()
        seen += [event["id"] for event in reply["events"]]
        cursor = reply.get("next")
        if cursor is None:
            break
        assert len(reply["events"]) == 2
    assert len(seen) == len(set(seen))
    assert world.records[WITHIN] in seen
    assert not {world.records[OTHER_MODEL], world.records[OTHER_LINE]} & set(seen)


def test_what_tells_of_everything_is_for_who_may_see_everything(
    asker: Asker, api: httpx.Client, whole: str
) -> None:
    for method, path in routes(ALL):
        assert asker.ask(method, path, "", "nothing").status_code == 403, path
        if path in ("/metrics", "/api/v1/audit/verify"):
            assert api.get(path, headers=bearer(whole)).status_code == 200


def test_readings_are_entered_for_models_and_lines_within_the_scope_alone(asker: Asker) -> None:
    def entered(model: str, **said: str) -> httpx.Response:
        values = {f"reading:{name}": str(value) for name, value in ROW.items()}
        fields = values | {f"attribute:{name}": text for name, text in said.items()}
        data = fields | {"csrf": asker.csrf, "action": "predict", "model": model}
        return asker.pages.post("/readings", data=data)

    may_enter = may(asker.role, ("POST", "/readings"))
    statuses = [
        entered(model, line=line).status_code
        for model, line in ((HERE, "a"), (HERE, "b"), (HERE, ""), (ELSEWHERE, "a"))
    ]
    assert statuses == ([303, 422, 422, 404] if may_enter else [403] * 4)
    if may_enter:  # the line that is theirs is chosen already
        assert '<option value="a" selected>a</option>' in asker.pages.get("/readings").text


def test_events_are_taken_of_services_within_the_scope_alone(
    store_url: str, api: httpx.Client, whole: str
) -> None:
    scope = Scope(("line-a-*",), (("namespace", ("line-a",)),))
    sender = bearer(made(store_url, Role.SENDER, scope))
    time.sleep(1.1 * keys.RELOAD_SECONDS)  # a key that was just made may be unknown for so long

    def sent(service: str, namespace: str, path: str) -> int:
        head = logged.headers("request", "1", service, **{"Ce-Namespace": namespace})
        return api.post(path, content=b"{}", headers=head | sender).status_code

    for _, path in routes(EVENTS):
        assert sent(HERE, "line-a", path) == 202
        assert sent(ELSEWHERE, "line-a", path) == 404
        assert sent(HERE, "line-b", path) == 403
        assert sent(HERE, "", path) == 403


def test_everybody_has_what_is_their_own(asker: Asker) -> None:
    for method, path in routes(OWN):
        if path == "/sign-out":
            continue  # it would end the session that the others need
        client = asker.pages if (method, path) in PAGES else asker.api
        html = {"accept": "text/html"} if client is asker.pages else {}
        with client.stream(method, path, params=OWN_QUERY.get(path), headers=html) as reply:
            expected = (200, 303) if may(asker.role, (method, path)) else (403,)
            assert reply.status_code in expected, path


def sent(name: str, version: str = "2") -> bytes:
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        spec = SORTER.replace('"sorter"', f'"{name}"')
        spec = spec.replace('version = "1"', f'version = "{version}"')
        archive.writestr("spec.toml", spec)
        graph = linear(WEIGHTS, [0.0, 0.4, 0.0], softmax=True)
        archive.writestr("model.onnx", graph.SerializeToString())
    return file.getvalue()


@pytest.mark.slow
def test_a_model_is_sent_only_by_who_is_there_for_it(
    store_url: str, api: httpx.Client, tokens: dict[Role, str], root: Path
) -> None:
    """Who is there for one line only sends none: a model decides for all lines."""
    of_models = made(store_url, Role.ADMIN, Scope(("line-a-*",)))
    for token, name, status in (
        (tokens[Role.ADMIN], HERE, 403),
        (of_models, ELSEWHERE, 403),
        (of_models, HERE, 201),
    ):
        until_known(api, token)
        headers = bearer(token) | ZIP
        reply = api.post("/api/v1/models", content=sent(name), headers=headers)
        assert reply.status_code == status, reply.text
    assert not (root / ELSEWHERE / "2").exists()
    page = {"folder": ("m.zip", sent(ELSEWHERE, "3"))}
    with httpx.Client(base_url=api.base_url, timeout=300, trust_env=False) as browser:
        assert sign_in(browser, of_models).status_code == 303
        csrf = form_token(browser.get("/models"))
        reply = browser.post("/models", files=page, headers={"X-CSRF-Token": csrf})
        assert reply.status_code == 403
    assert not (root / ELSEWHERE / "3").exists()


def until_known(api: httpx.Client, token: str) -> None:
    for _ in range(600):
        if api.get("/api/v1/models", headers=bearer(token)).status_code == 200:
            return
        time.sleep(0.05)
    pytest.fail("the key is not known")


def test_lines_of_a_job_are_held_to_the_scope_of_who_asked(
    tokens: dict[Role, str], api: httpx.Client, world: World
) -> None:
    headers = bearer(tokens[Role.PIPELINE])
    lines = [{"instance": ROW, "attributes": {"line": line}} for line in ("a", "b")]
    job = api.post(
        f"/api/v1/models/{HERE}/explanations/bulk",
        content="\n".join(map(json.dumps, [*lines, {"instance": ROW}])),
        headers=headers | {"Content-Type": "application/jsonl"},
    ).json()["id"]
    rows = finished(api, tokens[Role.PIPELINE], job)
    assert "explanation" in rows[0]
    assert [r["problem"]["status"] for r in rows[1:]] == [403, 403]


def test_of_many_alarms_what_is_within_is_acted_on_and_sought_for(
    asker: Asker, world: World
) -> None:
    if may(asker.role, ("POST", "/api/v1/alarms/actions")):
        looked = [{"id": identity} for identity in world.records.values()]
        asked = {"action": "comment", "comment": "x", "alarms": looked}
        came = asker.api.post("/api/v1/alarms/actions", json=asked).json()
        assert came["done"] == [world.records[WITHIN]]
        assert sorted(came["unknown"]) == sorted(
            world.records[place] for place in (OTHER_MODEL, OTHER_LINE)
        )
    headers = {"X-CSRF-Token": asker.csrf, "HX-Request": "true"}
    if may(asker.role, ("POST", "/remedies")):
        reply = asker.pages.post("/remedies?levers=1", headers=headers)
        assert (reply.status_code, "M1" in reply.text) == (200, True), reply.text
        assert f"/alarms/{world.records[WITHIN]}" in reply.text
        for place in (OTHER_MODEL, OTHER_LINE):
            assert world.records[place] not in reply.text
    if may(asker.role, ("POST", "/report/common")):
        reply = asker.pages.post("/report/common", headers=headers, data={"model": HERE})
        assert reply.status_code == 303, reply.text
        listed = asker.api.get("/api/v1/audit/report", params={"model": HERE}).json()["common"]
        assert {each["alarms"] for each in listed} == {1}


def test_whoever_sees_two_lines_is_told_of_one(
    store_url: str, service: str, api: httpx.Client, whole: str, world: World
) -> None:
    scope = Scope(("line-a-*",), (("line", ("a", "b")),))
    token = made(store_url, Role.OPERATOR, scope)
    until_known(api, token)
    with httpx.Client(base_url=service, timeout=300, trust_env=False) as pages:
        assert sign_in(pages, token).status_code == 303
        form = form_token(pages.get("/not-there", headers={"accept": "text/html"}))
        headers = {"X-CSRF-Token": form}
        reply = pages.post("/remedies?levers=1", headers=headers)
    assert (reply.status_code, say("remedies.apart", "en", count=1) in reply.text) == (200, True)


def test_a_request_sent_again_is_answered_within_the_scope(
    tokens: dict[Role, str], api: httpx.Client, world: World
) -> None:
    headers = bearer(tokens[Role.OPERATOR]) | {"Idempotency-Key": "once"}
    body = QUESTIONS["predictions"] | {"attributes": {"line": "a"}}
    path = f"/api/v1/models/{HERE}/predictions"
    first, second = (api.post(path, json=body, headers=headers) for _ in range(2))
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json() == second.json()


def test_a_scope_is_part_of_the_record_of_its_key(
    store_url: str, api: httpx.Client, tokens: dict[Role, str], whole: str
) -> None:
    query = {"kind": RecordKind.KEY.value, "limit": "100"}
    events = api.get("/api/v1/audit/events", params=query, headers=bearer(whole)).json()["events"]
    told = [event["detail"] for event in events if "key" in event["detail"]]  # not of the pages
    details = {detail["key"]: detail for detail in told}
    assert details[tokens[Role.AUDITOR].split("_")[1]]["scope"] == SCOPE.in_words
    assert "scope" not in details[whole.split("_")[1]]
    mine = api.get("/api/v1/audit/events", params=query, headers=bearer(tokens[Role.AUDITOR]))
    assert mine.json()["events"] == []


# --- tokens, and the command line ---------------------------------------------------------


def issuer(claim: str | None, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]) -> Issuer:
    found = Issuer("https://issuer", "ifonly", "http://127.0.0.1/keys", "roles", claim)
    said = {"sub": "kim", "roles": ["operator"], **claims}
    monkeypatch.setattr(found, "claims", lambda token, *, waits=True: said)
    return found


@pytest.mark.parametrize(
    ("claim", "claims", "scope"),
    [
        (None, {}, EVERYTHING),
        ("ifonly", {}, NOTHING),
        ("ifonly", {"ifonly": {}}, NOTHING),
        ("ifonly", {"ifonly": "line-a-*"}, NOTHING),
        ("ifonly", {"ifonly": {"models": ["line/a"]}}, NOTHING),
        ("ifonly", {"ifonly": {"models": ["a"], "lines": ["b"]}}, NOTHING),
        ("ifonly", {"ifonly": {"attributes": {"line": [1]}}}, NOTHING),
        ("ifonly", {"ifonly": {"models": "*"}}, EVERYTHING),
        ("ifonly", {"ifonly": {"models": "line-a-*", "attributes": {"line": "a"}}}, SCOPE),
        ("plant.scope", {"plant": {"scope": {"models": ["line-a-*"]}}}, Scope(("line-a-*",))),
        ("plant.scope", {"plant": "x"}, NOTHING),
    ],
)
def test_a_token_has_the_scope_that_its_claim_says(
    claim: str | None, claims: dict[str, Any], scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = issuer(claim, monkeypatch, claims).find("token")
    assert principal is not None
    assert principal.scope == scope
