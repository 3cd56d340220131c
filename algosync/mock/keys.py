"""What an API key is: its rights, its restrictions, and what both mean for a request.

Owns the ACL and index-pattern checks and their refusals, worded as Algolia words them. Which keys an application has is
keyring.py's; how restrictions are read, and secured keys, are secured.py's. No message holds a key's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import Filter
from algosync.mock.engine.search import filters_of
from algosync.mock.secured import Restrictions, fits_any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALL_ACLS = _names(
    """
    addObject analytics browse deleteIndex deleteObject editSettings inference listIndexes logs
    personalization recommendation search seeUnretrievableAttributes settings usage
    """
)
ADMIN = "admin"
"""What the admin key may besides: manage keys. Not an ACL that can be given to a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key.

    Attributes:
        value: The secret itself; of a secured key, its parent's.
        acl: What the key may do, in Algolia's names.
        indexes: Index name patterns such as `prod*`; empty for every index.
        description: Free text.
        validity: Seconds after which it is deleted, counted from when it was added or changed; 0 for never.
        max_hits_per_query: Most hits of one search; 0 for no limit.
        max_queries_per_ip_per_hour: Most calls within an hour per client address, or per userToken of a secured key;
            0 for no limit.
        referers: Patterns of the Referer header; empty for any.
        query_parameters: URL-encoded search parameters forced upon every search.
        created_ms: When it was added, in epoch milliseconds; set by the application.
        expires_ms: When it will be deleted, in epoch milliseconds, 0 for never; set by the application.
        secured: Whether it was presented as a secured key.
        restrictions: What binds its searches, in the order in which it does; set when it is presented.
        acl_order: The ACL as given: the official JavaScript client waits for a change until it reads the same list;
            empty for the order of the alphabet.
        is_private: Whether it may be a key of the real application: the mock then takes it and shows it to nobody.
    """

    value: str
    acl: frozenset[str]
    indexes: tuple[str, ...] = ()
    description: str = ""
    validity: int = 0
    max_hits_per_query: int = 0
    max_queries_per_ip_per_hour: int = 0
    referers: tuple[str, ...] = ()
    query_parameters: str = ""
    created_ms: int = 0
    expires_ms: int = 0
    secured: bool = False
    restrictions: tuple[Restrictions, ...] = ()
    acl_order: tuple[str, ...] = ()
    is_private: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether it may manage keys."""
        return ADMIN in self.acl

    @property
    def shown(self) -> str:
        """What the log of requests says of it: its value, or, where that is private, how it begins."""
        return f"{self.value[:4]}…" if self.is_private else self.value

    @property
    def filters(self) -> Filter:
        """The filters that hold for every search with the key, whatever its rules and parameters say."""
        return filters_of(restrict(self, {})) if self.restrictions else ()

    def reaches(self, index: str) -> bool:
        """Whether the key's patterns allow the index."""
        own = not self.indexes or fits_any(self.indexes, index)
        return own and all(restrictions.reaches(index) for restrictions in self.restrictions)

    def describe(self, now_ms: int) -> dict[str, Any]:
        """The key as `GET /1/keys/{key}` shows it; `validity` is what remains, in whole seconds, rounded up."""
        shown: dict[str, Any] = {
            "value": self.value,
            "createdAt": self.created_ms,
            "acl": list(self.acl_order) or sorted(self.acl - {ADMIN}),
            "description": self.description,
            "validity": -(-(self.expires_ms - now_ms) // 1000) if self.expires_ms else 0,
            "maxHitsPerQuery": self.max_hits_per_query,
            "maxQueriesPerIPPerHour": self.max_queries_per_ip_per_hour,
            "referers": list(self.referers),
            "queryParameters": self.query_parameters,
        }
        return shown | ({"indexes": list(self.indexes)} if self.indexes else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request, as far as keys care.

    Attributes:
        app_id: The application named, if any.
        key: The API key presented, if any.
        address: The client's IP address.
        referer: The page the request came from, if told.
        origin: The site of the web page that sent it; None where no page did.
    """

    app_id: str | None
    key: str | None
    address: str = ""
    referer: str | None = None
    origin: str | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether a page of another site than this machine's own sent it; names that end in `.test` are nobody's."""
        if self.origin is None:
            return False
        try:
            host = urlsplit(self.origin).hostname or ""
        except ValueError:
            return True
        return host not in {"127.0.0.1", "::1"} and not f".{host}".endswith((".localhost", ".test"))


_WRITES = _names(
    """
    addObject deleteObject editSettings settings browse search listIndexes
    """
)

DEFAULT_KEYS: tuple[Key, ...] = (
    Key(value="mock-admin", acl=ALL_ACLS | {ADMIN}),
    Key(value="mock-write", acl=_WRITES),
    Key(value="mock-read", acl=frozenset({"browse", "search", "settings", "listIndexes"})),
    Key(value="mock-storefront", acl=frozenset({"search"}), indexes=("products*",)),
    Key(value="mock-storefront-wide", acl=frozenset({"search"})),
)


def restrict(key: Key, params: Mapping[str, Any]) -> dict[str, Any]:
    """Checked search parameters under all restrictions of a key: for searches, browsing and recommendations alike."""
    bound = dict(params)
    for restrictions in key.restrictions:
        bound = restrictions.bind(bound)
    return bound


def require(key: Key, acl: str | None, indexes: Iterable[str] = ()) -> None:
    """Refuse (403) a key that lacks the ACL or does not reach one of the indices."""
    if acl is not None and acl not in key.acl:
        raise AlgoliaError("Method not allowed with this API key", status=403)
    if not all(key.reaches(index) for index in indexes):
        raise AlgoliaError("Index not allowed with this API key", status=403)
