"""``ifonly train``: make the default model anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ifonly.service.doors.cli.console import Failure, out


def train(
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="The UCI file ai4i2020.csv. Default: simulated parts."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--out", help="Repository to write <name>/<version>/ into.")
    ] = Path("trained"),
    seed: Annotated[int, typer.Option("--seed")] = 0,
    version: Annotated[str, typer.Option("--version", help="Version to write.")] = "1",
) -> None:
    """Train the milling machine's alarm, export it, check the export, write its folder."""
    try:
        from ifonly.models.training import train as fit_and_write  # needs the extra [train]

        report = fit_and_write(folder, csv=csv, seed=seed, version=version)
    except ImportError as error:
        raise Failure(
            f"training needs {error.name or 'a package'} that is not installed; install the extra: "
            "pip install 'ifonly[train]'"
        ) from None
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Failure(named) from None
    summary = report.as_dict()
    out.print(f"wrote {report.folder}", markup=False)
    out.print(f"trained on {report.rows:,} rows ({report.data}), seed {report.seed}", markup=False)
    out.print(f"threshold {report.threshold}", markup=False)
    for part in ("metrics", "parity"):
        for name, value in summary[part].items():
            out.print(f"{part}.{name}: {value}", markup=False)
