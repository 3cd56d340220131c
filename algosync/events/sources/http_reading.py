"""One run over the pages of an API: what is new goes into batches, and where to go on moves with them.

An API may give a page twice, lead in circles, or never end: nothing of that loses a row or stops a run for good, and
each is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

import orjson
import pyarrow as pa
import structlog

from algosync.errors import SourceError
from algosync.events.sources import arrays
from algosync.events.sources.base import RawBatch
from algosync.events.sources.http_asking import Asking
from algosync.events.sources.http_pages import Answer, Page, Reader
from algosync.events.sources.http_places import Place, Size, Value, dug, hidden, with_parameters, within
from algosync.events.sources.http_since import Since

_log = structlog.get_logger(__name__)

_BATCH_BYTES: Final = 1 << 26
_IDLE_MAX: Final = 20
"""Pages in a row without anything new, after which a run ends."""
_BELIEVED_AT: Final = 3
"""How often a page is asked for until it is believed that it repeats another, or leads back to one."""
_BEHIND_THE_END: Final = frozenset({404, 416})
_OF_THE_PAGE: Final = _BEHIND_THE_END | {400, 410, 422}
_EXCERPT: Final = 160
_NOTHING: Final = Page(rows=[], positions=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The way over the pages.

    Args:
        base: URL of the first page, without user and password.
        where: Source and server, for messages.
        reader: What a page is, and how it leads to the next.
        size: How many rows of a page to ask for.
        since: What asks for rows from a value on.
        again: Without `since`: once the end was reached, the next run begins at the first page, not at the last.
        pages_max: The most pages of a run.
        until: Moments after it do not count for `since`.
        secrets: What no message and no cursor may show, by name.
    """

    base: str = field(repr=False)
    where: str
    reader: Reader
    size: Size | None
    since: Since | None
    again: bool
    pages_max: int
    until: datetime | None
    secrets: Mapping[str, str] = field(repr=False)


class Gathered:
    """Pages on their way into batches, and where reading stands after them.

    Args:
        batch_rows: The most rows of a batch.
        place: Where reading began.
        secrets: What no cursor may show.
    """

    def __init__(self, batch_rows: int, place: Place, secrets: Mapping[str, str]) -> None:
        self.place = place
        self._committed = place
        self._batch_rows, self._secrets = batch_rows, secrets
        self._pages: list[Page] = []
        self._rows = self._weight = 0

    def add(self, page: Page) -> Iterator[RawBatch]:
        """Take a page; yield the batches that it does not fit into. `place` is to be moved behind it afterwards."""
        full = self._rows + page.count > self._batch_rows or self._weight + page.weight > _BATCH_BYTES
        if self._pages and full:
            yield self._batch()
        while len(page.rows) > self._batch_rows:
            # The place stays before the page: it is asked for again unless all of it was taken in.
            size = self._batch_rows
            self._pages = [replace(page, rows=page.rows[:size], positions=page.positions[:size], bad=())]
            page = replace(page, rows=page.rows[size:], positions=page.positions[size:])
            yield self._batch()
        if page.count:
            self._pages.append(page)
            self._rows += page.count
            self._weight += page.weight

    def finish(self) -> Iterator[RawBatch]:
        """Yield what is left, if only a place."""
        if self._pages or self.place != self._committed:
            yield self._batch()

    def _batch(self) -> RawBatch:
        pages, self._pages = self._pages, []
        self._rows = self._weight = 0
        self._committed = self.place
        return RawBatch(
            table=arrays.table([row for page in pages for row in page.rows]),
            positions=pa.array([position for page in pages for position in page.positions], pa.string()),
            bad=tuple(row for page in pages for row in page.bad),
            cursor=self.place.dump(self._secrets),
            sparse=True,
        )


class Reading:
    """One run.

    Args:
        walk: The way over the pages.
        asking: Who asks for them.
        place: Where to begin.
    """

    def __init__(self, walk: Walk, asking: Asking, place: Place) -> None:
        self._walk, self._asking, self._place = walk, asking, place
        self._paging = walk.reader.paging
        # Pages that are counted are tried further than the place moves, see `_counted`.
        self._at = place.at
        self._asked: set[str | int | None] = set()
        self._known = {place.last}
        self._number = self._idle = 0
        self._told: set[str] = set()

    def batches(self, gathered: Gathered) -> Iterator[RawBatch]:
        """Yield what is new.

        Raises:
            SourceError: A page cannot be had; what was read before it was yielded.
        """
        try:
            for self._number in range(1, self._walk.pages_max + 1):  # noqa: B020
                page = self._believed()
                fresh = self._is_fresh(page)
                yield from gathered.add(page if fresh else _NOTHING)
                gathered.place = self._place = self._noted(page)
                goes_on = self._moves(page, fresh=fresh)
                gathered.place = self._place
                if not goes_on:
                    break
            else:
                self._tell("there are more pages than one run reads; the next run goes on there", "pages_per_run")
        except SourceError:
            yield from gathered.finish()
            raise
        yield from gathered.finish()

    @property
    def _where(self) -> str:
        return f"{self._walk.where}, page {self._number} of this run"

    def _believed(self) -> Page:
        """The page to read. One that a cache gave out in its place would hide it, and all behind it."""
        page = self._page()
        for _ in range(1, _BELIEVED_AT):
            if not self._is_odd(page):
                break
            page = self._page()
        return page

    def _is_odd(self, page: Page) -> bool:
        if not page.count:
            return False
        if self._paging.counted:
            # A page number is asked for again by the next run, an offset never.
            return page.digest in self._known and (self._number > 1 or self._paging.by == "offset")
        return page.next is not None and self._following(page.next) in self._asked

    def _following(self, told: str) -> str | None:
        """Where the next page is; None at another server."""
        if self._paging.by == "token":
            return told
        return within(told, self._walk.base, self._url())

    def _page(self) -> Page:
        self._asked.add(self._at)
        found = self._asking.page(self._url(), self._read, where=self._where)
        if isinstance(found, Page):
            return found
        behind = self._number > 1 or self._paging.by == "offset"
        if self._paging.counted and self._at is not None and behind and found.status in _BEHIND_THE_END:
            return _NOTHING
        if self._number == 1 and self._at is not None and found.status in _OF_THE_PAGE:
            self._tell("the API no longer knows the page to go on at; reading begins anew, known events pass by")
            self._at, self._place = None, replace(self._place, at=None)
            return self._page()
        raise self._refused(found)

    def _read(self, answer: Answer) -> Page | Answer:
        return answer if answer.status >= 400 else self._walk.reader.page(answer, where=self._where)

    def _refused(self, answer: Answer) -> SourceError:
        try:
            document = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            document = None
        texts = (dug(document, path) for path in ("message", "error.message", "error", "detail", "title"))
        said = next((text for text in texts if isinstance(text, str)), "")
        said = hidden(" ".join(said.split()), self._walk.secrets)[:_EXCERPT]
        phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "refused"
        what = f"the API refuses the page (HTTP {answer.status}): {said or phrase}"
        hint = "Check url, its parameters, and those of next, size and since"
        return SourceError(what, where=self._where, hint=hint)

    def _url(self) -> str:
        walk, paging, at = self._walk, self._paging, self._at
        if paging.by in ("link", "url") and isinstance(at, str):
            return urljoin(walk.base, at)
        parameters: dict[str, Value] = {}
        if walk.size is not None:
            parameters[walk.size.parameter] = walk.size.rows
        if walk.since is not None:
            value = walk.since.asked(self._place.since, where=walk.where)
            parameters |= {} if value is None else {walk.since.parameter: value}
        if paging.counted or at is not None:
            parameters[paging.parameter] = paging.first if at is None else at
        return with_parameters(walk.base, parameters)

    def _is_fresh(self, page: Page) -> bool:
        """Whether a page has rows that this run, or the last page of the run before, did not have."""
        if not page.count:
            return False
        known = page.digest in self._known
        self._known.add(page.digest)
        if known and self._number > 1:
            self._tell("a page came twice; its rows are taken once")
        return not known

    def _noted(self, page: Page) -> Place:
        """The place, with what the page's content says."""
        since, place = self._walk.since, self._place
        if since is not None:
            high = since.highest(place.high, page.rows, self._walk.until)
            if high is None and page.rows:
                self._tell("no row has a usable since.field: every run reads from the start", since.field)
            place = replace(place, high=high)
        return replace(place, last=page.digest) if page.count else place

    def _moves(self, page: Page, *, fresh: bool) -> bool:
        """Move the place behind a page; whether this run goes on."""
        self._idle = 0 if fresh else self._idle + 1
        return self._counted(page, fresh=fresh) if self._paging.counted else self._named(page)

    def _counted(self, page: Page, *, fresh: bool) -> bool:
        if not page.count:
            return self._end()
        at = self._paging.first if self._at is None else int(self._at)
        self._at = at + (page.count if self._paging.by == "offset" else 1)
        if fresh:
            # The last page may grow, so that a page number stays; and no place is moved by an API that gives one page
            # whatever it is asked for, or else it would be behind what that hides.
            self._place = replace(self._place, at=self._at if self._paging.by == "offset" else at)
        if page.more is False:
            return self._end()
        if self._idle >= _IDLE_MAX:
            what = f"the API gives the same page whatever {self._paging.parameter} says"
            raise SourceError(what, where=self._where, hint="Check next.by and next.parameter, or ask for larger pages")
        return True

    def _named(self, page: Page) -> bool:
        if page.next is None:
            return self._end()
        following = self._following(page.next)
        if following is None:
            what = "the next page is said to be at another server; the key is not sent there"
            raise SourceError(what, where=self._where, hint="Set url to that server where it is the right one")
        if following in self._asked:
            if page.count:
                self._tell("the next page is said to be one that was read already; what is behind it stays unread")
            return self._end()
        self._place = replace(self._place, at=following)
        if page.more is False:
            return self._end()
        self._at = following
        if self._idle >= _IDLE_MAX:
            self._tell(f"{_IDLE_MAX} pages in a row had nothing new; the next run goes on behind them")
            return False
        return True

    def _end(self) -> bool:
        """Note that the pass is over: this run does not go on."""
        place = self._place
        if self._walk.since is not None:
            self._place = replace(place, at=None, since=place.high)
        elif self._walk.again:
            self._place = replace(place, at=None)
        return False

    def _tell(self, what: str, about: str | None = None) -> None:
        if what not in self._told:
            self._told.add(what)
            more = {} if about is None else {"setting": about}
            _log.warning(what, where=self._where, **more)
