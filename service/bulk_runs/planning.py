"""What a run is to do: what is asked, which columns are read for it, and which come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ifonly.models.schema import Feature
from ifonly.models.window import document_schema, window_of
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.bulk_runs import writing
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.engines import BulkEngine
from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.reading.pieces import CATEGORY, KEPT, KIND, NUMBER
from ifonly.service.bulk_runs.reading.source import InputFormat, ReadOptions, RowSource, unified
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import ServedModel

SLICE = 4_096
"""Rows that are answered, and kept, as one: what a kill may cost a process."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    given: str
    """Path, glob or URL of the rows."""
    out: str
    model: ServedModel
    options: BulkOptions = field(default_factory=BulkOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    is_alarms_only: bool = False
    columns: tuple[str, ...] = ()
    """Of the answers; none: all."""
    kept: tuple[str, ...] = ()
    """Columns of the rows that are taken along."""
    workers: int | None = 1
    """Processes, or a cluster's actors; 0: this process answers, too; None: one a core."""
    engine: BulkEngine = BulkEngine.LOCAL
    address: str | None = None
    """Of a cluster."""
    slice_rows: int = SLICE
    overwrite: bool = False
    restart: bool = False
    """Throw away what was done before."""
    work: Path | None = None


def answering_of(plan: Plan, source: RowSource) -> tuple[Answering, pa.Schema]:
    """What is done with each slice, and the columns that are read for it."""
    explainer = BulkExplainer(plan.model, plan.options)
    features = [f for f in explainer.schema_in.names if f != plan.options.id]
    own = [plan.options.id] if plan.options.id is not None else []
    wanted = list(dict.fromkeys([*own, *features, *plan.kept]))
    texts = texts_of(plan, source.format, wanted)
    try:
        schema = unified(source, wanted, texts, explainer.check_schema)
    except pa.ArrowException as error:
        raise CannotBulk(f"{plan.given} cannot be read: {error}") from None
    missing = [name for name in plan.kept if name not in schema.names]
    if missing:
        raise misasked(f"--keep {missing[0]}", f"{plan.given} has no such column")
    if plan.options.id is not None:
        kind = schema.field(plan.options.id).type
        explainer = BulkExplainer(plan.model, replace(plan.options, id_type=kind))
    return Answering(explainer, plan.is_alarms_only, plan.kept), schema


def texts_of(plan: Plan, form: InputFormat, wanted: Sequence[str]) -> pa.Schema:
    """As what columns are read from files of text."""
    called = plan.options.columns
    own = plan.model.schema
    features = {called.get(f.name, f.name): f for f in document_schema(own).features}
    is_window = window_of(own) is not None

    def field_of(name: str) -> pa.Field:
        feature: Feature | None = features.get(name)
        if feature is None:
            return pa.field(name, pa.string(), metadata={KIND: KEPT})
        if feature.kind.is_categorical:
            return pa.field(name, pa.string(), metadata={KIND: CATEGORY})
        if is_window and form is not InputFormat.CSV:
            return pa.field(name, pa.list_(pa.float64()), metadata={KIND: NUMBER})
        # CSV has texts: whether one is a number is told for its row.
        kind = pa.string() if form is InputFormat.CSV else pa.float64()
        return pa.field(name, kind, metadata={KIND: NUMBER})

    return pa.schema([field_of(name) for name in wanted])


def out_schema(plan: Plan, answering: Answering, read: pa.Schema) -> pa.Schema:
    """Columns of the output.

    Raises
    ------
    InvalidRequest
        If one is wanted that there is not, or two have one name.
    """
    own = answering.explainer.schema_out
    for name in plan.kept:
        if name in own.names:
            raise misasked(f"--keep {name}", "answers have a column of that name")
    kept = [read.field(name).with_metadata(None) for name in plan.kept]
    whole = pa.schema([*own, *kept], own.metadata)
    for name in plan.columns:
        if name not in whole.names:
            raise misasked(f"--columns {name}", f"there are {', '.join(whole.names)}")
    if not plan.columns:
        return whole
    # Its number always: by it a row is joined, and found again.
    names = dict.fromkeys(["row", *plan.columns, *plan.kept])
    return pa.schema([whole.field(name) for name in names], whole.metadata)


def how(plan: Plan) -> dict[str, Any]:
    """What else decides what comes out."""
    read = plan.read
    return {
        "id": plan.options.id,
        "names": dict(plan.options.columns),
        "extra": plan.options.extra,
        "only": "alarms" if plan.is_alarms_only else "all",
        "columns": list(plan.columns),
        "keep": list(plan.kept),
        "delimiter": read.delimiter,
        "encoding": read.encoding,
        "output": writing.format_of(plan.out)[0].value,
    }
