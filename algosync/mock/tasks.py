"""Tasks: a write is taken at once, in order, and becomes visible when it is published.

While tasks wait there are two worlds: `head`, where every accepted write has happened, and `visible`, what readers
see. Publishing a task repeats its change on the visible world; when none waits the two are one again. An index is in
both worlds until one of them writes to it. Must not know what a change does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from algosync.mock.engine.index import Index

World = dict[str, Index]
Change = Callable[[World], None]
"""Changes the indices of a world that its task names, and reads no others.

Called once, or twice with worlds in which those indices hold the same: it must do the same both times and not fail.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    task: int
    indices: frozenset[str]
    due_ms: int
    change: Change


class Tasks:
    """The tasks of one application.

    Args:
        now_ms: Tells the time, in epoch milliseconds.
        delay_ms: How long after its write a task is published.

    Attributes:
        visible: The indices as readers see them.
        delay_ms: For the tasks to come.
        holds: Tells whether a task must not be published (yet); later tasks of its indices wait behind it.
    """

    def __init__(self, now_ms: Callable[[], int], delay_ms: int = 0) -> None:
        self.visible: World = {}
        self.delay_ms = delay_ms
        self.holds: Callable[[int], bool] = lambda _: False
        self._head: World | None = None
        self._pending: list[_Pending] = []
        self._now_ms = now_ms
        self._last = 0

    @property
    def head(self) -> World:
        """The indices with every accepted write."""
        return self.visible if self._head is None else self._head

    def submit(self, indices: Iterable[str], change: Change, *, delay_ms: int | None = None) -> int:
        """Make a change; returns the taskID under which it is published.

        Args:
            indices: Names of all indices that the change reads or writes.
            change: What to do.
            delay_ms: Instead of the delay of all tasks.
        """
        self._last += 1
        delay_ms = self.delay_ms if delay_ms is None else delay_ms
        names = frozenset(indices)
        if self._head is None and (delay_ms > 0 or self.holds(self._last)):
            self._head = dict(self.visible)
        if self._head is not None:
            self._part(self._head, names)
        change(self.head)
        if self._head is not None:
            due_ms = self._now_ms() + delay_ms
            self._pending.append(_Pending(task=self._last, indices=names, due_ms=due_ms, change=change))
        return self._last

    def _part(self, head: World, names: Iterable[str]) -> None:
        """Give `head` indices of its own where it still shares them."""
        for name in names:
            shared = head.get(name)
            if shared is not None and shared is self.visible.get(name):
                head[name] = Index.restored(name, shared.state())

    def publish(self) -> None:
        """Publish what is due, in order; called before anything is read."""
        if self._head is None:
            return
        now_ms, waiting, blocked = self._now_ms(), list[_Pending](), set[str]()
        for pending in self._pending:
            if pending.due_ms > now_ms or self.holds(pending.task) or blocked & pending.indices:
                waiting.append(pending)
                blocked |= pending.indices
            else:
                pending.change(self.visible)
        self._pending = waiting
        if not waiting:
            self._head = None

    def is_published(self, task: int) -> bool:
        """Whether a task was handed out and its change can be read."""
        return 0 < task <= self._last and all(pending.task != task for pending in self._pending)

    @property
    def pending(self) -> int:
        """How many tasks are not published."""
        return len(self._pending)

    def waiting(self, index: str) -> int:
        """How many tasks of an index are not published."""
        return sum(index in pending.indices for pending in self._pending)

    def replace(self, world: World) -> None:
        """Put another world in the place of all; tasks that wait are forgotten, their numbers go on counting."""
        self.visible = world
        self._head, self._pending = None, []
