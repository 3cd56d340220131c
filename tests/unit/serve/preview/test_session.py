from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import jwt
import pytest
from starlette.requests import Request
from starlette.responses import Response

from algosync.errors import AccessError, ForbiddenError
from algosync.serve.preview.session import COOKIE, VALID_FOR, Sessions, refuse_foreign, session_secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADMIN = "the shop's own key, of 32 characters"
SECRET = session_secret(ADMIN, "algosync's own")
SESSIONS = Sessions(SECRET)


def _cookie(*, now: datetime = NOW, secure: bool = False, sessions: Sessions = SESSIONS) -> SimpleCookie:
    response = Response()
    sessions.begin(response, now=now, secure=secure)
    return SimpleCookie(response.headers["set-cookie"])


def _request(cookie: str | None = None, **headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {} if cookie is None else {"cookie": f"{COOKIE}={cookie}"}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    return Request({"type": "http", "headers": pairs, "method": "POST", "path": "/preview", "query_string": b""})


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie_is_closed_to_scripts_and_other_sites(secure: bool) -> None:
    cookie = _cookie(secure=secure)[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/preview")
    assert cookie["max-age"] == "3600"
    assert bool(cookie["secure"]) is secure
    assert ADMIN not in cookie.value


def test_a_session_holds_until_it_has_run_out() -> None:
    cookie = _cookie()[COOKIE].value
    session = SESSIONS.of(_request(cookie), now=NOW + VALID_FOR - timedelta(seconds=1))
    SESSIONS.check_form(session, session.form_token)
    with pytest.raises(AccessError, match="has ended"):
        SESSIONS.of(_request(cookie), now=NOW + VALID_FOR)


def _signed(secret: bytes = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    held = {"jti": "a", "aud": "algosync-preview", "exp": int((NOW + VALID_FOR).timestamp())} | claims
    held = {name: value for name, value in held.items() if value is not None}
    return jwt.encode(held, secret if algorithm != "none" else "", algorithm=algorithm)


@pytest.mark.parametrize(
    "cookie",
    [
        "nonsense",
        "ä",
        "x" * 5000,
        ADMIN.replace(",", "").replace(" ", ""),
        _signed(secret=session_secret("another key, also of 32 characters", "algosync's own")),
        _signed(secret=session_secret(ADMIN, "another's own")),
        _signed(algorithm="none"),
        _signed(aud="algosync"),
        _signed(jti=None),
        _signed(exp=None),
        _signed(exp=10**30),
        _signed()[:-2] + "AA",
    ],
    ids=[
        *("nonsense", "not ascii", "long", "the key", "other key", "other secret", "unsigned"),
        *("other audience", "no id", "no end", "endless", "cut"),
    ],
)
def test_a_forged_cookie_opens_nothing(cookie: str) -> None:
    with pytest.raises(AccessError) as refused:
        SESSIONS.of(_request(cookie), now=NOW)
    assert cookie not in str(refused.value)


def test_without_a_cookie_nobody_is_logged_in() -> None:
    with pytest.raises(AccessError, match="not logged in"):
        SESSIONS.of(_request(), now=NOW)


@pytest.mark.parametrize("given", ["", "0" * 64, "ä"])
def test_a_form_of_another_session_is_refused(given: str) -> None:
    session = SESSIONS.of(_request(_cookie()[COOKIE].value), now=NOW)
    other = SESSIONS.of(_request(_cookie()[COOKIE].value), now=NOW)
    assert other.form_token != session.form_token
    for token in (given, other.form_token):
        with pytest.raises(ForbiddenError, match="another session"):
            SESSIONS.check_form(session, token)


OURS = {"host": "api.example:8300"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://api.example:8300"},
        {"sec_fetch_site": "same-origin", "origin": "https://behind-a-proxy.example"},
        {"sec_fetch_site": "none"},
    ],
    ids=["no browser", "origin", "told by the browser", "typed"],
)
def test_forms_of_our_own_pages_are_taken(headers: dict[str, str]) -> None:
    refuse_foreign(_request(**OURS, **headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://api.example:8301"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "https://api.example:8300"},
    ],
    ids=["origin", "opaque", "port", "cross-site", "sibling"],
)
def test_forms_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError, match="another site"):
        refuse_foreign(_request(**OURS, **headers))
