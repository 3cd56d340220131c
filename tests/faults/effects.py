"""Every effect of a process that outlives it, numbered as it happens; at a number of choice the process is killed.

Effects are found by the few primitives that every effect goes through: the commit of a transaction that wrote, the
closing of a database, a request over HTTP, and what Python does to files below one folder. Nothing that outlives the
process lies between two of them: killed before effect n is the same as killed after effect n - 1. What a write leaves
half done is an effect of its own: a file that is empty still, a segment cut in the middle.

Instruments this process for good; use it in a child.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

READING = {"SELECT", "PRAGMA", "BEGIN", "SHOW", "SET", "EXPLAIN", "WITH"}
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
_TABLE = re.compile(r"\b(?:INTO|UPDATE|FROM|TABLE)\s+\"?(\w+)")
_NUMBER = re.compile(r"\d{3,}|[0-9a-f]{8,}")


class Effects:
    """Counts effects, tells each by name, and kills the process before the one that was chosen.

    Args:
        folder: Files below it count.
        tell: Given the name of each effect, before it happens.
        kill_at: The effect before which the process is killed, from 1; None to let it live.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], kill_at: int | None = None) -> None:
        self.count = 0
        self._folder = f"{folder.resolve()}{os.sep}"
        self._tell = tell
        self._kill_at = kill_at

    def reach(self, name: str, half_done: Callable[[], None] | None = None) -> None:
        """An effect is about to happen, or has happened by half, as `half_done` makes it."""
        self.count += 1
        self._tell(_NUMBER.sub("N", name))
        if self.count == self._kill_at:
            self._folder = "\0"  # what is done by half is no effect of its own
            if half_done is not None:
                half_done()
            os.kill(os.getpid(), signal.SIGKILL)

    def instrument(self) -> None:
        """Watch from now on."""
        self._watch_databases()
        self._watch_requests()
        self._watch_files()

    def _watch_databases(self) -> None:
        def executing(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.split(None, 1)[0].upper() not in READING:
                found = _TABLE.search(statement)
                connection.info.setdefault("wrote", {})[found[1] if found else statement[:20]] = None

        def committing(connection: Any) -> None:
            if wrote := connection.info.pop("wrote", None):
                self.reach(f"commit {', '.join(wrote)}")

        def rolled_back(connection: Any) -> None:
            connection.info.pop("wrote", None)

        event.listen(Engine, "before_cursor_execute", executing)
        event.listen(Engine, "commit", committing)
        event.listen(Engine, "rollback", rolled_back)
        close = DefaultDialect.do_close

        def closing(dialect: Any, connection: Any) -> None:
            if dialect.name == "sqlite":  # the last to close one folds its log in
                self.reach("close database")
            close(dialect, connection)

        DefaultDialect.do_close = closing

    def _watch_requests(self) -> None:
        official, own = HTTPAdapter.send, httpx.HTTPTransport.handle_request

        def asking(adapter: Any, request: Any, *given: Any, **named: Any) -> Any:
            self.reach(f"request {request.method} {request.path_url.partition('?')[0]}")
            return official(adapter, request, *given, **named)

        def calling(transport: Any, request: Any) -> Any:
            self.reach(f"request {request.method} {request.url.path}")
            return own(transport, request)

        async def awaiting(transport: Any, request: Any) -> Any:
            self.reach(f"request {request.method} {request.url.path}")
            return await own_async(transport, request)

        own_async = httpx.AsyncHTTPTransport.handle_async_request
        HTTPAdapter.send, httpx.HTTPTransport.handle_request = asking, calling
        httpx.AsyncHTTPTransport.handle_async_request = awaiting

    def _watch_files(self) -> None:
        sys.addaudithook(self._audited)
        fsync, opened, write_table = os.fsync, io.open, pq.write_table

        def syncing(handle: int) -> None:
            self.reach("sync file")
            fsync(handle)

        def opening(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
            made = opened(file, mode, *given, **named)
            if set(mode) & set("wax+") and (name := self._mine(file)):
                self.reach(f"opened {name}")
            return made

        def writing(table: Any, where: Any, *given: Any, **named: Any) -> None:
            name = self._mine(where)
            if name:
                self.reach(f"write {name}")
            write_table(table, where, *given, **named)
            if name:
                self.reach(f"half {name}", lambda: os.truncate(where, Path(where).stat().st_size // 2))

        os.fsync, io.open, pq.write_table = syncing, opening, writing

    def _audited(self, what: str, given: tuple[Any, ...]) -> None:
        if what == "open":
            path, mode, flags = given
            changes = bool(mode and set(mode) & set("wax+")) or (mode is None and flags & (os.O_CREAT | os.O_TRUNC))
            # A file that is there already and is only opened does not change by that.
            if changes and (name := self._mine(path)) and (flags & os.O_TRUNC or not Path(os.fsdecode(path)).exists()):
                self.reach(f"make {name}")
        elif what == "os.mkdir":
            if (name := self._mine(given[0])) and not Path(given[0]).exists():
                self.reach(f"mkdir {name}")
        elif what in _CHANGES and (name := self._mine(given[0])):
            self.reach(f"{what.removeprefix('os.')} {name}")

    def _mine(self, path: Any) -> str | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # must not look at the disk
        return whole.removeprefix(self._folder) if whole.startswith(self._folder) else None
