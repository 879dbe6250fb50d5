"""By whom the slices of a run are answered: processes of this machine, or a cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import StrEnum
from importlib.util import find_spec

from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.workers import AnsweringPool
from ifonly.service.errors import CannotBulk


class BulkEngine(StrEnum):
    """What comes out is the same of each."""

    LOCAL = "local"
    RAY = "ray"


def check(engine: BulkEngine, workers: int | None, address: str | None) -> None:
    """Before anything is read.

    Raises
    ------
    InvalidRequest
        If the engine cannot be asked so.
    CannotBulk
        If it is not installed.
    """
    if engine is BulkEngine.LOCAL:
        if address is not None:
            raise misasked("--address", "is a cluster's: --engine ray")
        return
    if workers == 0:
        raise misasked("--workers", "is 0, this process alone, which is no cluster: --engine local")
    if find_spec("ray") is None:
        raise CannotBulk(
            "--engine ray needs Ray, which is not installed: pip install 'ifonly[ray]'"
        )


@contextlib.contextmanager
def pool(
    engine: BulkEngine, answering: Answering, workers: int | None, address: str | None = None
) -> Iterator[AnsweringPool]:
    """``workers`` None: one a core, of this machine or of all the cluster's.

    Raises
    ------
    CannotBulk
        If there is no such cluster.
    """
    if engine is BulkEngine.LOCAL:
        with AnsweringPool(answering, cores() if workers is None else workers) as found:
            yield found
        return
    from ifonly.service.bulk_runs.ray_actors import joined

    with (
        joined(answering, address) as cluster,
        AnsweringPool(answering, workers or cluster.cores, cluster.opened) as found,
    ):
        yield found


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
