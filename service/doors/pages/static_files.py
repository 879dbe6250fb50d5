"""Style, scripts and pictures: read once, named by what is in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.exceptions import HTTPException

from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.request_path import PublicRoute

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
FOREVER = "public, max-age=31536000, immutable"
"""For an address that has the digest in it: other content has another address."""

router = APIRouter(route_class=PublicRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str
    digest: str


@cache
def shipped() -> dict[str, File]:
    """Every file, by name."""
    return {
        path.name: _file(path.name, path.read_bytes())
        for path in files("ifonly.service.doors.pages").joinpath("static").iterdir()
    }


def _file(name: str, content: bytes) -> File:
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    return File(content, media_type, hashlib.sha256(content).hexdigest()[:16])


def address(name: str) -> str:
    """Where a browser finds a file."""
    return f"/static/{name}?v={shipped()[name].digest}"


@router.get("/static/{name}")
@reads_query("v")
async def read_file(name: Annotated[str, Path(max_length=64)], request: Request) -> Response:
    """A file of the pages."""
    # A look-up in a table: no path is ever made of what was asked.
    file = shipped().get(name)
    if file is None:
        raise HTTPException(404)
    tag = f'"{file.digest}"'
    # Without the right digest nothing may be kept for ever: it could be another version's file.
    is_named = request.query_params.get("v") == file.digest
    headers = {"ETag": tag, "Cache-Control": FOREVER if is_named else "no-cache"}
    # RFC 9110, 13.1.2: what the browser has is current, so only the head is sent.
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, 200, headers, file.media_type)
