"""CSV: where records end, which of them are rows, and their columns as text.

The quick way counts separators over whole blocks and leaves the parsing to Arrow; only where quotes are not as they
should be are records looked at one by one. Empty values are null.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from algosync.errors import SourceError
from algosync.events.sources.lines import Parsed, Records, Scan, stripped

_QUOTED_MAX = 1 << 16
"""The most bytes of a record of several lines: a quote that is never closed spoils no more than that."""

_LF, _CR, _QUOTE = 10, 13, 34


class CsvFormat:
    """CSV with one header; quotes as in RFC 4180, quotes within a value that has none around it are text."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._byte = ord(delimiter)

    def header(self, data: bytes, *, where: str) -> tuple[tuple[str, ...], int] | None:
        """Return the names of the columns; one without a name is called after its number.

        Raises:
            SourceError: A name stands twice, or the header is not UTF-8.
        """
        scan = self.scan(data)
        if not len(scan.ends):
            return None
        end = int(scan.ends[0])
        try:
            values = self._values(stripped(data[:end]).decode())
        except UnicodeDecodeError:
            hint = "Set its encoding, for example cp1252"
            raise SourceError("the header is not UTF-8", where=where, hint=hint) from None
        names = tuple(value or f"column {number}" for number, value in enumerate(values, 1))
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            hint = "Rename the columns so that each name stands once"
            raise SourceError(f"the header names twice: {', '.join(twice)}", where=where, hint=hint)
        return names, end

    def scan(self, data: bytes) -> Scan:
        """Find the whole records at the beginning of `data`."""
        there = np.frombuffer(data, np.uint8)
        newlines = np.flatnonzero(there == _LF)
        delimiters = there == self._byte
        quotes = np.flatnonzero(there == _QUOTE)
        if len(quotes):
            if not self._sane(there, quotes):
                return self._scan_slowly(data, newlines)
            inside = (np.cumsum(there == _QUOTE, dtype=np.uint8) & 1).astype(bool)
            ends = newlines[~inside[newlines]] + 1
            delimiters &= ~inside
        else:
            ends = newlines + 1
        rest = len(data) - (int(ends[-1]) if len(ends) else 0)
        longest = max(rest, int(np.diff(ends, prepend=0).max(initial=0)))
        if len(quotes) and longest > _QUOTED_MAX:
            return self._scan_slowly(data, newlines)
        widths = np.diff(np.searchsorted(np.flatnonzero(delimiters), ends), prepend=0) + 1
        return Scan(ends=ends, widths=widths, newlines=newlines)

    def parse(self, records: Records) -> Parsed:
        """Read records; all columns are text."""
        assert records.widths is not None
        sizes = records.ends - records.starts
        first = np.frombuffer(records.data, np.uint8)[records.starts]
        blank = (sizes == 1) | ((sizes == 2) & (first == _CR))
        bad = self._faults(records, blank)
        keep = ~blank
        keep[list(bad)] = False
        rows = self._table(records, keep)
        return Parsed(rows=rows, good=np.flatnonzero(keep), bad=bad)

    def nothing(self, columns: tuple[str, ...]) -> pa.Table:
        """No rows."""
        return pa.table({name: pa.array([], pa.string()) for name in columns})

    def _sane(self, there: np.ndarray, quotes: np.ndarray) -> bool:
        opening, closing = quotes[0::2], quotes[1::2]
        before = there[opening[opening > 0] - 1]
        after = there[closing[closing < len(there) - 1] + 1]
        opened = (before == self._byte) | (before == _LF) | (before == _QUOTE)
        closed = (after == self._byte) | (after == _LF) | (after == _QUOTE) | (after == _CR)
        return bool(opened.all() and closed.all())

    def _scan_slowly(self, data: bytes, newlines: np.ndarray) -> Scan:
        ends, widths, place = [], [], 0
        while place < len(data):
            end, width = self._next(data, place)
            if end < 0:
                break
            ends.append(end)
            widths.append(width)
            place = end
        return Scan(ends=np.array(ends, np.int64), widths=np.array(widths, np.int64), newlines=newlines)

    def _next(self, data: bytes, place: int) -> tuple[int, int]:
        """End and width of the record at `place`; width -1 for a broken line, end -1 where it is not whole."""
        line = data.find(b"\n", place) + 1
        if match := self._record.match(data, place):
            end = match.end()
            if end == line or end - place <= _QUOTED_MAX:
                return end, len(self._values(stripped(data[place:end]).decode("latin-1")))
        elif self._partial.match(data, place) and (len(data) - place <= _QUOTED_MAX or not line):
            return -1, 0
        return line or -1, -1

    def _faults(self, records: Records, blank: np.ndarray) -> dict[int, str]:
        assert records.widths is not None
        expected = len(records.columns)
        bad = {}
        for number in np.flatnonzero((records.widths != expected) & ~blank).tolist():
            width = int(records.widths[number])
            many = f"{width} columns, the header has {expected}"
            bad[number] = many if width >= 0 else "its quotes are not closed, or text follows a closing quote"
        begin, end = int(records.starts[0]), int(records.ends[-1])
        data = records.data[begin:end]
        for number in _holding(records, data, rb"\x00"):
            bad.setdefault(number, "holds a NUL byte")
        if data.count(b"\r") != data.count(b"\r\n"):
            for number in _holding(records, data, rb"\r(?!\n)"):
                if b"\r" in self._quoted.sub(b"", records.content(number)):
                    bad.setdefault(number, "holds a carriage return outside of quotes")
        for number in _not_utf8(records, data):
            bad.setdefault(number, "is not valid in the source's encoding")
        return bad

    def _table(self, records: Records, keep: np.ndarray) -> pa.Table:
        data = _kept(records, keep)
        count = int(keep.sum())
        names = list(records.columns)
        if not count:
            return self.nothing(records.columns)
        read = pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1)
        parse = pa_csv.ParseOptions(
            delimiter=self._delimiter, newlines_in_values=b'"' in data, ignore_empty_lines=False
        )
        convert = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=False,
        )
        try:
            table = pa_csv.read_csv(pa.BufferReader(data), read, parse, convert)
        except pa.ArrowInvalid:
            return self._table_slowly(records, keep)
        return table if table.num_rows == count else self._table_slowly(records, keep)

    def _table_slowly(self, records: Records, keep: np.ndarray) -> pa.Table:
        rows = [self._values(records.content(number).decode()) for number in np.flatnonzero(keep).tolist()]
        return pa.table(
            {
                name: pa.array([row[place] or None for row in rows], pa.string())
                for place, name in enumerate(records.columns)
            }
        )

    def _values(self, record: str) -> list[str]:
        values, place = [], 0
        while match := self._value.match(record, place):
            text = match.group(1)
            values.append(match.group(2) if text is None else text.replace('""', '"'))
            place = match.end() + 1
            if place > len(record):
                break
        return values

    @cached_property
    def _field(self) -> str:
        d = re.escape(self._delimiter)
        return rf'(?:"[^"]*+(?:""[^"]*+)*+"(?={d}|\r?\n)|[^{d}\n"][^{d}\n]*+|)'

    @cached_property
    def _record(self) -> re.Pattern[bytes]:
        return re.compile(rf"{self._field}(?:{re.escape(self._delimiter)}{self._field})*+\r?\n".encode())

    @cached_property
    def _partial(self) -> re.Pattern[bytes]:
        d = re.escape(self._delimiter)
        last = rf'(?:"[^"]*+(?:""[^"]*+)*+"?\r?|[^{d}\n"][^{d}\n]*+|)'
        return re.compile(rf"(?:{self._field}{d})*+{last}\Z".encode())

    @cached_property
    def _value(self) -> re.Pattern[str]:
        d = re.escape(self._delimiter)
        return re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^{d}\n"][^{d}\n]*+|))')

    @cached_property
    def _quoted(self) -> re.Pattern[bytes]:
        return re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')


def _kept(records: Records, keep: np.ndarray) -> bytes:
    if keep.all():
        return records.data[int(records.starts[0]) : int(records.ends[-1])]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep.view(np.int8), [0]])))
    runs = zip(edges[0::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
    return b"".join(records.data[records.starts[low] : records.ends[high]] for low, high in runs)


def _holding(records: Records, data: bytes, pattern: bytes) -> list[int]:
    places = [match.start() for match in re.finditer(pattern, data)]
    return records.at(np.array(places, np.int64) + records.starts[0]) if places else []


def _not_utf8(records: Records, data: bytes) -> list[int]:
    try:
        data.decode()
    except UnicodeDecodeError:
        found = []
        for number in records.at(np.flatnonzero(np.frombuffer(data, np.uint8) > 127) + records.starts[0]):
            try:
                records.content(number).decode()
            except UnicodeDecodeError:
                found.append(number)
        return found
    return []
