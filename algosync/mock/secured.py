"""Secured API keys, and the restrictions that they and the `queryParameters` of a key carry.

A secured key is base64(hex HMAC-SHA256 of the parameters, with the parent key as secret, then the parameters). Owns how
restrictions are read and how they bind a search's parameters. Must not know which keys exist: keyring.py does.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import groups
from algosync.mock.engine.parameters import check, from_text

SIGNATURE = 64
_OWN = frozenset({"validUntil", "restrictIndices", "restrictSources"})
_LISTED = frozenset({"facetFilters", "optionalFilters", "numericFilters", "tagFilters"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """What a secured key, or a key's `queryParameters`, holds its requests to.

    Attributes:
        params: Checked search parameters for every search; `userToken` is one of them.
        valid_until: Epoch seconds of the last moment it may be used, None for ever.
        indexes: Index name patterns; empty for every index.
        source: The network that requests must come from, None for any.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    valid_until: int | None = None
    indexes: tuple[str, ...] = ()
    source: IPv4Network | IPv6Network | None = None

    def reaches(self, index: str) -> bool:
        """Whether the patterns allow the index."""
        return not self.indexes or fits_any(self.indexes, index)

    def allows_source(self, address: str) -> bool:
        """Whether a client's address lies within the source network."""
        if self.source is None:
            return True
        try:
            return ip_address(address) in self.source
        except ValueError:
            return False

    def bind(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Search parameters under these restrictions.

        `filters` and the lists of filters are joined by AND and analyticsTags are appended; of every other parameter
        the key's value wins. Which ones a client may add to is said at support.algolia.com, article 6794170481041.
        """
        bound = dict(params)
        for name, value in self.params.items():
            bound[name] = _bound(name, value, bound.get(name))
        return bound


def _bound(name: str, forced: Any, given: Any) -> Any:
    if name == "filters":
        texts = [text for text in (forced, given or "") if text.strip()]
        return " AND ".join(f"({text})" for text in texts) if len(texts) > 1 else "".join(texts)
    if given and name in _LISTED:
        return groups(forced, name) + groups(given, name)
    if given and name == "analyticsTags":
        return [*forced, *given]
    return forced


def fits_any(patterns: Iterable[str], name: str) -> bool:
    """Whether a name fits one of the patterns, where `*` may lead or trail: `dev_*`, `*_dev`, `*_dev_*`."""
    return any(_fits(pattern, name) for pattern in patterns)


def _fits(pattern: str, name: str) -> bool:
    leads, rest = pattern.startswith("*"), pattern.removeprefix("*")
    trails, core = rest.endswith("*"), rest.removesuffix("*")
    if leads and trails:
        return core in name
    if leads:
        return name.endswith(core)
    return name.startswith(core) if trails else name == core


def parse_restrictions(text: str) -> Restrictions:
    """Restrictions from a URL-encoded query string.

    Lists may be separated by commas, as the official clients write them, or be JSON. A string that is percent-encoded
    as a whole, as in the specification's example of `queryParameters`, is read too.

    Raises:
        AlgoliaError: 400 for an unknown search parameter or a value of a wrong type.
    """
    pairs = dict(parse_qsl(text if "=" in text else unquote(text), keep_blank_values=True))
    rest = {name: value for name, value in pairs.items() if name not in _OWN}
    return Restrictions(
        params=check(from_text(urlencode(rest))),
        valid_until=_moment(pairs.get("validUntil")),
        indexes=_patterns(pairs.get("restrictIndices", "")),
        source=_network(pairs.get("restrictSources", "")),
    )


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise AlgoliaError('Invalid value for "validUntil" parameter, expected epoch seconds', status=400)
    return int(text)


def _patterns(text: str) -> tuple[str, ...]:
    listed: Any = text.split(",")
    if text.lstrip().startswith("["):
        try:
            listed = orjson.loads(text)
        except orjson.JSONDecodeError:
            listed = [None]
    if not all(isinstance(item, str) for item in listed):
        raise AlgoliaError('Invalid value for "restrictIndices" parameter, expected index names', status=400)
    return tuple(item.strip() for item in listed if item.strip())


def _network(text: str) -> IPv4Network | IPv6Network | None:
    if not text:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise AlgoliaError(
            'Invalid value for "restrictSources" parameter, expected an address or a network', status=400
        ) from None


def sign(parent: str, parameters: str) -> str:
    """The secured key of a parent key and a URL-encoded query string."""
    signature = hmac.digest(parent.encode(), parameters.encode(), "sha256").hex()
    return b64encode(f"{signature}{parameters}".encode()).decode()


def parent_of(value: str, keys: Iterable[str]) -> tuple[str, str] | None:
    """The key among `keys` that signed a secured key, with its parameters.

    None where no key signed it, where it is no secured key at all, and where it restricts nothing: Algolia refuses that
    too (algolia.com/doc/libraries/sdk/methods/search/generate-secured-api-key).
    """
    try:
        parameters = b64decode(value, validate=True).decode()[SIGNATURE:]
    except ValueError:
        return None
    if not parameters:
        return None
    given = value.encode()
    # Signing anew and comparing the whole also refuses other spellings of the same base64.
    return next(((key, parameters) for key in keys if hmac.compare_digest(sign(key, parameters).encode(), given)), None)
