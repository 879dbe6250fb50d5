"""``--cpu``: what the tests cost, in CPU seconds by file; a busy machine does not change it.

Programs that a test starts count once they have been waited for.
"""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pytest

WORTH_A_LINE = 0.5  # seconds


def used() -> float:
    """CPU seconds so far: this process and its children that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Meter:
    """Where tests run: writes on each report what was used since the last one."""

    def __init__(self) -> None:
        self._last = 0.0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self._last = used()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        report = yield
        now = used()
        report.cpu_seconds, self._last = now - self._last, now
        return report


class Bill:
    """Where reports arrive: adds up and prints."""

    def __init__(self) -> None:
        self._tests: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid] += getattr(report, "cpu_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        files: defaultdict[str, float] = defaultdict(float)
        for test, seconds in self._tests.items():
            files[test.split("::")[0]] += seconds
        in_tests = sum(files.values())
        terminalreporter.section(f"CPU: {used():.0f} s, of these {in_tests:.0f} s in tests")
        for bill in (files, self._tests):
            terminalreporter.write_line("\n".join(_lines(bill)) + "\n")


def _lines(bill: Mapping[str, float]) -> Iterator[str]:
    for name, seconds in sorted(bill.items(), key=lambda item: -item[1]):
        if seconds >= WORTH_A_LINE:
            yield f"{seconds:8.1f}  {name}"


def configure(config: pytest.Config) -> None:
    if config.getoption("--cpu"):
        config.pluginmanager.register(Meter(), "cpu-meter")
        if not hasattr(config, "workerinput"):  # the one process, or xdist's controller
            config.pluginmanager.register(Bill(), "cpu-bill")
