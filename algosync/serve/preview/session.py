"""Who may look at the preview: a short session in a signed cookie, and that a form was sent from its own pages.

The admin key is typed once and never kept: the cookie is a standard signed token (JWT, HS256) that holds an id and the
time at which it runs out. Against forgery across sites stand SameSite=Strict, the browser's word on where a form was
sent from, and a token in every form that only the session's own pages know.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from starlette.requests import Request
from starlette.responses import Response

from algosync.errors import AccessError, ForbiddenError

COOKIE: Final = "algosync_preview"
VALID_FOR: Final = timedelta(hours=1)
PATH: Final = "/preview"
_AUDIENCE: Final = "algosync-preview"
_ALGORITHM: Final = "HS256"
_LONGEST: Final = 1024
# The clock is ours to read, so the library is kept from reading its own.
_OPTIONS: Final[Any] = {"require": ["jti", "aud", "exp"], "verify_exp": False}
_AGAIN: Final = "Log in again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that holds.

    Attributes:
        form_token: What its forms carry.
    """

    form_token: str


class Sessions:
    """Begins sessions and looks whether they hold.

    Args:
        secret: Signs them; whoever has it has the preview.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def begin(self, response: Response, *, now: datetime, secure: bool) -> None:
        """Gives a browser a session.

        Args:
            response: Carries the cookie.
            now: This moment.
            secure: Whether the browser came over https, and is to send the cookie over nothing else.
        """
        claims = {"jti": secrets.token_urlsafe(16), "aud": _AUDIENCE, "exp": int((now + VALID_FOR).timestamp())}
        cookie = jwt.encode(claims, self._secret, algorithm=_ALGORITHM)
        response.set_cookie(
            COOKIE, cookie, max_age=int(VALID_FOR.total_seconds()), path=PATH, secure=secure, httponly=True,
            samesite="strict",
        )  # fmt: skip

    def end(self, response: Response) -> None:
        """Takes the session away."""
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")

    def of(self, request: Request, *, now: datetime) -> Session:
        """The session of a request.

        Raises:
            AccessError: There is none, it is forged, or it has run out.
        """
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            raise AccessError("you are not logged in", where="preview", hint="Log in with the admin key")
        try:
            if len(cookie) > _LONGEST:
                raise jwt.InvalidTokenError
            claims = jwt.decode(cookie, self._secret, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=_OPTIONS)
            expires = datetime.fromtimestamp(claims["exp"], UTC)
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError, OSError):
            raise AccessError("the session is not one of ours", where="preview", hint=_AGAIN) from None
        if expires <= now:
            raise AccessError("the session has ended", where="preview", hint=_AGAIN)
        return Session(form_token=self._form_token(str(claims["jti"])))

    def check_form(self, session: Session, given: str) -> None:
        """Refuses a form that is not of the session's own pages.

        Raises:
            ForbiddenError: It is not.
        """
        if not hmac.compare_digest(session.form_token.encode(), given.encode("utf-8", "replace")):
            raise ForbiddenError(
                "the form is of another session", where="preview", hint="Load the page again and send it from there"
            )

    def _form_token(self, session: str) -> str:
        return hmac.digest(self._secret, f"form:{session}".encode(), "sha256").hex()


def refuse_foreign(request: Request) -> None:
    """Refuses what another site's page made a browser send.

    A browser says so by itself in `Sec-Fetch-Site`, older ones in `Origin`; a page can forge neither. What says nothing
    at all is no browser that could be misled.

    Raises:
        ForbiddenError: The request comes from elsewhere.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = site in {"same-origin", "none"} if site else not origin or _is_ours(origin, request)
    if not own:
        raise ForbiddenError(
            "the form was sent by another site", where="preview", hint="Open the preview itself and send it from there"
        )


def session_secret(admin_key: str, own: str) -> bytes:
    """The secret of sessions, made from the admin key and a secret of algosync's own; a change of either ends all.

    Args:
        admin_key: The key that opens the preview.
        own: A secret that no user of the preview knows; may be empty.
    """
    return hmac.digest(hashlib.sha256(admin_key.encode()).digest(), b"algosync preview\0" + own.encode(), "sha256")


def _is_ours(origin: str, request: Request) -> bool:
    return hmac.compare_digest(urlsplit(origin).netloc.encode(), request.headers.get("host", "").encode())
