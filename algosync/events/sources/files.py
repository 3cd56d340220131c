"""Files of events: CSV, JSON lines and Parquet, anywhere fsspec reaches; every run reads what is new.

The cursor keeps a mark per file. A plain file that grew is read on from its old end; one that is compressed, in
another encoding or Parquet is read again and what was consumed is passed over; one whose beginning or last consumed
part is not what it was is read as new. A file that vanished keeps its mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa

from algosync.errors import ConfigError, SourceError
from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow, RawBatch
from algosync.events.sources.csv_file import CsvFormat
from algosync.events.sources.json_file import JsonLines, document_pieces, is_document
from algosync.events.sources.lines import LineFormat, Piece, TextFile
from algosync.events.sources.marks import Mark, dump, load
from algosync.events.sources.parquet_file import parquet_pieces
from algosync.events.sources.places import Found, find
from algosync.events.sources.streams import codec, compression

Format = Literal["csv", "jsonl", "parquet"]

_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PIECE_ROWS = 1 << 16
_BATCH_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSource:
    """Files that hold events.

    Args:
        name: The source's name.
        path: One or more paths, patterns (`*`, `?`, `**`) or URLs of fsspec.
        format: Their format; without it the suffix tells, through .gz, .bz2, .xz and .zst.
        encoding: Of CSV and JSON; a byte order mark is passed over.
        delimiter: Of CSV; one ASCII character. A .tsv file has tabs where this is a comma.
        batch_rows: The most rows of a batch, bad ones included; large rows make it smaller.
        storage_options: For fsspec: keys, endpoints.

    Raises:
        ConfigError: The encoding is unknown, or delimiter or batch_rows cannot be.
    """

    name: str
    path: str | tuple[str, ...] = field(repr=False)
    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    batch_rows: int = 250_000
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        codec(self.encoding)
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n\0':
            hint = "Name one ASCII character, for example , or ;"
            raise ConfigError(f"no delimiter: {self.delimiter!r}", where=f"source {self.name}", hint=hint)
        if self.batch_rows < 1:
            raise ConfigError("batch_rows is below 1", where=f"source {self.name}", hint="Leave it out")

    def batches(self, cursor: str | None) -> Iterator[RawBatch]:
        """Yield what is new since `cursor`, file by file in the order of their names.

        Raises:
            SourceError: A path is missing, a file cannot be read, or its format is unknown.
        """
        collector = _Collector(load(cursor, where=f"source {self.name}"), self.batch_rows)
        paths = (self.path,) if isinstance(self.path, str) else self.path
        for file in find(paths, self.storage_options):
            mark = collector.marks.get(file.key, Mark())
            if mark.stamp == file.stamp:
                continue
            for piece in self._pieces(file, mark):
                yield from collector.add(file.key, piece)
        yield from collector.finish()

    def _pieces(self, file: Found, mark: Mark) -> Iterator[Piece]:
        suffix, form = self._form(file)
        rows = min(self.batch_rows, _PIECE_ROWS)
        if form == "parquet":
            return parquet_pieces(file, mark, rows)
        delimiter = "\t" if suffix == ".tsv" and self.delimiter == "," else self.delimiter
        reader: LineFormat = CsvFormat(delimiter) if form == "csv" else JsonLines()
        text = TextFile(file=file, form=reader, encoding=codec(self.encoding), rows=rows)
        if suffix == ".json" and is_document(text):
            return document_pieces(text, mark)
        return text.pieces(mark)

    def _form(self, file: Found) -> tuple[str, Format]:
        packed = compression(file.path)
        name = file.path.lower().removesuffix(packed or "")
        suffix = name[name.rfind(".") :] if "." in name else ""
        form = self.format or _SUFFIXES.get(suffix)
        if form is None:
            hint = 'Set format = "csv", "jsonl" or "parquet"'
            raise SourceError("the suffix tells no format", where=file.key, hint=hint)
        if form == "parquet" and packed is not None:
            raise SourceError("compressed Parquet", where=file.key, hint="Parquet compresses itself: unpack the file")
        return suffix, form


class _Collector:
    """Puts pieces of files together to batches, over the bounds of files where their columns agree."""

    def __init__(self, marks: dict[str, Mark], batch_rows: int) -> None:
        self.marks = marks
        self._committed = dict(marks)
        self._batch_rows = batch_rows
        self._pieces: list[Piece] = []
        self._rows = self._bytes = 0

    def add(self, key: str, piece: Piece) -> Iterator[RawBatch]:
        """Take a piece; yield the batch that it does not fit into."""
        rows = len(piece.positions) + len(piece.bad)
        full = self._rows + rows > self._batch_rows or self._bytes + piece.weight > _BATCH_BYTES
        if self._pieces and (full or not _alike(self._pieces[-1], piece)):
            yield self._batch()
        self._pieces.append(piece)
        self._rows += rows
        self._bytes += piece.weight
        self.marks[key] = piece.mark

    def finish(self) -> Iterator[RawBatch]:
        """Yield what is left, if only a cursor."""
        if self._rows or self.marks != self._committed:
            yield self._batch()

    def _batch(self) -> RawBatch:
        pieces, self._pieces = self._pieces, []
        self._rows = self._bytes = 0
        self._committed = dict(self.marks)
        bad: tuple[BadRow, ...] = tuple(row for piece in pieces for row in piece.bad)
        sparse = not isinstance(pieces[-1].rows, pa.Table)
        return RawBatch(
            table=_table(pieces),
            positions=pa.chunked_array([piece.positions for piece in pieces]).combine_chunks(),
            bad=bad,
            cursor=dump(self.marks),
            sparse=sparse,
        )


def _alike(one: Piece, other: Piece) -> bool:
    if isinstance(one.rows, pa.Table) and isinstance(other.rows, pa.Table):
        return bool(one.rows.schema.equals(other.rows.schema))
    return isinstance(one.rows, list) and isinstance(other.rows, list)


def _table(pieces: list[Piece]) -> pa.Table:
    if isinstance(pieces[0].rows, pa.Table):
        return pa.concat_tables([piece.rows for piece in pieces])
    return arrays.table([row for piece in pieces for row in piece.rows])
