"""``python -m bench.mutants``: plant faults by machine, ask again, report.

    python -m bench.mutants [--mutants 800] [--seed 0] [--out docs/benchmarks/mutants.md]

Some ten minutes of two cores. The compiled search is tried in a process of its own, which compiles
each fault.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KERNEL_SHARE = 0.3
"""Of all faults, those in the compiled kernel."""


def main() -> None:
    options = _options()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        kernel = None if options.kernel_to else _kernel(options, Path(folder) / "kernel")
        done = _tried(options, Path(folder))
        if options.kernel_to:
            Path(options.kernel_to).write_bytes(pickle.dumps(done))
            return
        results, reached, questions = done
        assert kernel is not None
        assert not kernel.wait()
        others, reached_there, _ = pickle.loads((Path(folder) / "kernel").read_bytes())
    _report(options, [*results, *others], reached + reached_there, questions)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the clock, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/mutants.md"))
    parser.add_argument("--keep", type=Path, help="a folder: what it holds is not done again")
    parser.add_argument("--modules", help="only these, comma-separated")
    parser.add_argument("--kernel-to", help=argparse.SUPPRESS)
    return parser.parse_args()


def _tried(options: argparse.Namespace, folder: Path) -> tuple[list, int, int]:  # type: ignore[type-arg]
    """Results, how many faults could have been planted, and how many questions there are."""
    from bench.mutants import modules, oracle
    from bench.mutants.campaign import Campaign, MutantResult, MutantVerdict, sampled
    from bench.mutants.planting import is_ready
    from bench.mutants.questions import Questions, all_cases, tree_cases

    ends = time.monotonic() + 60.0 * options.minutes
    rng = random.Random(options.seed)
    in_kernel = options.kernel_to is not None
    where = modules.KERNEL if in_kernel else modules.FAST
    if options.modules:
        where = tuple(m for m in where if m in options.modules.split(","))
    count = round(options.mutants * (KERNEL_SHARE if in_kernel else 1.0 - KERNEL_SHARE))
    cases = Questions(tree_cases() if in_kernel else all_cases(), folder)
    campaign = Campaign(cases)
    tests = oracle.calls(options.seed)
    reached = campaign.reached(where)
    kept = options.keep and options.keep / ("kernel.pickle" if in_kernel else "others.pickle")
    results: list[MutantResult] = pickle.loads(kept.read_bytes()) if kept and kept.exists() else []
    done = {str(result.mutant) for result in results}
    picked = sampled(reached, count, rng)
    rng.shuffle(picked)  # where the time is up, what was done is a sample of all
    for mutant in picked:
        if time.monotonic() > ends:
            break
        if str(mutant) in done:
            continue
        if not is_ready(mutant):
            continue  # no C++
        before = os.times()
        result = campaign.try_out(mutant, random.Random(f"{options.seed} {mutant}"))
        if result.has(MutantVerdict.FALSE) and not result.has(MutantVerdict.WRONG):
            result.caught_by = oracle.caught_by(mutant, tests)
        used = os.times()
        result.cpu = used.children_user + used.children_system
        result.cpu -= before.children_user + before.children_system
        results.append(result)
        print(f"{result.column:16s} {mutant}", result.caught_by or "", flush=True)
        if kept:
            kept.write_bytes(pickle.dumps(results))
    return results, sum(map(len, reached.values())), len(cases.cases)


def _kernel(options: argparse.Namespace, to: Path) -> subprocess.Popen[bytes]:
    """The same of the kernel, in another process, which writes to ``to``."""
    command = [sys.executable, "-m", "bench.mutants", "--kernel-to", str(to)]
    command += ["--mutants", str(options.mutants), "--seed", str(options.seed)]
    command += ["--minutes", str(options.minutes)]
    if options.keep:
        command += ["--keep", str(options.keep)]
    if options.modules:
        command += ["--modules", options.modules]
    return subprocess.Popen(command)


def _report(options: argparse.Namespace, results: list, reached: int, questions: int) -> None:  # type: ignore[type-arg]
    from bench.mutants.modules import FAST, KERNEL
    from bench.mutants.report import MutantRun, page

    minutes = sum(r.cpu for r in results) / 60
    command = f"python -m bench.mutants --mutants {options.mutants} --seed {options.seed}"
    results.sort(key=lambda r: (*FAST, *KERNEL).index(r.mutant.module))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    run = MutantRun(command, today, options.seed, questions, minutes, reached, options.mutants)
    options.out.write_text(page(results, run), encoding="utf-8")
    wrong = sum(r.column == "published wrong" for r in results)
    print(f"{options.out}: {len(results)} faults, {wrong} published a wrong row")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
