"""Time stamps of heads by an authority (RFC 3161)."""

from __future__ import annotations

import httpx
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from ifonly.service.transparency.verifier import NotProven, check_stamp

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


def stamp(client: httpx.Client, url: str, message: bytes, roots: bytes | None) -> bytes:
    """The authority's response about the SHA-256 of ``message``, checked.

    Raises
    ------
    NotProven
        If it stamps something else, or ``roots`` (PEM) do not vouch for it.
    httpx.HTTPError
        If it does not answer.
    """
    request = TimestampRequestBuilder(message, HashAlgorithm.SHA256).build()
    reply = client.post(url, content=request.as_bytes(), headers={"Content-Type": QUERY})
    body = reply.raise_for_status().content
    try:
        nonce = decode_timestamp_response(body).tst_info.nonce
    except ValueError as error:
        raise NotProven(f"the authority has not stamped it: {error}") from None
    # RFC 3161, 2.4.2: without the nonce an old response could be passed off as this one.
    if nonce != request.nonce:
        raise NotProven("the time stamp answers another request")
    check_stamp(body, message, roots)
    return body
