"""``ifonly audit check``: a bundle of evidence, checked without a service or a store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ifonly.service.transparency.verifier import NotProven, VerifierKey, check_bundle, read_bundle

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def check(
    bundle: Annotated[Path, typer.Argument(help="A file of `ifonly audit bundle`.")],
    key: Annotated[
        str | None,
        typer.Option("--key", help="The log's verifier key, from somewhere else than the bundle."),
    ] = None,
    roots: Annotated[
        Path | None,
        typer.Option("--tsa-roots", help="Certificates (PEM) that time stamps are trusted by."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check everything that a bundle proves.

    Exit codes: 0 everything holds; 1 something does not; 2 it cannot be read.
    """
    try:
        # A key from the bundle itself proves only that whoever made it had some key.
        trusted = None if key is None else VerifierKey.parse(key)
        vouching = None if roots is None else roots.read_bytes()
        found = check_bundle(read_bundle(bundle), trusted, vouching)
    except (OSError, NotProven) as error:
        err.print(f"ifonly: {bundle} cannot be checked: {error}", markup=False)
        # Apart from 1: what cannot be read proves nothing either way.
        raise typer.Exit(2) from None
    holds = all(each.holds for each in found)
    if as_json:
        told = [{"check": c.name, "holds": c.holds, "says": c.says} for c in found]
        out.print_json(json.dumps({"holds": holds, "checks": told}))
    else:
        for each in found:
            mark = "holds" if each.holds else "FAILS"
            out.print(f"{mark}  {each.name}: {each.says}", markup=False)
    if not holds:
        raise typer.Exit(1)


def main() -> None:
    """``ifonly audit check …`` alone: nothing else of the command line is imported."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("check")(check)
    # An auditor's machine needs no models and no database drivers for it.
    app(args=sys.argv[3:], prog_name="ifonly audit check")
