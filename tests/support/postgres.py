"""A real PostgreSQL server in a temporary folder, on a free port; from the system's packages."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 600
_ANY = "some_schema"


class NoServer(Exception):
    """PostgreSQL cannot be run here; the message says why."""


class Server:
    """A cluster of its own. It refuses to run as root, so root runs it as ``postgres``."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = "on" if durable else "off"
        self._data = folder / "data"
        self._programs = _programs()
        self._user = _user()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        if self._user:
            shutil.chown(folder, self._user, pwd.getpwnam(self._user).pw_gid)
        create = ["initdb", "--no-sync", "-A", "trust", "-U", "ifonly", "-E", "UTF8"]
        self.run_program(*create, "--locale=C.UTF-8", "-D", str(self._data))

    @property
    def folder(self) -> Path:
        """Where the user that runs the server may write."""
        return self._folder

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "fsync": self._durable,  # tests cut no power
            "full_page_writes": self._durable,
            "max_connections": 60,
        }
        given = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as_user(),
            )
        last = time.monotonic() + START_SECONDS
        while True:
            try:
                self._admin = self._connected()
                return
            except psycopg.OperationalError:
                if time.monotonic() > last or self._process.poll() is not None:
                    raise NoServer((self._folder / "log").read_text()[-2_000:]) from None
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: sessions are ended, what was committed is kept. SIGQUIT: at once."""
        if self._process is not None:
            self._admin.close()
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """The URL of what behaves as an empty database: a schema of its own, made in no time."""
        self._databases += 1
        name = f"store_{self._databases}"
        self._admin.execute(f'CREATE SCHEMA "{name}"'.encode())
        options = f"?options=-csearch_path%3D{name}"
        return f"postgresql://ifonly@127.0.0.1:{self.port}/postgres{options}"

    def dump(self, url: str) -> str:
        """SQL that makes what the database at ``url`` has, for :meth:`restore`."""
        where = f"postgresql://ifonly@127.0.0.1:{self.port}/postgres"
        asked = ["--inserts", "--no-owner", f"--schema={_schema(url)}", where]
        lines = self.run_program("pg_dump", *asked).splitlines()
        kept = [x for x in lines if not x.startswith(("\\", "--", "CREATE SCHEMA"))]
        return "\n".join(kept).replace(f"{_schema(url)}.", f"{_ANY}.")

    def restore(self, url: str, dump: str) -> None:
        """Make what was dumped in the empty database at ``url``."""
        self._admin.execute(dump.replace(f"{_ANY}.", f"{_schema(url)}.").encode())

    def _connected(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=ifonly dbname=postgres", autocommit=True
        )

    def run_program(self, program: str, *arguments: str) -> str:
        """What one of PostgreSQL's own prints, as the user that runs the server."""
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            cwd=self._folder,
            **self._as_user(),
        )
        if done.returncode:
            raise NoServer(f"{program} failed: {done.stderr[-1_000:]}")
        return str(done.stdout)

    def _as_user(self) -> dict[str, Any]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        if not self._user:
            return {"env": environment}
        return {
            "env": environment | {"HOME": str(self._folder)},
            "user": self._user,
            "group": pwd.getpwnam(self._user).pw_gid,
            "extra_groups": [],
        }


@contextlib.contextmanager
def server(*, durable: bool = False) -> Iterator[Server]:
    """A server that runs until the block ends; ``durable``: that waits for the disk.

    Raises
    ------
    NoServer
        If there is no PostgreSQL here, or it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="ifonly-pg-"))
    try:
        running = Server(folder, durable=durable)
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGQUIT)  # nobody will ask for what it has
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _schema(url: str) -> str:
    return url.rpartition("%3D")[2]


def _programs() -> Path:
    found = [Path(p).parent for p in sorted(glob("/usr/lib/postgresql/*/bin/initdb"))]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    if not found:
        raise NoServer("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1]


def _user() -> str:
    """Who runs it; empty: whoever runs the tests."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise NoServer("it refuses to run as root, and there is no user postgres") from None
