"""Models that another process has alone: searched, checked and told over the wire; and servers that
lie, drip, mix up rows or change their minds."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ifonly.models.errors import NotFinite
from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.problems import Refusal
from ifonly.service.errors import PredictorUnavailable, PredictorUnclear
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.served.remote.remotes import Remotes
from ifonly.service.settings import Settings
from ifonly.service.wire import requests, validation
from tests.integration.conftest import serving
from tests.integration.test_cli import here
from tests.integration.test_jobs_api import ended, lines, result, submit
from tests.support.logistic import ALARM, COEFFICIENTS, INTERCEPT, NAME, write
from tests.support.predictor import running

__all__ = ["here"]  # a fixture

Change = Callable[[list[list[float]], int], Any]
"""What it says: shares of the alarm, row by row, and which call it is, from 1, to its words."""


def shares(rows: list[list[float]]) -> list[float]:
    logits = np.array(rows) @ np.array(COEFFICIENTS) + INTERCEPT
    return [float(share) for share in 1.0 / (1.0 + np.exp(-logits))]


def plainly(said: list[float], call: int) -> Any:
    return said


@contextmanager
def kiln(change: Any = plainly, calls: list[int] | None = None) -> Iterator[str]:
    """A server of V1 that reads encoded rows; ``calls`` collects how many rows each had."""
    lock, counted = threading.Lock(), calls if calls is not None else []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: the second would wait for the first's receipt.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                counted.append(len(body["instances"]))
                call = len(counted)
            said = change(shares(body["instances"]), call)
            if isinstance(said, int):
                self.answer(said, b"out of order")
            elif isinstance(said, bytes):
                self.answer(200, said)
            else:
                self.answer(200, json.dumps({"predictions": said}).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    with running(Handler, ThreadingHTTPServer) as host:
        yield f"http://{host}"


def declared(url: str, more: str = "") -> str:
    return f'url = "{url}"\nprotocol = "v1"\nrows = "encoded"\n{more}'


@contextmanager
def served(root: Path, url: str, more: str = "", *, copy: bool = False) -> Iterator[ServedModel]:
    write(root, declared(url, more), copy=copy)
    allowed: Any = {url: {}}
    with closing(Registry(root, remotes=Remotes(Settings(predictors=allowed)))) as models:
        models.load()
        yield models.get(NAME)


def asked(model: ServedModel, ms: int = 20_000, **more: Any) -> dict[str, Any]:
    request = validation.read(requests.ExplanationRequest, {"instance": ALARM, **more})
    return answering.explanation(model, request, Budget(ms)).as_mapping()


# --- without a copy -----------------------------------------------------------------------


def test_a_model_that_is_elsewhere_is_explained_without_a_proof(tmp_path: Path) -> None:
    calls: list[int] = []
    with kiln(calls=calls) as url, served(tmp_path / "alone", url, "batch = 512") as model:
        found = asked(model)
    with served(tmp_path / "copy", url, copy=True) as model:
        known = asked(model)
    first, best = found["counterfactuals"][0], known["counterfactuals"][0]
    assert (known["status"], found["status"]) == ("optimal", "feasible")
    assert (first["lower_bound"], first["gap"], first["enumerated_changes"]) == (None, None, 0)
    # What it found is as cheap as what can be proven: the search is not the worse for the wire.
    assert first["cost"] == pytest.approx(best["cost"], rel=1e-9)
    (share,) = shares([[first["instance"]["temperature"], first["instance"]["load"], 0, 1, 0]])
    assert share < 0.5
    told = found["confirmation"]
    assert (told["by"], told["says"], told["why"]) == ("predictor", "score", None)
    assert first["confirmation"]["said"] == pytest.approx(share)
    # Nothing is proven, so the search ends with its calls.
    assert found["work"]["calls"] == {"most": 128, "spent": True}
    # In batches: no call has more rows than are allowed, and few have one.
    assert max(calls) == 512
    assert len(calls) <= 128 + 2  # what is said of the instance, and of the answer


def test_a_search_ends_with_its_calls_and_says_so(tmp_path: Path) -> None:
    calls: list[int] = []
    with kiln(calls=calls) as url, served(tmp_path, url, "batch = 64\ncalls = 9") as model:
        found = asked(model)
    assert found["work"]["calls"] == {"most": 9, "spent": True}
    assert found["deadline_hit"] is False
    assert found["status"] in ("feasible", "unknown")
    # Beside the search's nine: the checker's, and those by which the answer is heard again.
    assert len(calls) <= 9 + 12


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    with kiln() as url, served(tmp_path, url, "batch = 64\ncalls = 20") as model:
        one, two = asked(model), asked(model)
    assert one["counterfactuals"] == two["counterfactuals"]
    assert one["work"]["runs"] == two["work"]["runs"]


def test_that_nothing_flips_is_not_claimed(tmp_path: Path) -> None:
    """No row that may be set is in the target: with a copy that is proven, here it is not known."""
    near: Any = {"constraints": {"ranges": {"temperature": [89, 90], "load": [60, 60]}}}
    with kiln() as url:
        with served(tmp_path / "alone", url) as model:
            found = asked(model, **near)
        with served(tmp_path / "copy", url, copy=True) as model:
            known = asked(model, **near)
    assert (known["status"], found["status"]) == ("infeasible", "unknown")


# --- attacked -----------------------------------------------------------------------------


def too_few(said: list[float], call: int) -> Any:
    return said[:-1]


def not_a_number(said: list[float], call: int) -> Any:
    return [float("nan") if share < 0.5 else share for share in said]


def classes(said: list[float], call: int) -> Any:
    return ["alarm" if share >= 0.5 else "ok" for share in said]


def strangers(said: list[float], call: int) -> Any:
    return ["red" for share in said]


def html(said: list[float], call: int) -> Any:
    return b"<html>sign in</html>"


def error_in_200(said: list[float], call: int) -> Any:
    return b'{"error": "CUDA out of memory"}'


def five_hundred(said: list[float], call: int) -> Any:
    return 500


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (too_few, PredictorUnclear, "with 1 of them"),
        (not_a_number, NotFinite, "predictor"),
        (classes, PredictorUnclear, "and no score"),
        (strangers, PredictorUnclear, "'red' of a row|red of a row"),
        (html, PredictorUnclear, "<html>sign in</html>"),
        (error_in_200, PredictorUnclear, "CUDA out of memory"),
        (five_hundred, PredictorUnavailable, "answered 500, out of order"),
    ],
)
def test_what_is_no_score_is_an_error_that_names_it(
    tmp_path: Path, change: Any, error: type[Exception], words: str
) -> None:
    with kiln(change) as url, served(tmp_path, url) as model, pytest.raises(error, match=words):
        asked(model)


@pytest.mark.parametrize(
    "order",
    [
        lambda said, call: sorted(said),
        lambda said, call: said[::-1],
        lambda said, call: said[1:] + said[:1],
    ],
)
def test_rows_in_another_order_are_seen(tmp_path: Path, order: Change) -> None:
    """Which word is whose cannot be told from one answer: nothing is published that another
    answer of other rows does not bear out."""
    with kiln(order) as url, served(tmp_path, url) as model:
        found = []
        with suppress(Refusal):
            found = asked(model)["counterfactuals"]
    for row in (each["instance"] for each in found):
        (share,) = shares([[row["temperature"], row["load"], 0, 1, 0]])
        assert share < 0.5


def test_one_that_changes_its_mind_before_it_is_heard_again_is_not_told(tmp_path: Path) -> None:
    calls: list[int] = []
    with kiln(calls=calls) as url, served(tmp_path / "first", url) as model:
        asked(model)
    last = len(calls)

    def other(said: list[float], call: int) -> Any:
        return said if call < last else [1.0 - share for share in said]

    with (
        kiln(other) as url,
        served(tmp_path / "second", url) as model,
        pytest.raises(Refusal, match=r"does not answer alike twice|does not confirm"),
    ):
        asked(model)


def test_one_that_restarts_in_the_middle_loses_no_question(tmp_path: Path) -> None:
    calls: list[int] = []

    def away(said: list[float], call: int) -> Any:
        return 503 if call in (3, 4, 9) else said

    with kiln(away, calls) as url, served(tmp_path, url) as model:
        found = asked(model)
    assert found["confirmation"]["by"] == "predictor"
    assert len(calls) > 9


def test_a_slow_one_is_waited_for_no_longer_than_the_question_has(tmp_path: Path) -> None:
    """It answers the first rows and then none: what was found is told or refused, in time."""
    go, calls = threading.Event(), list[int]()

    def slow(said: list[float], call: int) -> Any:
        if call > 2:
            go.wait(30)
        return said

    try:
        with kiln(slow, calls) as url, served(tmp_path, url, "timeout_ms = 1000") as model:
            with pytest.raises(PredictorUnavailable, match=r"in time|is not asked"):
                asked(model, ms=200)
            # The factual, a look, one that hangs; and what would have confirmed that.
            assert len(calls) <= 4
            go.set()
    finally:
        go.set()


# --- doors --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("models")
    with kiln() as url:
        write(root, declared(url), copy=False)
        allowed: Any = {url: {}}
        with (
            serving(Settings(models=root, predictors=allowed)) as base,
            httpx.Client(base_url=base, timeout=120, trust_env=False) as client,
        ):
            yield client


def test_every_question_is_answered_by_the_server_that_has_the_model(client: httpx.Client) -> None:
    path = f"/api/v1/models/{NAME}"
    told = client.post(f"{path}/predictions", json={"instance": ALARM}).raise_for_status().json()
    assert told["predictions"][0]["probability"] == pytest.approx(shares([[90, 60, 0, 1, 0]])[0])
    what = client.post(f"{path}/what-if", json={"instance": ALARM, "set": {"load": 20}})
    assert what.raise_for_status().json()["prediction"]["after"]["class"] == "ok"
    found = client.post(f"{path}/explanations", json={"instance": ALARM}).raise_for_status().json()
    assert found["confirmation"]["by"] == "predictor"
    again = client.post(f"/api/v1/audit/events/{found['id']}/replay").raise_for_status().json()
    assert again["answer"]["holds"] is True
    v1 = client.post(f"/v1/models/{NAME}:explain", json={"instances": [ALARM]})
    assert v1.raise_for_status().json()["explanations"][0]["confirmation"]["by"] == "predictor"


def test_rows_of_jobs_and_pages_are_answered_too(client: httpx.Client) -> None:
    job = submit(client, f"/api/v1/models/{NAME}/explanations", lines({"instance": ALARM}))
    ended(client, job)
    (line,) = result(client, job)
    assert line["explanation"]["confirmation"]["by"] == "predictor"
    for page in (f"/models/{NAME}", f"/alarms/{line['explanation']['id']}", "/models"):
        shown = client.get(page, headers={"Accept-Language": "en"})
        assert shown.status_code == 200, page
    assert "[predictor]" in client.get(f"/models/{NAME}").text
    assert re.search(
        r"its own numbers confirm",
        client.get(f"/alarms/{line['explanation']['id']}", headers={"Accept-Language": "en"}).text,
    )


def test_who_drew_a_plane_is_said(client: httpx.Client) -> None:
    """With a copy it is the copy, which nobody has confirmed there."""
    told = client.post(f"/api/v1/models/{NAME}/predictions", json={"instance": ALARM}).json()
    assert told["provenance"]["predictor"].endswith(f"/v1/models/{NAME}:predict")
    plane = client.get(
        f"/alarms/{told['audit']['id']}/plane",
        params={"x": "temperature", "y": "load"},
        headers={"Accept-Language": "en"},
    )
    assert plane.status_code == 200
    assert f"Drawn by the word of {told['provenance']['predictor']}" in plane.text


def test_a_folder_that_is_sent_may_have_its_model_elsewhere_and_only_where_it_is_allowed(
    client: httpx.Client, tmp_path: Path
) -> None:
    told = client.post(f"/api/v1/models/{NAME}/predictions", json={"instance": ALARM}).json()
    url = told["provenance"]["predictor"].partition("/v1/")[0]
    replies = []
    for version, place in (("2", url), ("3", "http://169.254.169.254")):
        spec = write(tmp_path / version, declared(place), copy=False) / "spec.toml"
        text = spec.read_text().replace('version = "1"', f'version = "{version}"', 1)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("spec.toml", text)
        zipped = {"content-type": "application/zip"}
        replies.append(client.post("/api/v1/models", content=packed.getvalue(), headers=zipped))
    taken, refused = replies
    assert taken.status_code == 201, taken.text
    assert refused.status_code == 422
    assert "IFONLY_PREDICTORS does not name http://169.254.169.254" in refused.text


# --- commands -----------------------------------------------------------------------------


def test_a_check_says_where_the_model_is(
    here: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody is asked: a folder can be checked while its server is away."""
    folder = write(tmp_path, declared("http://127.0.0.1:9"), copy=False)
    refused = here("models", "check", str(folder))
    assert refused.returncode != 0
    assert "IFONLY_PREDICTORS does not name http://127.0.0.1:9" in refused.stderr
    monkeypatch.setenv("IFONLY_PREDICTORS", '{"http://127.0.0.1:9": {}}')
    checked = here("models", "check", str(folder))
    assert checked.returncode == 0, checked.stderr
    said = " ".join(checked.stdout.split())
    assert "http://127.0.0.1:9/v1/models/kiln:predict (v1) has the model" in said
    assert "nothing is proven, 128 calls a search" in said


def test_a_question_with_little_time_leaves_the_circuit_closed(tmp_path: Path) -> None:
    """Else anybody could stop the answers of all by asking for a millisecond."""
    go, calls = threading.Event(), list[int]()

    def slow(said: list[float], call: int) -> Any:
        if call == 2:
            go.wait(30)
        return said

    try:
        with kiln(slow, calls) as url, served(tmp_path, url) as model:
            found = asked(model, ms=100)
            assert found["deadline_hit"] is True
            assert asked(model)["confirmation"]["by"] == "predictor"
    finally:
        go.set()


# --- does it still answer like the copy? ---------------------------------------------------


def test_a_predictor_that_has_become_another_model_is_not_explained_until_it_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a row far from the question: each row of the answer itself would be confirmed."""
    is_other = threading.Event()

    def change(said: list[float], call: int) -> Any:
        return [0.5 if is_other.is_set() and share > 0.999 else share for share in said]

    write(tmp_path, "", copy=True)
    with (
        kiln(change) as url,
        closing(
            Registry(
                tmp_path,
                remotes=Remotes(Settings(predictor_host=url, predictor_rows="encoded")),
            )
        ) as models,
    ):
        models.load()
        model = models.get(NAME)
        assert [each.name for each in models.compare()] == [NAME]
        assert models.differing() == ()
        assert asked(model)["confirmation"]["by"] == "predictor"
        is_other.set()
        assert asked(model)["confirmation"]["by"] == "predictor"  # nobody has looked yet
        [*models.compare()], [*models.compare()]
        assert models.differing() == (f"{NAME}/1",)
        with pytest.raises(Refusal, match=r"\d+ of \d+ reference rows: they are not the same"):
            asked(model)
        is_other.clear()
        [*models.compare()]
        assert asked(model)["confirmation"]["by"] == "predictor"
    warned = [r.message for r in caplog.records if "answers as another model" in r.message]
    assert len(warned) == 1


def test_one_that_is_away_differs_from_nothing(tmp_path: Path) -> None:
    """Silent is not denied: answers are the copy's, as they say themselves."""
    write(tmp_path, "", copy=True)
    settings = Settings(predictor_host="127.0.0.1:9", predictor_rows="encoded")
    with closing(Registry(tmp_path, remotes=Remotes(settings))) as models:
        models.load()
        (model,) = models.compare()
        assert model.predictor is not None
        assert model.predictor.compared is not None
        assert "ConnectError" in model.predictor.compared.why
        assert models.differing() == ()
        assert asked(model)["confirmation"]["by"] == "copy"


def test_a_service_compares_from_its_start_and_says_so(tmp_path: Path) -> None:
    def other(said: list[float], call: int) -> Any:
        return [1.0 - share for share in said]

    write(tmp_path, "", copy=True)
    with kiln(other) as url:
        settings = Settings(models=tmp_path, predictor_host=url, predictor_rows="encoded")
        with (
            serving(settings) as base,
            httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
        ):
            for _ in range(200):  # the first look is under way
                ready = client.get("/healthz/ready").json()
                if "differing" in ready:
                    break
                time.sleep(0.05)
            assert ready == {"status": "ready", "models": 1, "differing": [f"{NAME}/1"]}
            reply = client.post(f"/api/v1/models/{NAME}/explanations", json={"instance": ALARM})
            assert (reply.status_code, reply.json()["type"].rsplit(":")[-1]) == (
                502,
                "predictor-disagrees",
            )
            metrics = client.get("/metrics").text
            shown = client.get(f"/models/{NAME}", headers={"Accept-Language": "en"}).text
    (line,) = [x for x in metrics.splitlines() if x.startswith("ifonly_predictor_differing_rows{")]
    assert float(line.rpartition(" ")[2]) > 0
    assert "another model" in shown


@pytest.mark.parametrize(("change", "code"), [(plainly, 0), (not_a_number, 1), (html, 2)])
def test_a_command_compares(
    here: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Any,
    code: int,
) -> None:
    folder = write(tmp_path, "", copy=True)
    monkeypatch.setenv("IFONLY_PREDICTOR_ROWS", "encoded")
    with kiln(change) as url:
        monkeypatch.setenv("IFONLY_PREDICTOR_HOST", url)
        compared = here("models", "drift", str(folder))
    assert compared.returncode == code, compared.stderr
    assert ("reference rows differ" in compared.stdout) is (code < 2)
    assert ("first: {" in compared.stdout) is (code == 1)


def test_an_answer_of_a_model_that_is_elsewhere_cannot_be_verified_by_its_folder_alone(
    here: Callable[..., Any], tmp_path: Path
) -> None:
    with kiln() as url, served(tmp_path, url) as model:
        (tmp_path / "answer.json").write_text(json.dumps(asked(model)))
        (tmp_path / "question.json").write_text(json.dumps({"instance": ALARM}))
    verified = here(
        "verify", str(tmp_path / "answer.json"), "--model", str(tmp_path / NAME / "1"),
        "--question", str(tmp_path / "question.json"),
    )  # fmt: skip
    assert verified.returncode == 2
    assert f"only {url} can score its rows" in " ".join(verified.stderr.split())


def test_a_model_that_is_loaded_later_is_compared_too(tmp_path: Path) -> None:
    write(tmp_path, "", copy=True)
    with kiln() as url:
        settings = Settings(predictor_host=url, predictor_rows="encoded")
        with closing(Registry(tmp_path, remotes=Remotes(settings))) as models:
            models.load()
            seen = [models.has_uncompared]
            [*models.compare()]
            seen.append(models.has_uncompared)
            spec = tmp_path / NAME / "1" / "spec.toml"
            spec.write_text(spec.read_text() + "\n")
            models.refresh()
            assert [*seen, models.has_uncompared] == [True, False, True]
