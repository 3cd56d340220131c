"""Visitor keys: what the shop's backend signs, and what the server takes for it.

A key is a standard signed token (JWT, HS256) that opens one userToken for a while. It is made and judged here and
nowhere else, so that both sides cannot drift apart. The first secret signs and every secret verifies: a rotation
adds the new one in front and drops the old one when its last key has run out. The clock is an argument; neither a
secret nor a token is ever part of an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from algosync.errors import AccessError, ConfigError

AUDIENCE: Final = "algosync"
ALGORITHM: Final = "HS256"
SKEW: Final = timedelta(seconds=30)
_SHORTEST_SECRET: Final = 32
_LONGEST_KEY: Final = 2048
_TOKEN: Final = re.compile(r"[a-zA-Z0-9_=/+-]{1,129}")
"""What Algolia takes as a userToken, and so the HTTP API."""

# The clock is ours to read, so the library is kept from reading its own.
_OPTIONS: Final[Any] = {
    "require": ["sub", "aud", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified key says.

    Attributes:
        user_token: The one userToken that it opens.
        issued: When it was signed.
        expires: When it stops to open anything.
    """

    user_token: str
    issued: datetime
    expires: datetime


def sign(user_token: str, *, secrets: Sequence[str], valid_for: timedelta, now: datetime) -> str:
    """The key that opens one userToken from now on for a while.

    Raises:
        ConfigError: There is no secret, or one too short to sign with.
        AccessError: The token or the time cannot be put into a key.
    """
    checked(secrets)
    if not _TOKEN.fullmatch(user_token):
        raise AccessError("a visitor key needs a userToken", hint="Give 1 to 129 letters, digits and any of _ = / + -")
    if valid_for < timedelta(seconds=1):
        raise AccessError("a visitor key must be valid for a second or more", hint="Give a longer valid_for")
    issued = int(now.timestamp())
    claims = {"sub": user_token, "aud": AUDIENCE, "iat": issued, "exp": issued + int(valid_for.total_seconds())}
    return jwt.encode(claims, secrets[0], algorithm=ALGORITHM, headers={"kid": key_id(secrets[0])})


def verify(key: str, *, secrets: Sequence[str], now: datetime) -> Claims:
    """What a key says, once its signature, its audience and its times have held.

    Raises:
        ConfigError: There is no secret, or one too short to verify with.
        AccessError: The key is none, is not signed with one of the secrets, or has run out.
    """
    checked(secrets)
    if len(key) > _LONGEST_KEY:
        raise _refused("it is too long for a visitor key")
    if not key.isascii():
        raise _refused("it is not a signed token")
    for secret in _candidates(key, secrets):
        claims = _decoded(key, secret)
        if claims is not None:
            return _in_time(claims, now)
    raise _refused("it is not signed with a secret known here")


def key_id(secret: str) -> str:
    """The name under which a key says which secret has signed it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def checked(secrets: Sequence[str]) -> None:
    """Refuse to work without secrets, or with one that could be guessed.

    Raises:
        ConfigError: There is no secret, or one is shorter than 32 bytes.
    """
    if not secrets:
        raise ConfigError("there is no secret for visitor keys", where="serve.visitor_secrets", hint="Set one")
    if any(len(secret.encode()) < _SHORTEST_SECRET for secret in secrets):
        raise ConfigError(
            f"a secret for visitor keys is shorter than {_SHORTEST_SECRET} bytes",
            where="serve.visitor_secrets",
            hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"',
        )


def _candidates(key: str, secrets: Sequence[str]) -> list[str]:
    """The secrets that the key names; all of them where a foreign library has left the name out.

    Where there is only one, the key is taken apart once: `_decoded` looks at the name as well.
    """
    if len(secrets) == 1:
        return list(secrets)
    try:
        named = jwt.get_unverified_header(key).get("kid")
    except (jwt.PyJWTError, RecursionError):  # of lists within lists, deeper than the library can read
        raise _refused("it is not a signed token") from None
    return [secret for secret in secrets if named is None or key_id(secret) == named]


def _decoded(key: str, secret: str) -> Mapping[str, Any] | None:
    """The claims, or None where another secret has signed, or is named."""
    try:
        found = jwt.decode_complete(key, secret, algorithms=[ALGORITHM], audience=AUDIENCE, options=_OPTIONS)
        claims: Mapping[str, Any] = found["payload"]
        return claims if found["header"].get("kid") in (None, key_id(secret)) else None
    except jwt.InvalidSignatureError:
        return None
    except jwt.InvalidAudienceError:
        raise _refused("it was made for another audience") from None
    except jwt.MissingRequiredClaimError as error:
        raise _refused(f"it lacks {error.claim!r}") from None
    except jwt.InvalidAlgorithmError:
        raise _refused(f"it is not signed by {ALGORITHM}") from None
    except (jwt.PyJWTError, RecursionError):
        raise _refused("it is not a signed token") from None


def _in_time(claims: Mapping[str, Any], now: datetime) -> Claims:
    issued, expires = _moment(claims["iat"]), _moment(claims["exp"])
    if expires <= now - SKEW:
        raise AccessError("the visitor key has expired", hint="Ask the shop's backend for a new one")
    if max(issued, _moment(claims.get("nbf", claims["iat"]))) > now + SKEW:
        raise _refused("it is not valid yet: the clocks disagree")
    if not _TOKEN.fullmatch(claims["sub"]):
        raise _refused("it names no userToken")
    return Claims(user_token=claims["sub"], issued=issued, expires=expires)


def _moment(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise _refused("its times are not numbers")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise _refused("its times are out of range") from None


def _refused(why: str) -> AccessError:
    return AccessError(f"the visitor key is refused: {why}", hint="Ask the shop's backend for a new one")
