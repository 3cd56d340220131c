"""Events from an HTTP API: pages of JSON or JSON lines, each leading to the next; every run reads what is new.

The cursor names the page to go on with, and moves with the batches. A page is taken whole or not at all, so that a run
that breaks off asks for it again; the log knows the events that it has. Where an API asks for rows since a value, each
pass begins at the highest one of the pass before, which counts only once that pass has come to its end: pages may come
in any order. Where it does not, reading goes on at the last page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from algosync.errors import ConfigError
from algosync.events.sources.base import RawBatch
from algosync.events.sources.http_asking import Asking, Manner
from algosync.events.sources.http_pages import Form, Reader
from algosync.events.sources.http_places import Paging, Place, Size, form_of, query_secrets
from algosync.events.sources.http_reading import Gathered, Reading, Walk
from algosync.events.sources.http_since import Since
from algosync.events.sources.streams import codec

_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource:
    """An API that gives events.

    Args:
        name: The source's name.
        url: Of the first page; its query may hold further parameters, and user and password may stand in it.
        key: Sent as `Authorization: Bearer`, or as it is in `key_header`.
        key_header: The header for the key.
        headers: Further headers; none of their values is ever shown.
        form: The format; None goes by the Content-Type of each answer.
        encoding: Of the text; None is UTF-8, else what the Content-Type says.
        rows: Where in a JSON answer the rows stand, `a.b` for b of the object a; None: it is an array of them.
        paging: How one page leads to the next.
        size: How many rows of a page to ask for.
        since: What asks for rows from a value on.
        again: Without `since`: once the end was reached, the next run begins at the first page, not at the last.
        manner: Timeouts, bounds and patience; its headers are filled in here.
        pages_max: The most pages of a run; the next run goes on there.
        batch_rows: The most rows of a batch.
        now: Moments after it do not count for `since`.

    Raises:
        ConfigError: The URL is none, a header's value cannot be sent, or the encoding is unknown.
    """

    name: str
    url: str = field(repr=False)
    key: str | None = field(default=None, repr=False)
    key_header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Form | None = None
    encoding: str | None = None
    rows: str | None = None
    paging: Paging = field(default_factory=Paging)
    size: Size | None = None
    since: Since | None = None
    again: bool = False
    manner: Manner = field(default_factory=Manner)
    pages_max: int = 1000
    batch_rows: int = 50_000
    now: datetime | None = None

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        codec(self.encoding or "utf-8")
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            hint = "Write it like https://shop.example/api/events"
            raise ConfigError("the url is none of HTTP", where=where, hint=hint)
        if self.key is not None and parts.username is not None:
            raise ConfigError("a key and a user in the url exclude each other", where=where, hint="Leave one out")
        for name, value in self.sent_headers().items():
            if not _HEADER_VALUE.fullmatch(value):
                hint = "Check for a line end or a character that is not ASCII"
                raise ConfigError(f"the value of header {name} cannot be sent", where=where, hint=hint)

    def sent_headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        if self.key is None:
            return dict(self.headers)
        own = {"Authorization": f"Bearer {self.key}"} if self.key_header is None else {self.key_header: self.key}
        return {**self.headers, **own}

    def secrets(self) -> dict[str, str]:
        """Return what no message and no cursor may show, by name."""
        parts = urlsplit(self.url)
        found = {f"header.{name}": value for name, value in self.headers.items()}
        found |= {"key": self.key or "", "user": parts.username or "", "password": parts.password or ""}
        return {name: value for name, value in (found | query_secrets(self.url)).items() if value}

    def batches(self, cursor: str | None) -> Iterator[RawBatch]:
        """Yield what is new since `cursor`, page after page; a position is `name:digest#n`, see `Page`.

        Raises:
            SourceError: The API does not answer, refuses, or answers something else than pages; batches yielded before
                hold, among them all that was read before it failed.
        """
        secrets, where = self.secrets(), f"source {self.name}"
        place = Place.load(cursor, form_of(self.paging, self.size), secrets, where=where)
        parts = urlsplit(self.url)
        base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
        walk = Walk(
            base=base,
            where=f"{where} at {parts.hostname}",
            reader=Reader(name=self.name, form=self.form, encoding=self.encoding, rows=self.rows, paging=self.paging),
            size=self.size,
            since=self.since,
            again=self.again,
            pages_max=self.pages_max,
            until=self.now,
            secrets=secrets,
        )
        gathered = Gathered(self.batch_rows, place, secrets)
        with Asking(self.url, replace(self.manner, headers=self.sent_headers())) as asking:
            yield from Reading(walk, asking, place).batches(gathered)
