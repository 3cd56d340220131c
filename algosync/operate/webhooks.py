"""Sends what waits in the outbox to those who are told, each receiver by itself.

A request has the shape of Standard Webhooks 1.0 (https://www.standardwebhooks.com): `webhook-id` is the occurrence's
own and the same in every try, `webhook-timestamp` the try's, `webhook-signature` the HMAC-SHA256 of both and the body.
At least once: whoever is killed between an answer and noting it sends again, under the same id. Any answer but 2xx is
tried again, ever later, until it is given up; only 410 is given up at once. Redirects are not followed, so that an
answer sends nobody elsewhere, and of an answer nothing is kept but its status. Addresses come from the shop's own
settings alone, so that private ones are allowed.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from algosync import __version__
from algosync.algolia.answers import retry_after
from algosync.stores.outbox import Letter, Outbox, Rest

if TYPE_CHECKING:
    import httpx

VERSION: Final = 1
"""Of the body; another one is announced, and sent beside this one for a while."""
AT_ONCE: Final = 100
"""Letters that are read at once."""
FAILURES_MAX: Final = 3
"""Failures in a row after which a receiver is left alone for a while."""
FIRST_S: Final = 20.0
LONGEST_S: Final = 6 * 3600.0
KEPT: Final = timedelta(days=90)
"""How long it is known what was delivered or given up."""
NOBODY_AFTER: Final = timedelta(days=3)
"""How long letters wait for a receiver that is not in the settings."""

_SHOWN: Final = ("waiting", "delivered", "given_up", "withheld")
_ANSWER_MAX: Final = 1 << 16
_LEASE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told.

    Attributes:
        name: What it is called in the settings.
        url: Where to post; shown nowhere.
        keys: Each signs.
        timeout_s: How long one request may take as a whole.
        headers: Further headers.
        give_up_after: What could not be delivered for so long is given up.
    """

    name: str
    url: str = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    timeout_s: float = 15.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    give_up_after: timedelta = timedelta(hours=72)


@dataclass(slots=True, kw_only=True)
class Round:
    """What became of what was due for one receiver.

    Attributes:
        delivered, failed, given_up, withheld: Letters; those that failed are tried again.
        error: What went wrong the last time; None where nothing did.
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    withheld: int = 0
    error: str | None = None


class Refusing(Protocol):
    """Says of people why they may not be named."""

    def __call__(self, people: Sequence[Sequence[str]]) -> Sequence[str | None]:
        """For each of some people, given by their tokens; None where she may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What sending works with.

    Attributes:
        outbox: What waits.
        refusals: Who may not be named.
        clock: Tells the time.
        jitter: A number from 0 to 1, another at each call, so that what failed at once does not come back at once.
        ticks: Seconds that pass.
    """

    outbox: Outbox
    refusals: Refusing
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    ticks: Callable[[], float] = monotonic


def deliver_due(receivers: Sequence[Receiver], hands: Hands, *, within_s: float) -> dict[str, Round]:
    """Sends what is due, to all receivers at the same time.

    Args:
        receivers: Who is told.
        hands: What to work with.
        within_s: After so many seconds no further request begins; the ones under way may take their own time.

    Returns:
        What became of it, by the receiver's name.

    Raises:
        StoreError: The outbox cannot be read or written.
    """
    now = hands.clock()
    hands.outbox.abandon([receiver.name for receiver in receivers], now - NOBODY_AFTER, now)
    hands.outbox.forget(now - KEPT)
    until = hands.ticks() + within_s
    busy = [one for one in receivers if _is_awake(one, hands) and hands.outbox.due(one.name, now, 1)]
    return asyncio.run(_all(busy, hands, until)) if busy else {}


def signature(keys: Sequence[bytes], number: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: one signature for each key, spaces between."""
    content = f"{number}.{timestamp}.".encode() + body
    return " ".join(f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys)


def body_of(letter: Letter) -> bytes:
    """What is posted; the same in every try."""
    kind = letter.kind.partition(":")[0]
    return orjson.dumps({"type": kind, "version": VERSION, "timestamp": letter.doc["at"], "data": letter.doc["data"]})


def pause_s(tries: int, jitter: float) -> float:
    """Seconds until the next try: twice as many each time, and up to half of them less by `jitter`, 0 to 1."""
    return min(FIRST_S * 2.0 ** min(tries - 1, 20), LONGEST_S) * (1 - jitter / 2)


async def _all(receivers: Sequence[Receiver], hands: Hands, until: float) -> dict[str, Round]:
    rounds = await asyncio.gather(*(_Sender(receiver, hands, until).send() for receiver in receivers))
    return {receiver.name: done for receiver, done in zip(receivers, rounds, strict=True)}


def _is_awake(receiver: Receiver, hands: Hands) -> bool:
    rest = hands.outbox.rest(receiver.name)
    return rest is None or rest.until <= hands.clock()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: a status, or what went wrong."""

    status: int | None = None
    wait_s: float | None = None
    error: str | None = None


class _Sender:
    """Sends to one receiver, one letter after the other, until nothing is due, time is up, or it fails too often."""

    def __init__(self, receiver: Receiver, hands: Hands, until: float) -> None:
        self._to = receiver
        self._hands = hands
        self._outbox = hands.outbox
        self._until = until
        self._failures = 0  # in a row, in this round
        self._rests = hands.outbox.rest(receiver.name) is not None
        self._round = Round()

    async def send(self) -> Round:
        import httpx

        # It tells whole URLs, which may be secrets, to whoever listens to all loggers.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        headers = {"User-Agent": f"algosync/{__version__}", "Accept-Encoding": "identity", **self._to.headers}
        async with httpx.AsyncClient(headers=headers, timeout=self._to.timeout_s, follow_redirects=False) as client:
            while self._may_go_on():
                letters = self._outbox.due(self._to.name, self._hands.clock(), AT_ONCE)
                if not letters:
                    break
                for letter in letters:
                    if not self._may_go_on():
                        break
                    await self._one(client, letter)
        return self._round

    def _may_go_on(self) -> bool:
        return self._failures < FAILURES_MAX and self._hands.ticks() < self._until

    async def _one(self, client: httpx.AsyncClient, letter: Letter) -> None:
        outbox, now = self._outbox, self._hands.clock()
        if not outbox.claim(letter, now + timedelta(seconds=self._to.timeout_s + _LEASE_S)):
            return
        tokens = letter.doc["data"].get("userTokens")
        refusal = None if tokens is None else self._hands.refusals([tokens])[0]
        if refusal is not None:
            outbox.withhold(letter, now, refusal)
            self._round.withheld += 1
            return
        answer = await self._post(client, letter, now)
        if answer.error is None:
            outbox.delivered(letter, self._hands.clock())
            self._round.delivered += 1
            if self._rests:
                outbox.let_rest(self._to.name, None, now)
            self._failures, self._rests = 0, False
            return
        self._failed(letter, answer, answer.error)

    def _failed(self, letter: Letter, answer: _Answer, error: str) -> None:
        now, tries = self._hands.clock(), letter.tries + 1
        self._round.error = error
        wait = max(pause_s(tries, self._hands.jitter()), min(answer.wait_s or 0.0, LONGEST_S))
        due = now + timedelta(seconds=wait)
        if answer.status == HTTPStatus.GONE or due > letter.created_at + self._to.give_up_after:
            self._outbox.give_up(letter, now, error)
            self._round.given_up += 1
        else:
            self._outbox.postpone(letter, due, error)
            self._round.failed += 1
        self._failures = FAILURES_MAX if answer.wait_s is not None else self._failures + 1
        if self._failures >= FAILURES_MAX:
            before = self._outbox.rest(self._to.name)
            failures = 1 if before is None else before.failures + 1
            resting = max(pause_s(failures, self._hands.jitter()), min(answer.wait_s or 0.0, LONGEST_S))
            rest = Rest(failures=failures, until=now + timedelta(seconds=resting), error=error)
            self._outbox.let_rest(self._to.name, rest, now)
            self._rests = True
            # Only a few of them are tried before each rest, so that the others would wait for ever.
            before_all = now - self._to.give_up_after
            self._round.given_up += self._outbox.expire(self._to.name, before_all, now, error)

    async def _post(self, client: httpx.AsyncClient, letter: Letter, now: datetime) -> _Answer:
        import httpx

        body, timestamp = body_of(letter), int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": letter.occurrence,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._to.keys, letter.occurrence, timestamp, body),
        }
        answer: _Answer | None = None
        try:
            async with (
                asyncio.timeout(self._to.timeout_s),
                client.stream("POST", self._to.url, content=body, headers=headers) as response,
            ):
                answer = _judged(response.status_code, response.headers)
                await _read_away(response)
        except (TimeoutError, httpx.TimeoutException):
            answer = answer or _Answer(error=f"no answer within {self._to.timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            answer = answer or _Answer(error=f"no connection, or one that broke off ({type(error).__name__})")
        assert answer is not None
        return answer


async def _read_away(response: httpx.Response) -> None:
    """Reads a short answer to its end, so that the connection can be used again; a long one is left."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > _ANSWER_MAX:
            return


def _judged(status: int, headers: Mapping[str, str]) -> _Answer:
    if 200 <= status < 300:
        return _Answer(status=status)
    try:
        said = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        said = f"HTTP {status}"
    if 300 <= status < 400:
        said += "; redirects are not followed, set url to where it ends"
    return _Answer(status=status, wait_s=retry_after(headers), error=said)


def overview(outbox: Outbox, receivers: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """How it stands with each receiver, also with those that have letters and are in the settings no more."""
    counts = outbox.counts()
    found = []
    for name in dict.fromkeys([*receivers, *sorted(counts)]):
        rest = outbox.rest(name)
        since = outbox.oldest(name)
        found.append(
            {
                "webhook": name,
                "configured": name in receivers,
                **{status: counts.get(name, {}).get(status, 0) for status in _SHOWN},
                "oldest_s": None if since is None else max(0, int((now - since).total_seconds())),
                "resting_until": None if rest is None else rest.until.isoformat(),
                "error": None if rest is None else rest.error,
            }
        )
    return found
