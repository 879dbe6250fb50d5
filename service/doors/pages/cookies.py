"""What a browser is given to keep, signed: a forged cookie costs no look at the store."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, Signer, URLSafeTimedSerializer

SESSION = "ifonly_session"
FLOW = "ifonly_account"
FLOW_SECONDS = 600
TOKEN_BYTES = 32


class Cookies:
    """Signs and reads them. A browser has a token from its first page on; signing in gives it
    another, so that one which somebody else has planted is worth nothing."""

    def __init__(self, secret: bytes) -> None:
        # A salt for each use: what was signed as one is worth nothing as another.
        self._session = _signer(secret, "session")
        self._form = _signer(secret, "form")
        self._flow = URLSafeTimedSerializer(
            secret, salt="account", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def token(self, request: Request) -> str | None:
        """The browser's token; None if it has none that was signed here."""
        try:
            return self._session.unsign(request.cookies.get(SESSION, "")).decode()
        except (BadData, UnicodeDecodeError):
            return None

    def give(self, response: Response, token: str, request: Request, seconds: int) -> None:
        self._set(response, SESSION, self._session.sign(token).decode(), request, seconds)

    def form_token(self, token: str) -> str:
        """What every form of a browser must send back."""
        return self._form.get_signature(token).decode()

    def is_form_token(self, given: str, token: str) -> bool:
        # In constant time: how far a guess was right must not show.
        return hmac.compare_digest(given.encode(), self._form.get_signature(token))

    def give_flow(self, response: Response, said: dict[str, str], request: Request) -> None:
        """What is to be remembered until the issuer sends the browser back. Lax: the issuer's
        page is another site."""
        value = self._flow.dumps(said)
        assert isinstance(value, str)
        self._set(response, FLOW, value, request, FLOW_SECONDS, same_site="lax")

    def flow(self, request: Request) -> dict[str, str] | None:
        try:
            said: Any = self._flow.loads(request.cookies.get(FLOW, ""), max_age=FLOW_SECONDS)
        except BadData:
            return None
        return dict(said)

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        request: Request,
        seconds: int,
        same_site: Any = "strict",
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            # Scripts cannot read it, so one that slipped in could not carry it off.
            httponly=True,
            # On plain http, for loopback, browsers may drop a secure cookie.
            secure=request.url.scheme == "https",
            samesite=same_site,
        )


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _signer(secret: bytes, salt: str) -> Signer:
    return Signer(secret, salt=salt, digest_method=hashlib.sha256)
