"""``ifonly explainer``: started by KServe, with the arguments that its controller adds."""

from __future__ import annotations

from typing import Annotated

import typer

from ifonly.service.doors.cli import console
from ifonly.service.doors.cli.console import Failure, Models
from ifonly.service.doors.cli.serve import serve_as


def explainer(
    name: Annotated[
        str, typer.Option("--model_name", help="Of the InferenceService, and of our model.")
    ],
    host: Annotated[
        str | None,
        typer.Option("--predictor_host", help="Of the predictor; each answer is asked of it too."),
    ] = None,
    port: Annotated[int, typer.Option("--http_port", help="Port to listen at.")] = 8080,
    workers: Annotated[int | None, typer.Option("--workers", help="As --processes.")] = None,
    models: Models = None,
) -> None:
    """Serve as the explainer of a KServe InferenceService. Settings: as `ifonly serve`."""
    chosen = console.settings(
        host="0.0.0.0", port=port, models=models, processes=workers, predictor_host=host
    )
    loaded = console.registry(chosen, warm=True)
    if name not in loaded.names():
        raise Failure(
            f"the InferenceService is called {name}, and no model here is: its name and the "
            f"model's ({', '.join(loaded.names())}) must be the same"
        )
    serve_as(chosen, loaded)
