"""``ifonly models pull``: models from where they are kept into the folder of a service."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from ifonly.service import logs
from ifonly.service.doors.cli.console import Failure, Models, out, settings
from ifonly.service.errors import ServiceError
from ifonly.service.served import uploads
from ifonly.service.served.objects import opened
from ifonly.service.served.pulling import Listing, Pulled, listing, pull
from ifonly.service.served.registry import Registry


def models_pull(
    url: Annotated[
        str, typer.Argument(help="Above SHA256SUMS: https://, s3://, gs://, az://, or a folder.")
    ],
    models: Models = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Which SHA256SUMS it must be, and so all of it.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option("--every", min=1.0, help="Seconds after which to look again, until stopped."),
    ] = None,
) -> None:
    """Fetch the versions that SHA256SUMS names, check, try and place those that are not there yet.

    A running service serves them at its next look at the folder. Versions are never replaced.
    """
    if sha256 is not None and every is not None:
        raise Failure("--sha256 names one content, which no second look finds changed")
    chosen = settings(models=models)
    if "models" not in chosen.model_fields_set:  # else they would go into the installed package
        raise Failure("where to? --models or IFONLY_MODELS names the folder")
    logs.configure(chosen.log_format, chosen.log_level)
    chosen.models.mkdir(parents=True, exist_ok=True)
    uploads.sweep(chosen.models)  # what a fetch that was ended has left
    registry = Registry.of(chosen)
    if every is None:
        if _once(url, registry, sha256, None)[1].refused:
            raise Failure("not all of them can be served")
        return
    _again_and_again(url, registry, every)


def _again_and_again(url: str, registry: Registry, seconds: float) -> None:
    over = threading.Event()
    # The first process of a container is not ended by a signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    known: Listing | None = None
    while True:
        try:
            known, pulled = _once(url, registry, None, known)
            if pulled.unfetched:
                known = None  # looked at again; what cannot be served stays so
        except ServiceError as error:
            logs.logger.warning("no models were fetched: %s", error)
        if over.wait(seconds):
            return


def _once(
    url: str, registry: Registry, sha256: str | None, known: Listing | None
) -> tuple[Listing, Pulled]:
    with opened(url) as read:
        listed = listing(read, sha256)
        # Not hashed again where nothing has changed.
        if known is not None and known.sha256 == listed.sha256:
            return listed, Pulled()
        pulled = pull(read, listed, registry)
    for identity in pulled.placed:
        out.print(f"placed {identity}", markup=False)
    for identity in pulled.there:
        out.print(f"{identity} is there", markup=False)
    for identity, reason in pulled.refused.items():
        logs.logger.warning("refused %s: %s", identity, reason)
    out.print(f"SHA256SUMS {listed.sha256}", markup=False)
    return listed, pulled
