"""Whole records of a text that may still grow: where to go on, where to stop, what became of the last line.

Knows files as streams of bytes and leaves to a LineFormat what a record is and what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from algosync.errors import SourceError
from algosync.events.sources.base import BadRow
from algosync.events.sources.marks import PRINT_BYTES, Mark, Prints, digest
from algosync.events.sources.places import Found
from algosync.events.sources.streams import Stream

_log = structlog.get_logger(__name__)

BOM: Final = b"\xef\xbb\xbf"
_FIRST = 1 << 16
_BLOCK = 1 << 23
_LINE_MAX = 1 << 26
_SHOWN_MAX = 1 << 16

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The whole records at the beginning of some bytes.

    Args:
        ends: Where each ends, behind its line end.
        widths: Columns of each, -1 where its quotes are broken; None where the format has none.
        newlines: Where line ends stand, also those within a record.
    """

    ends: Ints
    widths: Ints | None
    newlines: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records to parse: `data` from starts[0] to ends[-1], with the number of each one's first line."""

    data: bytes
    starts: Ints
    ends: Ints
    widths: Ints | None
    lines: Ints
    columns: tuple[str, ...]

    def content(self, number: int) -> bytes:
        """One record without its line end."""
        return stripped(self.data[self.starts[number] : self.ends[number]])

    def at(self, places: Ints) -> list[int]:
        """The numbers of the records that hold these places of `data`."""
        return [int(number) for number in np.unique(np.searchsorted(self.ends, places, side="right"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Good rows, the numbers of their records, and what was wrong with others; blank lines are neither."""

    rows: Any
    good: Ints
    bad: dict[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of a file, and how far it is read with them."""

    rows: pa.Table | list[dict[str, Any]]
    positions: pa.Array
    bad: tuple[BadRow, ...]
    mark: Mark
    weight: int = 0


class LineFormat(Protocol):
    """What a record is, and what stands in it."""

    def header(self, data: bytes, *, where: str) -> tuple[tuple[str, ...], int] | None:
        """Return the columns and the bytes they take; None where the header is not whole yet."""
        ...

    def scan(self, data: bytes) -> Scan:
        """Find the whole records at the beginning of `data`."""
        ...

    def parse(self, records: Records) -> Parsed:
        """Read records."""
        ...

    def nothing(self, columns: tuple[str, ...]) -> pa.Table | list[dict[str, Any]]:
        """No rows, in the form of those that `parse` makes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file to read as text.

    Args:
        file: The file.
        form: Its format.
        encoding: Its encoding where that is not UTF-8.
        rows: The most records of one piece.
    """

    file: Found
    form: LineFormat
    encoding: str | None
    rows: int

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """Yield what is new since `mark`; the last piece has the file's stamp.

        Raises:
            SourceError: The file cannot be read.
        """
        with closing(Stream(self.file, self.encoding)) as stream:
            entry = _enter(self, stream, mark)
            if entry is not None:
                yield from _Reading(self, stream, entry).run()
                return
        _log.info("was replaced, is read as new", file=self.file.key)
        yield from self.pieces(Mark())

    def position(self, line: int) -> str:
        """Where a record stands, in words."""
        return f"{self.file.short}:{line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Where reading goes on: `rest` was read already, `mark` tells how far rows were consumed."""

    columns: tuple[str, ...] | None
    first: bytes
    last: bytes
    rest: bytes
    mark: Mark


def stripped(record: bytes) -> bytes:
    """Return a record without its line end."""
    return record.removesuffix(b"\n").removesuffix(b"\r")


def shown(content: bytes) -> str:
    """Return a record as text that every database takes."""
    text = content[:_SHOWN_MAX].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return text if len(content) <= _SHOWN_MAX else f"{text}…"


def _enter(text: TextFile, stream: Stream, mark: Mark) -> _Entry | None:
    """Find where to go on; None where the file is not the one that `mark` speaks of."""
    first, columns, behind = _begin(text, stream)
    if columns is None or mark.offset == 0:
        if mark.offset > 0:
            return None
        # The header is a record like others, but of no row: it counts as consumed once it is whole.
        lines = first.count(b"\n", 0, behind)
        fresh = Mark(offset=behind, rows=lines)
        if mark.open is not None:
            fresh = replace(fresh, open=mark.open)
        return _Entry(columns=columns, first=first, last=first[:behind], rest=first[behind:], mark=fresh)
    since = max(0, mark.offset - PRINT_BYTES)
    if since > len(first):
        stream.skip(since - len(first))
    data = first[since:]
    data += stream.read(max(0, mark.offset - since - len(data)))
    last = data[: mark.offset - since]
    prints = Prints(first=first, offset=mark.offset, last=last)
    if len(last) < mark.offset - since or (prints.head(), prints.tail()) != (mark.head, mark.tail):
        return None
    return _Entry(columns=columns, first=first, last=last, rest=data[len(last) :], mark=mark)


def _begin(text: TextFile, stream: Stream) -> tuple[bytes, tuple[str, ...] | None, int]:
    first = stream.read(_FIRST)
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError("is not UTF-8 but UTF-16", where=text.file.key, hint='Set encoding = "utf-16"')
    bom = len(BOM) if first.startswith(BOM) else 0
    while (head := text.form.header(first[bom:], where=text.file.key)) is None:
        more = stream.read(_FIRST)
        if not more:
            return first, None, 0
        first += more
        if len(first) > _LINE_MAX:
            raise SourceError("has no line end", where=text.file.key, hint="Check its format and encoding")
    return first, head[0], bom + head[1]


class _Reading:
    """One way through a text, from an entry to the end."""

    def __init__(self, text: TextFile, stream: Stream, entry: _Entry) -> None:
        self._text, self._stream = text, stream
        self._first, self._last = entry.first, entry.last
        self._columns = entry.columns
        self._rest, self._mark = entry.rest, entry.mark

    def run(self) -> Iterator[Piece]:
        data, final = self._rest, self._columns is None
        while not final:
            more = self._stream.read(_BLOCK)
            final = len(more) < _BLOCK
            data += more
            scan = self._text.form.scan(data)
            yield from self._whole(data, scan)
            data = data[scan.ends[-1] :] if len(scan.ends) else data
            if len(data) > _LINE_MAX:
                raise SourceError(
                    f"line {self._mark.rows + 1} has more than {_LINE_MAX >> 20} MB",
                    where=self._text.file.key,
                    hint="Check its format and encoding",
                )
        if data and self._columns is not None:
            yield from self._cut(data)
        yield self._piece(mark=replace(self._mark, stamp=self._text.file.stamp))

    def _whole(self, data: bytes, scan: Scan) -> Iterator[Piece]:
        start, begin = 0, 0
        if self._mark.open is not None and len(scan.ends):
            content = stripped(data[: scan.ends[0]])
            if _known(content, self._mark.open) is not None:
                begin, start = 1, int(scan.ends[0])
                yield self._finished(content, data[:start])
            self._mark = replace(self._mark, open=None)
        starts = np.concatenate([[start], scan.ends[begin:]])
        lines = self._mark.rows + 1 + np.searchsorted(scan.newlines, starts) - np.searchsorted(scan.newlines, start)
        for low in range(0, len(starts) - 1, self._text.rows):
            high = min(low + self._text.rows, len(starts) - 1)
            records = Records(
                data=data,
                starts=starts[low:high],
                ends=starts[low + 1 : high + 1],
                widths=None if scan.widths is None else scan.widths[begin + low : begin + high],
                lines=lines[low:high],
                columns=self._columns or (),
            )
            self._consume(data, int(starts[low]), int(starts[high]))
            yield self._read(records)

    def _read(self, records: Records) -> Piece:
        parsed = self._text.form.parse(records)
        bad = tuple(
            BadRow(
                position=self._text.position(int(records.lines[number])),
                content=shown(records.content(number)),
                reason=parsed.bad[number],
            )
            for number in sorted(parsed.bad)
        )
        weight = int(records.ends[-1] - records.starts[0])
        return self._piece(rows=parsed.rows, lines=records.lines[parsed.good], bad=bad, weight=weight)

    def _finished(self, content: bytes, record: bytes) -> Piece:
        """A line that was accepted without its line end, now that it has one."""
        bad = () if _known(content, self._mark.open) else (self._changed(content),)
        self._mark = replace(self._mark, open=None)
        self._consume(record, 0, len(record))
        return self._piece(bad=bad)

    def _changed(self, content: bytes, *, incomplete: bool = False) -> BadRow:
        return BadRow(
            position=self._text.position(self._mark.rows + 1),
            content=shown(content),
            reason="changed after it was read",
            incomplete=incomplete,
        )

    def _cut(self, data: bytes) -> Iterator[Piece]:
        """The last line, which has no line end."""
        content = stripped(data)
        known = _known(content, self._mark.open)
        if known is not None:
            if not known:
                yield self._piece(bad=(self._changed(content, incomplete=True),))
            return
        self._mark = replace(self._mark, open=None)
        if self._text.file.grown():
            return
        if self._stream.cut:
            yield self._incomplete(content, "its compression is cut off")
            return
        whole = data + b"\n"
        scan = self._text.form.scan(whole)
        if len(scan.ends) != 1 or scan.ends[0] != len(whole):
            yield self._incomplete(content)
            return
        records = Records(
            data=whole,
            starts=np.array([0]),
            ends=scan.ends,
            widths=scan.widths,
            lines=np.array([self._mark.rows + 1]),
            columns=self._columns or (),
        )
        parsed = self._text.form.parse(records)
        if parsed.bad:
            yield self._incomplete(content, parsed.bad[0])
        elif len(parsed.good):
            self._mark = replace(self._mark, open=f"{len(content)}:{digest(content)}")
            yield self._piece(rows=parsed.rows, lines=records.lines, weight=len(data))

    def _incomplete(self, content: bytes, reason: str | None = None) -> Piece:
        waiting = content.count(b"\n")
        reason = reason or f"a quote is not closed, {waiting} more lines wait for it"
        bad = BadRow(
            position=self._text.position(self._mark.rows + 1),
            content=shown(content),
            reason=f"the file ends within this row: {reason}",
            incomplete=True,
        )
        return self._piece(bad=(bad,))

    def _consume(self, data: bytes, start: int, end: int) -> None:
        offset = self._mark.offset + end - start
        self._last = (self._last + data[max(start, end - PRINT_BYTES) : end])[-PRINT_BYTES:]
        self._mark = replace(self._mark, offset=offset, rows=self._mark.rows + data.count(b"\n", start, end))

    def _piece(
        self,
        *,
        rows: Any = None,
        lines: Ints | None = None,
        bad: tuple[BadRow, ...] = (),
        mark: Mark | None = None,
        weight: int = 0,
    ) -> Piece:
        mark = mark or self._mark
        prints = Prints(first=self._first, offset=mark.offset, last=self._last)
        return Piece(
            rows=self._text.form.nothing(self._columns or ()) if rows is None else rows,
            positions=positions(self._text.file.short, np.array([], np.int64) if lines is None else lines),
            bad=bad,
            mark=replace(mark, head=prints.head(), tail=prints.tail()),
            weight=weight,
        )


def _known(content: bytes, accepted: str | None) -> bool | None:
    """Whether a line is the accepted one as it was; None where it is another line, not one that became longer."""
    if accepted is None:
        return None
    size, _, print_ = accepted.partition(":")
    return len(content) == int(size) if digest(content[: int(size)]) == print_ else None


def positions(name: str, numbers: Ints) -> pa.Array:
    """Return `name:number` for each number."""
    return pc.binary_join_element_wise(name, pa.array(numbers).cast(pa.string()), ":")
