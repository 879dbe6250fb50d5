"""Schemathesis reads the OpenAPI document of the running service and asks what it can think of.

By its command line: its pytest plugin lags behind pytest, and only there all phases are run
(examples, coverage of the schema's edges, fuzzing, chains of requests).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.opened import opened_by
from tests.integration.conftest import serving

CONFIG = """
hooks = "hooks.py"
[parameters]
"path.model" = "milling-machine"
"""

# It does not know that JSON lines are text.
HOOKS = """
import schemathesis
schemathesis.serializer.alias("application/jsonl", "text/plain")
"""

# Whether an instance fits is up to the model that the path names, which no schema can say: a
# well-formed request may be refused with 422. A job that was deleted is cancelled, and still there.
NOT_PROMISED = "positive_data_acceptance,use_after_free"


OPTIONS = ["--max-examples", "10", "--generation-deterministic", "--seed", "1", "--no-shrink"]
OPTIONS += ["--request-timeout", "600"]


@pytest.mark.slow
def test_no_request_makes_the_service_fail_or_break_its_document(
    repository: Path, tmp_path: Path
) -> None:
    with serving(Settings(models=repository, default_deadline_ms=100)) as url:
        ask_whatever_comes_to_mind(url, tmp_path)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    "role", [r if r is Role.OPERATOR else pytest.param(r, marks=pytest.mark.long) for r in Role]
)
def test_no_role_makes_the_service_fail_or_break_its_document(
    repository: Path, tmp_path: Path, role: Role
) -> None:
    given = {"models": repository, "default_deadline_ms": 100, "data": tmp_path / "store"}
    settings = Settings.model_validate(given)
    with opened_by(settings) as store:
        token, work = keys.create(role, "schemathesis", None, "system")
        store.journal.append(work).result()
    with serving(settings, no_auth=False) as url:
        ask_whatever_comes_to_mind(url, tmp_path, "--header", f"Authorization: Bearer {token}")


def ask_whatever_comes_to_mind(url: str, folder: Path, *more: str) -> None:
    """Fails with schemathesis' report unless every reply of every operation is as documented."""
    pytest.importorskip("schemathesis")
    document = httpx.get(f"{url}/openapi.json", timeout=600, trust_env=False)
    # From a file: it waits ten seconds for an address, whatever its time limit.
    (folder / "openapi.json").write_bytes(document.content)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "hooks.py").write_text(HOOKS)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "config.toml", "run"]
    process = subprocess.run(
        [*command, "openapi.json", "--url", url, *OPTIONS, *more, "--exclude-checks", NOT_PROMISED],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    report = process.stdout[-4_000:] + process.stderr[-1_000:]
    assert process.returncode == 0, report
    paths = document.json()["paths"]
    assert f"Tested: {sum(map(len, paths.values()))}" in process.stdout, report
