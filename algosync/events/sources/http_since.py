"""What asks an API only for rows from a value on: a moment or a growing number, the highest that rows had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from algosync.errors import ConfigError
from algosync.events.sources.http_places import Value, dug
from algosync.events.sources.times import earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What asks an API only for rows from a value on.

    Args:
        field: The field of a row that holds it, `a.b` for b of the object a: a moment in ISO 8601, a number or a text.
        parameter: The query parameter.
        start: Its value on the first run; none leaves the parameter out.
        lookback: How far behind a moment to read again, for rows that come late.
    """

    field: str
    parameter: str
    start: Value | None = None
    lookback: timedelta | None = None

    def asked(self, value: Value | None, *, where: str) -> Value | None:
        """Return what to ask for, given the value that a pass begins at.

        Raises:
            ConfigError: There is a lookback, and the value is no moment.
        """
        if value is None or self.lookback is None:
            return self.start if value is None else value
        try:
            return earlier(value if isinstance(value, str) else "", self.lookback)
        except ValueError:
            what = f"lookback needs moments, {self.field} holds {value!r}"
            hint = "Leave lookback out or name another since.field"
            raise ConfigError(what, where=where, hint=hint) from None

    def highest(self, high: Value | None, rows: Iterable[Mapping[str, Any]], until: datetime | None) -> Value | None:
        """Return the highest value of some rows and of those before them.

        Moments after `until` do not count: one wrong clock must not hide all that follows. Of values that cannot be
        compared those count that are like the first.
        """
        found = _measure(high)
        for row in rows:
            value = dug(row, self.field)
            measure = _measure(value)
            if measure is None or (until is not None and isinstance(measure, datetime) and measure > until):
                continue
            if found is None or (type(measure) is type(found) and measure > found):
                high, found = value, measure
        return high


def _measure(value: Any) -> Any:
    """What a value is compared by: a moment, a number or a text; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if isinstance(value, float) and not value.is_integer() else int(value)
    if not isinstance(value, str) or not value:
        return None
    if value.isdecimal():
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
