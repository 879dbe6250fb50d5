"""The campaign as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.mutants.campaign import MutantResult, MutantVerdict
from bench.mutants.modules import group
from bench.mutants.oracle import SECONDS

COLUMNS = ("published wrong", "checker", "oracle only", "true", "crashed", "questions only")


@dataclass(frozen=True)
class MutantRun:
    """What was done."""

    command: str
    date: str
    seed: int
    questions: int
    cpu_minutes: float
    reached: int
    """Faults that could have been planted in lines that the questions run."""
    picked: int = 0
    """Of these, at random; where the time was up, not all of them were planted."""


def page(results: Sequence[MutantResult], run: MutantRun) -> str:
    """``docs/benchmarks/mutants.md``."""
    return "\n".join((*_head(results, run), *_table(results), *_claims(results), *_named(results)))


def _head(results: Sequence[MutantResult], run: MutantRun) -> Iterator[str]:
    changed = [r for r in results if r.is_changed]
    cut = "" if len(results) >= 0.95 * run.picked else f" ({run.picked:,} were picked; time was up)"
    told = sum(r.column != "crashed" for r in changed)
    yield "# Planted faults, and what became of the answers\n"
    yield (
        f"`{run.command}`, {run.date}, seed {run.seed}: {len(results):,} faults of {run.reached:,} "
        f"that could be made in lines that the {run.questions} questions run{cut}; "
        f"{len(changed)} "
        f"change some answer, {told} of them without a crash. "
        f"{run.cpu_minutes:.0f} minutes of CPU.\n"
    )
    yield (
        "Each fault is one small change of one expression of a shared definition or of an engine "
        "(`bench/mutants/planting.py`), planted in a forked process. The questions are asked "
        "through the documents, as the service asks them; the replies are judged by a walk over "
        "every action that shares no code with the engines and none with the checker "
        "([decision 0078](../decisions/0078-mutants.md)).\n"
    )
    yield (
        "- **equivalent**: no reply changed (on these questions).\n"
        "- **published wrong**: a row was published that is off the grid, breaks a rule, costs "
        "otherwise than said, is not what follows, does not flip, is not sure enough or not as "
        "sure as said, or follows from something else than said; or a factual was said to be in "
        "the target that is not.\n"
        "- **checker**: it rejected what the fault led to, in one reply at least.\n"
        "- **oracle only**: the rows hold and a claim about all other rows (`optimal`, a bound, "
        "`infeasible`, what blocks, how far a range goes, what sensors do) is false. No checker of "
        "rows can see that; one of the project's own oracle tests fails with the fault planted.\n"
        "- **true**: another reply, as true: another row of the same cost, or a weaker claim.\n"
        "- **crashed**: an error or no end; nothing was published.\n"
        "- **questions only**: a claim is false, and neither the checker nor another oracle test "
        "tells. These questions do: that their replies are what the walk finds is a test "
        "(`tests/oracle/test_planted_faults.py`).\n"
    )


def _table(results: Sequence[MutantResult]) -> Iterator[str]:
    yield f"| module | planted | equivalent | {' | '.join(COLUMNS)} |"
    yield "|---|" + "--:|" * (2 + len(COLUMNS))
    for name in dict.fromkeys(group(r.mutant.module) for r in results):
        own = [r for r in results if group(r.mutant.module) == name]
        yield f"| `{name}` |{_counts(own)}"
    yield f"| **all** |{_counts(results)}\n"


def _counts(results: Sequence[MutantResult]) -> str:
    counted = Counter(r.column for r in results)
    cells = [len(results), counted["equivalent"], *(counted[c] for c in COLUMNS)]
    return "".join(f" {n} |" for n in cells)


def _claims(results: Sequence[MutantResult]) -> Iterator[str]:
    false = [r for r in results if r.has(MutantVerdict.FALSE)]
    caught = sum(r.caught_by is not None for r in false)
    answers = Counter(v for r in results for v in r.verdicts.values())
    yield "## Claims that a fault made false\n"
    yield (
        f"{len(false)} faults made a claim false while every row that was published holds "
        f"({answers[MutantVerdict.FALSE]:,} replies). A checker of rows cannot see that. The "
        f"oracle tests (`tests/oracle`; those of the part that has the fault first, {SECONDS} s "
        f"of CPU at most) fail for {caught} of these {len(false)}; the fixed questions "
        f"themselves, which are a test, for all {len(false)}.\n"
    )
    told = ", ".join(f"{answers[v]:,} {v.value}" for v in MutantVerdict)
    yield f"By replies: {told}.\n"


def _named(results: Sequence[MutantResult]) -> Iterator[str]:
    for column in ("published wrong", "questions only"):
        own = [r for r in results if r.column == column]
        if own:
            yield f"## {column.capitalize()}\n"
            yield from (f"- `{r.mutant.module}` {_first(r)}" for r in own)
            yield ""


def _first(result: MutantResult) -> str:
    wanted = (MutantVerdict.WRONG, MutantVerdict.FALSE)
    name = next(n for v in wanted for n, found in result.verdicts.items() if found is v)
    says = result.mutant.says.replace("|", "\\|")
    return f"`{result.mutant.function}`: {says}: {name}: {result.why[name][0]}"
