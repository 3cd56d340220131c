"""`filters` as text: joining the caller's with the shop's, and saying facetFilters in it. Pure.

Algolia takes ANDs of ORs and no deeper nesting, so two texts are joined part by part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

_PIECE: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[()]|\s+(?:AND|OR)\s+|.', re.IGNORECASE | re.DOTALL)


def joined(own: str, ours: str) -> str:
    """Both texts must hold; a part of ours that the caller has already said is not said twice."""
    said = [_closed(part) for part in _parts(own, "AND")]
    new = [part for part in dict.fromkeys(map(_closed, _parts(ours, "AND"))) if part not in said]
    return " AND ".join([*said, *new]) if new else own


def from_facets(facets: Any) -> str:
    """What facetFilters say, as `filters`: lists within the list are ORs."""
    items = [facets] if isinstance(facets, str) else list(facets)
    return " AND ".join(_group(item) for item in items)


def _group(item: str | Sequence[str]) -> str:
    if isinstance(item, str):
        return _term(item)
    return _closed(" OR ".join(_term(text) for text in item))


def _term(text: str) -> str:
    facet, _, value = text.partition(":")
    negated = "NOT " if value.startswith("-") else ""
    value = value.removeprefix("-").removeprefix("\\").replace("\\", "\\\\").replace('"', '\\"')
    return f'{negated}{facet}:"{value}"'


def _closed(part: str) -> str:
    """Brackets around alternatives, which would otherwise come apart."""
    return f"({part})" if sum(1 for _ in _parts(part, "OR")) > 1 else part


def _parts(text: str, word: str) -> Iterator[str]:
    """What stands between a word, outside of quotes and brackets."""
    depth, part = 0, ""
    for piece in _PIECE.findall(text):
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and piece.strip().upper() == word and piece.strip() != piece:
            yield part.strip()
            part = ""
        else:
            part += piece
    if part.strip():
        yield part.strip()
