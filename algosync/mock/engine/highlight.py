"""Highlighting: which words of a record a query matched, marked up. Pure.

Every string (and number) of the highlighted attributes is there, in the shape of the attribute, with its match level.
Owns the walk over a record's attributes, which snippets share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algosync.mock.engine.records import Record
from algosync.mock.engine.text.matches import Matcher, Spot

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


@dataclass(frozen=True, slots=True)
class Chosen:
    """Attributes whose texts are shown, as a tree of names.

    Attributes:
        leaf: What becomes of the texts here and below, where nothing below says otherwise; None for nothing.
        inner: What is said of the attributes inside.
    """

    leaf: Leaf | None = None
    inner: dict[str, Chosen] = field(default_factory=dict)


def chosen(leaves: Mapping[str, Leaf]) -> Chosen:
    """The tree of some attributes; names may be dotted paths, `*` is every attribute not named but objectID."""
    tree = Chosen(leaves.get("*"), {"objectID": Chosen()} if "*" in leaves else {})
    for name, leaf in sorted(leaves.items(), key=lambda named: named[0].count(".")):
        if name == "*":
            continue
        for path in dict.fromkeys([(name,), tuple(name.split("."))]):
            node = tree
            for step in path[:-1]:
                node = node.inner.setdefault(step, Chosen(node.leaf))
            node.inner[path[-1]] = Chosen(leaf, node.inner[path[-1]].inner if path[-1] in node.inner else {})
    return tree


def over(record: Record, attributes: Chosen, *, matched_only: bool = False) -> dict[str, Any]:
    """The texts of some attributes, in the record's shape; numbers count as texts, booleans and nulls do not.

    Args:
        record: The record.
        attributes: What becomes of its texts.
        matched_only: Whether items of arrays that match nothing are left out (restrictHighlightAndSnippetArrays).
    """
    return _of_object(record, attributes, matched_only=matched_only)


def _shown(value: Any, node: Chosen, *, matched_only: bool) -> Any:
    if isinstance(value, dict):
        return _of_object(value, node, matched_only=matched_only) or None
    if isinstance(value, list):
        return _of_array(value, node, matched_only=matched_only) or None
    if node.leaf is None or value is None or isinstance(value, bool):
        return None
    return node.leaf(value if isinstance(value, str) else str(value))


def _of_object(value: dict[str, Any], node: Chosen, *, matched_only: bool) -> dict[str, Any]:
    names = [name for name in node.inner if name in value] if node.leaf is None else value
    below = Chosen(node.leaf)
    return {
        name: found
        for name in names
        if (found := _shown(value[name], node.inner.get(name, below), matched_only=matched_only)) is not None
    }


def _of_array(value: list[Any], node: Chosen, *, matched_only: bool) -> list[Any]:
    items = [_shown(item, node, matched_only=matched_only) for item in value]
    if matched_only:
        return [item for item in items if item is not None and _matches(item)]
    if not any(items):
        return []
    # Widgets find an object's highlights by its place: variants.2.color.
    kept = [{} if item is None and isinstance(given, dict) else item for item, given in zip(items, value, strict=True)]
    return [item for item in kept if item is not None]


def _matches(shown: Any) -> bool:
    if isinstance(shown, list):
        return any(map(_matches, shown))
    level = shown.get("matchLevel")
    return level != "none" if isinstance(level, str) else any(map(_matches, shown.values()))
