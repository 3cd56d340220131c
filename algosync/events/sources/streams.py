"""The text of a file as one stream of UTF-8 bytes: unpacked, from whatever encoding, no further than was seen.

Offsets are in this stream, not in the file. Only a plain file in UTF-8 can be entered in its middle; the others are
read from their start again.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
import structlog

from algosync.errors import ConfigError
from algosync.events.sources.places import Found, reading

_log = structlog.get_logger(__name__)

_STEP = 1 << 20
COMPRESSIONS: Final = (".gz", ".bz2", ".xz", ".zst")

_UNPACK: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda raw: pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"),
}


def compression(path: str) -> str | None:
    """Return the suffix of a compressed file."""
    return next((suffix for suffix in COMPRESSIONS if path.lower().endswith(suffix)), None)


def codec(encoding: str) -> str | None:
    """Return Python's name of an encoding that must be translated; None for UTF-8 and ASCII.

    Raises:
        ConfigError: There is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError:
        hint = "Name one that Python knows, for example utf-8, cp1252, latin-1 or utf-16"
        raise ConfigError(f"unknown encoding {encoding!r}", where="encoding", hint=hint) from None
    return None if name in ("utf-8", "utf-8-sig", "ascii") else name


class Stream:
    """Bytes of a file, in order; `cut` once they turn out to end in the middle of their compression."""

    def __init__(self, file: Found, encoding: str | None) -> None:
        self.cut = False
        self._file = file
        self._raw = file.open()
        self._limited = _Limited(self._raw, file.size)
        packed = compression(file.path)
        self._plain = packed is None and encoding is None
        chunks = self._steps() if packed is None else self._unpacked(packed)
        self._chunks = chunks if encoding is None else _translated(chunks, encoding)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end.

        Raises:
            SourceError: The file cannot be read or unpacked.
        """
        parts, missing = [self._rest[:size]], size - len(self._rest)
        self._rest = self._rest[size:]
        with reading(self._file.key, self._file.secrets):
            while missing > 0 and (chunk := next(self._chunks, b"")):
                parts.append(chunk[:missing])
                self._rest = chunk[missing:]
                missing -= len(chunk)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Go forward; past the end is allowed."""
        if self._plain and size > len(self._rest) and self._jump(size - len(self._rest)):
            self._rest = b""
            return
        while size > 0 and (part := self.read(min(size, _STEP))):
            size -= len(part)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _jump(self, size: int) -> bool:
        try:
            self._limited.jump(size)
        except (OSError, ValueError):
            return False  # a stream over HTTP without ranges
        return True

    def _steps(self) -> Iterator[bytes]:
        while chunk := self._limited.read(_STEP):
            yield chunk

    def _unpacked(self, suffix: str) -> Iterator[bytes]:
        unpack = _UNPACK[suffix](io.BufferedReader(self._limited, _STEP))
        try:
            while chunk := unpack.read(_STEP >> 4) if suffix == ".zst" else unpack.read1(_STEP):
                yield chunk
        except (EOFError, OSError) as error:
            # A file still being written ends in the middle of its compression.
            if not isinstance(error, EOFError) and "runcated" not in str(error):
                raise
            self.cut = True
            _log.warning("ends in the middle of its compression", file=self._file.key)


class _Limited(io.RawIOBase):
    """A file up to the size that it had when it was found."""

    def __init__(self, raw: Any, size: int | None) -> None:
        self._raw = raw
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer) if self._left is None else min(len(buffer), self._left)
        data = self._raw.read(wanted) if wanted else b""
        buffer[: len(data)] = data
        self._take(len(data))
        return len(data)

    def jump(self, size: int) -> None:
        """Go forward without reading."""
        step = size if self._left is None else min(size, self._left)
        self._raw.seek(step, io.SEEK_CUR)
        self._take(step)

    def _take(self, size: int) -> None:
        if self._left is not None:
            self._left -= size


def _translated(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # What the encoding does not know becomes a byte that UTF-8 does not know, so that its row is found bad later.
    decoder = codecs.getincrementaldecoder(encoding)(errors="algosync.mark")
    for chunk in chunks:
        if made := decoder.decode(chunk).encode("utf-8", "surrogateescape"):
            yield made
    if made := decoder.decode(b"", final=True).encode("utf-8", "surrogateescape"):
        yield made


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("algosync.mark", _mark)
