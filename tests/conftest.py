"""What all tests share: a PostgreSQL server, started once, when the first test asks for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import cpu, order, postgres
from tests.support.tallied import Tallied

# Before anything imports numpy: the matrices here are small, and threads of BLAS that wait for one
# another burn as much again.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tables of the command line are as wide as their words, whatever the terminal.
os.environ["COLUMNS"] = "200"


# No example is judged by the clock: machines are shared.
settings.register_profile("ifonly", deadline=None)
settings.load_profile("ifonly")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", action="store_true", help="print the CPU seconds of each test file")


def pytest_configure(config: pytest.Config) -> None:
    cpu.configure(config)
    config.pluginmanager.register(Tallied(), "tallied")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = order.longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing is garbage before the first test: what was imported and collected is not looked
    through again and again. A quarter of what collecting costs."""
    threshold = gc.get_threshold()
    gc.set_threshold(0)  # and not disabled: what is imported may enable it
    yield
    gc.freeze()
    gc.set_threshold(*threshold)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    try:
        with postgres.server() as server:
            yield server
    except postgres.NoServer as reason:
        pytest.skip(str(reason))
