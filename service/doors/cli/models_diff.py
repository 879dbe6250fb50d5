"""``ifonly models diff``: what a version says otherwise than another."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.ask.differences import told, version_before
from ifonly.service.audit.comparison import version_of
from ifonly.service.doors.cli.console import AsJson, Models, out, print_json, settings
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.served.registry import Registry
from ifonly.service.wire import differences as wire

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_TONES = {"added": "green", "removed": "red", "changed": "yellow"}


def diff(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    versions: Annotated[
        list[str] | None,
        typer.Argument(
            help="FROM and TO, staged or here; one: it and the version before it. Default: the "
            "active one and the one before it."
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="The files' lines, too.")] = False,
    models: Models = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """What a version says otherwise than another: decision, features, policy, rules, causal graph.

    Exit codes: 0 nothing is otherwise; 1 something is.
    """
    loaded = Registry(settings(models=models, log_level="ERROR").models)
    loaded.refresh()
    if len(given := list(versions or ())) > 2:
        raise typer.BadParameter("two versions are compared", param_hint="VERSIONS")
    chosen = given[-1] if given else loaded.get(name).version
    against = given[0] if len(given) > 1 else version_before(loaded.versions(name), chosen)
    found = told(*(version_of(loaded, name, each) for each in (against, chosen)))
    if as_json:
        print_json(found.as_mapping())
    else:
        _print(found, languages_of(lang)[0], lines=lines)
    if any((found.values, found.rules, _differing(found))):
        raise typer.Exit(1)


def _differing(found: wire.DifferencesReply) -> list[str]:
    # Whether specs name another version is no difference of what they say.
    return [d.file for d in found.digests if d.was != d.now and d.file != "spec.toml"]


def _print(found: wire.DifferencesReply, tag: str, *, lines: bool) -> None:
    table = Table("", "what", found.before, found.version)
    for value in found.values:
        label = value.label[tag]
        what = label if label == value.key else f"{label}\n{value.key}"
        table.add_row(*_cells(value.way, what, value.was or "–", value.now or "–"))
    for rule in found.rules:
        was, now = ("–" if said is None else said[tag] for said in (rule.was, rule.now))
        table.add_row(*_cells(rule.way, rule.key, was, now))
    if table.row_count:
        out.print(table)
    for file in found.digests:
        state = "the same" if file.was == file.now else "differs"
        out.print(f"{file.file}: {state}", markup=False)
    for each in found.files if lines else ():
        _print_lines(each)


def _cells(way: wire.Way, *texts: str) -> list[Text]:
    return [Text(_SIGNS[way], style=_TONES[way]), *map(Text, texts)]


def _print_lines(file: wire.FileLines) -> None:
    if file.lines is None:
        out.print(f"{file.file}: too many lines to be matched", markup=False)
        return
    out.print(f"--- {file.file}", markup=False)
    for line in file.lines:
        if line.way == "same":
            out.print(Text(f"  {line.now}"))
            continue
        if line.was is not None:
            out.print(Text(f"- {line.was}", style="red"))
        if line.now is not None:
            out.print(Text(f"+ {line.now}", style="green"))
