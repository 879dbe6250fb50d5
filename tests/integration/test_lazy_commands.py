"""What a list of commands does not need is not imported; it says what the modules say. Failures."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from ifonly.models.errors import UnknownModel
from ifonly.models.onnx import sessions
from ifonly.models.repository import load_folder
from ifonly.service.ask.warming import warm
from ifonly.service.doors.cli.commands import app
from ifonly.service.doors.cli.console import Failure
from ifonly.service.doors.cli.failures import told
from ifonly.service.doors.cli.lazy import LazyGroup, uncollected
from ifonly.service.errors import Fault, InvalidRequest, MalformedBody, ModelsNotFound, RequestPart
from ifonly.service.logs import logger
from ifonly.service.served.registry import prepare
from ifonly.service.settings import shipped_models

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "onnxruntime", "sqlalchemy", "fastapi", "pydantic_settings", "cryptography", "pint",
    "numpy", "ifonly.explainers", "ifonly.models",
)  # fmt: skip
RARE = ("alembic", "highspy", "jwt", "opentelemetry.exporter", "pint", "rfc3161_client")
"""What a service of the shipped model needs with a store that is there: none of it."""
FRESH = """
import json, os, sys
written = []

def note(event, given):
    # Not those opened by number: they were noted by name before.
    by_name = event == "open" and not isinstance(given[0], int)
    if by_name and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR):
        written.append(str(given[0]))

sys.addaudithook(note)
from ifonly.service.doors.cli import main
sys.argv = ["ifonly", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert end.code in (0, 2, None), end.code  # 2: no command was named, as no arguments are
sys.stdout.flush()
print("\\n" + json.dumps([sorted(sys.modules), written]))
"""


def ran(*arguments: str) -> tuple[str, list[str]]:
    """What a process printed that ran ``ifonly`` with these, and the modules it has imported."""
    printed, modules, _ = ran_in({}, *arguments)
    return printed, modules


def ran_in(env: dict[str, str], *arguments: str) -> tuple[str, list[str], list[str]]:
    """The same with a changed environment, and the files that it opened to write."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *told, last = done.stdout.splitlines()
    modules, written = json.loads(last)
    return "\n".join(told) + done.stderr, modules, written


def within(modules: list[str], packages: tuple[str, ...]) -> list[str]:
    return [m for m in modules for p in packages if m == p or m.startswith(f"{p}.")]


@pytest.mark.parametrize(
    "arguments", [("--help",), (), ("nosuch",), ("causal", "--help"), ("causal",)], ids=" ".join
)
def test_a_list_of_commands_imports_no_command(arguments: tuple[str, ...]) -> None:
    printed, modules = ran(*arguments)
    assert "Usage: ifonly" in printed
    assert within(modules, HEAVY) == []
    assert set(within(modules, ("ifonly.service",))) <= {
        "ifonly.service", "ifonly.service.doors", "ifonly.service.doors.cli",
        "ifonly.service.doors.cli.commands",
        "ifonly.service.doors.cli.causal_commands", "ifonly.service.doors.cli.lazy",
    }  # fmt: skip


def test_models_are_listed_without_a_server_without_a_database_and_without_a_solver() -> None:
    printed, modules = ran("models")
    assert "milling-machine" in printed
    server = ("fastapi", "sqlalchemy", "uvicorn", "cryptography", "ifonly.service.ask.warming")
    engines = (
        "ifonly.explainers.native",
        "ifonly.explainers.search.trees",
        "ifonly.explainers.search.milp",
    )
    assert within(modules, server + engines + RARE) == []


@pytest.mark.parametrize("command", ["db", "keys", "audit", "explain", "causal replay"])
def test_commands_that_do_not_serve_import_no_server(command: str) -> None:
    _, modules = ran(*command.split(), "--help")
    assert (
        within(modules, ("fastapi", "starlette", "uvicorn", "ifonly.service.doors.http", *RARE))
        == []
    )


def test_a_start_imports_only_what_its_settings_ask_for_and_writes_only_its_data(
    tmp_path: Path,
) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    env = {"HOME": str(home), "IFONLY_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"}
    _, first, at_first = ran_in(env, "run", "--once", "--port", "0")
    assert within(first, ("alembic",))  # the tables are made
    printed, modules, written = ran_in(env, "run", "--once", "--port", "0")
    assert "Ask again" in printed
    assert within(modules, RARE) == []
    assert list(home.iterdir()) == []
    own = (str(data), os.devnull)
    assert [file for file in at_first + written if not file.startswith(own)] == []


def test_the_shipped_model_holds_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*given: Any) -> Any:
        made.append(open_here(*given))
        return made[-1]

    open_here = sessions.open_here
    monkeypatch.setattr(sessions, "open_here", counted)
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    warm(model)
    assert len(made) == 1


def test_what_a_command_imports_is_left_alone_by_the_garbage_collector() -> None:
    frozen = gc.get_freeze_count()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def groups() -> list[tuple[str, LazyGroup]]:
    """Every group that has a table, by what is typed for it."""
    found = [("ifonly", typer.main.get_group(app))]
    for called, group in found:
        for name in group.list_commands(typer.Context(group)):
            below = group.get_command(typer.Context(group), name)
            if isinstance(below, LazyGroup):
                found.append((f"{called} {name}", below))
    return [(called, group) for called, group in found if isinstance(group, LazyGroup)]


def test_there_are_three_lazy_groups() -> None:
    assert [called for called, _ in groups()] == ["ifonly", "ifonly models", "ifonly causal"]


LISTED = [(group, name) for _, group in groups() for name in group.table]


@pytest.mark.parametrize(("group", "name"), LISTED, ids=[name for _, name in LISTED])
def test_a_list_says_of_a_command_what_its_module_says(group: LazyGroup, name: str) -> None:
    command = group.get_command(typer.Context(group), name)
    assert command.name == name
    first_paragraph = command.help.split("\n\n")[0]
    assert group.table[name].help == " ".join(first_paragraph.split())
    assert group.commands[name].help == group.table[name].help
    assert isinstance(command, TyperGroup) or command.callback.__doc__


def test_an_unknown_command_is_none_and_is_not_looked_for() -> None:
    group = typer.main.get_group(app)
    assert group.get_command(typer.Context(group), "nosuch") is None


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MalformedBody("the row is no JSON", 1, 2), 2, "the row is no JSON (line 1, column 2)"),
        (InvalidRequest(RequestPart.TARGET, [Fault((), "a"), Fault((), "b")]), 2, "a\nifonly: b"),
        (UnknownModel("mill"), 2, str(UnknownModel("mill"))),
        (Failure("no key is here"), 1, "no key is here"),
        (ModelsNotFound("there is no model"), 1, "there is no model"),
        (KeyError("x"), 1, "failed: KeyError: 'x' (IFONLY_LOG_LEVEL=DEBUG shows where)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_is_told_with_its_exit_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with logged_at(logging.WARNING):
        assert told(error) == code
    assert capsys.readouterr().err == f"ifonly: {said}\n"


def test_who_debugs_gets_the_unexpected_itself() -> None:
    error = KeyError("x")
    with logged_at(logging.DEBUG), pytest.raises(KeyError) as raised:
        told(error)
    assert raised.value is error
    with logged_at(logging.DEBUG):
        assert told(Failure("no key is here")) == 1


@contextmanager
def logged_at(level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
