"""What a partial update makes of one attribute: the new value, or the outcome of a built-in operation.

Pure. The operations are those of algolia.com/doc/rest-api/search/partial-update-object.
"""

from __future__ import annotations

import math
from typing import Any

from algosync.errors import AlgoliaError


class StaleUpdateError(Exception):
    """IncrementFrom or IncrementSet met a newer value: the whole update is ignored, silently, as documented."""


def merge(old: Any, new: Any) -> Any:
    """An attribute's value after a partial update.

    Args:
        old: The value so far; None where the record or the attribute is missing.
        new: The value to set, or `{"_operation": …, "value": …}`. Operations deeper inside are plain values: a
            partial update works on first-level attributes only.

    Raises:
        StaleUpdateError: The update must be ignored.
        AlgoliaError: 400 for an unknown operation or operands that it cannot work on.
    """
    if not isinstance(new, dict) or "_operation" not in new:
        return new
    operation, value = str(new["_operation"]), new.get("value")
    if operation in {"Increment", "Decrement"}:
        return _sum(operation, old, value)
    if operation in {"IncrementFrom", "IncrementSet"}:
        return _version(operation, old, value)
    if operation in {"Add", "Remove", "AddUnique"}:
        return _collect(operation, old, value)
    raise AlgoliaError(f"Invalid _operation: {operation}", status=400)


def _sum(operation: str, old: Any, value: Any) -> Any:
    if not _is_number(value) or not (old is None or _is_number(old)):
        raise AlgoliaError(f"{operation} needs numbers", status=400)
    total = (old or 0) + (value if operation == "Increment" else -value)
    if not math.isfinite(total):
        raise AlgoliaError("Number out of range", status=400)
    return total


def _version(operation: str, old: Any, value: Any) -> int:
    if not _is_integer(value) or not (old is None or _is_integer(old)):
        raise AlgoliaError(f"{operation} needs integers", status=400)
    current: int = old or 0
    if value != current if operation == "IncrementFrom" else value <= current:
        raise StaleUpdateError
    return current + 1 if operation == "IncrementFrom" else int(value)


def _collect(operation: str, old: Any, value: Any) -> list[Any]:
    if not (isinstance(value, str) or _is_number(value)) or not (old is None or isinstance(old, list)):
        raise AlgoliaError(f"{operation} needs an array, and a string or a number", status=400)
    items: list[Any] = old or []
    if operation == "Remove":
        return [item for item in items if not _same(item, value)]
    present = operation == "AddUnique" and any(_same(item, value) for item in items)
    return list(items) if present else [*items, value]


def _same(item: Any, value: Any) -> bool:
    """Equality of JSON, where `true` is not 1."""
    return not isinstance(item, bool) and bool(item == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
