"""Signing in with one's account: the code flow of OpenID Connect, with PKCE.

The browser is sent to the issuer with a challenge; it comes back with a code, which is worth
something only together with the secret that the challenge was made of.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

import httpx

from ifonly.service.access import Principal
from ifonly.service.doors.http.oidc import Issuer
from ifonly.service.errors import Unauthenticated
from ifonly.service.settings import Settings

TIMEOUT_SECONDS = 5.0
REPLY = "/sign-in/account/reply"


class Accounts:
    """The plant's accounts, as the issuer knows them. Synchronous: asks the issuer."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_client_id is not None
        assert settings.oidc_issuer is not None
        assert settings.oidc_jwks_url is not None
        self._client = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._issuer = settings.oidc_issuer
        # Taken from the settings: a forged Host would have the code sent elsewhere.
        self._reply = f"{(settings.public_url or '').rstrip('/')}{REPLY}"
        # An ID token is for the client that asked for it.
        self._tokens = Issuer(
            self._issuer,
            self._client,
            settings.oidc_jwks_url,
            settings.oidc_roles_claim,
            settings.oidc_scope_claim,
        )

    @classmethod
    def of(cls, settings: Settings) -> Accounts | None:
        """Those that the settings name."""
        return cls(settings) if settings.oidc_client_id else None

    def begin(self, back: str) -> tuple[str, dict[str, str]]:
        """Where to send the browser, and what to remember until it comes back.

        Raises
        ------
        Unauthenticated
            If the issuer does not answer.
        """
        # state ties the reply to this browser (RFC 6749, 10.12), nonce the ID token to this flow,
        # verifier the code to us (RFC 7636).
        said = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        digest = hashlib.sha256(said["verifier"].encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._reply,
            "scope": "openid",
            "state": said["state"],
            "nonce": said["nonce"],
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        where = f"{self._places()['authorization_endpoint']}?{urlencode(query)}"
        return where, {**said, "back": back}

    def finish(self, code: str, said: dict[str, str]) -> Principal:
        """Whom the issuer let in.

        Raises
        ------
        Unauthenticated
            If it did not, or its word cannot be trusted.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._reply,
            "client_id": self._client,
            "code_verifier": said["verifier"],
        }
        if self._secret is not None:
            form["client_secret"] = self._secret.get_secret_value()
        reply = _asked("POST", self._places()["token_endpoint"], data=form)
        token = str(reply.get("id_token", ""))
        claims = self._tokens.claims(token)
        principal = self._tokens.find(token)
        if claims is None or principal is None or claims.get("nonce") != said["nonce"]:
            raise Unauthenticated("the issuer's word cannot be trusted", was_tried=True)
        return principal

    def _places(self) -> dict[str, str]:
        base = self._issuer.rstrip("/")
        found = _asked("GET", f"{base}/.well-known/openid-configuration")
        # OpenID Connect Discovery, 4.3: the document of another issuer must not be used.
        if found.get("issuer") != self._issuer:
            raise Unauthenticated("the issuer calls itself something else", was_tried=True)
        return {name: str(found.get(name, "")) for name in _ENDPOINTS}


_ENDPOINTS = ("authorization_endpoint", "token_endpoint")


def _asked(method: str, url: str, **given: Any) -> dict[str, Any]:
    try:
        reply = httpx.request(method, url, timeout=TIMEOUT_SECONDS, **given).raise_for_status()
        return dict(reply.json())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
        raise Unauthenticated(
            f"the issuer does not answer as it should: {type(error).__name__}", was_tried=True
        ) from None
