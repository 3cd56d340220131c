"""Segments as Algolia sees them: a context each, of which a query may carry few."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from algosync.errors import ConfigError
from algosync.payloads.boosts import Boost

_CONTEXT: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What payloads need to know of a segment.

    Args:
        slug: Its id, in the alphabet of contexts.
        name: For people.
        priority: A larger one is higher; 0 to 999,999.
        boosts: What its members see first.
        user_data: Handed to the storefront by the segment's Rule, at most 1,000 bytes as JSON.
        enabled: Whether its Rule is on.
    """

    slug: str
    name: str
    priority: int
    boosts: tuple[Boost, ...] = ()
    user_data: Mapping[str, str | int | bool] | None = None
    enabled: bool = True


def context_name(slug: str) -> str:
    """Name the context of a segment.

    Raises:
        ConfigError: The slug holds more than letters, digits, - and _.
    """
    if not _CONTEXT.fullmatch(slug):
        raise ConfigError("a context is made of letters, digits, - and _", where=f"segment {slug!r}")
    return f"algosync-{slug}"


def is_context(text: str) -> bool:
    """Whether Algolia takes a text as a context."""
    return _CONTEXT.fullmatch(text) is not None
