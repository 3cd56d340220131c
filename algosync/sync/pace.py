"""How fast a push goes: at full speed until Algolia says that it is too much, then slowly back up.

Pure: additive increase, multiplicative decrease. The shop's own updates come first, and we cannot see them, only that
Algolia turns requests away or is slow to publish. Must not send or wait.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_FEWEST: Final = 50
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_S: Final = 30.0
_STEPS: Final = 10
"""Requests that go well until the full speed is reached again, from the slowest one on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A speed.

    Attributes:
        full_records: Operations per request at full speed.
        full_tasks: Writes that may be under way at once at full speed.
        records: Operations per request.
        tasks: Writes that may be under way at once.
        pause_s: Seconds between two requests.
    """

    full_records: int
    full_tasks: int
    records: int
    tasks: int
    pause_s: float = 0.0

    @classmethod
    def full(cls, records: int, tasks: int) -> Pace:
        """Full speed."""
        return cls(full_records=records, full_tasks=tasks, records=records, tasks=tasks)

    def slower(self) -> Pace:
        """Half as fast, down to one small write at a time with a long pause before the next."""
        return replace(
            self,
            records=max(self.records // 2, min(_FEWEST, self.full_records)),
            tasks=max(self.tasks // 2, 1),
            pause_s=min(max(self.pause_s * 2, _FIRST_PAUSE_S), _LONGEST_S),
        )

    def faster(self) -> Pace:
        """A step towards full speed."""
        pause_s = self.pause_s / 2
        return replace(
            self,
            records=min(self.records + -(-self.full_records // _STEPS), self.full_records),
            tasks=min(self.tasks + -(-self.full_tasks // _STEPS), self.full_tasks),
            pause_s=pause_s if pause_s >= _FIRST_PAUSE_S / 4 else 0.0,
        )
