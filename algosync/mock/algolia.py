"""The state of a mock application: indices, keys, tasks, and a log of what was asked of it.

Works without HTTP; `handle` in routes.py puts requests to it. One lock guards everything.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.index import Index, IndexState
from algosync.mock.keys import DEFAULT_KEYS, Key, KeyRing
from algosync.mock.records import Stage
from algosync.mock.rules import Merging

MAX_RECORD_BYTES = 100_000
REQUESTS_KEPT = 10_000


def system_clock_ms() -> int:
    """Epoch milliseconds. Time stamps of a server are its own: nothing of algosync computes with them."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request that was answered. `key` is None where the credentials were refused."""

    method: str
    path: str
    key: str | None
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything an application holds, at one moment."""

    indices: Mapping[str, IndexState]


class MockAlgolia:
    """An Algolia application in memory.

    Args:
        app_id: The application's id.
        keys: Its API keys.
        rules_merge: How the parameters of several rules and the query combine, see rules.py.
        max_record_bytes: Largest record in bytes of minified JSON; Algolia's plans allow 10,000 to 100,000.
        clock_ms: Tells the time in epoch milliseconds.

    Attributes:
        operations: Billable write operations by kind: one per record of a batch, one per rule.
        requests: The latest requests.
        is_published: Tells whether a task is published; all are at once, unless replaced.
    """

    def __init__(
        self,
        *,
        app_id: str = "MOCKAPP",
        keys: Sequence[Key] = DEFAULT_KEYS,
        rules_merge: Merging = "first",
        max_record_bytes: int = MAX_RECORD_BYTES,
        clock_ms: Callable[[], int] = system_clock_ms,
    ) -> None:
        self.app_id = app_id
        self.keys = KeyRing(app_id, keys)
        self.rules_merge: Merging = rules_merge
        self.max_record_bytes = max_record_bytes
        self.operations: Counter[str] = Counter()
        self.requests: deque[RecordedRequest] = deque(maxlen=REQUESTS_KEPT)
        self.is_published: Callable[[int], bool] = lambda _: True
        self.lock = threading.RLock()
        self.indices: dict[str, Index] = {}
        self._clock_ms = clock_ms
        self._last_ms = 0
        self._last_task = 0
        self._last_object = 0

    def now_ms(self) -> int:
        """The time now, in epoch milliseconds."""
        return self._clock_ms()

    def index(self, name: str) -> Index:
        """An index, or 404."""
        index = self.indices.get(name)
        if index is None:
            raise AlgoliaError(f"Index {name} does not exist", status=404)
        return index

    def next_object_id(self) -> str:
        """An objectID that no record of any index has."""
        while True:
            self._last_object += 1
            made = f"{self._last_object:x}_mock"
            if not any(made in index.records for index in self.indices.values()):
                return made

    def stage(self, name: str) -> Stage:
        """A stage over an index's records, over nothing where there is no such index."""
        index = self.indices.get(name)
        return Stage(base=index.records if index else {}, bytes_max=self.max_record_bytes, next_id=self.next_object_id)

    def commit(self, name: str, stage: Stage) -> None:
        """Make a stage real; an index comes to be with its first record."""
        if stage.dropped:
            self.indices.pop(name, None)
        if name in self.indices or any(data is not None for data in stage.changes.values()):
            with self.writing(name) as index:
                index.commit(stage)

    @contextmanager
    def writing(self, name: str) -> Iterator[Index]:
        """An index to write to, made if need be, whose `updatedAt` moves on when the write is done."""
        index = self.indices.get(name) or Index(name, self._stamp())
        yield index
        index.updated_ms = self._stamp()
        self.indices[name] = index

    def _stamp(self) -> int:
        self._last_ms = max(self.now_ms(), self._last_ms + 1)
        return self._last_ms

    def next_task(self) -> int:
        """The id of a new task."""
        self._last_task += 1
        return self._last_task

    def knows_task(self, task: int) -> bool:
        """Whether the task was ever handed out."""
        return 0 < task <= self._last_task

    def updated_at(self, name: str) -> str:
        """When an index was last written to, in RFC 3339; the time now where there is none."""
        index = self.indices.get(name)
        return rfc3339(index.updated_ms if index else self.now_ms())

    def snapshot(self) -> Snapshot:
        """A copy of all indices, safe from later writes."""
        with self.lock:
            return Snapshot(indices={name: index.state() for name, index in self.indices.items()})

    def restore(self, snapshot: Snapshot) -> None:
        """Put all indices back as they were; task numbers, operations and requests go on counting."""
        with self.lock:
            self.indices = {name: Index.restored(name, state) for name, state in snapshot.indices.items()}

    def content(self) -> dict[str, Any]:
        """Records, settings and rules of every index as JSON-able values, to compare before and after."""
        with self.lock:
            return {name: self.indices[name].content() for name in sorted(self.indices)}


def rfc3339(epoch_ms: int) -> str:
    """A time stamp such as 2026-11-23T05:07:07.123Z."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
