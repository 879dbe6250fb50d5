"""Models from a store of objects, as its own protocol has it: moto's S3."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.integration.clients.conftest import interpreter
from tests.integration.conftest import free_port
from tests.integration.test_faults import until
from tests.integration.test_models_pull import VERSIONS, write_sums

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def bucket(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the bucket `models` is, with small models below `plant/`."""
    pytest.importorskip("obstore", reason="obstore is not installed (extra [objects])")
    base = f"http://127.0.0.1:{free_port()}"
    address = ["-H", "127.0.0.1", "-p", base.rpartition(":")[2]]
    command = [str(interpreter("deploy")), "-m", "moto.server", *address]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            until(lambda: is_there(base))
            fill(f"{base}/models", repository, tmp_path_factory.mktemp("kept"))
            yield base
        finally:
            server.kill()


def is_there(base: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(base, trust_env=False).is_success
    return False


def fill(bucket: str, repository: Path, folder: Path) -> None:
    with httpx.Client(trust_env=False) as client:
        client.put(bucket).raise_for_status()
        files = [p for v in VERSIONS for p in (repository / v).rglob("*") if p.is_file()]
        for file in files:
            path = file.relative_to(repository).as_posix()
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        write_sums(folder)
        for file in (p for p in folder.rglob("*") if p.is_file()):
            path = file.relative_to(folder).as_posix()
            client.put(f"{bucket}/plant/{path}", content=file.read_bytes()).raise_for_status()


def pull(bucket: str, source: str, models: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("IFONLY_", "AWS_"))}
    # As S3's own tools are told.
    environment |= {
        "IFONLY_MODELS": str(models),
        "AWS_ENDPOINT_URL": bucket,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "do-not-tell",
    }
    command = [sys.executable, "-m", "ifonly", "models", "pull", source]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_models_come_from_a_store_of_objects(bucket: str, tmp_path: Path) -> None:
    done = pull(bucket, "s3://models/plant", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*")) == VERSIONS
    again = pull(bucket, "s3://models/plant/", tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(" is there") == len(VERSIONS)


@pytest.mark.parametrize("source", ["s3://models/nowhere", "s3://nobodys/plant"])
def test_what_is_not_in_the_store_is_said(bucket: str, source: str, tmp_path: Path) -> None:
    done = pull(bucket, source, tmp_path)
    assert done.returncode == 1
    assert "SHA256SUMS: FileNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "do-not-tell" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_said(bucket: str, tmp_path: Path) -> None:
    done = pull("http://127.0.0.1:1", "s3://models/plant", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "ifonly: SHA256SUMS: GenericError\n"
