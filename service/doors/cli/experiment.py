"""``ifonly experiment``: plan, start, list, show and stop one; analyse observations of a file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.models.adding.table import read_columns
from ifonly.service.audit import registered_experiments as registered
from ifonly.service.audit.experiments import results, started
from ifonly.service.audit.recent_accesses import LISTED
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Models,
    content_of,
    out,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.store import by, look
from ifonly.service.experiments.analysis import analyse
from ifonly.service.experiments.design import ArmObservation, ExperimentDesign
from ifonly.service.experiments.power import UnitsNeeded, units_needed
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import Facts
from ifonly.service.store.opened import opened_by
from ifonly.service.wire import experiments as wire
from ifonly.service.wire import validation

app = typer.Typer(
    help="Two ways of advising, compared on real alarms: plan, start, list, show, stop, analyse.",
    no_args_is_help=True,
)

DesignFile = Annotated[
    Path, typer.Argument(metavar="DESIGN.toml", help="The design, with the API's keys.")
]
Named = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name, or its id.")]


@app.command("plan")
def plan(
    difference: Annotated[
        float, typer.Option("--difference", help="The least that matters, as of the metric.")
    ],
    share: Annotated[float, typer.Option("--share", help="Of units, in the treatment.")] = 0.5,
    baseline: Annotated[
        float | None,
        typer.Option("--baseline", help="Of a share: what it is now, between 0 and 1."),
    ] = None,
    deviation: Annotated[
        float | None,
        typer.Option("--deviation", help="Of a number: its standard deviation between units."),
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Probability of a false find.")] = 0.05,
    power: Annotated[float, typer.Option("--power", help="Probability of finding it.")] = 0.8,
    as_json: AsJson = False,
) -> None:
    """How many units are needed to find a difference, looked at once or at any time."""
    needed = units_needed(
        _nonzero("--difference", difference),
        _deviation(baseline, deviation),
        _within("--share", share, 0.01, 0.99),
        _within("--alpha", alpha, 1e-6, 0.5),
        _within("--power", power, 0.01, 0.999),
    )
    if as_json:
        print_json(
            {
                "looked_at_once": needed.looked_at_once,
                "looked_at_any_time": needed.looked_at_any_time,
            }
        )
        return
    out.print(_planned(needed), markup=False)


def _planned(needed: UnitsNeeded) -> str:
    any_time = needed.looked_at_any_time
    many = "more than anybody has" if any_time is None else f"{any_time:,}"
    return f"{needed.looked_at_once:,} units looked at once, {many} looked at at any time"


def _deviation(baseline: float | None, deviation: float | None) -> float:
    if (baseline is None) == (deviation is None):
        raise typer.BadParameter("say --baseline of a share, or --deviation of a number")
    if baseline is not None:
        inside = _within("--baseline", baseline, 1e-6, 1.0 - 1e-6)
        return math.sqrt(inside * (1.0 - inside))
    assert deviation is not None
    return _within("--deviation", deviation, 1e-12, 1e12)


def _nonzero(name: str, value: float) -> float:
    if not math.isfinite(value) or value == 0.0:
        raise typer.BadParameter(f"{value} is no difference", param_hint=name)
    return value


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise typer.BadParameter(f"{value} is not within {low:g} and {high:g}", param_hint=name)
    return value


def _design(file: Path) -> wire.ExperimentRequest:
    try:
        document = tomllib.loads(content_of(file).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"{file} is no TOML in UTF-8: {error}") from error
    return validation.read(wire.ExperimentRequest, document)


@app.command("start")
def start(file: DesignFile, models: Models = None, as_json: AsJson = False) -> None:
    """Seal a design in a record. From then on alarms of its model are assigned."""
    request = _design(file)
    chosen = settings(models=models, log_level="ERROR")
    with opened_by(chosen, migrate=False) as store:
        started.check(registry(chosen), request)
        facts = Facts(actor=by(), engine_version=ifonly_version(), **started.said(request))
        store.journal.append(started.starting(store.database, request, facts)).result()
        made = registered.one(store.database, facts.id)
    if as_json:
        print_json(results.state_of(made).as_mapping())
    else:
        out.print(f"{request.name} runs: {facts.id}", markup=False)


@app.command("stop")
def stop(
    experiment: Named,
    comment: Annotated[str | None, typer.Option("--comment", help="Why.")] = None,
    as_json: AsJson = False,
) -> None:
    """Assign no more, by a record."""
    request = wire.StopRequest(comment=comment)
    with opened_by(settings(), migrate=False) as store:
        known = registered.one(store.database, experiment)
        said = started.stopped(known, registered.STOPPED)
        facts = Facts(actor=by(), engine_version=ifonly_version(), **said)
        work = started.stopping(store.database, experiment, facts, started.comment(request))
        store.journal.append(work).result()
        made = registered.one(store.database, known.id)
    if as_json:
        print_json(results.state_of(made).as_mapping())
    else:
        out.print(f"{made.asked.name} is stopped", markup=False)


@app.command("list")
def list_experiments(as_json: AsJson = False) -> None:
    """Every experiment, the newest first."""
    with opened_by(settings(), migrate=False) as store:
        found = [results.state_of(each) for each in registered.registered(store.database)]
    if as_json:
        print_json([each.as_mapping() for each in found])
        return
    table = Table("experiment", "model", "arms", "metric", "state", "started")
    for each in found:
        design = each.design
        arms = f"{design.control.name} / {design.treatment.name}"
        cells = (design.name, design.model, arms, design.metric.name, each.state, each.started)
        table.add_row(*map(Text, cells))
    out.print(table)


@app.command("show")
def show(experiment: Named, models: Models = None, as_json: AsJson = False) -> None:
    """A design, and what it has found so far."""
    chosen = settings(models=models, log_level="ERROR")
    with opened_by(chosen, migrate=False) as store:
        look(store, LISTED, "experiment show")
        told = results.reply(store.database, registry(chosen), experiment)
    state = told.experiment
    if as_json:
        print_json(told.as_mapping())
    else:
        out.print(f"{state.design.name}: {state.state} since {state.started}", markup=False)
        _tell(told.result, registered.meant(state.design).design)


@app.command("analyse")
def analyse_file(
    file: DesignFile,
    observed: Annotated[
        Path,
        typer.Option(
            "--observed",
            help="CSV or Parquet, in the order of time: unit, arm, a column a metric; followed "
            "(true, false), covariate.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """What observations of a file say, by the same analysis: no store, no service."""
    design = registered.meant(_design(file)).design
    rows = [*_observations(read_columns(observed), design, observed.name)]
    shown = results.exposures(design, rows)
    found = results.ExperimentFound(analyse(design, rows), shown).told()
    if as_json:
        print_json(found.as_mapping())
    else:
        _tell(found, design)


def _observations(
    columns: Mapping[str, list[Any]], design: ExperimentDesign, file: str
) -> Iterator[ArmObservation]:
    for name in ("unit", "arm"):
        if name not in columns:
            raise Failure(f"{file} has no column {name}")
    metrics = [design.metric.name, *(guard.name for guard in design.guards)]
    for number, cells in enumerate(zip(*columns.values(), strict=True), 2):
        row = dict(zip(columns, cells, strict=True))
        unit, arm = row["unit"], row["arm"]
        if unit is None or arm not in design.weights:
            known = ", ".join(design.weights)
            raise Failure(f"{file}, line {number}: arm is {arm!r} of {unit!r}; arms are {known}")
        numbers = {n: _number(row.get(n), n, file, number) for n in (*metrics, "covariate")}
        covariate = numbers.pop("covariate")
        values = {name: value for name, value in numbers.items() if value is not None}
        said = str(row.get("followed")).lower()
        followed = {"true": True, "false": False, "1": True, "0": False}.get(said)
        yield ArmObservation(str(unit), str(arm), values, followed, covariate)


def _number(cell: Any, name: str, file: str, line: int) -> float | None:
    if cell is None:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Failure(f"{file}, line {line}: {name} is {cell!r}, no number")
    return value


def _tell(found: wire.ExperimentResult, design: ExperimentDesign) -> None:
    table = Table("metric", design.control, design.treatment, "difference", "of those who follow")
    for each in (found.metric, *found.guards):
        means = [_said(mean) for mean in each.means]
        sizes = [f"{mean} ({n:,})" for mean, n in zip(means, each.units, strict=True)]
        compliers = "–" if each.compliers is None else _interval(each.compliers)
        table.add_row(*map(Text, (each.metric, *sizes, _interval(each.difference), compliers)))
    out.print(table)
    arms = " and ".join(f"{n:,}" for n in found.units)
    crossed = f", {found.crossed:,} shown both" if found.crossed else ""
    out.print(f"{arms} units{crossed}; mismatch p = {found.mismatch_p:.3g}", markup=False)
    out.print(found.text["en"], markup=False)


def _interval(found: wire.Interval) -> str:
    if found.low is None or found.high is None:
        return f"{_said(found.value)} (anything)"
    return f"{_said(found.value)} ({found.low:.4g} to {found.high:.4g})"


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
