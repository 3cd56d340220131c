"""JSON lines, and documents that are one JSON array: one object is one row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from algosync.errors import SourceError
from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow
from algosync.events.sources.lines import BOM, Parsed, Piece, Records, Scan, TextFile, positions, shown
from algosync.events.sources.marks import Mark, digest
from algosync.events.sources.streams import Stream

_DOCUMENT_MAX = 1 << 29
_PRINTED_ROWS = 64


class JsonLines:
    """One JSON object per line."""

    def header(self, data: bytes, *, where: str) -> tuple[tuple[str, ...], int] | None:  # noqa: ARG002
        """There is none."""
        return (), 0

    def scan(self, data: bytes) -> Scan:
        """Find the whole lines at the beginning of `data`."""
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        return Scan(ends=newlines + 1, widths=None, newlines=newlines)

    def parse(self, records: Records) -> Parsed:
        """Read lines; the rows are dictionaries."""
        rows: list[dict[str, Any]] = []
        good: list[int] = []
        bad: dict[int, str] = {}
        bounds = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
        for number, (start, end) in enumerate(bounds):
            line = records.data[start:end]
            try:
                row, sound = arrays.document(line)
            except orjson.JSONDecodeError as error:
                if line.strip():
                    bad[number] = f"is no JSON: {error.msg}"
                continue
            if not sound and (flaw := arrays.flaw(row)):
                bad[number] = flaw[1]
            elif isinstance(row, dict):
                rows.append(row)
                good.append(number)
            else:
                bad[number] = "is no JSON object"
        return Parsed(rows=rows, good=np.array(good, np.int64), bad=bad)

    def nothing(self, columns: tuple[str, ...]) -> list[dict[str, Any]]:  # noqa: ARG002
        """No rows."""
        return []


def is_document(text: TextFile) -> bool:
    """Whether a file is one JSON value of several lines, or an array, and not JSON lines.

    Raises:
        SourceError: The file cannot be read.
    """
    with closing(Stream(text.file, text.encoding)) as stream:
        start = stream.read(1 << 16).removeprefix(BOM).lstrip()
    if start[:1] != b"{":
        return start[:1] == b"["
    line, ended, rest = start.partition(b"\n")
    try:
        arrays.document(line)
    except orjson.JSONDecodeError:
        # Pretty-printed: its first line opens what a later one closes. A bad first line of many is followed by objects.
        return bool(ended) and not rest.lstrip(b" \t").startswith(b"{")
    return False


def document_pieces(text: TextFile, mark: Mark) -> Iterator[Piece]:
    """Yield the new elements of an array; a position is the element's number, from 1.

    Raises:
        SourceError: The file cannot be read, or is too large to be one document.
    """
    with closing(Stream(text.file, text.encoding)) as stream:
        data = stream.read(_DOCUMENT_MAX)
    if len(data) == _DOCUMENT_MAX:
        hint = "Write one object per line"
        raise SourceError(f"a JSON document over {_DOCUMENT_MAX >> 20} MB", where=text.file.key, hint=hint)
    try:
        found, sound = arrays.document(data.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        reason = f"the document is no JSON: {error.msg}"
        cut = BadRow(position=text.position(1), content=shown(data), reason=reason, incomplete=True)
        yield _piece(text, [], replace(mark, stamp=text.file.stamp), (cut,))
        return
    elements = found if isinstance(found, list) else [found]
    same = mark.rows <= len(elements) and _prints(elements, mark.rows) == (mark.head, mark.tail)
    done = mark.rows if same else 0
    yield from _elements(text, elements, done, sound=sound)


def _elements(text: TextFile, elements: list[Any], done: int, *, sound: bool) -> Iterator[Piece]:
    for start in range(done, len(elements), text.rows):
        end = min(start + text.rows, len(elements))
        numbered = list(enumerate(elements[start:end], start + 1))
        head, tail = _prints(elements, end)
        flaws = {number: _flaw(element, sound=sound) for number, element in numbered}
        bad = tuple(
            BadRow(position=text.position(number), content=shown(flaw[0]), reason=flaw[1])
            for number, flaw in flaws.items()
            if flaw is not None
        )
        good = [(number, element) for number, element in numbered if flaws[number] is None]
        yield _piece(text, good, Mark(rows=end, head=head, tail=tail), bad)
    head, tail = _prints(elements, len(elements))
    yield _piece(text, [], Mark(stamp=text.file.stamp, rows=len(elements), head=head, tail=tail), ())


def _flaw(element: Any, *, sound: bool) -> tuple[bytes, str] | None:
    """An element's text and what is wrong with it; None where nothing is."""
    if not sound and (flaw := arrays.flaw(element)):
        return flaw
    return None if isinstance(element, dict) else (arrays.dumps(element).encode(), "is no JSON object")


def _piece(text: TextFile, rows: list[tuple[int, dict[str, Any]]], mark: Mark, bad: tuple[BadRow, ...]) -> Piece:
    numbers = np.array([number for number, _ in rows], np.int64)
    made: list[dict[str, Any]] | pa.Table = [row for _, row in rows]
    return Piece(rows=made, positions=positions(text.file.short, numbers), bad=bad, mark=mark)


def _prints(elements: list[Any], rows: int) -> tuple[str, str]:
    first = digest(arrays.dumps(elements[: min(_PRINTED_ROWS, rows)]).encode())
    return first, digest(arrays.dumps(elements[max(0, rows - 1) : rows]).encode())
