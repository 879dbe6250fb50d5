"""What a command does not need it does not import; lists of commands say what the modules say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from service.doors.cli.commands import app
from service.doors.cli.lazy import LazyGroup

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "onnxruntime", "numba", "sqlalchemy", "fastapi", "pydantic_settings", "cryptography", "pint",
    "numpy", "explainers", "models",
)  # fmt: skip
FRESH = """
import json, sys
from service.doors.cli import main
sys.argv = ["ifonly", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert end.code in (0, 2, None), end.code  # 2: no command was named, as no arguments are
sys.stdout.flush()
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def ran(*arguments: str) -> tuple[str, list[str]]:
    """What a process printed that ran ``ifonly`` with these, and the modules it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *told, modules = done.stdout.splitlines()
    return "\n".join(told) + done.stderr, json.loads(modules)


def within(modules: list[str], packages: tuple[str, ...]) -> list[str]:
    return [m for m in modules for p in packages if m == p or m.startswith(f"{p}.")]


@pytest.mark.parametrize(
    "arguments", [("--help",), (), ("nosuch",), ("causal", "--help"), ("causal",)], ids=" ".join
)
def test_a_list_of_commands_imports_no_command(arguments: tuple[str, ...]) -> None:
    told, modules = ran(*arguments)
    assert "Usage: ifonly" in told
    assert within(modules, HEAVY) == []
    assert set(within(modules, ("service",))) <= {
        "service", "service.doors", "service.doors.cli", "service.doors.cli.commands",
        "service.doors.cli.causal_commands", "service.doors.cli.lazy",
    }  # fmt: skip


def test_models_are_listed_without_a_server_and_without_a_database() -> None:
    told, modules = ran("models")
    assert "milling-machine" in told
    assert within(modules, ("fastapi", "sqlalchemy", "uvicorn", "cryptography", "alembic")) == []


def groups() -> list[tuple[str, LazyGroup]]:
    """Every group that has a table, by what is typed for it."""
    found = [("ifonly", typer.main.get_group(app))]
    for called, group in found:
        for name in group.list_commands(typer.Context(group)):
            below = group.get_command(typer.Context(group), name)
            if isinstance(below, LazyGroup):
                found.append((f"{called} {name}", below))
    return [(called, group) for called, group in found if isinstance(group, LazyGroup)]


def test_there_are_two_lazy_groups() -> None:
    assert [called for called, _ in groups()] == ["ifonly", "ifonly causal"]


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
