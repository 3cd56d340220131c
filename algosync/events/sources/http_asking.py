"""Asking an API over HTTP: one page at a time, bounded in bytes, time and tries; the key goes to no other server.

What may pass (no connection, 429, 5xx, an answer that is cut off or no page) is asked for again as long as the patience
of a run lasts; what does not pass is told as a SourceError, in which no key, no query and nothing about people stands.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import stamina

from algosync.errors import SourceError
from algosync.events.sources.http_pages import Answer, UnreadableError
from algosync.events.sources.http_places import within

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_ATTEMPTS: Final = 5
_HOPS: Final = 5
_SLOWEST: Final = 10
"""How many times the timeout of one silence a request may take, from connecting to the last byte of its answer."""
_PASSING: Final = frozenset({408, 425, 429})
_KEY: Final = frozenset({401, 403, 407})
_GZIP: Final = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to ask.

    Args:
        headers: Headers of every request, the key's among them.
        timeout_s: How long the server may be silent; a request as a whole may take ten times as long.
        answer_bytes: The most bytes of an answer, unpacked.
        patience_s: How long the waits that servers ask for by Retry-After may be in one run, together.
        key_hint: Where the key comes from, for messages.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 30.0
    answer_bytes: int = 1 << 26
    patience_s: float = 300.0
    key_hint: str = "Check key"


class _TroubleError(Exception):
    """What may have passed with the next try."""

    def __init__(self, what: str, hint: str, where: str, wait_s: float | None = None) -> None:
        self.what, self.hint, self.where, self.wait_s = what, hint, where, wait_s
        super().__init__(f"{where}: {what}")


class Asking:
    """Connections to one API, for one run, in a thread that runs no event loop.

    Args:
        base: The URL of the settings: its server alone is asked.
        manner: How to ask.
    """

    def __init__(self, base: str, manner: Manner) -> None:
        import httpx

        # It tells whole URLs, of which the query may hold a key, to whoever listens to all loggers.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        parts = urlsplit(base)
        user = None if parts.username is None else httpx.URL(base)
        self._base, self._manner = base, manner
        self._left = manner.patience_s
        headers = httpx.Headers({"Accept": "application/json, application/x-ndjson"})
        headers.update(manner.headers)
        headers["Accept-Encoding"] = "gzip"
        # The time that a request takes as a whole is limited by asyncio alone: httpx limits each silence.
        self._loop = asyncio.Runner()
        self._client = httpx.AsyncClient(
            auth=None if user is None else (user.username, user.password),
            headers=headers,
            timeout=manner.timeout_s,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._loop:
            self._loop.run(self._client.aclose())

    def page(self, url: str, read: Callable[[Answer], T], *, where: str) -> T:
        """Return what `read` makes of the answer to a GET: of 2xx, or of a 4xx that is about the page asked for.

        Raises:
            SourceError: There is no such answer, or none that can be read, after some tries.
        """
        attempts = stamina.retry_context(
            on=self._worth, attempts=_ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=10.0, wait_jitter=0.5
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._tried(url, read, where)
        except _TroubleError as trouble:
            raise SourceError(
                trouble.what, where=where, hint=f"{trouble.hint}; then run again", retry_after_s=trouble.wait_s
            ) from None
        raise AssertionError  # pragma: no cover  (the loop returns or raises)

    def _worth(self, error: Exception) -> bool | float:
        if not isinstance(error, _TroubleError):
            return False
        if error.wait_s is None:
            return True
        if error.wait_s > self._left:
            return False
        self._left -= error.wait_s
        return error.wait_s

    def _tried(self, url: str, read: Callable[[Answer], T], where: str) -> T:
        with self._passing(where):
            for _ in range(_HOPS):
                answer = self._loop.run(self._answer(url, where))
                if not 300 <= answer.status < 400:
                    return read(answer)
                url = self._followed(url, answer, where)
        hint = "Set url to where it ends"
        raise SourceError(f"more than {_HOPS} redirects", where=where, hint=hint)

    @contextmanager
    def _passing(self, where: str) -> Iterator[None]:
        import httpx

        try:
            yield
        except UnreadableError as error:
            raise _TroubleError(error.what, error.hint, where) from None
        except zlib.error:
            raise _TroubleError("the answer's compression is damaged", "Ask whoever runs the API", where) from None
        except httpx.TimeoutException:
            what = f"no answer within {self._manner.timeout_s:g} s"
            raise _TroubleError(what, "Ask for smaller pages with size, or raise timeout_s", where) from None
        except TimeoutError:
            what = f"the answer did not end within {_SLOWEST * self._manner.timeout_s:g} s"
            raise _TroubleError(what, "Ask for smaller pages with size, or raise timeout_s", where) from None
        except httpx.TransportError as error:
            what = f"no connection, or one that broke off ({type(error).__name__})"
            raise _TroubleError(what, "Check that the API is up, url, name server and network", where) from None
        except httpx.InvalidURL:
            hint = "Write it like https://shop.example/api/events"
            raise SourceError("a URL that cannot be asked for", where=where, hint=hint) from None

    async def _answer(self, url: str, where: str) -> Answer:
        async with asyncio.timeout(_SLOWEST * self._manner.timeout_s), self._client.stream("GET", url) as response:
            self._judge(response, where)
            links = [link for link in response.links.values() if "next" in link.get("rel", "").lower().split()]
            return Answer(
                status=response.status_code,
                headers=response.headers,
                body=b"" if response.has_redirect_location else await self._body(response, where),
                following=links[0]["url"] if links else None,
            )

    def _judge(self, response: httpx.Response, where: str) -> None:
        """Find out what is no answer to the question."""
        status = response.status_code
        said = f"HTTP {status}{_phrase(status)}"
        if status in _KEY:
            hint = f"{self._manner.key_hint}, and the rights that it has"
            raise SourceError(f"the API does not accept the key ({said})", where=where, hint=hint)
        if status in _PASSING or status >= 500:
            wait = _retry_after(response.headers)
            asked = "" if wait is None else f", asks to wait {wait:g} s"
            raise _TroubleError(f"the API answers {said}{asked}", "Wait until it is at work again", where, wait)
        if status < 200:
            raise _TroubleError(f"the API answers {said}", "Check url", where)
        if status == HTTPStatus.NOT_MODIFIED:
            what = f"the API answers {said}, but was not asked whether the page has changed"
            hint = "Take If-None-Match and If-Modified-Since out of headers, or ask whoever runs the API or its cache"
            raise SourceError(what, where=where, hint=hint)
        if 300 <= status < 400 and "location" not in response.headers:
            raise SourceError(f"the API redirects ({said}) to nowhere", where=where, hint="Check url")

    def _followed(self, url: str, answer: Answer, where: str) -> str:
        target = urljoin(url, answer.headers.get("location", ""))
        there = within(target, self._base)
        if there is not None:
            return urljoin(self._base, there)
        host = urlsplit(target).hostname or "nowhere"
        raise SourceError(
            f"the API redirects to another server, {host} (HTTP {answer.status}); the key is not sent there",
            where=where,
            hint="Where that server is the right one, set url to it",
        )

    async def _body(self, response: httpx.Response, where: str) -> bytes:
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "", "gzip", "x-gzip"):
            # Twice packed, a few bytes may be as many gigabytes.
            raise SourceError(f"the answer is packed as {packed!r}", where=where, hint="Only gzip was asked for")
        limit = self._manner.answer_bytes
        body = _Unpacked(limit, packed=packed.endswith("gzip"))
        async for chunk in response.aiter_raw():
            body.add(chunk)
            if body.left < 0:
                what = f"an answer of more than {limit / 2**20:g} MB"
                raise SourceError(what, where=where, hint="Ask for smaller pages with size, or raise page_mb")
        return body.whole()


class _Unpacked:
    """An answer's bytes, unpacked no further than `left` tells, below zero once there were more."""

    def __init__(self, limit: int, *, packed: bool) -> None:
        self.left = limit
        self._parts: list[bytes] = []
        self._inflate = zlib.decompressobj(_GZIP) if packed else None

    def add(self, data: bytes) -> None:
        """Take what came."""
        if self._inflate is None:
            self._keep(data)
            return
        while data and self.left >= 0:
            if self._inflate.eof:  # one more after the one that ended
                self._inflate = zlib.decompressobj(_GZIP)
            self._keep(self._inflate.decompress(data, self.left + 1))
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def whole(self) -> bytes:
        """Return them all.

        Raises:
            UnreadableError: They end within their compression.
        """
        if self._inflate is not None and self._parts and not self._inflate.eof:
            raise UnreadableError("the answer ends within its compression", "Ask whoever runs the API")
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self.left -= len(data)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as Retry-After says; a date is counted from the answer's own, whatever the clock here says."""
    raw = headers.get("retry-after", "").strip()
    if raw.isdecimal():
        return float(raw)
    try:
        until, since = parsedate_to_datetime(raw), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None
