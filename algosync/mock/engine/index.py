"""One index: its records, settings and rules, and the search structure over them.

Records are minified JSON by objectID, never changed in place, so that a snapshot is a shallow copy. Knows nothing of
keys, tasks or HTTP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from algosync.mock.engine.records import Record, Stage
from algosync.mock.engine.rules.shape import Rule
from algosync.mock.engine.segments import Searcher, Segment
from algosync.mock.engine.settings import DEFAULTS, searchables


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """Everything an index holds."""

    records: dict[str, bytes]
    settings: dict[str, Any]
    rules: dict[str, Rule]
    created_ms: int
    updated_ms: int


class Index:
    """An index.

    Attributes:
        name: Its name.
        records: Minified JSON by objectID.
        settings: Settings that were set; the others have their defaults.
        rules: Rules by objectID.
        created_ms: When it came to be, in epoch milliseconds.
        updated_ms: When it was last written to.
    """

    def __init__(self, name: str, now_ms: int) -> None:
        self.name = name
        self.records: dict[str, bytes] = {}
        self.settings: dict[str, Any] = {}
        self.rules: dict[str, Rule] = {}
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self._searcher: Searcher | None = None
        self._sorted_ids: list[str] | None = None

    @property
    def all_settings(self) -> dict[str, Any]:
        """The settings with the defaults of those that were not set."""
        return DEFAULTS | self.settings

    def commit(self, stage: Stage) -> None:
        """Make staged changes real."""
        if stage.cleared:
            self.records = {}
            self._searcher = self._sorted_ids = None
        for object_id, data in stage.changes.items():
            if data is None:
                self.records.pop(object_id, None)
                self._sorted_ids = None
            else:
                if object_id not in self.records:
                    self._sorted_ids = None
                self.records[object_id] = data
            if self._searcher is not None:
                self._searcher.touch(object_id, stage.touched[object_id])

    def set_settings(self, given: dict[str, Any]) -> None:
        """Change settings; null puts a default back."""
        merged = self.settings | given
        self.settings = {name: value for name, value in merged.items() if value is not None}

    def take_over(self, other: Index, scope: Collection[str] | None, *, keep: Collection[str] = ()) -> None:
        """Put another index's content in the place of this one's.

        Args:
            other: Where the content comes from; it shares nothing with this index afterwards.
            scope: `settings`, `rules`; None for everything, records included.
            keep: Settings that stay as they are here.
        """
        if scope is None:
            self.records = dict(other.records)
            self._searcher = self._sorted_ids = None
        if scope is None or "settings" in scope:
            kept = {name: value for name, value in self.settings.items() if name in keep}
            self.settings = {name: value for name, value in other.settings.items() if name not in keep} | kept
        if scope is None or "rules" in scope:
            self.rules = dict(other.rules)

    def record(self, object_id: str) -> Record | None:
        """A record, or None."""
        data = self.records.get(object_id)
        if data is None:
            return None
        found: Record = orjson.loads(data)
        return found

    def ids(self) -> list[str]:
        """All objectIDs, sorted."""
        if self._sorted_ids is None:
            self._sorted_ids = sorted(self.records)
        return self._sorted_ids

    def segments(self, attributes: Iterable[str]) -> list[Segment]:
        """The search structure with columns for the attributes, brought up to date."""
        lines = searchables(self.settings)
        if self._searcher is None or self._searcher.lines != lines:
            self._searcher = Searcher(self.records, lines)
        return self._searcher.segments(self.records, attributes)

    def state(self) -> IndexState:
        """A copy of everything, safe from later writes."""
        return IndexState(
            records=dict(self.records),
            settings=dict(self.settings),
            rules=dict(self.rules),
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
        )

    @classmethod
    def restored(cls, name: str, state: IndexState) -> Index:
        """An index as it was."""
        index = cls(name, state.created_ms)
        index.records, index.settings = dict(state.records), dict(state.settings)
        index.rules, index.updated_ms = dict(state.rules), state.updated_ms
        return index

    def content(self) -> dict[str, Any]:
        """Records, settings and rules as JSON-able values, in the order of their ids."""
        return {
            "records": {object_id: orjson.loads(self.records[object_id]) for object_id in self.ids()},
            "settings": dict(sorted(self.settings.items())),
            "rules": dict(sorted(self.rules.items())),
        }
