"""Reading attributes out of records by dotted paths, and the simple conditions on them.

Knows nothing of facets or products; a record is whatever mapping the reader gives.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from algosync.errors import ConfigError

Record = Mapping[str, Any]
Getter = Callable[[Record], list[Any]]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_CONDITION: Final = re.compile(r"\s*(?P<path>[^:\s][^:]*?)\s*:\s*(?P<op>>=|<=|!=|>|<|=|)\s*(?P<value>[^<>=\s].*?)\s*$")


def getter(path: str) -> Getter:
    """Return a function that gives all values at a dotted path, arrays flattened, nulls left out.

    An attribute whose own name holds the dots comes before the nested one.
    """
    head, _, rest = path.partition(".")

    def one(record: Record) -> list[Any]:
        value = record.get(path)
        if value is None:
            return []
        return list(_leaves(value)) if isinstance(value, list | tuple) else [value]

    if not rest:
        return one
    inner = getter(rest)

    def nested(record: Record) -> list[Any]:
        if path in record:
            return one(record)
        return [value for part in _leaves(record.get(head)) if isinstance(part, Mapping) for value in inner(part)]

    return nested


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif value is not None:
        yield value


def number(value: Any) -> float | None:
    """Return a finite number, also out of text as CSV files hold it, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if abs(result) < float("inf") else None


def text(value: Any) -> str:
    """Return a scalar as people write it in conditions, ids and attributes: true, 18, 1.5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def condition(source: str) -> Callable[[Record], bool]:
    """Return a predicate over records.

    Args:
        source: For example "in_stock:true", "stock:>0" or several of these joined by " AND ".

    Raises:
        ConfigError: The text is not such a condition.
    """
    parts = [_single(part) for part in source.split(" AND ")]
    if len(parts) == 1:
        return parts[0]
    return lambda record: all(part(record) for part in parts)


def terms(source: str) -> list[tuple[str, str, str]]:
    """Return the parts of a condition, all of which must hold, as (path, operator, value).

    Raises:
        ConfigError: The text is not such a condition.
    """
    return [_parts(part) for part in source.split(" AND ")]


def _parts(source: str) -> tuple[str, str, str]:
    found = _CONDITION.match(source)
    if found is None:
        raise ConfigError(
            f"{source!r} is not a condition", where="catalog.available", hint='Write "in_stock:true" or "stock:>0"'
        )
    return found["path"], found["op"] or "=", found["value"]


def _single(source: str) -> Callable[[Record], bool]:
    path, sign, wanted = _parts(source)
    read = getter(path)
    compare = _OPERATORS[sign]
    if sign in ("=", "!="):
        return lambda record: any(compare(text(value), wanted) for value in read(record))
    limit = number(wanted)
    if limit is None:
        raise ConfigError(f"{wanted!r} is not a number", where="catalog.available", hint=f"{sign} compares numbers")

    def compared(record: Record) -> bool:
        values = (number(value) for value in read(record))
        return any(value is not None and compare(value, limit) for value in values)

    return compared
