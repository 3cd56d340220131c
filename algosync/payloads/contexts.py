"""Segments as Algolia sees them: a context each, of which a query may carry few."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from algosync.errors import ConfigError
from algosync.payloads.boosts import Boost
from algosync.payloads.syntax import Refusal

CONTEXTS_MAX: Final = 10
"""Contexts that Algolia takes with one query, the shop's own among them."""

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


def rule_contexts(
    memberships: Iterable[tuple[str, int]], limit: int = 4
) -> tuple[tuple[str, ...], tuple[Refusal, ...]]:
    """Choose the contexts of one person: those of the highest priority, ties by slug.

    Args:
        memberships: Slug and priority of each segment she is in.
        limit: Most contexts, 0 to CONTEXTS_MAX.

    Returns:
        The contexts, highest first, and the segments that were cut.

    Raises:
        ConfigError: The limit is out of range, or a slug is no context.
    """
    if not 0 <= limit <= CONTEXTS_MAX:
        raise ConfigError(f"contexts are limited to 0 to {CONTEXTS_MAX}, not {limit}", where="max_contexts")
    ranked = [slug for slug, _ in sorted(set(memberships), key=lambda m: (-m[1], m[0]))]
    reason = f"cut: more than {limit} contexts"
    cut = tuple(Refusal(facet="ruleContexts", value=slug, reason=reason) for slug in ranked[limit:])
    return tuple(context_name(slug) for slug in ranked[:limit]), cut
