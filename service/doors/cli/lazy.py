"""Groups whose commands are imported when they are asked for, not before.

A command's module imports what the command works with (a solver, a database, a server). The name
and the line of help that a list of commands shows are therefore in a table beside the name of the
module; a test holds them against what the modules say themselves.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command, or a group of commands, is, and what lists say of it."""

    module: str
    """Its name in ``ifonly.service.doors.cli``."""
    name: str
    """There: a function, or a ``typer.Typer`` for a group."""
    help: str

    def load(self, called: str) -> Any:
        """The command, for Click, under the name that it is ``called`` by."""
        with uncollected():
            found = getattr(import_module(f"ifonly.service.doors.cli.{self.module}"), self.name)
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=called)
        else:
            holder.command(called)(found)
        return typer.main.get_group(holder).commands[called]


@contextmanager
def uncollected() -> Iterator[None]:
    """What is imported meanwhile is there until the process ends: the garbage collector does not
    look it through, neither now (a fifth of the time that imports take) nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(TyperGroup):
    """A group of the commands of a table, in its order. ``get_command`` imports; to list and to
    suggest names does not.

    The context is ``Any``: Typer has no public name for the type of what Click hands on.
    """

    table: ClassVar[Mapping[str, LazyCommand]]

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {
            name: TyperCommand(name, help=told.help) for name, told in self.table.items()
        }

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        told = self.table.get(cmd_name)
        return None if told is None else told.load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As of a group that has the table's lines for its commands."""
        TyperGroup(
            name=self.name,
            commands=dict(self.commands),
            params=self.params,
            help=self.help,
            epilog=self.epilog,
            rich_markup_mode=self.rich_markup_mode,
        ).format_help(ctx, formatter)
