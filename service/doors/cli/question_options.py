"""Options by which several commands say what is asked."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ifonly.service.doors.cli.console import given_of, read_object
from ifonly.service.doors.cli.option_values import read_target
from ifonly.service.served.causal_model import Semantics

Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="normal, 'normal>=0.6', 'score<=30', or the API's target as JSON. "
        "Default: the model's desired class.",
    ),
]
Constraints = Annotated[
    str | None,
    typer.Option("--constraints", help="The API's constraints: a JSON file or JSON text."),
]
AskedSemantics = Annotated[
    Semantics | None,
    typer.Option(
        "--semantics",
        help="interventional: what follows moves too, by the accepted causal model (the "
        "default where there is one); independent: features move alone; backtracking: which "
        "other past by the same laws, to explain.",
    ),
]
DeadlineMs = Annotated[int | None, typer.Option("--deadline-ms", help="Milliseconds to search.")]
Seed = Annotated[int, typer.Option("--seed")]


def asked(
    target: str | None,
    constraints: str | None,
    deadline_ms: int | None,
    semantics: Semantics | None = None,
) -> dict[str, Any]:
    """What these options say, as parts of a request; what was not given is left out."""
    limits = read_object(constraints, "the constraints") if constraints else {}
    options = {
        "target": None if target is None else read_target(target),
        "deadline_ms": deadline_ms,
        "semantics": None if semantics is None else semantics.value,
    }
    return {"constraints": limits, **given_of(options)}
