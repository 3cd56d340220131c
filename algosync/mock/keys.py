"""API keys of the mock: who may call what on which index.

Owns the ACL and index-pattern checks and their refusals, worded as Algolia words them. Secured (HMAC) keys are not
known here yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from algosync.errors import AlgoliaError


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALL_ACLS = _names(
    """
    addObject analytics browse deleteIndex deleteObject editSettings inference listIndexes logs
    personalization recommendation search seeUnretrievableAttributes settings usage
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key.

    Attributes:
        value: The secret itself.
        acl: What the key may do, in Algolia's names.
        indexes: Index name patterns such as `prod*`; empty for every index.
    """

    value: str
    acl: frozenset[str]
    indexes: tuple[str, ...] = ()

    def reaches(self, index: str) -> bool:
        """Whether the key's patterns allow the index."""
        return not self.indexes or any(fnmatchcase(index, pattern) for pattern in self.indexes)

    def describe(self) -> dict[str, Any]:
        """The key as `GET /1/keys/{key}` shows it."""
        shown: dict[str, Any] = {
            "value": self.value,
            "createdAt": 0,
            "acl": sorted(self.acl),
            "description": "",
            "validity": 0,
            "maxHitsPerQuery": 0,
            "maxQueriesPerIPPerHour": 0,
            "referers": [],
            "queryParameters": "",
        }
        return shown | ({"indexes": list(self.indexes)} if self.indexes else {})


_WRITES = _names(
    """
    addObject deleteObject editSettings settings browse search listIndexes
    """
)

DEFAULT_KEYS: tuple[Key, ...] = (
    Key(value="mock-admin", acl=ALL_ACLS),
    Key(value="mock-write", acl=_WRITES),
    Key(value="mock-read", acl=frozenset({"browse", "search", "settings", "listIndexes"})),
    Key(value="mock-storefront", acl=frozenset({"search"}), indexes=("products*",)),
    Key(value="mock-storefront-wide", acl=frozenset({"search"})),
)


class KeyRing:
    """The keys of one application."""

    def __init__(self, app_id: str, keys: Sequence[Key]) -> None:
        self.app_id = app_id
        self._keys = {key.value: key for key in keys}

    def authenticate(self, app_id: str | None, value: str | None) -> Key:
        """The key behind the credentials.

        Raises:
            AlgoliaError: 403 where the application or the key is missing or unknown.
        """
        key = self._keys.get(value or "")
        if app_id != self.app_id or key is None:
            raise AlgoliaError("Invalid Application-ID or API key", status=403)
        return key

    def look_up(self, asked: str, by: Key) -> Key:
        """A key's description for itself, or any key's for an admin key (404 when there is none)."""
        if asked != by.value and by.acl != ALL_ACLS:
            raise AlgoliaError("Method not allowed with this API key", status=403)
        key = self._keys.get(asked)
        if key is None:
            raise AlgoliaError("Key does not exist", status=404)
        return key


def require(key: Key, acl: str | None, indexes: Iterable[str] = ()) -> None:
    """Refuse (403) a key that lacks the ACL or does not reach one of the indices."""
    if acl is not None and acl not in key.acl:
        raise AlgoliaError("Method not allowed with this API key", status=403)
    if not all(key.reaches(index) for index in indexes):
        raise AlgoliaError("Index not allowed with this API key", status=403)
