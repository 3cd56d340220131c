"""What search reads: records turned into columns and a text index, kept up to date with little work.

Two segments: a large one, and a small one for records that changed since. A changed record leaves the large segment
and enters the small one, which is built again; when that has cost a few times as much as building all, or the small
one grows too large, all is built again. Partial updates of many records, but of no searchable attribute, cost no text
indexing. Everything is built at the next search, never at the write.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from algosync.mock.engine.columns import Column, Ints, Mask
from algosync.mock.engine.settings import Searchable
from algosync.mock.engine.text.inverted import TextIndex

SMALL_MIN = 2000
SMALL_SHARE = 0.2
AGAIN = 4
"""How many times the records of an index may go through its small segment before all is built again: seldom enough for
no search to wait often, soon enough for writes and searches in turn not to cost ever more."""


class Segment:
    """Some records of an index, in the order of their objectIDs.

    Attributes:
        ids: objectIDs, sorted; a document's number is its place here.
        alive: Which documents still are what the segment holds.
    """

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self.alive: Mask = np.ones(len(ids), np.bool_)
        self.columns: dict[str, Column] = {}
        self._text: TextIndex | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def text(self) -> TextIndex:
        """The text index; `prepare` has been called."""
        assert self._text is not None
        return self._text

    def place(self, object_id: str) -> int | None:
        """The number of a document, alive or not."""
        at = bisect_left(self.ids, object_id)
        return at if at < len(self.ids) and self.ids[at] == object_id else None

    def prepare(
        self, records: Mapping[str, bytes], attributes: Iterable[str], lines: Sequence[Searchable] | None
    ) -> None:
        """Build the columns that are missing, and the text index if there is none, in one pass over the records."""
        columns = {name: Column(len(self)) for name in attributes if name not in self.columns}
        text = TextIndex(len(self), lines) if self._text is None else None
        if not columns and text is None:
            return
        for doc, object_id in enumerate(self.ids):
            data = records.get(object_id)
            if data is None or not self.alive[doc]:
                continue
            record: dict[str, Any] = orjson.loads(data)
            for name, column in columns.items():
                column.add(doc, record, name)
            if text is not None:
                text.add(doc, record)
        self.columns.update({name: column.seal() for name, column in columns.items()})
        if text is not None:
            self._text = text.seal()


class Searcher:
    """The segments of one index under one choice of searchable attributes."""

    def __init__(self, ids: Iterable[str], lines: Sequence[Searchable] | None) -> None:
        self.lines = lines
        self._roots = (
            None
            if lines is None
            else {name.partition(".")[0] for line in lines for name in line.attributes}
            | {name for line in lines for name in line.attributes}
        )
        self._large = Segment(sorted(ids))
        self._small = Segment([])
        self._changed: set[str] = set()
        self._retouched: dict[str, frozenset[str]] = {}
        self._again = 0  # records that went through the small segment since all were built

    def touch(self, object_id: str, roots: frozenset[str] | None) -> None:
        """Note a written record; `roots` are the attributes that may have changed, None where any may have."""
        if object_id in self._changed:
            return
        if roots is None or self._roots is None or roots & self._roots:
            self._changed.add(object_id)
            self._retouched.pop(object_id, None)
        else:
            self._retouched[object_id] = self._retouched.get(object_id, frozenset()) | roots

    def segments(self, records: Mapping[str, bytes], attributes: Iterable[str]) -> list[Segment]:
        """The segments, up to date and with columns for the attributes."""
        self._refresh(records)
        parts = [part for part in (self._large, self._small) if len(part)]
        wanted = sorted(set(attributes))
        for part in parts:
            part.prepare(records, wanted, self.lines)
        return parts

    def _refresh(self, records: Mapping[str, bytes]) -> None:
        small_max = max(SMALL_MIN, int(len(records) * SMALL_SHARE))
        if len(self._retouched) > small_max:
            roots = frozenset().union(*self._retouched.values())
            for part in (self._large, self._small):
                stale = [name for name in part.columns if name in roots or name.partition(".")[0] in roots]
                for name in stale:
                    del part.columns[name]
        else:
            self._changed.update(self._retouched)
        self._retouched.clear()
        if not self._changed:
            return
        moved = (self._changed | set(self._small.ids)) & records.keys()
        self._again += len(moved)
        if len(moved) > small_max or self._again > AGAIN * max(SMALL_MIN, len(records)):
            self._large, self._small = Segment(sorted(records)), Segment([])
            self._again = 0
        else:
            for object_id in self._changed:
                place = self._large.place(object_id)
                if place is not None:
                    self._large.alive[place] = False
            self._small = Segment(sorted(moved))
        self._changed.clear()


def tie_order(parts: Sequence[Segment]) -> Callable[[int, Ints], Ints]:
    """A function of (part, documents) that gives numbers in the order of objectIDs across segments."""
    if len(parts) < 2:
        return lambda _, docs: docs
    large, small = parts
    step = len(small) + 1
    before = np.fromiter((bisect_left(large.ids, name) for name in small.ids), np.int64, len(small))
    small_rank = before * step + np.arange(len(small))
    return lambda part, docs: small_rank[docs] if part else docs * step + len(small)
