"""Schemathesis reads the OpenAPI document of the running service and asks what it can think of.

By its command line: its pytest plugin lags behind pytest, and only there all phases are run
(examples, coverage of the schema's edges, fuzzing, chains of requests).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import Settings
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
# well-formed request may be refused with 422.
NOT_PROMISED = "positive_data_acceptance"


def test_no_request_makes_the_service_fail_or_break_its_document(
    repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip("schemathesis")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "hooks.py").write_text(HOOKS)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "config.toml", "run"]
    options = ["--max-examples", "10", "--generation-deterministic", "--seed", "1", "--no-shrink"]
    with serving(Settings(models=repository, default_deadline_ms=100)) as url:
        process = subprocess.run(
            [*command, f"{url}/openapi.json", *options, "--exclude-checks", NOT_PROMISED],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )
    report = process.stdout[-4_000:] + process.stderr[-1_000:]
    assert process.returncode == 0, report
    assert "Tested: 20" in process.stdout, report
