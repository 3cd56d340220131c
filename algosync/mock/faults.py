"""When faults strike: counts requests, and holds the tasks that must not be published.

The choice depends on the plan, its seed and the order of requests alone, never on the clock, so that the same requests
meet the same faults again. Knows no HTTP; what a fault does is routes/striking.py's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any, Final

import orjson

from algosync.errors import ConfigError
from algosync.mock.fault_plan import Fault, FaultPlan, Kind, check_names, make_fault, read_plan, read_short

STRIKES_KEPT = 10_000
_READS: Final = ("get", "search", "browse", "list")
_ONE_RECORD: Final = frozenset({"saveObject", "addOrUpdateObject", "partialUpdateObject"})
_TASKLESS: Final = ("ApiKey", "Personalization", "UserProfile", "UserToken", "pushEvents", "Recommend")
_PUTS: Final = frozenset({"addObject", "updateObject", "partialUpdateObject", "partialUpdateObjectNoCreate"})


def is_read(operation: str) -> bool:
    """Whether an operation, by Algolia's name of it, only reads."""
    return operation.startswith(_READS)


def makes_task(operation: str) -> bool:
    """Whether an operation, by Algolia's name of it, is a write to an index, which waits to be published."""
    return not is_read(operation) and not any(part in operation for part in _TASKLESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What faults look at in a request.

    Attributes:
        operation: Algolia's name of it.
        index: The index named in the path, if any.
        object_id: The record named in the path, if any.
        body: The body.
    """

    operation: str
    index: str | None = None
    object_id: str | None = None
    body: bytes = b""

    def indices(self) -> set[str]:
        """The index of the path, or those of a request to several."""
        if self.index is not None:
            return {self.index}
        return {name for each in self._requests() if isinstance(name := each.get("indexName"), str)}

    def records(self) -> list[tuple[int, str]]:
        """Position and objectID of each record that it would put."""
        if self.operation in _ONE_RECORD:
            sent = self._json()
            own = sent.get("objectID", "") if isinstance(sent, dict) else ""
            return [(0, self.object_id or str(own))]
        if self.operation not in {"batch", "multipleBatch"}:
            return []
        return [
            (position, str(body.get("objectID", "")))
            for position, each in enumerate(self._requests())
            if isinstance(body := each.get("body"), dict) and each.get("action") in _PUTS
        ]

    def _requests(self) -> list[dict[str, Any]]:
        sent = self._json()
        requests = sent.get("requests") if isinstance(sent, dict) else None
        if not isinstance(requests, list):
            return []
        return [each if isinstance(each, dict) else {} for each in requests]

    def _json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault and the request that it strikes.

    Attributes:
        fault: The fault.
        request: Which of the requests that fit the fault, from 1.
        operation: What was asked.
        index: The index named in the path, if any.
        position: Of the record that is too big, in the batch.
        object_id: Of the record that is too big.
    """

    fault: Fault
    request: int
    operation: str
    index: str | None = None
    position: int = 0
    object_id: str = ""

    @property
    def kind(self) -> Kind:
        """What happens."""
        return self.fault.fault

    def describe(self) -> dict[str, Any]:
        """The strike as JSON."""
        return {"fault": self.kind, "operation": self.operation, "index": self.index, "request": self.request}


@dataclass(slots=True)
class _Counted:
    fault: Fault
    number: int
    seen: int = 0
    struck: int = 0


class Faults:
    """The plan of faults of an application.

    Args:
        operations: Tells the names that a fault may name, once they are known.

    Attributes:
        seed: Of all draws.
        strikes: The latest strikes, oldest first.
    """

    def __init__(self, operations: Callable[[], frozenset[str]]) -> None:
        self.seed = 0
        self.strikes: deque[Strike] = deque(maxlen=STRIKES_KEPT)
        self._operations = operations
        self._counted: list[_Counted] = []
        self._held: set[int] = set()
        self._holding = False

    def add(self, short: str | None = None, /, **attributes: Any) -> Fault:
        """Put a fault behind those of the plan: `add(on="batch", nth=3, fault="429")`, in short `add("batch:3:429")`.

        Args:
            short: The short form, see `read_short`; in place of all attributes.
            attributes: See Fault for their names.

        Raises:
            ConfigError: It is no fault, or names an operation that does not exist.
        """
        made = make_fault(attributes) if short is None else read_short(short, "faults")
        if short is not None and attributes:
            raise ConfigError(f"'{short}' says all", where="faults", hint="Give either this or attributes")
        made = check_names(made, self._operations())
        self._counted.append(_Counted(made, len(self._counted)))
        return made

    def put(self, plan: FaultPlan | Any) -> None:
        """Replace the plan, lifting what the one before did; counting begins anew.

        Args:
            plan: A plan, or the JSON of one.

        Raises:
            ConfigError: It is no plan; the one before stays.
        """
        wanted = plan if isinstance(plan, FaultPlan) else read_plan(plan)
        checked = [check_names(fault, self._operations()) for fault in wanted.faults]
        self.clear()
        self.seed = wanted.seed
        self._counted = [_Counted(fault, number) for number, fault in enumerate(checked)]

    def clear(self) -> None:
        """Lift all faults; tasks that were held are published, the seed and the strikes are forgotten."""
        self.seed = 0
        self._counted = []
        self.strikes.clear()
        self.release()

    def release(self) -> None:
        """Hold no task any more."""
        self._held.clear()

    def strike(self, asked: Asked) -> Strike | None:
        """Count a request with every fault that it fits; the first that strikes it, if one does."""
        chosen: tuple[_Counted, tuple[int, str]] | None = None
        for counted in self._counted:
            record = _fit(counted, asked, self.seed)
            if record is None:
                continue
            counted.seen += 1
            if chosen is None and self._due(counted):
                chosen = counted, record
        if chosen is None:
            return None
        counted, (position, object_id) = chosen
        counted.struck += 1
        struck = Strike(
            fault=counted.fault,
            request=counted.seen,
            operation=asked.operation,
            index=asked.index,
            position=position,
            object_id=object_id,
        )
        self.strikes.append(struck)
        return struck

    def _due(self, counted: _Counted) -> bool:
        fault, seen = counted.fault, counted.seen
        if fault.most is not None and counted.struck >= fault.most:
            return False
        if fault.nth is not None:
            return seen >= fault.nth
        if fault.every is not None:
            return seen % fault.every == 0
        return fault.probability is None or _draw(self.seed, counted.number, seen) < fault.probability

    @contextmanager
    def holding(self) -> Iterator[set[int]]:
        """While it lasts no task is published; those put into the set are held until the faults are lifted."""
        self._holding = True
        try:
            yield self._held
        finally:
            self._holding = False

    def holds(self, task: int) -> bool:
        """Whether a task must not be published."""
        return self._holding or task in self._held

    def describe(self) -> dict[str, Any]:
        """The plan as JSON, with how many requests each fault has seen and struck, and the strikes."""
        return {
            "seed": self.seed,
            "faults": [each.fault.describe() | {"seen": each.seen, "struck": each.struck} for each in self._counted],
            "strikes": [strike.describe() for strike in tuple(self.strikes)],
            "heldTasks": sorted(self._held),
        }


def _fit(counted: _Counted, asked: Asked, seed: int) -> tuple[int, str] | None:
    """None where a fault is not about such requests; else the record that it is about, if it is about one."""
    fault = counted.fault
    family = "read" if is_read(asked.operation) else "write"
    if not {"*", family, asked.operation} & set(fault.on):
        return None
    if fault.index is not None and not any(fnmatchcase(name, fault.index) for name in asked.indices()):
        return None
    if fault.fault == "unpublished":
        return (0, "") if makes_task(asked.operation) else None
    if fault.fault != "oversize":
        return 0, ""
    wanted = fault.object_id
    records = [record for record in asked.records() if wanted is None or record[1] == wanted]
    return records[int(_draw(seed, counted.number, counted.seen) * len(records))] if records else None


def _draw(seed: int, number: int, seen: int) -> float:
    """A number from 0 up to 1, the same for the same seed, fault and request everywhere."""
    digest = blake2b(f"{seed}:{number}:{seen}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)
