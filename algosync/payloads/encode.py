"""What every payload is made of: canonical JSON, its hash, opaque ids, the size limit.

Canonical means: keys sorted, no white space, integers, strings and booleans only. A float would make the hash hang
on its last bit, so it is an error here and not a rounding.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from algosync.errors import AlgosyncError, ConfigError

Family = Literal["related", "segments", "profiles", "rules"]

HASH_BYTES: Final = 6
"""Twelve hexadecimal digits: enough to tell two versions of one record apart."""

_PLAIN: Final = frozenset({str, int, bool, type(None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One record or Rule as Algolia should hold it.

    Args:
        family: Which switch of `[push]` it belongs to.
        index: The index it goes to.
        object_id: Its objectID.
        hash: Content hash; None where our attribute is taken away (`null`).
        body: The minified JSON to send, objectID included.
        summary: One line for people.
        rank: What it is worth to be there early; more goes first. No part of what Algolia holds.
    """

    family: Family
    index: str
    object_id: str
    hash: str | None
    body: bytes
    summary: str
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A payload that was made and is not sent, with the reason.

    Attributes:
        hash: Its content hash where it is too large, and nothing else is wrong with it: what is there stays.
    """

    family: Family
    index: str
    object_id: str
    reason: str
    hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where payloads go.

    Args:
        index: Name of the index.
        max_record_bytes: Largest record the plan of this application takes, minified.
    """

    index: str
    max_record_bytes: int = 10_000


def canonical(value: Any) -> bytes:
    """Encode a value as canonical JSON.

    Raises:
        AlgosyncError: It holds a float, or something else than text keys, lists, integers, strings, booleans, null.
    """
    _check(value)
    return dump(value)


def dump(value: Any) -> bytes:
    """Encode without looking for floats: for callers that know their columns' types.

    Raises:
        AlgosyncError: It cannot be encoded as JSON.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise AlgosyncError(f"not expressible as JSON: {error}", where="payload") from error


def content_hash(body: bytes) -> str:
    """Hash canonical JSON to 12 hexadecimal digits (BLAKE2b)."""
    return hashlib.blake2b(body, digest_size=HASH_BYTES).hexdigest()


def size_problem(body: bytes, target: Target) -> str | None:
    """Say that a record is too large for its index, or None. Algolia would refuse its whole batch."""
    if len(body) <= target.max_record_bytes:
        return None
    return f"{len(body)} bytes, more than the {target.max_record_bytes} that a record may have"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueIds:
    """Ids that say nothing to those who do not hold the key. The key is in no repr.

    Args:
        key: At least 16 bytes, kept by the shop; another key makes other records.

    Raises:
        ConfigError: The key is too short.
    """

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ConfigError("the key is shorter than 16 bytes", where="key of opaque ids")

    def __repr__(self) -> str:
        return "OpaqueIds(key=…)"

    def token(self, token: str) -> str:
        """Give the objectID of a token's record: URL-safe base64 of HMAC-SHA256, without padding, 43 characters."""
        return base64.urlsafe_b64encode(self._digest(token)).rstrip(b"=").decode()

    def segment(self, slug: str) -> str:
        """Give the short id of a segment: 12 hexadecimal digits.

        What is hashed holds a colon, which no token may, so no segment shares its digest with a token.
        """
        return self._digest(f"segment:{slug}").hex()[:12]

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self.key, text.encode(), "sha256")


def _check(value: Any) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is dict and all(type(key) is str for key in value):
        for part in value.values():
            _check(part)
    elif kind in (list, tuple):
        for part in value:
            _check(part)
    else:
        raise AlgosyncError(
            f"{value!r} is {kind.__name__}: a payload holds integers, strings and booleans only", where="payload"
        )
