"""What becomes a staged version: an archive, a model file with answers, a staged one with edits.

Each is made in a folder of its own, read as the service would read it, and put in its place by
``staging.put``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ifonly.explainers.languages import LANGUAGES
from ifonly.models.adding.fields import fields_of, with_values
from ifonly.models.errors import ModelError, SpecError, UnknownModel
from ifonly.models.onnx import GuardLimits
from ifonly.models.repository.folder import SPEC
from ifonly.models.repository.naming import natural, next_number
from ifonly.models.repository.parcel import unpack
from ifonly.models.spec import parse_spec
from ifonly.models.spec.checks import is_path_safe
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.served import drafting, uploads
from ifonly.service.served.drafting import ANSWERS, DraftJob
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.served.staging import (
    ABOUT,
    SOURCE,
    VALUES,
    StagedVersion,
    StagingCandidate,
    find,
    versions_staged,
)


def of_zip(registry: Registry, archive: IO[bytes], by: str) -> StagingCandidate:
    """The model folder in ``archive``.

    Raises
    ------
    InvalidRequest
        If it could not be served: every reason.
    CannotUpload
        If that version is here already, or the folder of models cannot be written.
    """

    def made(root: Path) -> tuple[str, str, dict[str, Any]]:
        try:
            name, version = unpack(archive, root, uploads.MAX_UNPACKED).folder.parts[-2:]
        except ModelError as error:
            raise InvalidRequest(RequestPart.MODEL, uploads.faults_of(error)) from None
        return name, version, {"origin": "zip", "zip_sha256": uploads.sha256_of(archive)}

    return _candidate(registry, made, by)


@dataclass(frozen=True, slots=True)
class Sent:
    """A model file and a sample of its rows, as they came."""

    file: IO[bytes]
    file_name: str
    sample: IO[bytes]
    sample_name: str
    name: str = ""
    """Of the model; empty: of the file."""
    version: str = ""
    """Empty: the next whole number."""
    label: str = ""
    columns: str = ""
    """Names, with commas between."""
    answers: Mapping[str, str] | None = None
    held_out: bool | None = None
    """Whether the model was trained on none of the labelled rows; None: nobody says."""


def of_file(registry: Registry, sent: Sent, limits: GuardLimits, by: str) -> StagingCandidate:
    """A folder that is made of a model file and a sample.

    Raises
    ------
    InvalidRequest, CannotUpload
        As :func:`of_zip`.
    """
    file, sample = Path(sent.file_name), Path(sent.sample_name)
    faults = [
        Fault((part,), f"is {path.suffix or 'without an ending'!r}, not one of {', '.join(known)}")
        for part, path, known in (
            (drafting.FILE, file, drafting.SUFFIXES),
            (drafting.SAMPLE, sample, drafting.SAMPLES),
        )
        if path.suffix.lower() not in known
    ]
    name = sent.name or uploads.safe_name(file.stem)
    faults += [
        Fault((part,), f"is {text[:100]!r}, which is not safe in a path")
        for part, text in (("name", name), ("version", sent.version))
        if text and not is_path_safe(text)
    ]
    if faults:
        raise InvalidRequest(RequestPart.MODEL, faults)
    version = sent.version or _next(registry, name)

    def made(root: Path) -> tuple[str, str, dict[str, Any]]:
        source = {
            "file": f"model{file.suffix.lower()}",
            "sample": f"sample{sample.suffix.lower()}",
            "label": sent.label,
            "held_out": sent.held_out,
            "columns": [c for part in sent.columns.split(",") if (c := part.strip())],
        }
        folder = root / SOURCE
        folder.mkdir()
        for stream, kept in ((sent.file, source["file"]), (sent.sample, source["sample"])):
            with (folder / str(kept)).open("xb") as target:
                shutil.copyfileobj(stream, target)
        origin = f"{_printed(sent.file_name)} and {_printed(sent.sample_name)}"
        about = {"origin": origin, "source": source}
        return (
            name,
            version,
            about | _drafted(root, name, version, about, sent.answers or {}, limits),
        )

    return _candidate(registry, made, by)


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody sets of a staged version."""

    values: Mapping[str, Any]
    """Of fields, by key; None takes one out."""
    checked: Collection[str] = ()
    """Keys of guesses that are right."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """To questions, by key."""


def edited(
    registry: Registry, staged: StagedVersion, edit: Edit, limits: GuardLimits, by: str
) -> StagingCandidate:
    """The next revision.

    Raises
    ------
    InvalidRequest
        With every field and every answer that is wrong.
    CannotUpload
        As :func:`of_zip`.
    """
    make = _with_answers if edit.answers else _with_fields
    return make(registry, staged, edit, limits, by)


def _with_answers(
    registry: Registry, staged: StagedVersion, edit: Edit, limits: GuardLimits, by: str
) -> StagingCandidate:
    """Made anew of what was sent; what was set in the spec is set again where it still can be."""
    if SOURCE not in staged.about:
        fault = Fault((ANSWERS,), "nothing was asked: it came as a folder")
        raise InvalidRequest(RequestPart.MODEL, [fault])
    known = {q["key"]: q["answer"] for q in staged.about["questions"] if not q["is_guess"]}

    def made(root: Path) -> tuple[str, str, dict[str, Any]]:
        shutil.copytree(staged.root / SOURCE, root / SOURCE)
        about = dict(staged.about)
        name, version = staged.name, staged.version
        about |= _drafted(root, name, version, about, {**known, **edit.answers}, limits)
        asked = {question["key"] for question in about["questions"]}
        unasked = [key for key in edit.answers if key not in asked]
        if unasked:
            faults = [Fault((ANSWERS, key), "is no question that was asked") for key in unasked]
            raise InvalidRequest(RequestPart.MODEL, faults)
        about |= _remembered(staged, edit)
        _set_again(root / name / version / SPEC, about, staged)
        return name, version, about

    return _candidate(registry, made, by, staged)


def _remembered(staged: StagedVersion, edit: Edit) -> dict[str, Any]:
    """What was set so far, to be set again where the spec is made anew."""
    checked = {*staged.about.get("checked", ()), *edit.checked}
    return {VALUES: {**staged.about.get(VALUES, {}), **edit.values}, "checked": sorted(checked)}


def _set_again(spec: Path, about: Mapping[str, Any], staged: StagedVersion) -> None:
    text = spec.read_bytes()
    known = {f.key for f in fields_of(text, LANGUAGES)}
    values = {key: value for key, value in about[VALUES].items() if key in known}
    try:
        text = with_values(text, values, known & {*about["checked"]}, LANGUAGES)
    except SpecError as error:
        raise InvalidRequest(RequestPart.MODEL, list(_by_field(error, staged))) from None
    spec.write_bytes(text)


def _with_fields(
    registry: Registry, staged: StagedVersion, edit: Edit, limits: GuardLimits, by: str
) -> StagingCandidate:
    try:
        text = with_values(staged.spec, edit.values, edit.checked, LANGUAGES)
        parse_spec(text, SPEC)
    except SpecError as error:
        raise InvalidRequest(RequestPart.MODEL, list(_by_field(error, staged))) from None

    def made(root: Path) -> tuple[str, str, dict[str, Any]]:
        shutil.copytree(staged.root, root, dirs_exist_ok=True, ignore=_not_kept)
        uploads.write(root / staged.name / staged.version, {SPEC: text})
        return staged.name, staged.version, {**staged.about, **_remembered(staged, edit)}

    return _candidate(registry, made, by, staged)


def _not_kept(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in (SPEC, ABOUT)]


def _by_field(error: SpecError, staged: StagedVersion) -> Iterator[Fault]:
    """What is wrong, each at the field of which it is."""
    known = sorted((f.key for f in staged.fields), key=len, reverse=True)
    for problem in error.problems:
        own = next((key for key in known if problem.key.startswith(key)), problem.key)
        yield Fault((VALUES, own) if own else (SPEC,), problem.problem)


def _drafted(
    root: Path,
    name: str,
    version: str,
    about: Mapping[str, Any],
    answers: Mapping[str, str],
    limits: GuardLimits,
) -> dict[str, Any]:
    source, folder = about["source"], root / SOURCE
    job = DraftJob(
        str(folder / source["file"]),
        str(folder / source["sample"]),
        about["origin"],
        name,
        version,
        str(root),
        source["label"] or None,
        tuple(source["columns"]) or None,
        answers,
        source.get("held_out"),  # what was sent to an earlier version says nothing
    )
    found = drafting.drafted(job, limits)
    return {"questions": found["questions"], "told": found["told"]}


def _candidate(
    registry: Registry,
    make: Callable[[Path], tuple[str, str, dict[str, Any]]],
    by: str,
    before: StagedVersion | None = None,
) -> StagingCandidate:
    root = uploads.hidden(registry.root)
    try:
        name, version, about = make(root)
        if before is None:
            _check_new(registry, name, version)
        about |= {"by": by}
        model = _read(registry, root, name, version, before)
        uploads.write(root, {ABOUT: json.dumps(about, default=float).encode()})
        revision = 1 if before is None else before.revision + 1
        return StagingCandidate(root, name, version, revision, model, about)
    # Also when cancelled: nothing hidden stays.
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


def _read(
    registry: Registry, root: Path, name: str, version: str, before: StagedVersion | None
) -> ServedModel:
    try:
        return registry.read(root / name / version, root)
    except SpecError as error:
        if before is not None and error.file.endswith(SPEC):
            raise InvalidRequest(RequestPart.MODEL, list(_by_field(error, before))) from None
        raise InvalidRequest(RequestPart.MODEL, uploads.faults_of(error)) from None
    except ModelError as error:
        raise InvalidRequest(RequestPart.MODEL, uploads.faults_of(error)) from None


def _check_new(registry: Registry, name: str, version: str) -> None:
    # An early answer; the rename of `put`, and that of an activation, decide.
    with suppress(UnknownModel):
        find(registry, name, version)
        raise uploads.is_there(name, version)
    if (registry.root / name / version).exists():
        raise uploads.is_there(name, version)


def _next(registry: Registry, name: str) -> str:
    """The next whole number, of what is served and what is staged.

    Raises
    ------
    InvalidRequest
        If versions of this model are not numbered.
    """
    folder = registry.root / name
    there = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    there += versions_staged(registry.root, name)
    number = next_number(there)
    if number is None:
        latest = max(there, key=natural)
        fault = Fault(("version",), f"the latest version is {latest}: name the next one")
        raise InvalidRequest(RequestPart.MODEL, [fault])
    return number


def _printed(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in Path(name).name)[:100]
