"""Files wherever fsspec can reach them: which there are, how they are told apart, how their troubles are told.

Every exception of fsspec, its drivers and the operating system becomes a SourceError here, without a secret in it.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
import structlog

from algosync.errors import AlgosyncError, ConfigError, SourceError

_log = structlog.get_logger(__name__)

_CHANGES = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "md5Hash", "created")
_MAGIC = re.compile(r"[*?\[]")
_HTTP = re.compile(r"(https?://[^?]*)\?(.*)", re.IGNORECASE | re.DOTALL)
# A password may hold @, and by mistake a slash; behind a colon and digits begins a path.
_USER = re.compile(r"//([^/]*|[^/:@]*:(?!\d+/)[^@]*)@")
_TELLING = 6  # characters; a shorter value of a query is no secret, and hiding it would garble messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as it was when it was found.

    Args:
        fs: The file system of fsspec.
        path: Its path there.
        key: The path as the settings write it, without credentials: the file's name in cursors and messages.
        short: Its name in positions.
        size: Bytes, where the file system tells.
        stamp: Changes whenever the file does, as far as the file system tells.
        secrets: What no message may show.
    """

    fs: Any = field(repr=False)
    path: str = field(repr=False)
    key: str
    short: str
    size: int | None
    stamp: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def open(self) -> Any:
        """Open it for reading bytes."""
        with reading(self.key, self.secrets):
            return self.fs.open(self.path, "rb")

    def grown(self) -> bool:
        """Whether it has become longer since it was found."""
        with reading(self.key, self.secrets):
            self.fs.invalidate_cache()
            size = self.fs.info(self.path).get("size")
        return size is not None and self.size is not None and size > self.size


@contextmanager
def reading(where: str, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Turn whatever goes wrong inside into a SourceError."""
    try:
        yield
    except AlgosyncError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver of fsspec has exceptions of its own
        raise _translated(error, where, secrets) from None


def find(patterns: Sequence[str], options: Mapping[str, Any]) -> list[Found]:
    """Return the files that the patterns name, each once, sorted.

    A pattern that matches nothing yet is logged as a warning; a plain path must exist.

    Raises:
        SourceError: A path is missing, is a folder or cannot be reached, or its driver is not installed.
        ConfigError: Two paths differ only in what is kept secret, so that their files would have one name.
    """
    found: dict[str, Found] = {}
    origins: dict[str, tuple[str, str, int]] = {}
    for number, pattern in enumerate(patterns, 1):
        behind = pattern.partition("::")[2]
        for file in _matches(pattern, options, short=len(patterns) == 1):
            found.setdefault(file.key, file)
            path, chained, other = origins.setdefault(file.key, (file.path, behind, number))
            if (path, chained) != (file.path, behind):
                what = f"paths {other} and {number} differ only in their query or credentials"
                raise ConfigError(what, where=file.key, hint="Name each file once, or make a source of each")
    return [found[key] for key in sorted(found)]


def public(url: str) -> str:
    """Return a URL, or a chain of them, without credentials: neither user and password nor a signed query."""
    return "::".join(_HTTP.sub(r"\1", _USER.sub("//", part)) for part in url.split("::"))


def _matches(pattern: str, options: Mapping[str, Any], *, short: bool) -> list[Found]:
    first, chain, rest = pattern.partition("::")
    magic = None if first.startswith(("http://", "https://")) and "*" not in first else _MAGIC.search(first)
    label = public(pattern)
    secrets = _secrets(pattern, options)
    with reading(label, secrets):
        fs, path = fsspec.core.url_to_fs(pattern, **options)
        fs.invalidate_cache()
        infos = _globbed(fs, path) if magic else {path: fs.info(path)}
    if not infos:
        _log.warning("no file matches yet", pattern=label)
    if not magic and infos[path]["type"] == "directory":
        raise SourceError("is a folder", where=label, hint="Name its files, for example with /*.csv at the end")
    written = public(first)
    base = written[: written.rfind("/", 0, _MAGIC.search(written).start()) + 1] if magic else ""  # type: ignore[union-attr]
    root = path[: path.rfind("/", 0, _MAGIC.search(path).start()) + 1] if magic else ""  # type: ignore[union-attr]
    made = []
    for name, info in infos.items():
        relative = name.removeprefix(root) if magic else written
        key = base + relative + chain + public(rest)
        brief = relative if magic else relative.rstrip("/").rsplit("/", 1)[-1]
        made.append(
            Found(
                fs=fs,
                path=name,
                key=key,
                short=brief if short else key,
                size=info.get("size"),
                stamp=_stamp(info),
                secrets=secrets,
            )
        )
    return made


def _globbed(fs: Any, path: str) -> dict[str, dict[str, Any]]:
    return {name: info for name, info in fs.glob(path, detail=True).items() if info["type"] != "directory"}


def _stamp(info: Mapping[str, Any]) -> str:
    return " ".join([str(info.get("size")), *(f"{name}={info[name]}" for name in _CHANGES if info.get(name))])


def _secrets(pattern: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    words = _texts(options)
    for part in pattern.split("::"):
        words += [word for user in _USER.findall(part) for word in (user, user.partition(":")[2])]
        for _, query in _HTTP.findall(part):
            values = [value for _, value in urllib.parse.parse_qsl(query) if len(value) >= _TELLING]
            words += [query, urllib.parse.unquote(query), *values, *map(urllib.parse.quote, values)]
    return tuple(sorted({word for word in words if word}, key=lambda word: (-len(word), word)))


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for inner in value.values() for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def _translated(error: Exception, where: str, secrets: Sequence[str]) -> SourceError:
    said = " ".join(str(error).split()) or type(error).__name__
    for secret in secrets:
        said = said.replace(secret, "***")
    if isinstance(error, FileNotFoundError):
        return SourceError("there is no such file, or it cannot be reached", where=where, hint="Check the path")
    if isinstance(error, PermissionError):
        return SourceError("may not be read", where=where, hint="Let the user that runs algosync read it")
    if isinstance(error, ImportError):
        return SourceError(f"its driver is not installed: {said}", where=where, hint="Install it beside algosync")
    if isinstance(error, ValueError) and "rotocol" in said:
        return SourceError(f"is of an unknown kind: {said}", where=where, hint="See fsspec's list of protocols")
    if isinstance(error, ConnectionError | TimeoutError):
        return SourceError(f"cannot be reached: {said}", where=where, hint="Check host, network and credentials")
    return SourceError(f"cannot be read: {said}", where=where, hint="Check that it is whole and of the set format")
