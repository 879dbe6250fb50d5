"""The run as a table, as figures in a file, and as plots."""

from __future__ import annotations

import csv
import math
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.profiles import Profile
from bench.results import Line, Results

HEADER = (
    "who",
    "asked",
    "flips",
    "keeps the rules",
    "after snapping",
    "proven",
    "wrong claims",
    "cost ÷ optimum, median (p95)",
    "CPU ms, median (p95)",
    "wall ms, median",
    "CPU ÷ ours",
    "model rows",
    "remarks",
)
SUMMARY = (
    "who",
    "studies",
    "questions",
    "flips",
    "keeps the rules",
    "proven",
    "wrong claims",
    "cost ÷ optimum, median (p95)",
    "CPU ÷ ours, median",
    "killed",
)
SETTINGS = {"free": "without rules", "rules": "with rules"}
MARKERS = "o s ^ v D P X * < >".split()


def write_report(results: Results, folder: Path, profile: Profile) -> None:
    """``<profile>.md``, ``<profile>.csv`` and the plots, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = [_plot_costs(results, folder), _plot_proofs(results, folder)]
    text = "\n".join(_markdown(results, profile, [p.name for p in plots]))
    (folder / f"{results.profile}.md").write_text(text + "\n", encoding="utf-8")
    _write_csv(results, folder / f"{results.profile}.csv")


def _markdown(results: Results, profile: Profile, plots: list[str]) -> Iterator[str]:
    yield f"# Benchmark, {results.profile} profile"
    yield ""
    yield (
        f"{profile.rows} questions a study ({profile.slow_rows} for ocean-cp), the same rows for "
        f"everyone. Most wall time a question: ours 1 s, ocean-cp 60 s, the others "
        f"{min(10.0, profile.most_seconds):g} s. "
        f"One thread each. {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}."
    )
    yield ""
    yield "Versions: " + ", ".join(f"{name} {v}" for name, v in _versions(results).items()) + "."
    for plot in plots:
        yield ""
        yield f"![{plot}]({plot})"
    for setting in dict.fromkeys(study.setting for study in results.studies):
        yield ""
        yield f"## All studies {SETTINGS[setting]}"
        yield ""
        yield from _table(SUMMARY, _summary(results, setting))
    for study in results.studies:
        yield ""
        yield f"## {study.dataset}, {study.model}, {SETTINGS[study.setting]}"
        yield ""
        yield from _table(HEADER, (_cells(results, line) for line in results.of(study)))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _summary(results: Results, setting: str) -> Iterator[list[str]]:
    """One row a library: its questions of all studies in one setting taken together."""
    of_method: dict[str, list[Line]] = {}
    for line in results.lines:
        if line.study.setting == setting:
            of_method.setdefault(line.use.method, []).append(line)
    for method, lines in of_method.items():
        asked = [line for line in lines if line.questions]
        if not asked:
            continue
        weights = [len(line.questions) for line in asked]
        shares = [
            [line.flips for line in asked],
            [line.holds for line in asked],
            [results.proven(line) for line in asked],
        ]
        ratios = [ratio for line in asked for ratio in results.ratios(line)]
        times = [time for line in asked for time in _times_ours(results, line)]
        yield [
            method,
            f"{len(asked)} of {len(lines)}",
            str(sum(weights)),
            *(f"{np.average(share, weights=weights):.0%}" for share in shares),
            str(sum(results.wrong_claims(line) for line in asked)),
            _spread(ratios),
            _middle(times),
            str(sum(line.timeouts for line in asked)),
        ]


def _versions(results: Results) -> dict[str, str]:
    return {line.use.package: line.version for line in results.lines if line.version}


def _spread(ratios: Sequence[float]) -> str:
    return f"{np.median(ratios):.2f} ({np.quantile(ratios, 0.95):.2f})" if ratios else ""


def _middle(times: Sequence[float]) -> str:
    return f"{np.median(times):.3g}" if times else ""


def _cells(results: Results, line: Line) -> list[str]:
    if line.status != "asked":
        return [line.use.method, *[""] * (len(HEADER) - 2), f"{line.status}: {line.note}"]
    wrong = results.wrong_claims(line)
    rows = line.model_rows
    return [
        line.use.method,
        str(len(line.questions)),
        f"{line.flips:.0%}",
        f"{line.holds:.0%}",
        f"{line.holds_snapped:.0%}",
        f"{results.proven(line):.0%}",
        str(wrong) if wrong else "0",
        _spread(results.ratios(line)),
        f"{line.cpu(0.5):.3g} ({line.cpu(0.95):.3g})",
        f"{line.wall(0.5):.3g}",
        _middle(_times_ours(results, line)),
        "" if rows is None else f"{rows:.0f}",
        "; ".join(_remarks(line)),
    ]


def _times_ours(results: Results, line: Line) -> list[float]:
    """CPU time over ours, of the same questions."""
    ours = {
        q.row: q.reply.cpu
        for own in results.of(line.study)
        if own.use.method == "ours"
        for q in own.questions
    }
    return [q.reply.cpu / ours[q.row] for q in line.questions if ours.get(q.row)]


def _remarks(line: Line) -> Iterator[str]:
    if line.engine_cpu(0.5) is not None:
        yield f"of that in the search: {line.engine_cpu(0.5):.3g} ({line.engine_cpu(0.95):.3g}) ms"
    if line.cannot:
        yield "cannot be told: " + ", ".join(line.cannot)
    if line.broken:
        yield "breaks " + ", ".join(f"{kind} {count}×" for kind, count in line.broken.items())
    if line.timeouts:
        yield f"{line.timeouts} killed after {line.use.seconds_until_killed:g} s"
    if line.errors:
        notes = {q.reply.note for q in line.questions if q.reply.status == "error"}
        yield f"{line.errors} errors: {'; '.join(sorted(notes))[:160]}"


def _write_csv(results: Results, file: Path) -> None:
    """One line a question: everything that the table is made of."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            "dataset model setting method question status cpu_ms search_cpu_ms wall_ms model_rows "
            "flips holds broken cost holds_snapped cost_snapped says_proven lower_bound".split()
        )
        for line in results.lines:
            study = line.study
            for number, q in enumerate(line.questions):
                spent = (1e3 * q.reply.cpu, _thousand(q.reply.engine_cpu), 1e3 * q.reply.wall)
                writer.writerow(
                    [study.dataset, study.model, study.setting, line.use.method, number,
                     q.reply.status, *map(_short, spent),
                     q.reply.model_rows, int(q.best.flips), int(q.best.holds),
                     " ".join(q.best.broken), _short(q.best.cost), int(q.snapped.holds),
                     _short(q.snapped.cost), int(q.reply.is_proven), _short(q.reply.lower_bound)]
                )  # fmt: skip


def _thousand(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


def _short(number: float | None) -> str:
    return "" if number is None or math.isinf(number) else f"{number:.6g}"


def _plot_costs(results: Results, folder: Path) -> Path:
    """Each library's median cost over its median CPU time: a panel a data set, a point a model."""
    groups = _groups(results)
    figure, axes = _panels(len(groups))
    methods = list(dict.fromkeys(line.use.method for line in results.lines))
    for (title, lines), panel in zip(groups.items(), axes, strict=False):
        for line in lines:
            ratios = results.ratios(line)
            if not ratios:
                continue
            at = methods.index(line.use.method)
            panel.plot(
                line.cpu(0.5), max(1.0, float(np.median(ratios))), MARKERS[at % len(MARKERS)],
                color=f"C{at}", label=line.use.method, markersize=8,
            )  # fmt: skip
        panel.set(xscale="log", yscale="log", xlabel="CPU ms a question", ylabel="cost ÷ optimum")
        panel.set_ylim(bottom=0.9)
        panel.set_title(title, fontsize=9)
        panel.grid(alpha=0.3)
    handles = {h.get_label(): h for panel in axes for h in panel.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=5, fontsize=8)
    return _saved(figure, folder / f"{results.profile}-cost.png")


def _plot_proofs(results: Results, folder: Path) -> Path:
    """Share of questions whose optimum is proven in time, for those who prove."""
    groups = _groups(results)
    figure, axes = _panels(len(groups))
    provers = ("ours", "treecf-exact", "ocean-cp")
    for (title, lines), panel in zip(groups.items(), axes, strict=False):
        shares = {
            f"{line.use.method}\n({line.use.seconds:g} s)": [
                100 * results.proven(other)
                for other in lines
                if other.use.method == line.use.method and other.questions
            ]
            for line in lines
            if line.use.method in provers and line.questions
        }
        means = [float(np.mean(of)) for of in shares.values()]
        bars = panel.bar(list(shares), means, color=["C0", "C2", "C9"][: len(means)])
        panel.bar_label(bars, [f"{mean:.0f} %" for mean in means], fontsize=8)
        panel.set(ylim=(0, 115), ylabel="proven, %")
        panel.set_title(title, fontsize=9)
        panel.tick_params(axis="x", labelsize=7)
    return _saved(figure, folder / f"{results.profile}-proven.png")


def _groups(results: Results) -> dict[str, list[Line]]:
    """Lines by data set and setting; the model is named where there is only one."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in results.lines:
        groups.setdefault((line.study.dataset, SETTINGS[line.study.setting]), []).append(line)
    titled = {}
    for (dataset, setting), lines in groups.items():
        models = {line.study.model for line in lines}
        model = next(iter(models)) if len(models) == 1 else f"{len(models)} models"
        titled[f"{dataset}\n{model}, {setting}"] = lines
    return titled


def _panels(count: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    columns = min(3, max(1, count))
    rows = max(1, math.ceil(count / columns))
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows + 0.8))
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for panel in axes[count:]:
        panel.set_axis_off()
    return figure, axes


def _saved(figure: Any, file: Path) -> Path:
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(file, dpi=100)
    return file
