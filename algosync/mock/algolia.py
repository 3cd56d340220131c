"""The state of a mock application: indices, keys, tasks, and a log of what was asked of it.

Works without HTTP; `handle` in routes/table.py puts requests to it. One lock guards everything.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from algosync.errors import AlgoliaError, ConfigError
from algosync.mock.engine.index import Index, IndexState
from algosync.mock.engine.records import Stage
from algosync.mock.engine.rules.apply import Merging
from algosync.mock.faults import Faults
from algosync.mock.keyring import KeyRing, KeysState
from algosync.mock.keys import DEFAULT_KEYS, Key
from algosync.mock.plans import Limits, Plan, plan_of
from algosync.mock.recorder import Recorder
from algosync.mock.services.events import Event, Events
from algosync.mock.services.personalization import Personalization
from algosync.mock.services.quota import CALLS_PER_S, Quota
from algosync.mock.tasks import Change, Tasks, World


def system_clock_ms() -> int:
    """Epoch milliseconds. Time stamps of a server are its own: nothing of algosync computes with them."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything an application holds, at one moment."""

    indices: Mapping[str, IndexState]
    keys: KeysState
    events: tuple[Event, ...]
    personalization: Personalization


class MockAlgolia:
    """An Algolia application in memory.

    Args:
        app_id: The application's id.
        keys: Its API keys.
        rules_merge: How the parameters of several rules and the query combine, see engine/rules/apply.py.
        plan: Its limits: `build`, `grow`, `premium`, or `unlimited`, see plans.py.
        max_record_bytes: Largest record in bytes of minified JSON, in place of the plan's.
        clock_ms: Tells the time in epoch milliseconds.
        publish_after_ms: How long after a write it can be read.

    Raises:
        ConfigError: There is no such plan, or no such way to combine rules.

    Attributes:
        operations: Billable write operations by kind: one per record of a batch, one per rule.
        requests: The latest requests.
        snapshots: Those kept by name, for the route that restores them.
        faults: What goes wrong on purpose.
        limits: What the plan allows.
        tasks: What was written and is not published yet.
        events: What the Insights API received.
        personalization: The strategy, and which profiles were deleted.
        quota: What the Insights and Personalization APIs say of their rate limit.
    """

    def __init__(  # noqa: PLR0913  # all are optional and named
        self,
        *,
        app_id: str = "MOCKAPP",
        keys: Sequence[Key] = DEFAULT_KEYS,
        rules_merge: Merging = "first",
        plan: Plan | str = "unlimited",
        max_record_bytes: int | None = None,
        clock_ms: Callable[[], int] = system_clock_ms,
        publish_after_ms: int = 0,
    ) -> None:
        if rules_merge not in get_args(Merging):
            hint = f"Choose one of {', '.join(get_args(Merging))}"
            raise ConfigError(f"rules do not combine by '{rules_merge}'", where="rules_merge", hint=hint)
        self.app_id = app_id
        self.keys = KeyRing(app_id, keys, clock_ms)
        self.rules_merge: Merging = rules_merge
        self.limits = Limits(plan_of(plan) if isinstance(plan, str) else plan, clock_ms)
        self.max_record_bytes = self.limits.plan.record_bytes if max_record_bytes is None else max_record_bytes
        self.operations: Counter[str] = Counter()
        self.requests = Recorder()
        self.snapshots: dict[str, Snapshot] = {}
        self.faults = Faults(_operations)
        self.lock = threading.RLock()
        self.tasks = Tasks(clock_ms, publish_after_ms)
        self.tasks.holds = self.faults.holds
        self.events = Events()
        self.personalization = Personalization()
        self.quota = Quota(CALLS_PER_S)
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

    def submit(self, names: Iterable[str], change: Callable[[World, int], None], *, delay_ms: int | None = None) -> int:
        """Change several indices, which get the stamp (epoch milliseconds) handed to `change`. Returns the taskID.

        `names` are all indices that the change reads or writes; `delay_ms` stands in for the delay of all tasks.
        """
        stamp = self._stamp()
        made: Change = lambda world: change(world, stamp)  # noqa: E731
        return self.tasks.submit(names, made, delay_ms=delay_ms)

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
        """A copy of all indices with all accepted writes, published or not, of keys, events and the strategy."""
        with self.lock:
            indices = {name: index.state() for name, index in self.tasks.head.items()}
            return Snapshot(
                indices=indices,
                keys=self.keys.state(),
                events=tuple(self.events),
                personalization=self.personalization.copy(),
            )

    def restore(self, snapshot: Snapshot) -> None:
        """Put all of it back as it was; task numbers, operations and requests go on counting."""
        with self.lock:
            self.faults.release()
            self.tasks.replace({name: Index.restored(name, state) for name, state in snapshot.indices.items()})
            self.keys.put_back(snapshot.keys)
            self.events.replace(snapshot.events)
            self.personalization = snapshot.personalization.copy()

    def content(self) -> dict[str, Any]:
        """Records, settings and rules of every index as JSON-able values, to compare before and after."""
        with self.lock:
            self.tasks.publish()
            return {name: self.indices[name].content() for name in sorted(self.indices)}


def _operations() -> frozenset[str]:
    from algosync.mock.routes.table import OPERATIONS  # the table's handlers know this module

    return OPERATIONS


def _of(world: World, name: str) -> Index:
    index = world.get(name)
    if index is None:
        raise AlgoliaError(f"Index {name} does not exist", status=404)
    return index


def rfc3339(epoch_ms: int) -> str:
    """A time stamp such as 2026-11-23T05:07:07.123Z."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
