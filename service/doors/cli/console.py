"""What the commands share: two consoles, rows from files, the folder of models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from ifonly.service import logs
from ifonly.service.errors import MalformedBody
from ifonly.service.served.registry import Registry, ServedModel, remotes_of
from ifonly.service.settings import Settings
from ifonly.service.wire.strict_json import read_json

# No highlighting and no wrapping: output is read by scripts as well.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Models = Annotated[
    Path | None,
    typer.Option("--models", help="Folder of model folders. Default: the shipped ones."),
]
Model = Annotated[
    str | None, typer.Option("--model", help="Name of the model. Default: the only one there is.")
]
Version = Annotated[
    str | None, typer.Option("--version", help="Version of the model. Default: the latest.")
]
Row = Annotated[
    str,
    typer.Option("--row", help="An instance: a JSON file, JSON text, or - for standard input."),
]


@contextmanager
def needs_pyarrow(command: str) -> Iterator[None]:
    """Around imports of a command that reads tables.

    Raises
    ------
    Failure
        If what they need is not installed: how it is.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        told = f"{command} needs pyarrow, which is not installed: pip install 'ifonly[bulk]'"
        raise Failure(told) from None


Since = Annotated[
    str | None, typer.Option("--since", help="RFC 3339, included; default: 30 days before.")
]
Until = Annotated[str | None, typer.Option("--until", help="RFC 3339, excluded; default: now.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's reply instead of a table.")]


class Failure(Exception):
    """The command cannot do what it was asked; exit code 1."""


def complain(*lines: str) -> None:
    for line in lines:
        # Without markup: names in brackets are texts of a plant, not styles.
        err.print("ifonly:", line, markup=False)


def given_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that were given: one that was not is None."""
    return {name: value for name, value in options.items() if value is not None}


def settings(**given: Any) -> Settings:
    """The environment's settings, and over them what the command line gives.

    Raises
    ------
    Failure
        If one is out of bounds.
    """
    try:
        # None is left out: an option that is not given must not hide the environment's value.
        return Settings(**given_of(given))
    except ValidationError as error:
        # One at a time: the first is often the cause of the rest.
        first = error.errors()[0]
        if not first["loc"]:  # about several settings together: its message names them
            raise Failure(first["msg"].removeprefix("Value error, ")) from None
        name = "_".join(str(part) for part in first["loc"])
        raise Failure(f"setting {name} is {first['input']!r}: {first['msg']}") from None


def registry(chosen: Settings, *, warm: bool = False) -> Registry:
    """The models of the folder that the settings name, loaded; ``warm`` to serve them.

    Raises
    ------
    ModelsNotFound
        If there is nothing to serve.
    """
    logs.configure(chosen.log_format, chosen.log_level)
    if warm:
        # Imported here: who lists models needs no solver.
        from ifonly.service.ask.warming import warm as warmed

        # Of several processes each warms its own; this one then only watches over them.
        loaded = Registry.of(chosen, warm=warmed if chosen.processes == 1 else None)
    else:
        # Who does not serve protects nobody else from a model, and should not wait for a trial.
        loaded = Registry(chosen.models, remotes=remotes_of(chosen))
    loaded.load()
    return loaded


def pick(loaded: Registry, name: str | None, version: str | None) -> ServedModel:
    """The model of that name; without one, the only one.

    Raises
    ------
    Failure
        If no name is given and there are several.
    UnknownModel
        If there is none of that name and version.
    """
    if name is None:
        names = loaded.names()
        if len(names) > 1:
            # Never guessed: an answer about another model looks right.
            raise Failure(f"there are several models, choose one: --model {' | '.join(names)}")
        name = names[0]
    return loaded.get(name, version)


def content_of(path: Path, what: str = "") -> bytes:
    """What is in a file; ``what`` it is, for the message.

    Raises
    ------
    Failure
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{what} {path} cannot be read: {error.strerror}".lstrip()) from None


def read_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object from a file, from the text itself, or from standard input (``-``).

    Raises
    ------
    MalformedBody, InvalidRequest
        If it is not one.
    Failure
        If the file cannot be read.
    """
    if text == "-":
        data = sys.stdin.buffer.read()
    elif text.lstrip().startswith("{"):
        # surrogateescape gives back the bytes as typed: the reader refuses bad UTF-8 by its place.
        data = text.encode("utf-8", "surrogateescape")
    else:
        data = content_of(Path(text), what)
    try:
        value = read_json(data)
    # The reader is the API's: on the command line there is no body, but a row or a target.
    except MalformedBody as error:
        problem = error.problem.replace("the body", what, 1)
        raise MalformedBody(problem, error.line, error.column) from None
    if not isinstance(value, dict):
        raise MalformedBody(f"{what} is not a JSON object")
    return value


def print_json(value: object) -> None:
    """``value`` as indented JSON, byte for byte: no wrapping, no colours."""
    # Not through rich, which would wrap lines within texts.
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
