"""Highlighting: which words of a record a query matched, marked up. Pure.

Every string (and number) of the highlighted attributes is there, in the shape of the attribute, with its match level.
A word is matched as the search matches it: whole, by prefix, or with typos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.records import Record
from algosync.mock.engine.text import Word
from algosync.mock.engine.words import normalise, spans, typos


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """How to highlight.

    Attributes:
        words: The query's words.
        before: highlightPreTag.
        after: highlightPostTag.
    """

    words: Sequence[Word]
    before: str
    after: str

    def record(self, record: Record, attributes: Sequence[str]) -> dict[str, Any]:
        """`_highlightResult` of a record, for the attributes (`*`: all of them)."""
        names = [name for name in record if name != "objectID"] if "*" in attributes else attributes
        result: dict[str, Any] = {}
        for name in names:
            _place(result, record, name.split(".") if name not in record else [name], self)
        return result

    def value(self, value: Any) -> Any:
        """A value's highlight in the value's own shape; None where nothing in it can be shown."""
        if isinstance(value, dict):
            shown = {name: marked for name, inner in value.items() if (marked := self.value(inner)) is not None}
            return shown or None
        if isinstance(value, list):
            return [marked for inner in value if (marked := self.value(inner)) is not None] or None
        if value is None or isinstance(value, bool):
            return None
        return self.text(value if isinstance(value, str) else str(value))

    def text(self, text: str) -> dict[str, Any]:
        """One string with its matches marked, and how much of the query it matches."""
        pieces: list[str] = []
        matched: set[str] = set()
        end = inside = letters = 0
        for start, stop in spans(text):
            letters += stop - start
            length, words = self._match(text[start:stop])
            if words:
                matched |= words
                inside += length
                pieces += [text[end:start], self.before, text[start : start + length], self.after]
                end = start + length
        level = "none" if not matched else "full" if len(matched) == len(self.words) else "partial"
        result: dict[str, Any] = {"value": "".join([*pieces, text[end:]]), "matchLevel": level}
        if matched:
            result["fullyHighlighted"] = inside == letters
        result["matchedWords"] = [word.text for word in self.words if word.text in matched]
        return result

    def _match(self, written: str) -> tuple[int, set[str]]:
        """How many letters of a word are matched, and by which words of the query."""
        word = normalise(written)
        length, found = 0, set()
        for asked in self.words:
            if word == asked.text:
                size = len(written)
            elif asked.prefix and word.startswith(asked.text):
                size = min(len(written), len(asked.text))
            elif asked.typos_max and typos(asked.text, word, asked.typos_max, prefix=asked.prefix) is not None:
                size = len(written)
            else:
                continue
            length = max(length, size)
            found.add(asked.text)
        return length, found


def _place(result: dict[str, Any], record: Any, path: list[str], marker: Marker) -> None:
    head, *tail = path
    if not isinstance(record, dict) or head not in record:
        return
    if not tail:
        marked = marker.value(record[head])
        if marked is not None:
            result[head] = marked
        return
    inner: dict[str, Any] = {}
    _place(inner, record[head], tail, marker)
    if inner:
        known = result.get(head)
        result[head] = (known if isinstance(known, dict) else {}) | inner
