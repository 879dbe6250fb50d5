"""ifonly against the libraries that do the same: ``python -m bench.compare --quick``.

Same models, same rows, same cost, same judge. Every library runs in an environment of its own,
which is made on the spot from pinned packages, in a process of its own on one thread; CPU and
wall time are measured there. What a library cannot take is said in its line. Results go to
``docs/benchmarks``: a table, the figures as CSV, and plots.

A full run takes hours: with ``--resume`` it goes on where one like it was stopped.
"""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.datasets import Data, datasets
from bench.judge import Judge
from bench.models import RECIPES, deploy
from bench.peers.catalogue import USES, Use
from bench.peers.client import Library
from bench.peers.environments import CannotInstall, interpreter
from bench.profiles import PROFILES, Profile
from bench.report import write_report
from bench.results import Line, ResultQuestion, Results
from bench.study import Matrix, StudySetup

ROOT = Path(__file__).resolve().parent.parent
GIVE_UP = 3
"""A library that runs out of time for so many questions in a row is asked no more of a study."""
CONSOLE = Console(stderr=True, width=150)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    profile = PROFILES["quick" if options.quick else options.profile]
    uses = [u for u in USES if not options.methods or u.method in options.methods]
    pythons = _pythons(uses, options.cache, options.python)
    results = Results(profile.name)
    try:
        for study, rows in _studies(profile, options):
            for line in _lines(study, rows, uses, pythons, profile, options):
                results.add(line)
                CONSOLE.print("  " + line.summary())
    finally:
        if results.lines:  # of no study there is nothing to put in the place of the last report
            write_report(results, options.out, profile)
            CONSOLE.print(f"written to {options.out}")


def _lines(
    study: StudySetup,
    rows: Matrix,
    uses: Sequence[Use],
    pythons: dict[str, Path | CannotInstall],
    profile: Profile,
    options: argparse.Namespace,
) -> Iterator[Line]:
    judge = Judge(study)
    most = options.rows or profile.rows
    questions = judge.questions(rows, most)
    CONSOLE.print(f"[bold]{study.key}[/bold] {len(questions)} questions")
    kept = options.cache / "done" / f"{profile.name}-{most}" / study.key
    kept.mkdir(parents=True, exist_ok=True)
    for use in uses:
        if use.method not in profile.methods:
            continue
        done = kept / f"{use.method}.pickle"
        if options.resume and done.is_file():
            yield pickle.loads(done.read_bytes())
            continue
        asked = questions[: profile.slow_rows] if use.is_slow else questions
        line = _line(use, pythons[use.method], study, judge, asked, options.cache, profile)
        done.write_bytes(pickle.dumps(line))
        yield line


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the quick profile")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="full")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=home / "ifonly-bench",
                        help="environments and trained models are kept here")  # fmt: skip
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--python", action="append", default=[],
                        help="an interpreter for libraries that need a newer one")  # fmt: skip
    parser.add_argument("--rows", type=int, help="questions a study")
    parser.add_argument("--methods", nargs="*", help="only these")
    parser.add_argument("--studies", nargs="*", default=[],
                        help="only where dataset/model/setting contains one of these")  # fmt: skip
    parser.add_argument("--resume", action="store_true",
                        help="what such a run has finished is not asked again")  # fmt: skip
    return parser.parse_args(arguments)


def _studies(profile: Profile, options: argparse.Namespace) -> Iterator[tuple[StudySetup, Matrix]]:
    loaders = datasets(options.data)
    loaded: dict[str, Data] = {}
    for dataset, model, setting in profile.studies:
        key = f"{dataset}/{model}/{setting}"
        if options.studies and not any(part in key for part in options.studies):
            continue
        if dataset not in loaders:
            CONSOLE.print(f"{key}: no file under {options.data}, skipped")
            continue
        data = loaded.setdefault(dataset, loaders[dataset]())
        study = deploy(data, RECIPES[model], options.cache)
        if setting == "rules":
            study = replace(study, setting="rules", rules=data.rules)
        yield study, data.test[:20_000]


def _pythons(
    uses: Sequence[Use], cache: Path, pythons: Sequence[str]
) -> dict[str, Path | CannotInstall]:
    found: dict[str, Path | CannotInstall] = {}
    for use in uses:
        try:
            found[use.method] = interpreter(use.environment, cache, pythons)
        except CannotInstall as reason:
            found[use.method] = reason
            CONSOLE.print(f"{use.method}: {reason}")
    return found


def _line(
    use: Use,
    python: Path | CannotInstall,
    study: StudySetup,
    judge: Judge,
    rows: Matrix,
    cache: Path,
    profile: Profile,
) -> Line:
    if isinstance(python, CannotInstall):
        return Line(study, use, status="not installed", note=str(python))
    if not len(rows):
        return Line(study, use, status="left out", note="no row raises the alarm")
    if use.is_slow and (study.dataset, study.model, study.setting) not in profile.slow_studies:
        return Line(study, use, status="left out", note="too slow to be asked of every study")
    if not use.is_slow:
        use = replace(use, seconds=min(use.seconds, profile.most_seconds))
    library = Library(use, python, study, cache / f"{use.method}.log")
    ready = library.prepared
    if ready.status != "ready":
        library.close()
        return Line(study, use, status=ready.status, note=ready.note)
    try:
        if not use.is_slow:
            library.ask(rows[0], seed=0)  # not counted: imports, caches, compiled code
        asked = _asked(library, judge, rows)
    finally:
        library.close()
    version = ready.versions.get(use.package, "")
    return Line(study, use, "asked", asked, tuple(ready.cannot), version, ready.wall)


def _asked(library: Library, judge: Judge, rows: Matrix) -> tuple[ResultQuestion, ...]:
    """All of ``rows``; or until it was clear that the time allowed is not enough."""
    asked: list[ResultQuestion] = []
    for seed, row in enumerate(rows):
        asked.append(_question(library, judge, row, seed))
        if len(asked) >= GIVE_UP and all(q.reply.status == "timeout" for q in asked[-GIVE_UP:]):
            break
    return tuple(asked)


def _question(library: Library, judge: Judge, row: Matrix, seed: int) -> ResultQuestion:
    reply = library.ask(row, seed)
    return ResultQuestion(
        row=tuple(row.tolist()),
        reply=reply,
        best=judge.weigh(row, reply.rows),
        snapped=judge.weigh_snapped(row, reply.rows),
    )


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
