"""Several processes at one port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.store.database import connect
from ifonly.service.store.tables import writers
from tests.integration.test_faults import ASK, BODY, until, until_ready
from tests.integration.test_metrics import value


@contextmanager
def two_processes(models: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("IFONLY_", "PROM"))}
    environment |= {"IFONLY_DATABASE_URL": url, "IFONLY_MODELS": str(models)}
    command = [sys.executable, "-m", "ifonly", "serve", "--no-auth", "--port", "0"]
    with subprocess.Popen(
        [*command, "--processes", "2"], env=environment, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stderr is not None
        base = next(line for line in parent.stderr if "http://" in line).split()[-1]
        threading.Thread(target=parent.stderr.read, daemon=True).start()
        try:
            until_ready(base)
            yield parent, base
        finally:
            parent.kill()


def chains(url: str) -> int:
    database = connect(url)
    try:
        with database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(writers)).scalar_one()
    finally:
        database.close()


@pytest.mark.slow
def test_processes_share_a_port_tell_one_sum_and_stop_with_their_parent(
    press: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with two_processes(press, url) as (parent, base):
        until(lambda: chains(url) == 2)
        for _ in range(30):  # each a connection of its own: either may take it
            assert (
                httpx.post(f"{base}{ASK}", json=BODY, timeout=300, trust_env=False).status_code
                == 200
            )
        for _ in range(6):
            count = value(base, "request_predict_seconds_count", model_name="press")
            assert count == 30
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not _answers(base))


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced(press: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with two_processes(press, url) as (parent, base):
        until(lambda: chains(url) == 2)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        if not children.exists():
            pytest.skip("only Linux tells who the children are")
        os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
        until(lambda: chains(url) == 3)
        assert (
            httpx.post(f"{base}{ASK}", json=BODY, timeout=300, trust_env=False).status_code == 200
        )
        parent.terminate()
        assert parent.wait() == 0


def _answers(base: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{base}/healthz/live", timeout=300, trust_env=False).is_success
    return False
