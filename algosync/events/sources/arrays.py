"""Arrow columns from Python values of any mixture of types; nothing fails, whatever stands side by side.

Values of one type keep it. Where types disagree the column becomes text: text as it is, everything else as JSON.
Objects and lists are looked into, so that only the field that disagrees becomes text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

_DEEPEST = 100
"""Levels of objects and lists in a record; what walks them level by level must not meet Python's limit."""

_EXACT = 2**53
_WHOLE = 2**63
_HALF = re.compile(r"[\ud800-\udfff]")
_NOT_UTF_8 = "is not UTF-8; a source of another encoding needs its name in the settings"
_TOO_DEEP = f"is nested over {_DEEPEST} levels deep"
_LONG = re.compile(r"\d{19}")
_LONG_BYTES = re.compile(rb"\d{19}")


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table; its columns are their keys in order of first appearance, absent ones null."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: column([row.get(name) for row in rows]) for name in names})


def column(values: Sequence[Any]) -> pa.Array:
    """Return values as an array: of their common type where they have one, else of text."""
    try:
        made = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _mixed(values)
    if pa.types.is_floating(made.type):
        return _mixed(values) if any(type(v) is int and abs(v) > _EXACT for v in values) else made
    return made


def text(value: Any) -> str | None:
    """Return one value as text: null and text as they are, anything else as JSON or its own notation.

    A whole float reads like the integer, so that an id is the same text whatever stands beside it.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return str(int(value)) if abs(value) < _WHOLE and value.is_integer() else repr(value)
    return dumps(value)[1:-1] if _plain(value) else dumps(value)


def dumps(value: Any) -> str:
    """Return JSON text of a value that came from Arrow, SQL or JSON."""
    try:
        return orjson.dumps(value, default=_foreign, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an integer over 64 bits
        return escaped(_written(value))


def escaped(text_: str) -> str:
    """Return a text in which halves of characters (lone surrogates) are escaped: what holds one cannot be stored."""
    return text_.encode("utf-8", "backslashreplace").decode()


def loads(data: bytes | str) -> Any:
    """Read JSON; integers of any length stay what they are.

    Raises:
        orjson.JSONDecodeError: It is none, is nested too deep, or holds a number too large.
    """
    value = orjson.loads(data)
    if _opened(data) > _DEEPEST and _deep(value):
        raise orjson.JSONDecodeError(_TOO_DEEP, "", 0)
    # orjson makes floats of integers over 64 bits, and so one id of several.
    if (_LONG if isinstance(data, str) else _LONG_BYTES).search(data) is None:  # type: ignore[arg-type]
        return value
    try:
        return json.loads(data)
    except ValueError:  # more digits than Python reads
        raise orjson.JSONDecodeError("a number is too large", "", 0) from None


def document(data: bytes) -> tuple[Any, bool]:
    """Read a JSON document, also one with what programs write and JSON has not.

    That is NaN, infinity, halves of characters, bytes that are not UTF-8.

    Returns:
        What it says, and whether that is usable throughout; else `flaw` tells it of each part.

    Raises:
        orjson.JSONDecodeError: It is none, or is nested too deep.
    """
    try:
        return loads(data), True
    except orjson.JSONDecodeError as error:
        for otherwise in ("surrogatepass", "surrogateescape"):
            with suppress(ValueError, RecursionError):
                return json.loads(data.decode("utf-8", otherwise), parse_int=_integer), False
        raise error from None


def flaw(value: Any) -> tuple[bytes, str] | None:
    """Return what makes a part of such a document unusable: the part's text and the reason; None for nothing."""
    text_ = _written(value)
    if _deep(value):
        return escaped(text_).encode(), _TOO_DEEP
    if _HALF.search(text_):
        with suppress(UnicodeEncodeError):
            return text_.encode("utf-8", "surrogateescape"), _NOT_UTF_8
        return escaped(text_).encode(), "is no JSON: half a character, a lone surrogate"
    try:
        orjson.loads(text_)
    except orjson.JSONDecodeError:
        return text_.encode(), "is no JSON: a number is NaN, infinite or too large"
    return None


def _opened(data: bytes | str) -> int:
    if isinstance(data, str):
        return data.count("{") + data.count("[")
    return data.count(b"{") + data.count(b"[")


def _deep(value: Any) -> bool:
    level: list[list[Any] | dict[str, Any]] = [[value]]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _written(value: Any) -> str:
    return json.dumps(value, default=_foreign, ensure_ascii=False, separators=(",", ":"))


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python reads
        return float(digits)


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list | tuple | bool | int | float)


def _foreign(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Decimal | int):
        return str(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def _mixed(values: Sequence[Any]) -> pa.Array:
    found = {type(value) for value in values if value is not None}
    if found == {dict}:
        return _struct(values)
    if found == {list}:
        return _list(values)
    return pa.array([text(value) for value in values], pa.string())


def _struct(values: Sequence[dict[str, Any] | None]) -> pa.Array:
    names = dict.fromkeys(name for value in values if value is not None for name in value)
    children = [column([None if value is None else value.get(name) for value in values]) for name in names]
    missing = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(children, names=list(names), mask=missing)


def _list(values: Sequence[list[Any] | None]) -> pa.Array:
    lengths = np.array([0 if value is None else len(value) for value in values], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = pa.array([value is None for value in values], pa.bool_())
    flat = column([item for value in values if value is not None for item in value])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, mask=missing)
