"""``ifonly causal effect``: what happened to the real outcome when people did this."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.table import Table
from rich.text import Text

from explainers.causal.effect import EstimatedEffect, Observed, Refutation, estimate_effect, refute
from explainers.causal.errors import NotIdentified
from explainers.causal.evidence import Evidence, graph_digest
from explainers.causal.identify import Diagram
from explainers.causal.spec import ApprovalStatus, CausalSpec, EffectFile
from explainers.wording.numerals import percentage
from models.repository import load_folder
from models.repository import reference as files
from models.repository.folder import EFFECTS
from models.schema import Feature, Kind, Schema
from service.doors.cli.causal import Folder, Seed, graph_of, write_graph
from service.doors.cli.console import AsJson, Failure, content_of, out, print_json
from service.offline.nuisance import learners_for

Flags = npt.NDArray[np.bool_]
Band = tuple[float, float]


def effect(
    folder: Folder,
    data: Annotated[
        Path,
        typer.Option("--data", help="CSV: a column a feature, the outcome, what else there is."),
    ],
    outcome: Annotated[str, typer.Option("--outcome", help="Column: 0 or 1, or a number.")],
    feature: Annotated[str, typer.Option("--feature", help="What people moved.")],
    before: Annotated[str, typer.Option("--from", help="A range (58..70), a number, a category.")],
    after: Annotated[str, typer.Option("--to", help="As --from; the two may not meet.")],
    causes: Annotated[
        str,
        typer.Option("--causes", help="Features that act on the outcome directly. Default: all."),
    ] = "",
    also: Annotated[
        str, typer.Option("--also", help="Columns of other readings that act on all of it.")
    ] = "",
    hidden: Annotated[
        str, typer.Option("--hidden", help="Features that share an unread cause with the outcome.")
    ] = "",
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
    as_json: AsJson = False,
) -> None:
    """Identify, estimate and try to refute an effect on the real outcome."""
    model = load_folder(folder.resolve())
    spec, schema = graph_of(model, None), model.spec.schema
    # What has to be held fixed follows from the graph: a wrong one makes any number.
    if spec.status is not ApprovalStatus.ACCEPTED:
        raise Failure(f"the graph is {spec.status}: an effect is identified by an accepted one")
    if attach and not by.strip():
        raise Failure("--attach needs --by: a person answers for what answers will print")
    _known([feature], schema.names, "a feature")
    content = content_of(data)
    table = files.read_table(content, schema, str(data))
    _known([outcome, *_listed(also)], list(table.others), "a column beside the features")
    bands = _band(schema[feature], before, "--from"), _band(schema[feature], after, "--to")
    compared = _Compared.of(table, schema, feature, bands, outcome)
    try:
        held = _held(spec, feature, _listed(causes), _listed(also), _listed(hidden))
        found, refuted = _estimated(compared.observed(table, schema, held), seed)
    except NotIdentified as error:
        raise Failure(str(error)) from None
    evidence = Evidence(
        feature,
        *bands,
        {"en": label or outcome, **({"ko": label_ko} if label_ko else {})},
        compared.is_share,
        found.estimate.value,
        found.estimate.interval,
        found.naive,
        held,
        found.estimate.rows,
        found.estimate.treated,
        found.overlap.trimmed,
        refuted,
        graph_digest(spec),
        data.name,
        hashlib.sha256(content).hexdigest(),
        today or datetime.date.today().isoformat(),
        by.strip(),
    )
    if as_json:
        print_json(_as_json(evidence, found))
    else:
        _show(evidence, found)
    if attach:
        _attach(folder, spec, evidence)


def _held(
    spec: CausalSpec,
    feature: str,
    causes: Sequence[str],
    also: Sequence[str],
    hidden: Sequence[str],
) -> tuple[str, ...]:
    """What is held fixed."""
    _known([*causes, *hidden], spec.schema.names, "a feature")
    diagram = Diagram.of(spec, causes, also, hidden)
    return tuple(diagram.names[j] for j in diagram.adjustment(spec.schema.index(feature)))


def _estimated(observed: Observed, seed: int) -> tuple[EstimatedEffect, tuple[Refutation, ...]]:
    rng = np.random.default_rng(seed)
    try:
        learners = learners_for(observed, seed)
    except ModuleNotFoundError:
        raise Failure("needs scikit-learn, not installed: pip install 'ifonly[effect]'") from None
    found = estimate_effect(observed, learners, rng)
    return found, refute(observed, learners, found, rng)


# --- rows ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Compared:
    """Which rows are compared."""

    used: Flags
    treated: Flags
    outcome: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls,
        table: files.Table,
        schema: Schema,
        feature: str,
        bands: tuple[Band, Band],
        outcome: str,
    ) -> _Compared:
        readings = table.rows[:, schema.index(feature)]
        (a, b), (c, d) = bands
        # A row in both bands would be compared with itself.
        if max(a, c) <= min(b, d):
            raise Failure("--from and --to meet: no row may be in both")
        others, treated = (a <= readings) & (readings <= b), (c <= readings) & (readings <= d)
        happened = np.array([_number(cell, outcome) for cell in table.others[outcome]])
        # Rows with gaps are left out: to hold fixed what was not read is not possible.
        whole = np.isfinite(table.rows).all(axis=1) & np.isfinite(happened)
        return cls(whole & (others | treated), treated, happened)

    @property
    def is_share(self) -> bool:
        return bool(np.isin(self.outcome[self.used], (0.0, 1.0)).all())

    def observed(self, table: files.Table, schema: Schema, held: Sequence[str]) -> Observed:
        columns = [column for name in held for column in _columns(table, schema, name)]
        covariates = np.column_stack(columns) if columns else np.empty((len(self.used), 0))
        return Observed(covariates, self.treated, self.outcome)[self.used]


def _columns(table: files.Table, schema: Schema, name: str) -> list[npt.NDArray[np.float64]]:
    """As numbers; a category as one flag for each that occurs but the first."""
    if name in schema:
        values = table.rows[:, schema.index(name)]
        if schema[name].kind is not Kind.NOMINAL:
            return [values]
        # Names have no order: a flag for each but one, which the others imply.
        return [(values == level).astype(np.float64) for level in np.unique(values)[1:]]
    cells = table.others[name]
    try:
        return [np.array([float(cell) for cell in cells])]
    except ValueError:
        levels = sorted(set(cells))[1:]
        return [np.array([float(cell == level) for cell in cells]) for level in levels]


def _number(cell: str, outcome: str) -> float:
    """NaN where nothing was recorded."""
    known = {"": np.nan, "true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    if cell.lower() in known:
        return known[cell.lower()]
    try:
        return float(cell)
    except ValueError:
        raise Failure(f"{outcome} is {cell!r}, which is no number") from None


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _known(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise Failure(f"{name} is not {what} ({', '.join(known)})")


def _band(feature: Feature, text: str, option: str) -> Band:
    if feature.kind.is_categorical:
        _known([text], feature.category_names, f"a category of {feature.name}")
        code = float(feature.category_names.index(text))
        return code, code
    low, dots, high = text.partition("..")
    try:
        band = float(low), float(high if dots else low)
    except ValueError:
        raise Failure(f"{option} is {text!r}, not a number or a range such as 58..70") from None
    if band[0] > band[1]:
        raise Failure(f"{option} is {text!r}: it begins above its end")
    return band


# --- what came out ------------------------------------------------------------------------


def _as_json(evidence: Evidence, found: EstimatedEffect) -> dict[str, Any]:
    return {**asdict(evidence), "se": found.estimate.se, "overlap": asdict(found.overlap)}


def _show(evidence: Evidence, found: EstimatedEffect) -> None:
    low, high = evidence.interval
    held = ", ".join(evidence.adjusted_for) or "nothing"
    table = Table("", "", show_header=False)
    for name, value in (
        ("held fixed (back-door)", held),
        ("rows compared (treated)", f"{evidence.rows:,} ({evidence.treated:,})"),
        ("effect on the outcome, 95 %", f"{evidence.effect:+.4f}  [{low:+.4f}, {high:+.4f}]"),
        ("plain difference, nothing held fixed", f"{evidence.naive:+.4f}"),
        ("trimmed: none like them", percentage(evidence.trimmed)),
        ("propensity of the treated, by tenths", " ".join(map(str, found.overlap.treated))),
        ("propensity of the others", " ".join(map(str, found.overlap.others))),
    ):
        table.add_row(name, Text(value))
    out.print(table)
    checks = Table("refuter", "change", "limit", "passed")
    for r in evidence.refutations:
        passed = "yes" if r.passed else "NO"
        checks.add_row(r.name, f"{r.value:+.4f}", f"{r.limit:.4f}", passed)
    out.print(checks)


def _attach(folder: Path, spec: CausalSpec, evidence: Evidence) -> None:
    """The file first: until causal.toml names it, nobody reads it."""
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
