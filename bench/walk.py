"""Through how many files does one explanation go, and how often does it change packages?

    python -m bench.walk [--list]

The service runs in this process, over HTTP, and has answered the same question before. Every call
of a function of ours is noted by Python itself (`threading.setprofile`), in the thread of the event
loop, in those of workers and in the journal's.

* **files** that a call went into.
* **crossings**: calls out of a function of one package into one of another
(`ifonly.service.doors.http`,
  `ifonly.explainers.search` …), each pair of functions once, however often a loop calls it.
* **entered again**: modules that were left for another and entered a second time before the
  question was translated. A call back into the module that called is none.
* **called back**: of these, modules that were entered while a function of theirs that had called
  another module was still under way: what is hard to follow with a finger.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from types import FrameType

import httpx

from ifonly.service.settings import Settings
from tests.integration.conftest import serving

ROOT = Path(__file__).parent.parent
OURS = str(ROOT / "ifonly") + "/"
TRANSLATED = ("ifonly.explainers.problem", "ifonly.explainers.explain")
"""Whichever of these is entered first: the question is translated."""
Place = tuple[str, str]
"""Module and function."""


@dataclass
class Trace:
    """What was called, in order, by thread."""

    calls: list[tuple[tuple[str, ...], Place | None, Place]] = field(default_factory=list)
    """Modules under way, the innermost first, the nearest caller of ours, and what it called."""

    def note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (here := place(frame)) is not None:
            above = tuple(places_above(frame))
            self.calls.append((tuple(m for m, _ in above), above[0] if above else None, here))

    @property
    def files(self) -> set[str]:
        return {module for _, _, (module, _) in self.calls}

    @property
    def crossings(self) -> set[tuple[Place, Place]]:
        pairs = {(by, here) for _, by, here in self.calls if by is not None}
        return {(by, here) for by, here in pairs if package(by[0]) != package(here[0])}

    @property
    def again(self) -> list[str]:
        """Modules that were entered from elsewhere more than once before the translation."""
        seen = [m for _, by, (m, _) in self._before() if by is None or by[0] != m]
        return sorted({m for m in seen if seen.count(m) > 1})

    @property
    def called_back(self) -> list[str]:
        """Modules that were entered by way of others while they were under way themselves."""
        calls = self._before()
        return sorted({m for above, by, (m, _) in calls if by and by[0] != m and m in above})

    def _before(self) -> list[tuple[tuple[str, ...], Place | None, Place]]:
        """Calls before the translation."""
        return list(takewhile(lambda call: call[2][0] not in TRANSLATED, self.calls))


def place(frame: FrameType) -> Place | None:
    file = frame.f_code.co_filename
    if not file.startswith(OURS):
        return None
    name = str(Path(file).relative_to(ROOT).with_suffix("")).replace("/", ".")
    return name, frame.f_code.co_qualname


def places_above(frame: FrameType) -> Iterator[Place]:
    """Functions of ours that are under way, the innermost first."""
    above = frame.f_back
    while above is not None:
        if (found := place(above)) is not None:
            yield found
        above = above.f_back


def package(module: str) -> str:
    """The folder that a module is in: `ifonly.service.ask`, `ifonly.explainers`."""
    return module.rpartition(".")[0]


def walked() -> Trace:
    """One request under way, after another like it."""
    trace = Trace()
    # The log's own thread would be noted, too: it has an hour until it signs.
    settings = Settings(audit_log_seconds=3_600)
    # Before the threads are there: each of them is to be noted, once it is wanted.
    wanted = threading.Event()
    threading.setprofile(lambda *event: trace.note(*event) if wanted.is_set() else None)
    with serving(settings) as url, httpx.Client(base_url=f"{url}/api/v1", timeout=300) as api:
        model = api.get("/models/milling-machine").raise_for_status().json()
        instance = model["examples"][0]["instance"]
        for _ in range(2):
            asked = {"instance": instance}
            path = "/models/milling-machine/explanations"
            sent = api.build_request("POST", path, json=asked)
            wanted.set()
            reply = api.send(sent)
            wanted.clear()
            reply.raise_for_status()
            first, trace.calls = trace.calls, []
        trace.calls = first
    # Not sooner: threads that answer begin with the first question.
    threading.setprofile(None)
    return trace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print each crossing")
    options = parser.parse_args()
    trace = walked()
    print(f"{len(trace.files)} files, {len(trace.crossings)} crossings between packages")
    print(f"entered again before the question is translated: {', '.join(trace.again) or 'none'}")
    print(f"called back: {', '.join(trace.called_back) or 'none'}")
    if options.list:
        for (a, f), (b, g) in sorted(trace.crossings):
            print(f"  {a} {f} -> {b} {g}")


if __name__ == "__main__":
    main()
