"""Plants one fault after the other, asks again, and says what became of the answers."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from bench.mutants import asking, forks, native
from bench.mutants.mutant import Mutant
from bench.mutants.planting import is_ready, mutants_of, plant
from bench.mutants.questions import Case, Questions
from bench.mutants.truth import Faults, faults

Reply = asking.Reply
MOST_CASES = 8
"""Questions asked of one mutant, of those that run its line."""


class MutantVerdict(StrEnum):
    """What became of one question."""

    SAME = "same"
    WRONG = "published wrong"
    """A row was published that breaks a rule, costs otherwise, does not flip, …"""
    FALSE = "false claim"
    """The rows hold; that nothing is cheaper, or that nothing does, is not so."""
    REJECTED = "rejected"
    """The checker found out, and what is published is so."""
    RAISED = "raised"
    """An error, or no end."""
    TRUE = "true"
    """Another answer than before that is as true: a tie, or a weaker claim."""


@dataclass
class MutantResult:
    """What one mutant did."""

    mutant: Mutant
    verdicts: dict[str, MutantVerdict] = field(default_factory=dict)
    """By question."""
    why: dict[str, list[str]] = field(default_factory=dict)
    caught_by: str | None = None
    """The oracle test that fails; None: none does, or none was run."""
    cpu: float = 0.0
    """Seconds."""

    def has(self, verdict: MutantVerdict) -> bool:
        return verdict in self.verdicts.values()

    @property
    def is_changed(self) -> bool:
        return any(v is not MutantVerdict.SAME for v in self.verdicts.values())

    @property
    def column(self) -> str:
        """Of the report."""
        if not self.is_changed:
            return "equivalent"
        if self.has(MutantVerdict.WRONG):
            return "published wrong"
        if self.has(MutantVerdict.REJECTED):
            return "checker"
        if self.has(MutantVerdict.FALSE):
            return "oracle only" if self.caught_by else "questions only"
        return "true" if self.has(MutantVerdict.TRUE) else "crashed"


class Campaign:
    """Faults against some questions."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._lines: dict[str, frozenset[tuple[str, int]]] = {}
        self.before = self._baseline()

    def _baseline(self) -> dict[str, Reply]:
        """The replies without any fault; asking them compiles and loads all that there is.

        Raises
        ------
        AssertionError
            If one of them is not so: then the walk or the program is wrong.
        """
        found = {}
        for case in self._questions.cases.values():
            found[case.name] = asking.ask(case, self._questions.deployed(case))
            broken = faults(self._questions.truths[case.name], found[case.name])
            assert broken == Faults(), f"{case}: {broken}"
            assert not found[case.name]["rejected"], f"{case}: {found[case.name]['rejected']}"
        asking.forget()
        return found

    def reached(self, modules: Sequence[str]) -> dict[str, list[Mutant]]:
        """Every fault of ``modules`` in a line that some question runs, by module."""
        if all(map(native.is_part, modules)):  # of C++ nobody is told which lines run
            return {m: mutants_of(m) for m in modules}
        for case in self._questions.cases.values():
            told, died = forks.run(partial(self._traces, case), 120)
            assert told, f"{case}: {died}"
            self._lines[case.name] = told[0]
        every = frozenset[tuple[str, int]]().union(*self._lines.values())
        files = {m: sys.modules[m].__file__ for m in modules}
        return {m: [a for a in mutants_of(m) if (files[m], a.line) in every] for m in modules}

    def _traces(self, case: Case) -> Iterator[frozenset[tuple[str, int]]]:
        yield self._traced(case)

    def _traced(self, case: Case) -> frozenset[tuple[str, int]]:
        """Lines of the program that one question runs, its model made anew."""
        lines: set[tuple[str, int]] = set()

        def local(frame: Any, event: str, _: Any) -> Any:
            if event == "line":
                lines.add((frame.f_code.co_filename, frame.f_lineno))
            return local

        def trace(frame: Any, event: str, _: Any) -> Any:
            return local if "explainers" in frame.f_code.co_filename else None

        sys.settrace(trace)
        asking.ask(case, self._questions.deployed(case))
        sys.settrace(None)
        return frozenset(lines)

    def try_out(self, mutant: Mutant, rng: random.Random) -> MutantResult:
        """Ask the questions that run its line, or all where that is not known, with it planted."""
        assert is_ready(mutant), f"{mutant}: does not compile"
        result = MutantResult(mutant)
        waiting = self._relevant(mutant, rng)
        for _ in range(3):  # a fault that kills the process ends one question, not all
            told, died = forks.run(partial(self._asked, mutant, waiting))
            for case, reply in zip(waiting, told, strict=False):
                self._judge(result, case, reply)
            waiting = waiting[len(told) :]
            if not waiting:
                break
            result.verdicts[waiting[0].name] = MutantVerdict.RAISED
            result.why[waiting[0].name] = [died or "gone"]
            waiting = waiting[1:]
        return result

    def _relevant(self, mutant: Mutant, rng: random.Random) -> list[Case]:
        own = list(self._questions.cases.values())
        # Nobody knows which questions run a line of C++, and all take less time than compiling it.
        if native.is_part(mutant.module):
            return own
        if self._lines:
            place = (sys.modules[mutant.module].__file__, mutant.line)
            own = [c for c in own if place in self._lines[c.name]]
        return own if len(own) <= MOST_CASES else rng.sample(own, MOST_CASES)

    def _asked(self, mutant: Mutant, cases: Sequence[Case]) -> Iterator[Reply]:
        plant(mutant)
        for case in cases:
            try:
                yield asking.ask(case, self._questions.deployed(case))
            except (Exception, SystemExit) as error:
                yield {"raised": f"{type(error).__name__}: {error}"[:200]}

    def _judge(self, result: MutantResult, case: Case, reply: Reply) -> None:
        verdict, why = self._verdict(case, reply)
        result.verdicts[case.name] = verdict
        if why:
            result.why[case.name] = why

    def _verdict(self, case: Case, reply: Reply) -> tuple[MutantVerdict, list[str]]:
        if "raised" in reply:
            return MutantVerdict.RAISED, [reply["raised"]]
        before = self.before[case.name]
        if repr(_published(reply)) == repr(_published(before)):  # NaN is itself there
            return MutantVerdict.SAME, []
        found = faults(self._questions.truths[case.name], reply)
        if found.wrong:
            return MutantVerdict.WRONG, found.wrong
        if found.false:
            return MutantVerdict.FALSE, found.false
        if reply["rejected"]:
            return MutantVerdict.REJECTED, reply["rejected"]
        return MutantVerdict.TRUE, [f"{before['status']} → {reply['status']}"]


def _published(reply: Reply) -> Mapping[str, Any]:
    return {key: value for key, value in reply.items() if key != "rejected"}


def sampled(
    reached: Mapping[str, Sequence[Mutant]], count: int, rng: random.Random
) -> list[Mutant]:
    """``count`` faults, of each module as many as the root of how many it could have."""
    shares = {m: len(own) ** 0.5 for m, own in reached.items()}
    whole = sum(shares.values())
    picked: dict[str, list[Mutant]] = defaultdict(list)
    for m, own in reached.items():
        n = min(len(own), max(1, round(count * shares[m] / whole))) if own else 0
        picked[m] = _spread(own, n, rng)
    return [mutant for m in reached for mutant in picked[m]]


def _spread(mutants: Sequence[Mutant], n: int, rng: random.Random) -> list[Mutant]:
    """``n`` of them, one for each place as long as there are places."""
    by_place: dict[tuple[str, int], list[Mutant]] = defaultdict(list)
    for mutant in rng.sample(list(mutants), len(mutants)):
        by_place[mutant.function, mutant.place].append(mutant)
    turns = rng.sample(list(by_place.values()), len(by_place))
    flat = [own[k] for k in range(max(map(len, turns), default=0)) for own in turns if k < len(own)]
    return sorted(flat[:n], key=lambda m: (m.function, m.place, m.variant))
