"""The state of a mock application: indices, keys, tasks, and a log of what was asked of it.

Works without HTTP; `handle` in routes.py puts requests to it. One lock guards everything.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index, IndexState
from algosync.mock.engine.records import Stage
from algosync.mock.engine.rules import Merging
from algosync.mock.keys import DEFAULT_KEYS, Key, KeyRing
from algosync.mock.tasks import Change, Tasks, World

MAX_RECORD_BYTES = 100_000
REQUESTS_KEPT = 10_000


def system_clock_ms() -> int:
    """Epoch milliseconds. Time stamps of a server are its own: nothing of algosync computes with them."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request that was answered.

    Attributes:
        operation: Algolia's name of what was asked, such as `searchSingleIndex`; empty where no route was reached.
        method: GET, POST, PUT or DELETE.
        path: As sent, without the query string.
        key: The API key; None where the credentials were refused.
        status: The answer's status code.
    """

    operation: str
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
        publish_after_ms: How long after a write it can be read.

    Attributes:
        operations: Billable write operations by kind: one per record of a batch, one per rule.
        requests: The latest requests.
        tasks: What was written and is not published yet.
    """

    def __init__(
        self,
        *,
        app_id: str = "MOCKAPP",
        keys: Sequence[Key] = DEFAULT_KEYS,
        rules_merge: Merging = "first",
        max_record_bytes: int = MAX_RECORD_BYTES,
        clock_ms: Callable[[], int] = system_clock_ms,
        publish_after_ms: int = 0,
    ) -> None:
        self.app_id = app_id
        self.keys = KeyRing(app_id, keys)
        self.rules_merge: Merging = rules_merge
        self.max_record_bytes = max_record_bytes
        self.operations: Counter[str] = Counter()
        self.requests: deque[RecordedRequest] = deque(maxlen=REQUESTS_KEPT)
        self.lock = threading.RLock()
        self.tasks = Tasks(clock_ms, publish_after_ms)
        self._clock_ms = clock_ms
        self._last_ms = 0
        self._last_object = 0

    def now_ms(self) -> int:
        """The time now, in epoch milliseconds."""
        return self._clock_ms()

    @property
    def indices(self) -> World:
        """The indices that readers see."""
        return self.tasks.visible

    def index(self, name: str) -> Index:
        """An index as readers see it, or 404."""
        return _of(self.indices, name)

    def known(self, name: str) -> Index:
        """An index with all accepted writes, or 404."""
        return _of(self.tasks.head, name)

    def next_object_id(self) -> str:
        """An objectID that no record of any index has."""
        while True:
            self._last_object += 1
            made = f"{self._last_object:x}_mock"
            if not any(made in index.records for index in self.tasks.head.values()):
                return made

    def stage(self, name: str) -> Stage:
        """A stage over an index's records with all accepted writes, over nothing where there is no such index."""
        index = self.tasks.head.get(name)
        return Stage(base=index.records if index else {}, bytes_max=self.max_record_bytes, next_id=self.next_object_id)

    def commit(self, name: str, stage: Stage) -> int:
        """Make a stage real; an index comes to be with its first record. Returns the taskID."""
        adds = any(data is not None for data in stage.changes.values())

        def change(world: World) -> None:
            if stage.dropped:
                world.pop(name, None)
            if name in world or adds:
                self._open(world, name, stamp).commit(stage)

        stamp = self._stamp()
        return self.tasks.submit([name], change)

    def write(self, name: str, change: Callable[[Index], None]) -> int:
        """Change an index, made if need be, and move its `updatedAt` on. Returns the taskID."""
        stamp = self._stamp()
        return self.tasks.submit([name], lambda world: change(self._open(world, name, stamp)))

    def submit(self, names: Iterable[str], change: Callable[[World, int], None]) -> int:
        """Change several indices, which get the stamp (epoch milliseconds) handed to `change`. Returns the taskID."""
        stamp = self._stamp()
        made: Change = lambda world: change(world, stamp)  # noqa: E731
        return self.tasks.submit(names, made)

    @staticmethod
    def _open(world: World, name: str, stamp: int) -> Index:
        index = world.setdefault(name, Index(name, stamp))
        index.updated_ms = stamp
        return index

    def _stamp(self) -> int:
        self._last_ms = max(self.now_ms(), self._last_ms + 1)
        return self._last_ms

    def updated_at(self, name: str) -> str:
        """When an index was last written to, in RFC 3339; the time now where there is none."""
        index = self.tasks.head.get(name)
        return rfc3339(index.updated_ms if index else self.now_ms())

    def snapshot(self) -> Snapshot:
        """A copy of all indices, safe from later writes."""
        with self.lock:
            return Snapshot(indices={name: index.state() for name, index in self.tasks.head.items()})

    def restore(self, snapshot: Snapshot) -> None:
        """Put all indices back as they were; task numbers, operations and requests go on counting."""
        with self.lock:
            self.tasks.replace({name: Index.restored(name, state) for name, state in snapshot.indices.items()})

    def content(self) -> dict[str, Any]:
        """Records, settings and rules of every index as JSON-able values, to compare before and after."""
        with self.lock:
            self.tasks.publish()
            return {name: self.indices[name].content() for name in sorted(self.indices)}


def _of(world: World, name: str) -> Index:
    index = world.get(name)
    if index is None:
        raise AlgoliaError(f"Index {name} does not exist", status=404)
    return index


def rfc3339(epoch_ms: int) -> str:
    """A time stamp such as 2026-11-23T05:07:07.123Z."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
