"""Tokens of the plant's own accounts (OpenID Connect), checked against the issuer's keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import jwt

from service import logs
from service.access import EVERYTHING, NOTHING, Principal, Role, Scope
from service.settings import Settings

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

    def find(self, token: str) -> Principal | None:
        """Whom ``token`` speaks for, with the roles it has; None if it is not to be trusted."""
        claims = self.claims(token)
        if claims is None:
            return None
        subject = str(claims["sub"])
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            logs.logger.info("a token was refused: its sub is no name")
            return None
        return Principal(f"oidc:{subject}", self._roles(claims), self._scope(claims))

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """What ``token`` says; None if it is not to be trusted."""
        try:
            key = self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                return None
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            logs.logger.info("a token was refused: %s", type(error).__name__)
            return None
        return claims

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        value = _within(claims, self._roles_claim)
        named = [value] if isinstance(value, str) else value if isinstance(value, list) else []
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

    def _key(self, identity: str) -> jwt.PyJWK | None:
        with self._lock:
            age = time.monotonic() - self._fetched
            if age > (KEEP_SECONDS if identity in self._keys else REFETCH_SECONDS):
                self._fetch()
            return self._keys.get(identity)

    def _fetch(self) -> None:
        """Ask the issuer; what was known stays if it does not answer."""
        self._fetched = time.monotonic()
        try:
            reply = httpx.get(self._jwks_url, timeout=5.0).raise_for_status()
            found = jwt.PyJWKSet.from_dict(reply.json()).keys
        except _NOT_KEYS as error:
            logs.logger.warning("the issuer's keys cannot be read: %s", type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found if key.key_id and _may_sign(key)}


_NOT_KEYS = (
    *(httpx.HTTPError, jwt.PyJWTError),
    *(ValueError, TypeError, AttributeError, RecursionError),
)


def _may_sign(key: jwt.PyJWK) -> bool:
    """Whether the issuer has it for signatures (RFC 7517, 4.2), of a kind that is accepted. A key
    that is published for encryption may be in other hands."""
    return key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS


def _within(claims: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The claim at the end of ``path``; None if there is none."""
    value: Any = claims
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
