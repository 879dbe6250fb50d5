"""Servers of models as they are released, each run as itself: the predictors of this service."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import yaml

from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.registry import Registry
from ifonly.service.served.remote.remotes import Remotes
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.wire import requests, validation
from tests.integration.clients.conftest import HERE, interpreter
from tests.integration.conftest import free_port, serving
from tests.support.logistic import ALARM, COEFFICIENTS, INTERCEPT, NAME, write

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[3]

MILLING = "milling-machine"
INFERENCE_SERVICE = ROOT / "deploy" / "kubernetes" / "inferenceservice.yaml"
MODEL = (json.dumps(COEFFICIENTS), str(INTERCEPT))


@contextmanager
def running(name: str, ports: list[int], *more: str) -> Iterator[None]:
    """A server by its own interpreter, until the block ends; from when it listens at ``ports``."""
    command = [str(interpreter(name)), str(HERE / f"{name}_server.py")]
    numbers = [str(port) for port in ports]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "*"}
    # A file: a pipe that nobody reads is full after some hundred lines, and the server waits.
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [*command, *numbers, *MODEL, *more], stdout=log, stderr=subprocess.STDOUT, env=env
        ) as process,
    ):
        try:
            for port in ports:
                _wait(process, port, log)
            yield
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: IO[str]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    process.kill()
    log.seek(0)
    raise AssertionError(log.read()[-4_000:])


@pytest.fixture(scope="module")
def kserve() -> Iterator[tuple[str, str]]:
    http, grpc = free_port(), free_port()
    graph = shipped_models() / MILLING / "1" / "model.onnx"
    with running("kserve", [http, grpc], str(graph)):
        yield f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}"


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    http, grpc = free_port(), free_port()
    with running("mlserver", [http, grpc], str(tmp_path_factory.mktemp("mlserver"))):
        until = time.monotonic() + 60
        # It listens before its models are loaded.
        while time.monotonic() < until:
            ready = f"http://127.0.0.1:{http}/v2/models/{NAME}/ready"
            if httpx.get(ready, trust_env=False).status_code == 200:
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with running("mlflow", [port], str(tmp_path_factory.mktemp("mlflow"))):
        yield f"http://127.0.0.1:{port}"


def explained(root: Path, url: str, declared: str, *, copy: bool = True) -> dict[str, Any]:
    """The answer about a model that is deployed at ``url``; ``copy``: whether it is here, too."""
    write(root, f'url = "{url}"\n{declared}', copy=copy)
    predictors: Any = {url: {}}
    models = Registry(root, remotes=Remotes(Settings(predictors=predictors)))
    models.load()
    with closing(models):
        asked = validation.read(requests.ExplanationRequest, {"instance": ALARM})
        return answering.explanation(models.get(NAME), asked, Budget(10_000)).as_mapping()


def confirms(found: dict[str, Any], place: str) -> bool:
    """Whether the answer is confirmed by numbers, and the numbers say what is claimed."""
    told, (first, *_) = found["confirmation"], found["counterfactuals"]
    assert (told["by"], told["says"], told["why"]) == ("predictor", "score", None), told
    assert place in told["predictor"]
    said = first["confirmation"]["said"]
    share = said[0] if isinstance(said, list) else 1.0 - said
    return bool(first["prediction"]["probability"] == pytest.approx(share, rel=1e-6))


@pytest.mark.parametrize(
    "declared",
    [
        'protocol = "v1"\nrows = "encoded"',
        'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"',
        'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"\nbinary = true',
        'protocol = "v2"\nrows = "named"\ndtype = "FP64"',
        'protocol = "v2"\nrows = "named"\ndtype = "FP64"\nbinary = true',
    ],
)
def test_kserve_confirms(kserve: tuple[str, str], tmp_path: Path, declared: str) -> None:
    assert confirms(explained(tmp_path, kserve[0], declared), f"/models/{NAME}")


def test_kserve_confirms_over_rpc(kserve: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")
    declared = 'protocol = "v2-grpc"\nrows = "encoded"\ndtype = "FP64"'
    assert confirms(explained(tmp_path, kserve[1], declared), "ModelInfer of kiln")


@pytest.mark.parametrize("rows", ["encoded", "objects"])
def test_the_inference_service_that_is_shipped_explains_its_documented_row(
    kserve: tuple[str, str], rows: str
) -> None:
    """By the settings of its manifest; with the row form that was the only one before, KServe's
    server refuses the row, and there is no answer."""
    text = INFERENCE_SERVICE.read_text()
    (container,) = yaml.safe_load(text)["spec"]["explainer"]["containers"]
    declared = {each["name"]: each["value"] for each in container["env"]}
    assert declared == {"IFONLY_PREDICTOR_ROWS": "encoded"}
    comment = "".join(line[1:] for line in text.splitlines() if line.startswith("#"))
    documented = re.search(r"-d '(.*?)'", comment)
    assert documented is not None
    settings: Any = {"predictor_host": kserve[0].removeprefix("http://"), "predictor_rows": rows}
    with serving(Settings(models=shipped_models(), **settings)) as base:
        path = f"{base}/v1/models/{MILLING}:explain"
        json_ = {"content-type": "application/json"}
        reply = httpx.post(path, content=documented[1], headers=json_, timeout=120, trust_env=False)
    if rows == "objects":
        assert reply.status_code == 503
        assert f"/v1/models/{MILLING}:predict answered 5" in reply.json()["error"]
        return
    (found,) = reply.raise_for_status().json()["explanations"]
    told = found["confirmation"]
    assert (found["status"], told["by"], told["says"]) == ("optimal", "predictor", "score")
    assert found["prediction"]["class"] == "failure"


def test_kserve_says_what_is_wrong(kserve: tuple[str, str], tmp_path: Path) -> None:
    """Its error has URL, status and its own words; the answer is the copy's, and says so."""
    found = explained(tmp_path, kserve[0], 'protocol = "v1"\nmodel = "nobody"')
    assert found["confirmation"]["by"] == "copy"
    why = found["confirmation"]["why"]
    assert f"{kserve[0]}/v1/models/nobody:predict answered 404" in why
    assert "nobody" in why.partition("answered 404")[2]


SKLEARN = 'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"\noutput = "predict_proba"\n'


@pytest.mark.parametrize("more", ["", 'version = "v1"'])
def test_mlserver_confirms(mlserver: tuple[str, str], tmp_path: Path, more: str) -> None:
    assert confirms(explained(tmp_path, mlserver[0], SKLEARN + more), f"/v2/models/{NAME}")


def test_mlserver_confirms_over_rpc(mlserver: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")
    declared = SKLEARN.replace('"v2"', '"v2-grpc"')
    assert confirms(explained(tmp_path, mlserver[1], declared), "ModelInfer of kiln")


def test_mlserver_tells_classes_where_nobody_asks_for_more(
    mlserver: tuple[str, str], tmp_path: Path
) -> None:
    declared = 'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"'
    found = explained(tmp_path, mlserver[0], declared)
    told = found["confirmation"]
    assert (told["by"], told["says"], told["said"]) == ("predictor", "class", 1)


@pytest.mark.parametrize("rows", ["named", "encoded"])
def test_mlflow_confirms(mlflow: str, tmp_path: Path, rows: str) -> None:
    declared = f'protocol = "mlflow"\nrows = "{rows}"\noutput = "p"'
    assert confirms(explained(tmp_path, mlflow, declared), "/invocations")


def test_mlflow_tells_labels(mlflow: str, tmp_path: Path) -> None:
    found = explained(tmp_path, mlflow, 'protocol = "mlflow"\noutput = "label"')
    assert (found["confirmation"]["says"], found["confirmation"]["said"]) == ("class", "alarm")


# --- without a copy -----------------------------------------------------------------------


def flips(found: dict[str, Any]) -> bool:
    """Whether the answer is one, by the model's own formula, and claims no proof."""
    first = found["counterfactuals"][0]
    row = first["instance"]
    weights = (*COEFFICIENTS[:2], COEFFICIENTS[2 + "ABC".index(row["grade"])])
    logit = INTERCEPT + sum(
        w * x for w, x in zip(weights, (row["temperature"], row["load"], 1), strict=True)
    )
    told = (found["status"], first["lower_bound"], found["confirmation"]["by"])
    assert told == ("feasible", None, "predictor"), told
    assert found["work"]["calls"] == {"most": 128, "spent": True}
    return bool(logit < 0.0)


def test_kserve_has_the_model_alone(kserve: tuple[str, str], tmp_path: Path) -> None:
    declared = 'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"\nbinary = true'
    assert flips(explained(tmp_path, kserve[0], declared, copy=False))


def test_mlserver_has_the_model_alone(mlserver: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")
    declared = SKLEARN.replace('"v2"', '"v2-grpc"')
    assert flips(explained(tmp_path, mlserver[1], declared, copy=False))


def test_mlflow_has_the_model_alone(mlflow: str, tmp_path: Path) -> None:
    declared = 'protocol = "mlflow"\nrows = "encoded"\noutput = "p"'
    assert flips(explained(tmp_path, mlflow, declared, copy=False))


def test_classes_alone_are_not_searched(mlserver: tuple[str, str], tmp_path: Path) -> None:
    """A score of 0 or 1 would be told as a probability, which nobody said."""
    declared = 'protocol = "v2"\nrows = "encoded"\ndtype = "FP64"'
    with pytest.raises(PredictorUnclear, match="said 1 of a row, and no score"):
        explained(tmp_path, mlserver[0], declared, copy=False)
