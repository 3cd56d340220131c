"""How far each file was read: the cursor of a files source, and by what a file is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from algosync.errors import SourceError

PRINT_BYTES: Final = 4096
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far one file was read.

    Args:
        stamp: The file's stamp when it was read to its end; null in the middle. A file with the same one is not opened.
        offset: Bytes consumed of its text; always 0 for Parquet and JSON documents.
        rows: Lines consumed, or rows of Parquet and JSON documents.
        head: Digest of the start of what was consumed.
        tail: Digest of its end.
        open: Length and digest of a last line without line end that was accepted although it could have grown;
            `offset` is before it.
    """

    stamp: str | None = None
    offset: int = 0
    rows: int = 0
    head: str = ""
    tail: str = ""
    open: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """The digests of what was consumed of a text.

    Args:
        first: The first bytes of the file, at least PRINT_BYTES or all.
        offset: Bytes consumed.
        last: The last bytes consumed, at least PRINT_BYTES or all.
    """

    first: bytes
    offset: int
    last: bytes

    def head(self) -> str:
        """Digest of the first bytes consumed."""
        return digest(self.first[: min(PRINT_BYTES, self.offset)])

    def tail(self) -> str:
        """Digest of the last bytes consumed."""
        return digest(self.last[-PRINT_BYTES:])


def digest(content: bytes) -> str:
    """Return a short digest."""
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def load(cursor: str | None, *, where: str) -> dict[str, Mark]:
    """Return the marks of a cursor by the files' keys.

    Raises:
        SourceError: The cursor is not one of a files source.
    """
    if cursor is None:
        return {}
    try:
        document = orjson.loads(cursor)
        if document["version"] != _VERSION:
            raise ValueError
        return {key: Mark(**mark) for key, mark in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "Was another kind of source of this name read before? Give this one a new name"
        raise SourceError("the stored cursor is not one of a files source", where=where, hint=hint) from None


def dump(marks: Mapping[str, Mark]) -> str:
    """Return the cursor as JSON text."""
    files: dict[str, dict[str, Any]] = {key: asdict(marks[key]) for key in sorted(marks)}
    return orjson.dumps({"version": _VERSION, "files": files}).decode()
