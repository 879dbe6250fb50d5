"""Files somewhere else, read by path below an address: over HTTP, in a folder, or in a store of
objects (S3, Google's, Azure's).

Who may read a store of objects is said as its own tools have it (``AWS_*``, a role of the cluster),
never in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from ifonly.service.errors import CannotPull

PATIENCE_SECONDS = 30.0
"""A source that says nothing for so long is given up."""
PIECE = 1 << 20
STORES = ("s3", "s3a", "gs", "az", "adl", "abfs", "abfss")

Read = Callable[[str], Iterator[bytes]]
"""The pieces of the file at a path.

Raises
------
CannotPull
    If it cannot be read.
"""


@contextmanager
def opened(address: str) -> Iterator[Read]:
    """Reads files below ``address``: ``https://``, ``http://``, ``s3://bucket/prefix``, ``gs://``,
    ``az://``, or a folder.

    Raises
    ------
    CannotPull
        If no such address can be read here.
    """
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        with _http(address) as read:
            yield read
    elif scheme in STORES:
        yield _store(address)
    elif scheme in ("", "file"):
        yield _folder(Path(urlsplit(address).path))
    else:
        raise CannotPull(f"{scheme}:// is no address that is read: https, {', '.join(STORES)}")


@contextmanager
def _http(address: str) -> Iterator[Read]:
    # Who pulls from elsewhere needs no client of HTTP.
    import httpx

    base = address.rstrip("/")
    transport = httpx.HTTPTransport(retries=2)
    with httpx.Client(
        timeout=PATIENCE_SECONDS, follow_redirects=True, transport=transport
    ) as client:

        def read(path: str) -> Iterator[bytes]:
            try:
                with client.stream("GET", f"{base}/{quote(path)}") as reply:
                    reply.raise_for_status()
                    yield from reply.iter_bytes(PIECE)
            except httpx.HTTPStatusError as error:
                raise CannotPull(f"{path}: {error.response.status_code}") from None
            except httpx.HTTPError as error:
                raise CannotPull(f"{path}: {type(error).__name__}") from None

        yield read


def _store(address: str) -> Read:
    try:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise CannotPull(f"{address} needs: pip install 'ifonly[objects]'") from None
    patience = timedelta(seconds=PATIENCE_SECONDS)
    try:
        # By itself it tries for minutes to reach a store that is not there. Options of its client
        # would hide the environment's.
        store = from_url(address, retry_config={"max_retries": 3, "retry_timeout": patience})
    except (BaseError, ValueError) as error:
        raise CannotPull(f"{address}: {type(error).__name__}") from None

    def read(path: str) -> Iterator[bytes]:
        try:
            for piece in obstore.get(store, path).stream(PIECE):
                yield bytes(piece)
        # Its message may have what was signed: the type says enough.
        except (BaseError, FileNotFoundError, PermissionError) as error:
            raise CannotPull(f"{path}: {type(error).__name__}") from None

    return read


def _folder(root: Path) -> Read:
    def read(path: str) -> Iterator[bytes]:
        try:
            with (root / path).open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece
        except OSError as error:
            raise CannotPull(f"{path}: {error.strerror}") from None

    return read
