"""After the tests: what the questions of the oracle came to, by module."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

KINDS = ("optimal", "infeasible", "already there")


class Tallied:
    """Adds up what the tests wrote to their reports."""

    def __init__(self) -> None:
        self._by_module: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            counts = {kind: n for kind, n in report.user_properties if kind in KINDS}
            if counts:
                self._by_module[report.nodeid.split("::")[0]].update(counts)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for module, counts in sorted(self._by_module.items()):
            told = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
            terminalreporter.write_line(f"{module}: {told}")
