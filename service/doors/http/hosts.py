"""Under which names this service is asked, and by whose pages.

A page of ``evil.example`` whose name is made to lead to 127.0.0.1 (DNS rebinding) is, to its
browser, of the same origin as the service: it asks and reads what it likes. What it cannot do is
send another ``Host`` than its own name. And a page from elsewhere that only sends (a form, a
``fetch`` without an answer) says so in ``Origin``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ifonly.service.ask.problem_types import FORBIDDEN, MISDIRECTED
from ifonly.service.ask.problems import RequestProblem
from ifonly.service.doors.http.problems import answered
from ifonly.service.settings import Settings, is_loopback

HEALTH = "/healthz/"
"""Says nothing of anybody, and is asked by whatever address a probe has."""
EVENTS = "/events"
"""How paths of event streams end."""
SAFE = ("GET", "HEAD", "OPTIONS")
# No character that URLs give a meaning to (`/`, `@`, `?`): `ours@evil` is no name of ours.
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[^\s:\[\]/?#@\\]{1,253})(?::(\d{1,5}))?")
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names that are ours."""

    patterns: tuple[str, ...]
    """Lower case; ``*.example``: whatever ends so; ``*``: any."""
    every_address: bool
    """Whether any IP address is: a page that was found by one cannot have been rebound."""

    @classmethod
    def of(cls, settings: Settings) -> Hosts:
        """Those that the settings name, besides what a client on this machine would say. A
        service that others can reach has its machine's name and every address, too."""
        named = list(settings.host_patterns)
        if settings.public_url is not None:
            named.append((urlsplit(settings.public_url).hostname or "").lower())
        reachable = not is_loopback(settings.host)
        if reachable:
            named += [settings.host.lower(), socket.gethostname().lower()]
        return cls(tuple(filter(None, named)), reachable)

    def has(self, host: str) -> bool:
        """Whether ``host``, without its port, is one."""
        name = host.strip("[]").rstrip(".").lower()
        if is_loopback(name) or self.names(name):
            return True
        return self.every_address and _is_address(name)

    def names(self, name: str) -> bool:
        """Whether a pattern is of it."""
        return any(
            pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
            for pattern in self.patterns
        )


class KnownHosts:
    """ASGI middleware: refuses what is asked under another name (421), and what a page of another
    site would change or listen to (403)."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Probes of an orchestrator use whatever address they have.
        if scope["type"] != "http" or scope["path"].startswith(HEALTH):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._misdirected(headers.getlist("host"), scope["http_version"])
        kind = MISDIRECTED
        # An event stream is a GET that a page of another site could keep open and listen to.
        if problem is None and (scope["method"] not in SAFE or scope["path"].endswith(EVENTS)):
            problem = self._foreign(headers.getlist("origin"), headers.get("host", ""))
            kind = FORBIDDEN
        if problem is None:
            await self._app(scope, receive, send)
            return
        response = answered(RequestProblem(kind, problem), scope["path"])
        # The body is unread: it would be taken for the next request on this connection.
        response.headers["Connection"] = "close"
        await response(scope, receive, send)

    def _misdirected(self, given: list[str], version: str) -> str | None:
        if not given and version == "1.0":
            return None  # no browser
        # Two Hosts are read differently by proxies and by us (request smuggling; RFC 9112, 3.2).
        if len(given) != 1:
            return f"the request has {len(given)} Host headers; it needs one"
        found = _AUTHORITY.fullmatch(given[0].lower())
        if found is not None and self._hosts.has(found[1]):
            return None
        return f"{given[0][:100]!r} is no name of this service; IFONLY_ALLOWED_HOSTS lists them"

    def _foreign(self, given: list[str], host: str) -> str | None:
        """A browser names the page's origin in whatever is not a plain GET; programs need not."""
        if not given:
            return None
        scheme, _, authority = given[0].lower().partition("://")
        found = _AUTHORITY.fullmatch(authority)
        if len(given) == 1 and scheme in _PORTS and found is not None:
            ours = _AUTHORITY.fullmatch(host.lower())
            # An Origin leaves the default port of its scheme out, as a Host may.
            port = found[2] or _PORTS[scheme]
            same = ours is not None and found[1] == ours[1] and port == (ours[2] or _PORTS[scheme])
            # `*` allows any Host; it must not allow any site's page.
            named = "*" not in self._hosts.patterns and self._hosts.names(found[1])
            if same or named:  # the latter: a proxy in front has put another Host in
                return None
        return "the request comes from a page of another site"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
