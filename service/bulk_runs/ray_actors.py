"""Workers that are actors of a Ray cluster, each of which holds session and tables.

Imports Ray (extra ``ray``). The machines need the packages of this one, and nothing else: the model
is sent. An actor is never revived by Ray: who asked it replaces it, and its slice is asked again
(decision 0129).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray import exceptions

from ifonly.models.errors import ModelError
from ifonly.models.repository.parcel import pack, unpack
from ifonly.service.bulk import BulkOptions, loaded_again
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.exchange import Header, WorkerEnded, answered, part_of, sent
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.errors import CannotBulk, ServiceError
from ifonly.service.logs import logger
from ifonly.service.settings import ifonly_version

TOLD_SECONDS, ROOM_SECONDS = 30.0, 900.0
"""Without room for an actor after which that is told; and, if none has any, the run ends: a cluster
that grows needs some minutes for a machine."""
KNOCK_SECONDS = 10.0
PROBED = 256
"""Rows of the model's own whose scores must be the same on all machines."""


@dataclass(frozen=True)
class _ToAnswer:
    """What an actor is told once; ``Answering`` without what must be loaded there."""

    kind: type[Answering]
    options: BulkOptions
    identity: Mapping[str, Any]
    rest: Mapping[str, Any]
    packages: Mapping[str, str]
    arithmetic: str

    @classmethod
    def of(cls, answering: Answering) -> _ToAnswer:
        explainer = answering.explainer
        names = [f.name for f in dataclasses.fields(answering) if f.name != "explainer"]
        rest = {name: getattr(answering, name) for name in names}
        said = explainer.options, explainer.identity, rest, _packages(), arithmetic(answering)
        return cls(type(answering), *said)

    def there(self, model: bytes) -> Answering:
        """Of the files of a model."""
        with tempfile.TemporaryDirectory(prefix="ifonly-model-") as root:
            folder = unpack(io.BytesIO(model), Path(root), len(model)).folder
            return self.kind(loaded_again(folder, self.options, self.identity), **self.rest)


class _Answerer:
    """The actor."""

    def start(self, to_answer: _ToAnswer, model: bytes) -> tuple[str | None, str]:
        """What is wrong, and the machine's id."""
        machine = ray.get_runtime_context().get_node_id()
        # An actor a core: threads of a library would only be in each other's way.
        pa.set_cpu_count(1)
        own = _packages()
        others = [
            f"{name} {own[name]} and not {wanted}"
            for name, wanted in to_answer.packages.items()
            if own[name] != wanted
        ]
        if others:
            return f"a machine of the cluster ({machine}) has {', '.join(others)}", machine
        try:
            self._answering = to_answer.there(model)
        except (ModelError, ServiceError, OSError) as error:
            return f"on a machine of the cluster ({machine}): {error}", machine
        if arithmetic(self._answering) != to_answer.arithmetic:
            return (
                f"a machine of the cluster ({machine}) rounds otherwise than the one that asks: "
                "its processor is of another kind, or its OPENBLAS_CORETYPE; Haswell on all of "
                "them makes their products the same"
            ), machine
        return None, machine

    def answer(self, header: Header, data: bytes) -> tuple[Header, bytes]:
        return answered(self._answering, header, data)


def _packages() -> dict[str, str]:
    """Versions of what decides what an answer is."""
    found = {"ifonly": ifonly_version()}
    for name in ("numpy", "onnxruntime", "highspy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def arithmetic(answering: Answering) -> str:
    """A digest of what depends on the processor: libraries have code of their own for each kind,
    which adds up in another order, and answers differ in their last digits."""
    draws = np.random.default_rng(0)
    # So small that no library spreads them over threads, of which an actor has one.
    wide, square = draws.normal(size=(31, 61)), draws.normal(size=(61, 61))
    deployed = answering.explainer.model.deployed
    found = [wide @ square, wide @ square[0], np.exp(wide), np.log(np.abs(wide)), np.tanh(wide)]
    found.append(wide.sum(axis=0))
    if deployed.reference is not None:
        found.append(deployed.predictor.score(deployed.reference[:PROBED]))
    return hashlib.sha256(b"".join(each.tobytes() for each in found)).hexdigest()


class RayCluster:
    """A cluster, and the model in it; in a :func:`joined` block."""

    def __init__(self, answering: Answering) -> None:
        self.to_answer = _ToAnswer.of(answering)
        folder = answering.explainer.model.deployed.folder
        try:
            self.model = ray.put(pack(folder))
        except OSError as error:
            raise CannotBulk(f"{folder} cannot be read: {error}") from None
        self._lock = threading.Lock()
        self._ready = 0
        self._was_told = False

    @property
    def cores(self) -> int:
        """Of all its machines; of one that grows on demand, those that are there now."""
        return max(1, int(ray.cluster_resources().get("CPU", 0)))

    def opened(self, _: Answering) -> RayWorker:
        return RayWorker(self)

    def has(self, machine: str | None) -> bool:
        return any(node["NodeID"] == machine and node["Alive"] for node in ray.nodes())

    def count(self, change: int) -> None:
        """Of actors that have the model."""
        with self._lock:
            self._ready += change

    def waited(self, seconds: float) -> None:
        """Somebody has waited so long for an actor.

        Raises
        ------
        CannotBulk
            If there is none at all, and has been none for long.
        """
        with self._lock:
            if self._ready == 0 and seconds > ROOM_SECONDS:
                raise CannotBulk(
                    f"for {seconds:.0f} s no machine of the cluster has had a CPU free for an actor"
                )
            if self._was_told or seconds < TOLD_SECONDS:
                return
            self._was_told = True
        logger.warning("the cluster has no CPU free for another actor yet; %d work", self._ready)


class RayWorker:
    """One actor."""

    def __init__(self, cluster: RayCluster) -> None:
        self._cluster = cluster
        # Over all machines: one that goes takes as little as can be with it.
        options = {"num_cpus": 1, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._actor = ray.remote(_Answerer).options(**options).remote()
        self._starting = self._actor.start.remote(cluster.to_answer, cluster.model)
        self._began = time.monotonic()
        self._machine: str | None = None
        self._is_ready = self._is_ended = False

    def is_ready(self, seconds: float) -> bool:
        if self._is_ready:
            return True
        done, _ = ray.wait([self._starting], timeout=seconds)
        if not done:
            self._cluster.waited(time.monotonic() - self._began)
            return False
        problem, self._machine = self._got(self._starting)
        if problem is not None:
            raise CannotBulk(problem)
        self._is_ready = True
        self._cluster.count(1)
        return True

    @property
    def is_alive(self) -> bool:
        return not self._is_ended

    def ask(self, slice_: RowSlice) -> AnsweredPart:
        header, data = sent(slice_)
        return part_of(*self._got(self._actor.answer.remote(header, data)))

    def end(self) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        if self._is_ready:
            self._cluster.count(-1)
        with contextlib.suppress(exceptions.RayError, ValueError):
            ray.kill(self._actor)

    def _got(self, reply: Any) -> Any:
        try:
            return ray.get(reply)
        except exceptions.RayError as error:
            # Of an actor whose machine lives on, the end was its own.
            is_own = isinstance(error, exceptions.ActorDiedError | exceptions.RayTaskError)
            is_lost = not (is_own and (self._machine is None or self._cluster.has(self._machine)))
            raise WorkerEnded(_short(error), is_lost=is_lost) from None


@contextlib.contextmanager
def joined(answering: Answering, address: str | None) -> Iterator[RayCluster]:
    """The cluster at ``address``; None: that of ``RAY_ADDRESS``, else the one of this machine,
    which is begun if there is none.

    Raises
    ------
    CannotBulk
        If there is none, or it is of another release.
    """
    # A plant's machine tells nobody of what it does, unless its owner says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    is_ours = not ray.is_initialized()
    if is_ours:
        _knock(address or os.environ.get("RAY_ADDRESS", ""))
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = "Ray" if address is None else f"the Ray cluster at {address}"
            raise CannotBulk(
                f"{where} cannot be reached: {_short(error)} (one that asks for a token "
                "is told that of RAY_AUTH_TOKEN)"
            ) from None
    try:
        yield RayCluster(answering)
    finally:
        if is_ours:
            ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself would try for a quarter of an hour. A name that is no address is Ray's to read."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise CannotBulk(f"the Ray cluster at {address} cannot be reached: {error}") from None


def _short(error: BaseException) -> str:
    """The first lines of what Ray says, which may be long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:200]}"
