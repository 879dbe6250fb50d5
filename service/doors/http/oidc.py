"""Tokens of the plant's own accounts (OpenID Connect), checked against the issuer's keys."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import httpx
import jwt

from ifonly.service import logs
from ifonly.service.access import EVERYTHING, NOTHING, Principal, Role, Scope
from ifonly.service.promises import promised
from ifonly.service.settings import Settings

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures by a key that the issuer alone has; never ``none``, never a shared secret."""
LEEWAY_SECONDS = 30
"""By how much the issuer's clock may differ."""
KEEP_SECONDS = 3_600.0
REFETCH_SECONDS = 10.0
"""A key id that is not known makes us ask the issuer again, but not more often than this."""
MAX_SUBJECT = 1_024
"""Characters of ``sub``, four times what OpenID Connect allows. Nothing is cut off: two accounts
whose beginnings are alike are two."""
FETCH_SECONDS = 5.0
"""For so long somebody waits for the issuer's keys, and these may take."""
MAX_KEYS_BYTES = 1_048_576


class Issuer:
    """Who a token speaks for. Thread-safe; may ask the issuer for its keys."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str,
        roles_claim: str,
        scope_claim: str | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._roles_claim = roles_claim.split(".")
        self._scope_claim = None if scope_claim is None else scope_claim.split(".")
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching: Future[None] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Issuer | None:
        """The one that the settings name."""
        if not (settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url):
            return None
        return cls(
            settings.oidc_issuer,
            settings.oidc_audience,
            settings.oidc_jwks_url,
            settings.oidc_roles_claim,
            settings.oidc_scope_claim,
        )

    def find(self, token: str, *, waits: bool = True) -> Principal | None:
        """Whom ``token`` speaks for, with the roles it has; None if it is not to be trusted.
        ``waits``: for the issuer, if its key has to be asked for."""
        claims = self.claims(token, waits=waits)
        if claims is None:
            return None
        # Text that is a name: it stands in records, logs and pages.
        subject = str(claims["sub"])
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            logs.logger.info("a token was refused: its sub is no name")
            return None
        return Principal(f"oidc:{subject}", self._roles(claims), self._scope(claims))

    def claims(self, token: str, *, waits: bool = True) -> Mapping[str, Any] | None:
        """What ``token`` says; None if it is not to be trusted. ``waits``: as for :meth:`find`."""
        try:
            # Requests have waited on the event loop before (`authentication.find`), in no thread.
            asked = self.asked_for(token) if waits else None
            if asked is not None:
                with contextlib.suppress(TimeoutError):
                    asked.result(FETCH_SECONDS)
            key = self._keys.get(_key_of(token))
            if key is None:
                return None
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                # Our list, not the token's `alg`, decides (RFC 8725, 3.1).
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                # PyJWT checks claims that are there: a token without `exp` would be good for ever.
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        # A token is anybody's text, so decoding may fail in any of these ways.
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            logs.logger.info("a token was refused: %s", type(error).__name__)
            return None
        return claims

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        value = _within(claims, self._roles_claim)
        named = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        # A claim of another type gives no role, so no right.
        return frozenset(role for role in Role if role.value in named)

    def _scope(self, claims: Mapping[str, Any]) -> Scope:
        """Everything, where accounts have no scopes; nothing, where they have and this one has
        none that can be read."""
        if self._scope_claim is None:
            return EVERYTHING
        try:
            return Scope.read(_within(claims, self._scope_claim))
        except ValueError as error:
            logs.logger.info("a token has no scope: %s", error)
            return NOTHING

    def asked_for(self, token: str) -> Future[None] | None:
        """A future that is done once the issuer, asked by a thread of its own, has said whether it
        knows the key of ``token``. None: there is nothing to wait for; a key that is known stays
        good while it is fetched anew."""
        try:
            is_known = _key_of(token) in self._keys
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        with self._lock:
            age = time.monotonic() - self._fetched
            # Bounds how often tokens make us ask the issuer:
            # hourly, and every 10 s for unknown keys.
            if self._fetching is None and age > (KEEP_SECONDS if is_known else REFETCH_SECONDS):
                self._fetching = promised()
                threading.Thread(target=self._fetch, args=[self._fetching], daemon=True).start()
            return None if is_known else self._fetching

    def _fetch(self, done: Future[None]) -> None:
        """Ask the issuer; what was known stays if it does not answer."""
        try:
            found = jwt.PyJWKSet.from_dict(json.loads(_read(self._jwks_url))).keys
            self._keys = {key.key_id: key for key in found if key.key_id and _may_sign(key)}
        # It must reach the end below: a future that is never done holds up everybody who waits.
        except Exception as error:
            logs.logger.warning("the issuer's keys cannot be read: %s", type(error).__name__)
        with self._lock:
            self._fetched = time.monotonic()
            self._fetching = None
        done.set_result(None)


def _may_sign(key: jwt.PyJWK) -> bool:
    """Whether the issuer has it for signatures (RFC 7517, 4.2), of a kind that is accepted. A key
    that is published for encryption may be in other hands."""
    return key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS


def _key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token).get("kid", ""))


def _read(url: str) -> bytes:
    """What is there, if it comes in time and is no longer than it may be.

    Raises
    ------
    httpx.HTTPError
        If it is not.
    """
    until = time.monotonic() + FETCH_SECONDS
    found = bytearray()
    with httpx.stream("GET", url, timeout=FETCH_SECONDS) as reply:
        for part in reply.raise_for_status().iter_bytes():
            found += part
            # httpx limits the time between two parts, which
            # a drip never meets: this limits the whole.
            if time.monotonic() > until or len(found) > MAX_KEYS_BYTES:
                raise httpx.ReadError("the keys are too long, or take too long")
    return bytes(found)


def _within(claims: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The claim at the end of ``path``; None if there is none."""
    value: Any = claims
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
