"""Who confirmed an answer: the copy here, or the predictor that is deployed, as it was claimed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.verify import _checked
from ifonly.service.served.remote import breaker, http
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.integration.test_cli import here
from tests.integration.test_jobs_api import ended, lines, result, submit
from tests.support.predictor import answering, flipped, predicting, silent

__all__ = ["here"]  # a fixture

NAME = "milling-machine"
FOLDER = shipped_models() / NAME / "1"
NATIVE = f"/api/v1/models/{NAME}/explanations"
KSERVE = f"/v1/models/{NAME}:explain"
MLFLOW = "/invocations/explanations"
AWAY = "127.0.0.1:9"
"""Nobody answers there."""


@contextmanager
def explainer(models: Path, host: str | None, **more: Any) -> Iterator[httpx.Client]:
    with (
        serving(
            Settings(models=models, predictor_host=host, predictor_compare_seconds=0, **more)
        ) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def milling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model alone; its policy demands 95 % and that sensors' errors are survived."""
    root = tmp_path_factory.mktemp("milling")
    shutil.copytree(shipped_models() / NAME, root / NAME)
    return root


@pytest.fixture(scope="module")
def demanding(milling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, whose policy demands the predictor's word."""
    root = tmp_path_factory.mktemp("demanding")
    shutil.copytree(milling / NAME, root / NAME)
    spec = root / NAME / "1" / "spec.toml"
    text = spec.read_text()
    assert "[policy]" in text
    spec.write_text(text.replace("[policy]", '[policy]\nconfirmed_by = "predictor"', 1))
    return root


@pytest.fixture
def question(alarm: dict[str, Any]) -> dict[str, Any]:
    """It asks for survival, besides the 95 % that the policy demands."""
    return {"instance": alarm, "semantics": "independent", "constraints": {"robust": True}}


def asked(client: httpx.Client, question: dict[str, Any], door: str) -> httpx.Response:
    if door == KSERVE:
        theirs = {k: v for k, v in question.items() if k != "instance"}
        return client.post(KSERVE, json=theirs | {"instances": [question["instance"]]})
    return client.post(NATIVE, json=question)


def explained(reply: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = reply.raise_for_status().json()
    found: dict[str, Any] = body["explanations"][0] if "explanations" in body else body
    return found


# --- confirmed --------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [NATIVE, KSERVE])
@pytest.mark.parametrize(("how", "says"), [("shares", "score"), ("names", "class")])
def test_a_predictor_of_the_same_model_confirms_what_is_claimed(
    milling: Path, question: dict[str, Any], door: str, how: str, says: str
) -> None:
    seen: list[Any] = []
    with predicting(FOLDER, how, asked=seen) as host, explainer(milling, host) as client:
        found = explained(asked(client, question, door))
        kept = client.get(f"/api/v1/explanations/{found['id']}").json()["explanation"]
        again = client.post(f"/api/v1/audit/events/{found['id']}/replay").raise_for_status().json()
    whole, (first, *_) = found["confirmation"], found["counterfactuals"]
    assert (whole["by"], whole["says"], whole["why"]) == ("predictor", says, None)
    assert whole["predictor"] == f"http://{host}/v1/models/{NAME}:predict"
    assert (first["confirmation"]["by"], first["confirmation"]["says"]) == ("predictor", says)
    said = first["confirmation"]["said"]
    if how == "names":
        assert said == "normal"
    else:
        assert max(said) == pytest.approx(first["prediction"]["probability"], rel=1e-6)
        assert max(said) >= 0.95
    # All at once: the answer, the readings within the tolerances, the ends of what suffices.
    assert len(seen[0]) == whole["rows"] > 128
    assert (kept["confirmation"], kept["counterfactuals"]) == (whole, found["counterfactuals"])
    assert (again["same"], again["answer"]["holds"]) == (True, True)


@pytest.mark.parametrize(("rows", "kind"), [("objects", dict), ("lists", list)])
def test_rows_are_sent_as_the_predictor_reads_them(
    milling: Path, question: dict[str, Any], rows: str, kind: type
) -> None:
    seen: list[Any] = []
    with (
        predicting(FOLDER, "shares", asked=seen) as host,
        explainer(milling, host, predictor_rows=rows) as client,
    ):
        assert explained(asked(client, question, NATIVE))["confirmation"]["by"] == "predictor"
    assert {type(row) for instances in seen for row in instances} == {kind}


def test_without_a_predictor_the_copy_is_named(milling: Path, question: dict[str, Any]) -> None:
    with explainer(milling, None) as client:
        found = explained(asked(client, question, NATIVE))
    alone = {"by": "copy", "says": None, "said": None}
    assert found["confirmation"] == alone | {"predictor": None, "rows": 0, "why": None}
    assert [c["confirmation"] for c in found["counterfactuals"]] == [alone]


# --- denied -----------------------------------------------------------------------------------


def less_sure(rows: Rows, scores: Scores) -> Scores:
    """The same class of every row, and of normal ones P(failure) = 0.44."""
    return np.where(scores < 0.5, np.minimum(0.44, scores + 0.44), scores)


def round_up(rows: Rows, scores: Scores) -> Scores:
    """What is nearly sure is said to be."""
    return np.where(scores > 1.0 - 5e-5, 1.0, scores)


def denies_readings(rows: Rows, scores: Scores) -> Scores:
    """Another class for readings that cannot be set, as sensors read them: 53.23 Nm."""
    torque = rows[:, 3] if rows.shape[1] > 3 else rows[:, 0]
    off = np.abs(torque * 10 - np.rint(torque * 10)) > 1e-6
    return np.where(off[:, None], 0.99, scores)


@pytest.mark.parametrize("door", [NATIVE, KSERVE])
def test_a_probability_is_confirmed_and_not_the_class_alone(
    milling: Path, question: dict[str, Any], door: str
) -> None:
    """The finding: P(failure) = 0.44 there, "at least 95 % sure" and `verified` here."""
    with (
        predicting(FOLDER, "shares", change=less_sure) as host,
        explainer(milling, host) as client,
    ):
        reply = asked(client, question, door)
        exported = client.get("/api/v1/audit/export", params={"kind": "failure"})
    assert reply.status_code == 502
    problem = reply.json()
    assert problem["type"].endswith("predictor-disagrees")
    assert "of the answer of rank 1" in problem["detail"]
    assert problem["predictor"]["said"] == pytest.approx([0.56, 0.44])
    assert problem["predictor"]["url"] == f"http://{host}/v1/models/{NAME}:predict"
    assert problem["predictor"]["copy"][0] < 0.05
    # The record keeps what the predictor said.
    (record,) = [json.loads(line) for line in exported.text.splitlines() if "payload" in line]
    assert json.loads(record["payload"])["answer"]["predictor"] == problem["predictor"]


@pytest.mark.parametrize("how", ["shares", "names"])
def test_survival_is_confirmed_at_the_readings_themselves(
    milling: Path, question: dict[str, Any], how: str
) -> None:
    with (
        predicting(FOLDER, how, change=denies_readings) as host,
        explainer(milling, host) as client,
    ):
        reply = asked(client, question, NATIVE)
    assert reply.status_code == 502
    assert "a row that the answer speaks of" in reply.json()["detail"]


def test_a_number_near_ours_that_misses_what_is_demanded_is_no_confirmation(
    milling: Path, question: dict[str, Any]
) -> None:
    """Within what one model may say twice, but not in the target."""
    with explainer(milling, None) as client:
        sure = explained(asked(client, question, NATIVE))["counterfactuals"][0]["prediction"]
    edge = sure["probability"]
    demanded = question | {"target": {"class": "normal", "probability": {"min": edge}}}

    def hair_less(rows: Rows, scores: Scores) -> Scores:
        return scores + 1e-6

    with (
        predicting(FOLDER, "shares", change=hair_less) as host,
        explainer(milling, host) as client,
    ):
        found = asked(client, question, NATIVE)
        reply = asked(client, demanded, NATIVE)
    assert explained(found)["confirmation"]["by"] == "predictor"
    if reply.status_code == 200:
        # The search found another row, farther from the edge.
        assert min(explained(reply)["counterfactuals"][0]["confirmation"]["said"]) < 1.0 - edge
    else:
        assert "target: the deployed model scores it" in reply.json()["detail"]


def test_rows_of_jobs_ask_the_predictor_too(milling: Path, question: dict[str, Any]) -> None:
    with (
        predicting(FOLDER, "shares", change=flipped) as host,
        explainer(milling, host) as client,
    ):
        job = submit(client, NATIVE, lines(question))
        ended(client, job)
        (line,) = result(client, job)
    assert line["problem"]["type"].endswith("predictor-disagrees")
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        job = submit(client, NATIVE, lines(question))
        ended(client, job)
        (line,) = result(client, job)
    assert line["explanation"]["confirmation"]["by"] == "predictor"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "did not confirm"), ("ko", "확인을 받지 못했습니다"), ("ja", "確認は得られていません")],
)
def test_the_page_says_that_the_predictor_did_not_confirm(
    milling: Path, question: dict[str, Any], language: str, words: str
) -> None:
    with explainer(milling, AWAY) as client:
        found = explained(asked(client, question, NATIVE))
        headers = {"Accept-Language": language}
        page = client.get(f"/alarms/{found['id']}", headers=headers).text
        record = client.get(f"/records/{found['id']}", headers=headers).text
    for shown in (page, record):
        assert words in shown
        assert f"http://{AWAY}/v1/models/{NAME}:predict" in shown


def test_what_the_page_asks_is_confirmed_and_said(milling: Path, question: dict[str, Any]) -> None:
    headers = {"Accept-Language": "en"}
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        told = client.post(
            f"/api/v1/models/{NAME}/predictions", json={"instance": question["instance"]}
        ).json()
        token = re.search(r'name="csrf" value="([^"]+)"', client.get("/alarms").text)
        assert token is not None
        own = {"X-CSRF-Token": token[1]}
        asked_there = client.post(
            f"/alarms/{told['audit']['id']}/explanation", headers=headers | own
        )
    assert asked_there.status_code == 200
    assert "its own numbers confirm" in asked_there.text


@pytest.mark.parametrize(("host", "words"), [(AWAY, "did not confirm"), (None, "optimal")])
def test_the_command_line_says_it(
    here: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    milling: Path,
    question: dict[str, Any],
    host: str | None,
    words: str,
) -> None:
    if host is not None:
        monkeypatch.setenv("IFONLY_PREDICTOR_HOST", host)
    row = json.dumps(question["instance"])
    process = here("explain", "--models", str(milling), "--row", row, "--lang", "en")
    assert process.returncode == 0
    assert words in " ".join(process.stdout.split())
    assert (host is None) is ("predictor" not in process.stdout)


# --- not asked, not understood ----------------------------------------------------------------


def test_with_the_predictor_down_the_copy_is_named_with_the_reason(
    milling: Path, question: dict[str, Any]
) -> None:
    with explainer(milling, AWAY) as client:
        found = explained(asked(client, question, NATIVE))
        refused = asked(client, question, KSERVE)
        job = submit(client, NATIVE, lines(question))
        ended(client, job)
        (line,) = result(client, job)
    for told in (found, line["explanation"]):
        assert (told["confirmation"]["by"], told["confirmation"]["rows"]) == ("copy", 0)
        assert "ConnectError" in told["confirmation"]["why"]
        assert told["confirmation"]["predictor"] == f"http://{AWAY}/v1/models/{NAME}:predict"
        assert told["counterfactuals"][0]["confirmation"]["by"] == "copy"
    assert refused.status_code == 503


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b"Traceback: out of memory", ()),
        (200, b"<html>sign in</html>", ('{"predictions": [',)),
        (200, b'{"outputs": []}', ('{"predictions": [',)),
        (200, b'{"predictions": [1]}', ('{"predictions": [',)),
    ],
)
def test_what_came_and_what_was_expected_are_named(
    milling: Path, question: dict[str, Any], status: int, body: bytes, expected: tuple[str, ...]
) -> None:
    with answering(status, body) as host, explainer(milling, host) as client:
        found = explained(asked(client, question, NATIVE))
        refused = asked(client, question, KSERVE)
    assert found["confirmation"]["by"] == "copy"
    assert refused.status_code == (502 if expected else 503)
    came = f"http://{host}/v1/models/{NAME}:predict answered {status}, {body.decode()}"
    for told in (found["confirmation"]["why"], refused.json()["error"]):
        assert all(part in told for part in (came, *expected))
        assert "not the same model" not in told


def test_a_label_that_nobody_declared_is_no_other_model(
    milling: Path, question: dict[str, Any]
) -> None:
    with predicting(FOLDER, "odd labels") as host, explainer(milling, host) as client:
        found = explained(asked(client, question, NATIVE))
        refused = asked(client, question, KSERVE)
    assert (refused.status_code, refused.json()["type"][-17:]) == (502, "predictor-unclear")
    for told in (found["confirmation"]["why"], refused.json()["error"]):
        assert '{"label": "class-1"}' in told
        assert "one of 'normal', 'failure'" in told
        assert "not the same model" not in told


@pytest.mark.parametrize("body", [b"<script>alert(1)</script>", b"\xff\xfe", b"[" * 100_000, b""])
def test_what_came_is_quoted_and_nothing_else(
    milling: Path, question: dict[str, Any], body: bytes
) -> None:
    with answering(200, body) as host, explainer(milling, host) as client:
        found = explained(asked(client, question, NATIVE))
        page = client.get(f"/alarms/{found['id']}").text
    assert found["confirmation"]["by"] == "copy"
    assert len(found["confirmation"]["why"]) <= 600
    assert "<script>alert" not in page


def test_an_answer_without_end_is_cut_off(
    milling: Path, question: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(200, b" " * 4_096) as host, explainer(milling, host) as client:
        monkeypatch.setattr(http, "MOST_BYTES", 64)
        found = explained(asked(client, question, NATIVE))
    assert "answers without end" in found["confirmation"]["why"]


@pytest.mark.parametrize("path", [KSERVE, MLFLOW])
def test_a_silent_predictor_is_not_waited_for_by_each_row(
    milling: Path, alarm: dict[str, Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 3_600.0)
    rows = [alarm | {"torque": alarm["torque"] + k} for k in range(3)]
    seen: list[Any] = []
    with silent(seen) as host, explainer(milling, host, predictor_timeout_ms=200) as client:
        reply = client.post(path, json={"instances": rows})
    assert len(seen) == 1
    if path == KSERVE:
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        return
    whys = [told["confirmation"]["why"] for told in reply.json()["explanations"]]
    assert "did not answer in time" in whys[0] or "ReadTimeout" in whys[0]
    assert all("is not asked for 3600 s" in why for why in whys[1:])


def test_after_a_pause_a_silent_predictor_is_asked_again(
    milling: Path, alarm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 0.0)
    seen: list[Any] = []
    with silent(seen) as host, explainer(milling, host, predictor_timeout_ms=200) as client:
        client.post(KSERVE, json={"instances": [alarm] * 2})
    assert len(seen) == 2


def test_that_there_is_nothing_to_change_is_confirmed_too(
    milling: Path, question: dict[str, Any]
) -> None:
    met = question | {"target": {"class": "failure", "probability": {"min": 0}}}
    with (
        predicting(FOLDER, "shares", change=flipped) as host,
        explainer(milling, host) as client,
    ):
        denied = asked(client, met, NATIVE)
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        refused = asked(client, met, NATIVE)
    with explainer(milling, AWAY) as client:
        away = asked(client, met, KSERVE)
    assert (denied.status_code, away.status_code) == (502, 503)
    assert "of the instance" in denied.json()["detail"]
    assert refused.json()["type"].endswith("target-already-met")


@pytest.mark.parametrize("form", ["alone", "in a list"])
def test_a_whole_number_among_floats_is_a_number(
    milling: Path, question: dict[str, Any], form: str
) -> None:
    """1.0 is written 1 by many servers: of 0.05 and 1, the second is no place of a class."""
    with predicting(FOLDER, form, change=round_up) as host, explainer(milling, host) as client:
        found = explained(asked(client, question, NATIVE))
    said = found["confirmation"]["said"]
    assert (said[0] if form == "in a list" else said) == 1
    assert found["confirmation"]["says"] == "score"
    checks = [c for s in _checked(load_folder(FOLDER), found, question) for c in s.checks]
    assert [c for c in checks if not c.holds] == []


def test_classes_of_some_rows_and_numbers_of_others_are_unclear(
    milling: Path, question: dict[str, Any]
) -> None:
    with predicting(FOLDER, "both") as host, explainer(milling, host) as client:
        reply = asked(client, question, KSERVE)
    assert reply.status_code == 502
    assert "classes of some rows and numbers of others" in reply.json()["error"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("door", [NATIVE, KSERVE])
def test_a_number_that_is_none_is_an_error_and_never_left_to_the_copy(
    milling: Path, question: dict[str, Any], door: str, bad: float
) -> None:
    def broken(rows: Rows, scores: Scores) -> Scores:
        return np.where(scores < 0.05, bad, scores)

    with predicting(FOLDER, "shares", change=broken) as host, explainer(milling, host) as client:
        reply = asked(client, question, door)
    assert reply.status_code == 500
    problem = reply.json()
    assert problem["type"].endswith("score-not-finite")
    assert problem["scorer"] == "predictor"
    assert problem["value"] == str(float(bad))
    assert len(problem["row"]) == len(question["instance"])


def test_one_share_that_is_no_number_is_an_error_beside_a_number_that_is_ours(
    milling: Path, question: dict[str, Any]
) -> None:
    """Of the class that is not the positive one: nothing is compared with it."""
    with predicting(FOLDER, "half a share") as host, explainer(milling, host) as client:
        replies = [asked(client, question, door) for door in (NATIVE, KSERVE)]
    assert {(r.status_code, r.json()["type"][-16:]) for r in replies} == {(500, "score-not-finite")}


@pytest.mark.parametrize(
    ("instead", "status", "kind"),
    [(1.0, 502, "predictor-disagrees"), (np.nan, 500, "score-not-finite")],
)
@pytest.mark.parametrize("path", [KSERVE, MLFLOW])
def test_a_row_without_the_predictors_word_does_not_lose_the_others(
    milling: Path, alarm: dict[str, Any], path: str, instead: float, status: int, kind: str
) -> None:
    """Told so in its place; alone it refuses the request, with a status that the API declares."""
    other = alarm | {"torque": alarm["torque"] + 1.0}

    def change(rows: Rows, scores: Scores) -> Scores:
        is_other = rows[:, [3]] == other["torque"]
        return np.where(is_other, instead * (1.0 - scores), scores)

    with (
        predicting(FOLDER, "shares", change=change) as host,
        explainer(milling, host) as client,
    ):
        both, alone = (client.post(path, json={"instances": r}) for r in ([alarm, other], [other]))
        declared = client.get("/openapi.json").json()["paths"]
    told = both.raise_for_status().json()
    answer, wrong = told["explanations"]
    assert answer["confirmation"]["by"] == "predictor"
    assert (wrong["status"], wrong["type"].rsplit(":")[-1]) == (status, kind)
    assert told.get("predictions", ["failure", wrong]) == ["failure", wrong]
    assert (alone.status_code, alone.json()["error"]) == (status, wrong["error"])
    assert str(status) in declared[path.replace(NAME, "{model}")]["post"]["responses"]


@pytest.mark.parametrize(
    ("host", "status", "kind"),
    [(AWAY, 503, "predictor-unavailable"), (None, 503, "predictor-unavailable")],
)
def test_a_policy_that_demands_the_predictor_has_no_answer_without_it(
    demanding: Path, question: dict[str, Any], host: str | None, status: int, kind: str
) -> None:
    with explainer(demanding, host) as client:
        reply = asked(client, question, NATIVE)
    assert (reply.status_code, reply.json()["type"].rsplit(":")[-1]) == (status, kind)


def test_a_policy_that_demands_the_predictor_takes_no_class_for_a_probability(
    demanding: Path, question: dict[str, Any]
) -> None:
    alone = question | {"target": {"class": "normal", "probability": {}}}
    with predicting(FOLDER, "names") as host, explainer(demanding, host) as client:
        reply, enough = asked(client, question, NATIVE), asked(client, alone, NATIVE)
    assert (reply.status_code, reply.json()["type"][-17:]) == (502, "predictor-unclear")
    assert "claims a probability" in reply.json()["detail"]
    if enough.status_code == 200:
        assert explained(enough)["confirmation"]["says"] == "class"
    with predicting(FOLDER, "shares") as host, explainer(demanding, host) as client:
        assert explained(asked(client, question, NATIVE))["confirmation"]["by"] == "predictor"


# --- what a record says of it -------------------------------------------------------------------


def test_what_a_record_says_of_the_predictor_is_checked(
    milling: Path, demanding: Path, question: dict[str, Any]
) -> None:
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        found = explained(asked(client, question, NATIVE))

    def broken(answer: dict[str, Any], folder: Path = FOLDER) -> set[str]:
        deployed = load_folder(folder)
        checks = [c for s in _checked(deployed, answer, question) for c in s.checks]
        return {c.name for c in checks if not c.holds}

    assert broken(found) == set()
    first = found["counterfactuals"][0]
    forged = [
        {"said": [0.5, 0.5]}, {"said": "failure"}, {"says": "class"}, {"by": "copy"},
        {"said": None}, {"by": "nobody"},
    ]  # fmt: skip
    for change in forged:
        ways = [first | {"confirmation": first["confirmation"] | change}]
        assert broken(found | {"counterfactuals": ways}), change
        assert broken(found | {"confirmation": found["confirmation"] | change}), change
    for change in ({"rows": 0}, {"rows": 1}, {"why": "x"}, {"predictor": None}):
        assert broken(found | {"confirmation": found["confirmation"] | change}), change
    # The same answer of a model whose policy demands the predictor, and one of the copy alone.
    folder = demanding / NAME / "1"
    digest = load_folder(folder).spec_sha256
    there = found | {"provenance": found["provenance"] | {"spec_sha256": digest}}
    assert broken(there, folder) == set()
    alone = {"by": "copy", "says": None, "said": None}
    by_copy = there | {
        "confirmation": alone | {"predictor": None, "rows": 0, "why": None},
        "counterfactuals": [first | {"confirmation": alone}],
    }
    assert broken(by_copy, folder) == {"confirmed_by"}
    untold = {k: v for k, v in there.items() if k != "confirmation"}
    assert broken(untold, folder) == {"confirmed_by"}
