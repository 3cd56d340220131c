"""Products out of files: JSON, JSON lines, CSV, Parquet; local or anywhere fsspec reaches; compressed or not.

Yields batches of records as they are; what they mean is decided by `build`.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any

from algosync.errors import SourceError

Records = list[dict[str, Any]]

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_HINT = "Products are read from .json (an array of objects), .jsonl or .ndjson, .csv and .parquet files"


def read_files(path: str, *, rows: int = 5000, storage_options: dict[str, Any] | None = None) -> Iterator[Records]:
    """Yield the products of all files that a path names, files by name, in batches.

    Args:
        path: A local path or any fsspec URL; `*` and `**` stand for many files.
        rows: Records per batch.
        storage_options: What fsspec needs to get there.

    Raises:
        SourceError: There is no such file, or it is not what its name says.
    """
    import fsspec

    try:
        files = sorted(
            fsspec.open_files(path, "rb", compression="infer", **(storage_options or {})), key=lambda f: f.path
        )
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(str(error), where=path) from error
    if not files:
        raise SourceError("no such file", where=path, hint=_HINT)
    for file in files:
        try:
            with file as stream:
                yield from _batched(_records(stream, file.path), rows)
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            raise SourceError(f"cannot be read: {error}", where=file.path, hint=_HINT) from error


def _batched(records: Iterator[dict[str, Any]], rows: int) -> Iterator[Records]:
    batch: Records = []
    for record in records:
        batch.append(record)
        if len(batch) == rows:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(stream: IO[bytes], path: str) -> Iterator[dict[str, Any]]:
    suffixes = [s.lower() for s in PurePosixPath(path).suffixes]
    kind = next((s for s in reversed(suffixes) if s not in _COMPRESSED), "")
    match kind:
        case ".json":
            return _json(stream)
        case ".jsonl" | ".ndjson":
            return _json_lines(stream)
        case ".csv":
            return _csv(stream)
        case ".parquet":
            return _parquet(stream)
    raise ValueError(f"unknown kind of file {kind!r}")


def _json(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    import orjson

    data = orjson.loads(stream.read().removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(data, list):
        raise ValueError("not an array of objects")  # noqa: TRY004  # becomes a SourceError
    yield from (_record(record) for record in data)


def _json_lines(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    import orjson

    for line in stream:
        if line.strip():
            yield _record(orjson.loads(line.removeprefix(b"\xef\xbb\xbf")))


def _csv(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        reader = csv.DictReader(lines)
        for row in reader:
            if None in row:
                raise ValueError(f"line {reader.line_num} has more fields than the header")
            yield {name: value for name, value in row.items() if value not in (None, "")}
    finally:
        lines.detach()  # the file is closed by its owner


def _parquet(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(stream).iter_batches(batch_size=5000):
        yield from batch.to_pylist(maps_as_pydicts="lossy")


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"a record is {type(value).__name__} and not an object")  # noqa: TRY004  # as above
    return value
