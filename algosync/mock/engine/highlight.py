"""Highlighting: which words of a record a query matched, marked up. Pure.

Every string (and number) of the highlighted attributes is there, in the shape of the attribute, with its match level.
Owns the walk over a record's attributes, which snippets share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.matches import Matcher, Spot
from algosync.mock.engine.records import Record

Leaf = Callable[[str], dict[str, Any]]
"""What becomes of one text: an object with `matchLevel`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """How to highlight.

    Attributes:
        before: highlightPreTag.
        after: highlightPostTag.
    """

    before: str
    after: str

    def mark(self, text: str, spots: Sequence[Spot]) -> str:
        """A text with the matched parts between the tags."""
        pieces: list[str] = []
        end = 0
        for spot in spots:
            if spot.words:
                pieces += [text[end : spot.start], self.before, text[spot.start : spot.marked], self.after]
                end = spot.marked
        return "".join([*pieces, text[end:]])


def highlighter(matcher: Matcher, tags: Tags) -> Leaf:
    """What `_highlightResult` holds of a text."""

    def leaf(text: str) -> dict[str, Any]:
        if not matcher.words:
            return {"value": text, "matchLevel": "none", "matchedWords": []}
        spots = matcher.spots(text)
        found = frozenset[str]().union(*(spot.words for spot in spots))
        result: dict[str, Any] = {"value": tags.mark(text, spots), "matchLevel": matcher.level(found)}
        if found:
            result["fullyHighlighted"] = all(spot.marked == spot.stop for spot in spots)
        result["matchedWords"] = list(dict.fromkeys(word.text for word in matcher.words if word.text in found))
        return result

    return leaf


def over(record: Record, leaves: Mapping[str, Leaf], *, matched_only: bool = False) -> dict[str, Any]:
    """The texts of some attributes, in the record's shape.

    Args:
        record: The record.
        leaves: What becomes of a text, by attribute; names may be dotted paths, `*` is every attribute not named.
        matched_only: Whether items of arrays that match nothing are left out (restrictHighlightAndSnippetArrays).
    """
    named = {name: leaf for name, leaf in leaves.items() if name != "*"}
    if "*" in leaves:
        named = {name: leaves["*"] for name in record if name != "objectID"} | named
    result: dict[str, Any] = {}
    for name, leaf in named.items():
        _place(result, record, [name] if name in record else name.split("."), _Walk(leaf, matched_only))
    return result


@dataclass(frozen=True, slots=True)
class _Walk:
    leaf: Leaf
    matched_only: bool

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            shown = {name: found for name, inner in value.items() if (found := self.value(inner)) is not None}
            return shown or None
        if isinstance(value, list):
            items = [found for inner in value if (found := self.value(inner)) is not None]
            return [item for item in items if not self.matched_only or _matches(item)] or None
        if value is None or isinstance(value, bool):
            return None
        return self.leaf(value if isinstance(value, str) else str(value))


def _matches(shown: Any) -> bool:
    if isinstance(shown, list):
        return any(map(_matches, shown))
    level = shown.get("matchLevel")
    return level != "none" if isinstance(level, str) else any(map(_matches, shown.values()))


def _place(result: dict[str, Any], record: Any, path: Sequence[str], walk: _Walk) -> None:
    head, *tail = path
    if not isinstance(record, dict) or head not in record:
        return
    if not tail:
        found = walk.value(record[head])
        if found is not None:
            result[head] = found
        return
    inner: Any = result.get(head, {})
    if isinstance(record[head], list):
        found = [each for item in record[head] if (each := _inside(item, tail, walk))]
        if found:
            result[head] = found
    elif isinstance(inner, dict):
        _place(inner, record[head], tail, walk)
        if inner:
            result[head] = inner


def _inside(item: Any, path: Sequence[str], walk: _Walk) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    _place(inner, item, path, walk)
    return inner
