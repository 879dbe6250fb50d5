"""The predictors that settings and folders name, and what may be told to whom."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ifonly.models.errors import SpecError
from ifonly.models.spec import Protocol, RemoteSpec, RowForm, Spec
from ifonly.service.served.remote.breaker import Breaker
from ifonly.service.served.remote.http import HttpPool
from ifonly.service.served.remote.remote import Caller, HttpCaller, RemotePredictor
from ifonly.service.settings import Settings

if TYPE_CHECKING:
    from ifonly.service.served.remote.rpc import RpcCaller

_FORMS = {"objects": RowForm.NAMED, "lists": RowForm.POSITIONAL, "encoded": RowForm.ENCODED}
"""As settings call them."""


class Remotes:
    """Connections to all predictors of a service: those of one origin are shared."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = {
            origin: {name: value.get_secret_value() for name, value in headers.items()}
            for origin, headers in settings.predictors.items()
        }
        self._host = settings.predictor_host
        self._protocol = Protocol(settings.predictor_protocol)
        self._rows = _FORMS[settings.predictor_rows]
        self._seconds = settings.predictor_timeout_ms / 1e3
        self._pool: HttpPool | None = None
        self._channels: list[RpcCaller] = []
        self._breakers: dict[str, Breaker] = {}

    def of(self, spec: Spec) -> RemotePredictor | None:
        """Where the model of that spec is deployed; None: nowhere else.

        Raises
        ------
        SpecError
            If its folder names an origin that no setting allows.
        """
        remote = spec.remote
        if remote is not None and origin_of(remote.url) not in self._allowed:
            raise SpecError(
                f"{spec.name}/{spec.version}/spec.toml",
                "predictor.url",
                # A folder may come from anybody: readings and tokens go only where settings say.
                f"is {remote.url!r}; IFONLY_PREDICTORS does not name {origin_of(remote.url)}",
            )
        headers: Mapping[str, str] = {}
        if remote is not None:
            headers = self._allowed[origin_of(remote.url)]
        if remote is None and self._host is not None:
            url, headers = self._named(self._host)
            remote = RemoteSpec(
                url, spec.name, self._protocol, rows=self._rows, timeout_seconds=self._seconds
            )
        if remote is None:
            return None
        caller = self._caller(remote, spec, headers)
        # Kept when a folder is read again: what is known of a server that is away stays known.
        breaker = self._breakers.setdefault(caller.url, Breaker(caller.url))
        return RemotePredictor(remote, caller, breaker, is_declared=spec.remote is not None)

    def _named(self, host: str) -> tuple[str, Mapping[str, str]]:
        """The server that the settings name, and its headers; a password is no part of its URL."""
        parts = urlsplit(host if "://" in host else f"http://{host}")
        user, _, netloc = parts.netloc.rpartition("@")
        url = parts._replace(netloc=netloc).geturl().rstrip("/")
        headers = self._allowed.get(origin_of(url), {})
        if user:
            basic = base64.b64encode(unquote(user).encode()).decode()
            headers = {"Authorization": f"Basic {basic}"} | headers
        return url, headers

    def _caller(self, remote: RemoteSpec, spec: Spec, headers: Mapping[str, str]) -> Caller:
        if remote.protocol is Protocol.V2_GRPC:
            return self._rpc(remote, spec, headers)
        if self._pool is None:
            self._pool = HttpPool()
        return HttpCaller(remote, spec, self._pool, headers)

    def _rpc(self, remote: RemoteSpec, spec: Spec, headers: Mapping[str, str]) -> Caller:
        try:
            from ifonly.service.served.remote.rpc import RpcCaller
        except ImportError:
            file = f"{spec.name}/{spec.version}/spec.toml"
            problem = "is 'v2-grpc', which needs: pip install 'ifonly[grpc]'"
            raise SpecError(file, "predictor.protocol", problem) from None
        caller = RpcCaller(remote, spec, headers)
        self._channels.append(caller)
        return caller

    def close(self) -> None:
        """Let go of all connections."""
        for channel in self._channels:
            channel.close()
        if self._pool is not None:
            self._pool.close()


def origin_of(url: str) -> str:
    """Scheme, host and port, as ``IFONLY_PREDICTORS`` names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
