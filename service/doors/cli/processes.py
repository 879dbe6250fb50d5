"""Several processes at one port: what one core cannot answer, and what one crash must not stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from ifonly.service import logs
from ifonly.service.doors.cli.lazy import uncollected
from ifonly.service.metrics import FOLDER
from ifonly.service.scheduling.presence import Presence, Stamps, shared
from ifonly.service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def supervise(config: uvicorn.Config, listener: socket.socket) -> None:
    """Keep ``config.workers`` processes answering until told to stop.

    One that dies or hangs is replaced; SIGHUP replaces them one after the other, each once its
    successor answers. Their metrics add up in a folder that goes with this process.
    """
    with tempfile.TemporaryDirectory(prefix="ifonly-metrics-") as folder:
        os.environ.setdefault(FOLDER, folder)  # read by prometheus_client as it is imported
        Multiprocess(config, sockets=[listener]).run()


def application(chosen: Settings) -> partial[FastAPI]:
    """What a process serves, made in that process."""
    # uvicorn pickles the factory for the processes it spawns; a closure would not pickle.
    return partial(_configured, chosen, shared())


def _configured(chosen: Settings, stamps: Stamps) -> FastAPI:
    # Here, not above: this module is read to find this function.
    with uncollected():
        from ifonly.service.doors.app import create_app
        from ifonly.service.doors.cli.interpreter import settled
    logs.configure(chosen.log_format, chosen.log_level)
    threading.Thread(target=_stop_with_parent, name="orphan", daemon=True).start()
    return settled(create_app(chosen, waits_for_store=True, presence=Presence(stamps)))


def _stop_with_parent() -> None:
    """Nobody would replace this process, or stop it, once its parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
