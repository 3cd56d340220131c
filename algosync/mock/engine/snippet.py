"""Snippets: the few words of a text around what a query matched. Pure.

Algolia documents the number of words, the ellipsis and the match level, and that words around a match are shown; which
of several matches is not documented: here the stretch with most of the query's words, the first of equals, with as many
words before as after (one more before, where the number is odd); the beginning where nothing matches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.highlight import Leaf, Tags
from algosync.mock.engine.text.matches import Matcher, Spot

WORDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How snippets look: the tags of highlights, and snippetEllipsisText."""

    tags: Tags
    ellipsis: str


def lengths(lines: Sequence[str]) -> dict[str, int]:
    """Words by attribute, one at least, from attributesToSnippet: `name`, `name:20`, `*:20`."""
    read: dict[str, int] = {}
    for line in lines:
        name, colon, number = line.rpartition(":")
        counted = bool(colon) and number.strip().isdecimal()
        read[name.strip() if counted else line.strip()] = max(1, int(number)) if counted else WORDS
    return read


def snippeter(matcher: Matcher, style: Style, words: int) -> Leaf:
    """What `_snippetResult` holds of a text."""

    def leaf(text: str) -> dict[str, Any]:
        spots = matcher.spots(text)
        first = _first(spots, words)
        shown = spots[first : first + words]
        cut_before, cut_after = first > 0, first + words < len(spots)
        begin = shown[0].start if cut_before and shown else 0
        end = shown[-1].stop if cut_after and shown else len(text)
        moved = [Spot(spot.start - begin, spot.stop - begin, spot.marked - begin, spot.words) for spot in shown]
        value = style.tags.mark(text[begin:end], moved)
        before = f"{style.ellipsis} " if cut_before and style.ellipsis else ""
        after = f" {style.ellipsis}" if cut_after and style.ellipsis else ""
        found = frozenset[str]().union(*(spot.words for spot in spots))
        return {"value": f"{before}{value}{after}", "matchLevel": matcher.level(found)}

    return leaf


def _first(spots: Sequence[Spot], words: int) -> int:
    """The first word to show."""
    if len(spots) <= words:
        return 0
    matched = [at for at, spot in enumerate(spots) if spot.words]
    best, span, most = 0, 0, 0
    inside, end = Counter[str](), 0
    for at in matched:
        while end < len(matched) and matched[end] < at + words:
            inside.update(spots[matched[end]].words)
            end += 1
        told = sum(count > 0 for count in inside.values())
        if told > most:
            best, span, most = at, matched[end - 1] - at + 1, told
        inside.subtract(spots[at].words)
    if not most:
        return 0
    return max(0, min(best - (words - span + 1) // 2, len(spots) - words))
