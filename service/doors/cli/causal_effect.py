"""``ifonly causal effect``: what happened to the real outcome when people did this."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimand, Strategy
from ifonly.explainers.causal.evidence import Evidence, graph_digest
from ifonly.explainers.causal.instrument import WEAK, Interval
from ifonly.explainers.causal.sensitivity import STRENGTHS, Contour, contour
from ifonly.explainers.causal.spec import CausalSpec, EffectFile
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import percentage
from ifonly.models.repository.folder import EFFECTS
from ifonly.models.schema import Schema
from ifonly.service.doors.cli.causal import Folder, Seed, write_graph
from ifonly.service.doors.cli.causal_kinds import asked_row, kinds_as_json, show_kinds
from ifonly.service.doors.cli.causal_logs import (
    NO_SKLEARN,
    ActionColumn,
    Also,
    Causes,
    Hidden,
    LogFile,
    MovedFeature,
    Outcome,
    read_log,
)
from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.offline.compared_rows import UnreadableRows, band_of
from ifonly.service.offline.effects import AskedEffect, FoundEffect, find_effect
from ifonly.service.offline.grouped_rows import RowGrouping
from ifonly.service.words import evidence as words


class Whom(StrEnum):
    """Whose effect can be asked for."""

    ATE = Estimand.ATE.value
    OVERLAP = Estimand.OVERLAP.value
    ATT = Estimand.ATT.value


def effect(
    folder: Folder,
    data: LogFile,
    outcome: Outcome,
    before: Annotated[str, typer.Option("--from", help="A range (58..70), a number, a category.")],
    after: Annotated[str, typer.Option("--to", help="As --from; the two may not meet.")],
    feature: MovedFeature = "",
    action: ActionColumn = "",
    causes: Causes = "",
    also: Also = "",
    hidden: Hidden = "",
    estimand: Annotated[
        Whom,
        typer.Option(
            "--estimand",
            help="Whose average: of all rows (ate; rows without any like them are trimmed, and it "
            "says so), of the overlap population (weights, nobody trimmed), of the treated (att).",
        ),
    ] = Whom.ATE,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            "--strategy", help="Default: the first of these by which the graph identifies it."
        ),
    ] = None,
    groups: Annotated[
        list[str],
        typer.Option(
            "--group-by",
            help="Effects by group of a feature or another column: categories, quarters of a "
            "number, or ranges of it (tool_wear:100,200); repeatable.",
        ),
    ] = [],  # noqa: B006 (typer makes a new one)
    like: Annotated[
        list[str],
        typer.Option(
            "--row",
            help="The effect for machines that read like this one: a JSON file, JSON text, or -; "
            "repeatable.",
        ),
    ] = [],  # noqa: B006
    label: Annotated[
        str, typer.Option("--label", help="The outcome in English. Default: its column's name.")
    ] = "",
    label_ko: Annotated[str, typer.Option("--label-ko", help="The outcome in Korean.")] = "",
    attach: Annotated[
        bool, typer.Option("--attach", help="Keep it beside the model: answers then print it.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="Who attaches it.")] = "",
    seed: Seed = 0,
    today: Annotated[str, typer.Option("--date", help="Default: today.")] = "",
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Identify, estimate and try to refute an effect on the real outcome: on average, by group, and
    for machines that read like one."""
    if attach and not by.strip():
        raise Failure("--attach needs --by: a person answers for what answers will print")
    if attach and action:
        raise Failure(f"--attach is of a feature that answers set; {action} is none")
    try:
        grouped = [RowGrouping.read(text) for text in groups]
    except UnreadableRows as error:
        raise Failure(str(error)) from None
    log = read_log(
        folder, data, outcome, feature, action,
        causes=causes, also=also, hidden=hidden, beside=[g.name for g in grouped],
    )  # fmt: skip
    spec, schema = log.spec, log.spec.schema
    try:
        asked = AskedEffect(
            log.moved,
            (
                band_of(schema[log.moved], before, "--from"),
                band_of(schema[log.moved], after, "--to"),
            ),
            outcome,
            log.causes,
            log.also,
            log.hidden,
            Estimand(estimand),
            strategy,
            grouped,
            [asked_row(text, log) for text in like],
        )
        found = find_effect(log.table, spec, asked, seed)
    except (NotIdentified, UnreadableRows) as error:
        raise Failure(str(error)) from None
    except ModuleNotFoundError:
        raise Failure(NO_SKLEARN) from None
    evidence = Evidence(
        log.moved,
        *asked.bands,
        {"en": label or outcome, **({"ko": label_ko} if label_ko else {})},
        found.is_share,
        found.estimate.value,
        found.interval,
        found.naive,
        found.held,
        found.estimate.rows,
        found.estimate.treated,
        found.overlap.trimmed if found.overlap else 0.0,
        found.refutations,
        graph_digest(log.graph),
        data.name,
        hashlib.sha256(log.content).hexdigest(),
        today or datetime.date.today().isoformat(),
        by.strip(),
        found.estimand,
        found.overlap.left_out if found.overlap else (),
        found.strategy,
        found.through,
        found.first_stage,
        found.sensitivity,
    )
    if as_json:
        print_json(_as_json(evidence, found, schema))
    else:
        _show(evidence, found, schema, languages_of(lang))
    if attach:
        _attach(folder, log.graph, evidence)


# --- what came out ------------------------------------------------------------------------


def _as_json(evidence: Evidence, found: FoundEffect, schema: Schema) -> dict[str, Any]:
    return {
        "text": words.in_words(evidence, schema),
        "whom": words.whom(evidence, schema),
        **asdict(evidence),
        # JSON has no number without end.
        "interval": _ends(evidence.interval),
        "intervals": [_ends(pair) for pair in found.intervals],
        "se": found.estimate.se,
        "rows_with_gaps": found.gaps,
        "overlap": found.overlap and asdict(found.overlap),
        "contour": [asdict(point) for point in _contour(found)],
        "worth": found.worth and list(found.worth),
        "kinds": found.kinds and kinds_as_json(found.kinds, evidence, schema),
        "other_estimands": {
            name: {"effect": e.value, "interval": e.interval, "rows": e.rows}
            for name, e in found.others.items()
        },
    }


def _ends(interval: Interval) -> list[float | None]:
    return [end if np.isfinite(end) else None for end in interval]


def _show(
    evidence: Evidence, found: FoundEffect, schema: Schema, languages: Sequence[Language]
) -> None:
    # Whose effect it is comes before any number: who reads on must not take it for another's.
    for said in (words.whom(evidence, schema), words.in_words(evidence, schema)):
        for language in languages:
            out.print(Text(said[language]))
    table = Table("", "", show_header=False)
    for name, value in _figures(evidence, found).items():
        table.add_row(name, Text(value))
    out.print(table)
    _show_doubt(found)
    checks = Table("refuter", "change", "limit", "passed")
    for r in evidence.refutations:
        passed = "yes" if r.passed else "NO"
        checks.add_row(r.name, f"{r.value:+.4f}", f"{r.limit:.4f}", passed)
    out.print(checks)
    if found.kinds is not None:
        show_kinds(found.kinds, evidence, schema, languages)


def _figures(evidence: Evidence, found: FoundEffect) -> Mapping[str, str]:
    held = ", ".join(found.held) or "nothing"
    figures = {f"held fixed ({found.strategy})": held}
    if found.through:
        figures["through"] = ", ".join(found.through)
    if found.first_stage is not None:
        weak = f", weak: below {WEAK:.0f}" if found.first_stage < WEAK else ""
        figures["first-stage F"] = f"{found.first_stage:.1f}{weak}"
    figures |= {
        "rows compared (treated)": f"{evidence.rows:,} ({evidence.treated:,})",
        "rows left out: something missing": f"{found.gaps:,}",
        f"effect on the outcome ({found.estimand}), 95 %": _with_intervals(
            found.estimate.value, found.intervals
        ),
    }
    for name, other in found.others.items():
        figures[f"the same, {name}"] = _with_intervals(other.value, (other.interval,))
    figures["plain difference, nothing held fixed"] = f"{found.naive:+.4f}"
    if found.overlap is not None:
        figures |= {
            "trimmed: none like them": percentage(found.overlap.trimmed),
            "propensity of the treated, by tenths": " ".join(map(str, found.overlap.treated)),
            "propensity of the others": " ".join(map(str, found.overlap.others)),
        }
    if found.worth is not None:
        figures["worth rows of equal weight: treated, others"] = " and ".join(
            f"{n:,.0f}" for n in found.worth
        )
    return figures


def _with_intervals(value: float, intervals: Sequence[Interval]) -> str:
    shown = " and ".join(f"[{low:+.4f}, {high:+.4f}]" for low, high in intervals)
    return f"{value:+.4f}  {shown}"


def _show_doubt(found: FoundEffect) -> None:
    """Down: how much a hidden cause explains of the treatment; across: of the outcome."""
    strong = Table("hidden cause as strong as", "of the treatment", "of the outcome", "would leave")
    for b in found.sensitivity.benchmarks:
        shares = percentage(b.strength.treatment), percentage(b.strength.outcome)
        strong.add_row(Text(b.covariate), *shares, f"{b.left:+.4f}")
    if found.sensitivity.benchmarks:
        out.print(strong)
    table = Table("treatment / outcome", *(percentage(s) for s in STRENGTHS))
    points = _contour(found)
    for k, strength in enumerate(STRENGTHS):
        row = points[k * len(STRENGTHS) : (k + 1) * len(STRENGTHS)]
        table.add_row(percentage(strength), *(f"{p.effect:+.4f}" for p in row))
    out.print(table)


def _contour(found: FoundEffect) -> tuple[Contour, ...]:
    return contour(found.estimate, found.sensitivity.scale)


def _attach(folder: Path, spec: CausalSpec, evidence: Evidence) -> None:
    """The file first: until causal.toml names it, nobody reads it."""
    if not np.isfinite(evidence.interval).all():
        raise Failure(
            f"not attached: the interval has no end, the instruments are too weak "
            f"({', '.join(evidence.through)}; first-stage F {evidence.first_stage:.1f})"
        )
    failed = [r.name for r in evidence.refutations if not r.passed]
    # An effect that a refuter denies must not end in answers.
    if failed:
        raise Failure(f"not attached: {', '.join(failed)} speaks against it")
    data = evidence.write()
    digest = hashlib.sha256(data).hexdigest()
    # The digest in the name: another estimate never overwrites one that answers rest on.
    name = f"{EFFECTS}/{evidence.feature}-{digest[:8]}.json"
    (folder / EFFECTS).mkdir(exist_ok=True)
    # Before the graph that names it: a service that reloads between finds no missing file.
    (folder / name).write_bytes(data)
    named = (*(e for e in spec.effects if e.file != name), EffectFile(name, digest))
    write_graph(folder, replace(spec, effects=named), "Attached by `ifonly causal effect`.")
    out.print(f"attached by {evidence.attached_by}: {name}")
