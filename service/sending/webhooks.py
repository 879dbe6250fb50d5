"""Webhooks: who may be told of the end of a job, and how they know that it is us.

Signed as https://www.standardwebhooks.com (1.0.0) has it: ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, HMAC-SHA256 of the three parts with a point between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ifonly.service.errors import SinkUnavailable

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret, as Standard Webhooks has it."""
LONGEST = 2_048
"""Characters of a URL."""


def secrets_of(text: str) -> tuple[bytes, ...]:
    """Secrets, ``whsec_`` and base64 each, with spaces between: while one takes the place of
    another both sign.

    Raises
    ------
    SinkUnavailable
        If one is none.
    """
    found = []
    for secret in text.split():
        try:
            raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        if not LEAST_BYTES <= len(raw) <= MOST_BYTES:
            raise SinkUnavailable(
                f"IFONLY_WEBHOOK_SECRET is not {PREFIX} and base64 of {LEAST_BYTES} to "
                f"{MOST_BYTES} bytes"
            )
        found.append(raw)
    if not found:
        raise SinkUnavailable("IFONLY_WEBHOOK_HOSTS needs IFONLY_WEBHOOK_SECRET, which signs")
    return tuple(found)


def signature(secrets: Sequence[bytes], identity: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``."""
    signed = b"%b.%d.%b" % (identity.encode(), timestamp, body)
    codes = [hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets]
    return " ".join(f"v1,{base64.b64encode(code).decode()}" for code in codes)


def why_not(url: str, allowed: Sequence[str]) -> str | None:
    """Why a webhook may not be sent there; None: it may. ``allowed``: hosts (``hooks.example``,
    ``*.example``: https, port 443) or origins (``http://mes.plant:8080``)."""
    # Read by who sends it, too: two readers of one URL may take it for two hosts. Imported where
    # somebody wants a webhook.
    import httpx

    if not allowed:
        return "no webhooks are sent by this service (IFONLY_WEBHOOK_HOSTS)"
    try:
        read = httpx.URL(url)
        host = read.host.lower()
    except (httpx.InvalidURL, ValueError, UnicodeError):
        return "this is no URL"
    if len(url) > LONGEST or read.scheme not in ("http", "https") or not host:
        return f"this is no URL of http or https of at most {LONGEST} characters"
    if read.userinfo or read.fragment:
        return "a webhook's URL has neither a user nor a fragment"
    port = read.port or (443 if read.scheme == "https" else 80)
    if any(_is(pattern.lower(), read.scheme, host, port) for pattern in allowed):
        return None
    return f"{read.scheme}://{host}:{port} is not among the hosts that webhooks may be sent to"


def _is(pattern: str, scheme: str, host: str, port: int) -> bool:
    wanted, _, rest = pattern.rpartition("://")
    name, _, number = rest.rstrip("/").partition(":")
    there = int(number) if number.isdecimal() else 80 if wanted == "http" else 443
    return (wanted or "https", there) == (scheme, port) and _fits(host, name)


def _fits(host: str, name: str) -> bool:
    return fnmatchcase(host, name) if name.startswith("*.") else host == name
