"""The anonymous way: a public key that everybody can read, and a token that nobody can guess.

Owns which tokens count as unguessable, and whose profiles such a token may open. That a token looks random is no proof
that it is; so it also opens nothing that belongs to somebody who has logged in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from algosync.errors import ForbiddenError, RequestError

BITS_MIN: Final = 122
"""What a random UUID holds."""

_DISTINCT_MIN: Final = 8
_PREFIX: Final = "anonymous-"  # as Algolia's own search-insights makes them
_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_ALPHABETS: Final = (
    (re.compile(r"[0-9]+"), 10),
    (re.compile(r"[0-9a-f]+|[0-9A-F]+"), 16),
    (re.compile(r"[2-7a-z]+|[2-7A-Z]+"), 32),
    (re.compile(r"[0-9a-z_-]+|[0-9A-Z_-]+"), 36),
    (re.compile(r"[0-9A-Za-z_=/+-]+"), 64),
)


def is_unguessable(token: str) -> bool:
    """Whether a token has room for 122 random bits in the smallest alphabet that it fits.

    A random UUID (version 4), 26 characters of base32, 22 of base64url, 32 of hex, each also after `anonymous-`. UUIDs
    of other versions hold a time or a name; a token of few different characters was not drawn at random.
    """
    drawn = token.removeprefix(_PREFIX)
    uuid = _UUID.fullmatch(drawn)
    if uuid is not None:
        return uuid.group(1) == "4"
    size = next((size for pattern, size in _ALPHABETS if pattern.fullmatch(drawn)), 1)
    return len(set(drawn)) >= _DISTINCT_MIN and len(drawn) * math.log2(size) >= BITS_MIN


def refuse_guessable(token: str) -> None:
    """Refuses a token that others could guess.

    Raises:
        RequestError: It is one.
    """
    if not is_unguessable(token):
        raise RequestError(
            "the token could be guessed, and a public key opens no such token",
            where="userToken",
            hint="Use a random UUID, or ask with a visitor key from the shop's backend",
            status=403,
        )


def refuse_known(token: str, person: Mapping[str, Any] | None) -> None:
    """Refuses a token by which a person who has logged in would be opened.

    Args:
        token: The token.
        person: Her document in the snapshot, or None.

    Raises:
        ForbiddenError: The document is of somebody who logged in.
    """
    if person is not None and (person["person"] != token or has_logged_in(person)):
        raise ForbiddenError(
            "anonymous tokens open anonymous profiles only",
            where="userToken",
            hint="After login, ask with a visitor key from the shop's backend",
        )


def has_logged_in(person: Mapping[str, Any]) -> bool:
    """Whether a document is of somebody who has logged in; of a buyer who may have, it is assumed."""
    if "authenticated" in person:
        return bool(person["authenticated"])
    return bool(person["state"] != "visitor")
