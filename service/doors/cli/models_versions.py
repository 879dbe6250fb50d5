"""``ifonly models stage``, ``staged``, ``set``, ``compare``, ``activate``, ``rollback``: which
version is asked, decided step by step, each step a record."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.models.errors import UnknownModel
from ifonly.models.repository.naming import natural
from ifonly.service.access import EVERYTHING, Principal
from ifonly.service.audit import activations, staging
from ifonly.service.audit.comparison import compare as compared
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.recent_accesses import LISTED
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Models,
    out,
    print_json,
    settings,
)
from ifonly.service.doors.cli.store import by, look
from ifonly.service.errors import InvalidRequest
from ifonly.service.served import activation, staging_candidates
from ifonly.service.served import staging as places
from ifonly.service.served.registry import Registry
from ifonly.service.served.staging import StagingCandidate
from ifonly.service.served.staging_candidates import Edit, Sent
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.store.journal import Draft
from ifonly.service.store.opened import Store, opened_by
from ifonly.service.wire import staged as wire
from ifonly.service.wire import validation

Name = Annotated[str, typer.Argument(help="Name of the model.")]
Version = Annotated[str, typer.Argument(help="A version that is staged, or here already.")]
Why = Annotated[str, typer.Option("--why", help="What the record says of it.")]
Answers = Annotated[
    list[str] | None,
    typer.Option("--answer", help="Answer to a question, as desired=normal; repeatable."),
]
AcceptGuesses = Annotated[
    bool, typer.Option("--accept-guesses", help="Take guesses that nobody has checked.")
]


def stage(
    file: Annotated[Path, typer.Argument(help="A model file, or a zip of a model folder.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Rows that the file was made for.")
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Column of the decisions.")] = "",
    columns: Annotated[
        str, typer.Option("--columns", help="Columns that the model reads, in its order: a,b,c.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Default: the file's.")] = "",
    version: Annotated[str, typer.Option("--version", help="Default: the next number.")] = "",
    models: Models = None,
    answers: Answers = None,
) -> None:
    """Make a version and try it, without anybody being answered by it."""
    chosen = _writable(models)
    loaded = Registry.of(chosen)
    with ExitStack() as stack:
        archive = stack.enter_context(_opened(file))
        if data is None:
            found = _told(lambda: staging_candidates.of_zip(loaded, archive, by()))
        else:
            sample = stack.enter_context(_opened(data))
            sent = Sent(
                archive, file.name, sample, data.name, name, version, label, columns,
                _pairs(answers, "--answer"),
            )  # fmt: skip
            found = _told(lambda: staging_candidates.of_file(loaded, sent, loaded.limits, by()))
        _put(chosen, loaded, found, staging.STAGED)


def set_fields(
    name: Name,
    version: Annotated[str, typer.Argument(help="A version that is staged.")],
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="As 'features[0].unit=\"Nm\"': a value of JSON; repeatable."),
    ] = None,
    checked: Annotated[
        list[str] | None,
        typer.Option("--check", help="Key of a guess that is right, or 'all'; repeatable."),
    ] = None,
    answers: Answers = None,
    models: Models = None,
) -> None:
    """Set fields of a staged version, check its guesses, answer its questions."""
    chosen = _writable(models)
    loaded = Registry.of(chosen)
    found = places.find(loaded, name, version)
    ticked, told = [*(checked or ())], _pairs(answers, "--answer")
    if "all" in ticked:
        ticked = [f.key for f in found.fields if f.guess is not None]
        told = {q["key"]: q["answer"] for q in found.about.get("questions", ())} | told
    edit = Edit(_values(values), ticked, told)
    made = _told(lambda: staging_candidates.edited(loaded, found, edit, loaded.limits, by()))
    _put(chosen, loaded, made, staging.EDITED)


def list_staged(models: Models = None, as_json: AsJson = False) -> None:
    """Every version that is staged."""
    loaded = _looked(settings(models=models, log_level="ERROR"))
    found = staging.summaries(loaded)
    if as_json:
        print_json(wire.StagedListReply(staged=found).as_mapping())
        return
    table = Table("model", "version", "active", "to check", "made of", "by")
    for each in found:
        cells = (each.name, each.version, each.active or "–", str(each.guesses))
        table.add_row(*map(Text, (*cells, each.origin, each.by)))
    out.print(table)


def compare(
    name: Name,
    version: Version,
    last: Annotated[int, typer.Option("--last", help="Rows, the newest.")] = 500,
    all_rows: Annotated[bool, typer.Option("--all", help="Not alarms only.")] = False,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """What a version would change of what the active one has decided, and what is otherwise in
    it."""
    chosen = settings(models=models, log_level="ERROR")
    loaded = _looked(chosen)
    only = "all" if all_rows else "alarms"
    request = validation.read(
        wire.ComparisonRequest, {"version": version, "last": last, "only": only}
    )
    with opened_by(chosen, migrate=False) as store:
        found = compared(store.database, loaded, name, request)
        look(store, LISTED, "models compare")
    if as_json:
        print_json(found.as_mapping())
        return
    what = "alarms" if found.only == "alarms" else "decisions"
    _line(f"{found.version} would change {found.changed:,} of the last {found.compared:,} {what}")
    _line(f"cleared: {found.cleared:,}; raised: {found.raised:,}; not taken: {found.refused:,}")
    for way in found.ways:
        _line(f"  {way.was or '–'} → {way.now or '–'}: {way.count:,}")
    table = Table("key", found.active, found.version)
    for each in found.spec:
        table.add_row(*(Text(text) for text in (each.key, each.was or "–", each.now or "–")))
    out.print(table)


def activate(
    name: Name,
    version: Version,
    why: Why,
    previous: Annotated[
        str | None, typer.Option("--previous", help="Refused if another version is active.")
    ] = None,
    accept_guesses: AcceptGuesses = False,
    models: Models = None,
) -> None:
    """Have a version asked where none is named. Later ones are taken back."""
    _decide(_writable(models), name, version, why, previous, accept=accept_guesses)


def rollback(
    name: Name,
    why: Why,
    to: Annotated[str | None, typer.Option("--to", help="Default: the version before.")] = None,
    models: Models = None,
) -> None:
    """Have an earlier version asked again."""
    chosen = _writable(models)
    loaded = _looked(chosen)
    active = activation.served_now(loaded, name)
    if active is None:
        raise UnknownModel(f"no version of {name} is active")
    earlier = [v for v in loaded.versions(name) if natural(v) < natural(active)]
    if not earlier and to is None:
        raise Failure(f"version {active} of {name} is the first one that is here")
    _decide(chosen, name, to or earlier[-1], why, active, accept=False)


def _decide(
    chosen: Settings, name: str, version: str, why: str, previous: str | None, *, accept: bool
) -> None:
    said = {"version": version, "why": why, "previous": previous, "accept_guesses": accept}
    request = validation.read(wire.ActivationRequest, said)
    loaded = _looked(chosen)
    staged, step = activations.chosen_step(loaded, name, request)
    with opened_by(chosen) as store:
        draft = _recorded(store, activations.drafted(_drafting(), step, request))
    activation.take(loaded, step, draft.facts.id, staged)
    _line(f"version {version} of {name} is active (before: {step.previous or 'none'})")


def _put(chosen: Settings, loaded: Registry, found: StagingCandidate, status: str) -> None:
    try:
        with opened_by(chosen) as store:
            _recorded(store, staging.drafted(_drafting(), found, status))
        put = places.put(loaded, found)
    finally:
        places.discard(found)
    for question in put.about.get("questions", ()):
        if question["is_guess"]:
            _line(f"asked: {question['key']}: {question['text']} Guess: {question['answer']}")
    for field in put.fields:
        if field.guess is not None:
            _line(f"guessed: {field.key} = {field.value}: {field.guess}")
    _line(f"staged: {put.name} {put.version}, {put.guesses} guesses to check")


def _drafting() -> Drafting:
    return Drafting(Principal(by(), frozenset(), EVERYTHING), time.perf_counter())


def _recorded(store: Store, draft: Draft) -> Draft:
    # Who has the machine has no role: as of keys and holds.
    made = replace(draft, facts=replace(draft.facts, role=None))
    store.journal.append(made).result()
    return made


def _told(make: Any) -> StagingCandidate:
    try:
        found: StagingCandidate = make()
    except InvalidRequest as error:
        lines = (f"{' '.join(map(str, f.path))}: {f.problem}" for f in error.faults)
        raise Failure("\n".join(lines)) from None
    return found


def _looked(chosen: Settings) -> Registry:
    """The models as they are; also where there are none."""
    loaded = Registry(chosen.models)
    loaded.refresh()
    return loaded


def _writable(models: Path | None) -> Settings:
    chosen = settings(models=models, log_level="ERROR")
    if models is None and chosen.models == shipped_models():
        raise Failure("say where the folder of models is: --models DIR, or IFONLY_MODELS")
    return chosen


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None


def _pairs(texts: Sequence[str] | None, hint: str) -> dict[str, str]:
    found = {}
    for text in texts or ():
        key, is_told, value = text.partition("=")
        if not is_told:
            raise typer.BadParameter(f"{text!r} is not key=value", param_hint=hint)
        found[key.strip()] = value.strip()
    return found


def _values(texts: Sequence[str] | None) -> dict[str, Any]:
    found = {}
    for key, text in _pairs(texts, "--set").items():
        try:
            found[key] = json.loads(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no JSON", param_hint="--set") from None
    return found


def _line(text: str) -> None:
    out.print(text, markup=False)
