"""A real time-stamping authority (RFC 3161): openssl behind HTTP, with a certificate of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIGURATION = """
[ tsa ]
default_tsa = tsa_config
[ tsa_config ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""
EXTENSIONS = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


class NoAuthority(Exception):
    """There is no openssl here."""


@dataclass(frozen=True)
class Authority:
    url: str
    roots: Path
    """The certificate (PEM) that vouches for it."""


@contextlib.contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """One that answers until the block ends.

    Raises
    ------
    NoAuthority
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NoAuthority("openssl is not installed")
    _prepare(openssl, folder)
    program: str = openssl

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = folder / f"{threading.get_ident()}.tsq"
            query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            reply = _run(
                program, folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", str(query)
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Authority(f"http://127.0.0.1:{server.server_port}/", folder / "root.pem")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _prepare(openssl: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "extensions.cnf").write_text(EXTENSIONS)
    (folder / "serial").write_text("01\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    root = ("req", "-x509", *curve, "-keyout", "root.key", "-out", "root.pem", "-days", "30")
    _run(openssl, folder, *root, "-subj", "/CN=Test root")
    asked = ("req", "-new", *curve, "-keyout", "tsa.key", "-out", "tsa.csr")
    _run(openssl, folder, *asked, "-subj", "/CN=Test authority")
    signed = ("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key")
    more = ("-CAcreateserial", "-days", "30", "-extfile", "extensions.cnf", "-out", "tsa.pem")
    _run(openssl, folder, *signed, *more)


def _run(openssl: str, folder: Path, *arguments: str) -> bytes:
    output = folder / f"{threading.get_ident()}.out"
    given = [openssl, *arguments]
    if arguments[0] == "ts":
        given += ["-out", str(output)]
    done = subprocess.run(given, cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return output.read_bytes() if arguments[0] == "ts" else done.stdout
