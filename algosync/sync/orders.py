"""The shop's orders about single people, as the census needs them: by the numbers of the log instead of names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from algosync.events.log import EventLog
from algosync.stores.orders import NO_ORDER, Given, Order, given, standing

_SCHEMA: Final = pa.schema(
    [("named", pa.int64()), ("suppressed", pa.bool_()), ("reset_at", pa.timestamp("us", tz="UTC"))]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What holds for whom.

    Attributes:
        by_name: What holds for each name that an order names.
        given: Every order, in the order they were given.
    """

    by_name: Mapping[str, Order] = field(default_factory=dict)
    given: tuple[Given, ...] = ()

    @property
    def last(self) -> int:
        """The number of the last order; 0 without any."""
        return max((one.seq for one in self.given), default=0)

    def table(self, numbers: Mapping[str, int]) -> pa.Table | None:
        """(named, suppressed, reset_at) of those that the log knows; None where nothing holds for any of them.

        Args:
            numbers: The log's number of each token.
        """
        rows = [
            {"named": numbers[name], "suppressed": order.suppressed, "reset_at": order.reset_at}
            for name, order in sorted(self.by_name.items())
            if name in numbers and (order.suppressed or order.reset_at is not None)
        ]
        return pa.Table.from_pylist(rows, schema=_SCHEMA) if rows else None

    def anew(self, known: int) -> frozenset[str]:
        """Whose profile starts anew by an order that was given after the one of this number."""
        return frozenset(name for name, order in self.by_name.items() if order.reset_seq > known)

    def of(self, name: str) -> Order:
        """What holds for one name."""
        return self.by_name.get(name, NO_ORDER)


def read_orders(log: EventLog, *, until: datetime | None = None) -> Orders:
    """The orders that a log's state keeps; those up to a moment where one is named."""
    found = given(log.states[0], until=until)
    return Orders(by_name=standing(found), given=tuple(found))


def forgotten(integers: pa.Table | None, anew: Collection[str], numbers: Mapping[str, int]) -> pa.Table | None:
    """The last run's integers without those of people whose profile starts anew: nothing of the old one may hold."""
    gone = [numbers[name] for name in anew if name in numbers]
    if integers is None or not gone:
        return integers
    return integers.filter(pc.invert(pc.is_in(integers["person"], value_set=pa.array(gone, pa.int64()))))
