"""In which form rows come, and in which they are wanted: media types and codings of a request."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping

from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.http.body import media_type
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.written import OCTETS
from ifonly.service.jobs.forms import INSTALL, MEDIA_TYPES, TableForm, can, form_of

VARY = {"Vary": "Accept, Accept-Encoding"}
QUICK = 1
"""Level of compression: rows are much alike, and whoever waits is on the same site."""


def form_of_body(headers: Mapping[str, str]) -> TableForm:
    """Raises
    ------
    UnsupportedMediaType
        If rows are not read in the form that is declared.
    """
    kind = media_type(headers)
    # As clients call it that are made from the OpenAPI document.
    form = TableForm.JSONL if kind == OCTETS else form_of(kind)
    if form is None:
        taken = ", ".join(MEDIA_TYPES.values())
        declared = headers.get("content-type") or "not given"
        raise UnsupportedMediaType(f"the content type is {declared}; this takes {taken}")
    if not can(form):
        told = f"{form} is read with pyarrow, which is not installed here: {INSTALL}"
        raise UnsupportedMediaType(told)
    return form


def form_wanted(headers: Mapping[str, str], default: TableForm) -> tuple[TableForm, str]:
    """The form of a reply that is liked best of those that there are, and what it is called to
    whoever asks.

    Raises
    ------
    Refusal
        406, if it is one that this installation does not write.
    """
    liked = _weighted(headers.get("accept", ""))
    names = sorted((kind for kind in liked if liked[kind] > 0), key=lambda kind: -liked[kind])
    for kind in names:
        form = form_of(kind)
        if form is None:
            continue
        if can(form):
            return form, MEDIA_TYPES[form]  # as documented, whatever else it is called
        # Another form that they take as well is the next best.
        if not any(each in names for each in ("*/*", OCTETS, MEDIA_TYPES[TableForm.JSONL])):
            told = f"{form} is written with pyarrow, which is not installed here: {INSTALL}"
            raise Refusal(kinds.NOT_ACCEPTABLE, told)
    # Bytes, to those who take these and know nothing of rows.
    return default, OCTETS if OCTETS in names else MEDIA_TYPES[default]


def _weighted(header: str) -> dict[str, float]:
    """What a header of RFC 9110, 12.5 lists, each with its weight."""
    found = {}
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        weight = next((p[2:].strip() for p in parameters if p.startswith("q=")), "1")
        try:
            found[name] = float(weight)
        except ValueError:
            found[name] = 1.0
    return found


def takes_gzip(headers: Mapping[str, str]) -> bool:
    liked = _weighted(headers.get("accept-encoding", ""))
    return liked.get("gzip", liked.get("*", 0.0)) > 0


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """``pieces`` as one gzip file, piece by piece."""
    # 16: gzip's own header, in which zlib writes no time.
    packer = zlib.compressobj(QUICK, wbits=zlib.MAX_WBITS | 16)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
