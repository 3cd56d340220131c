"""Gets experiences within a budget of time, and a reason where there is none. Never raises.

The budget holds for all questions of a request together, whatever they wait for: a name that does not resolve, a
server that sends a byte a second, a locked database. After a few failures in a row nothing is asked for a moment, so
that searches do not all wait for what is down.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from algosync.errors import AlgosyncError
from algosync.experience.question import Question
from algosync.personalizer.api import Silence
from algosync.personalizer.ask import Asking, heard
from algosync.personalizer.results import Heard

Ask = Callable[[Question], Mapping[str, Any]]
AskAwaited = Callable[[Question], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]

_THREADS: Final = 16
_FAILURES: Final = 5
_PAUSE_S: Final = 2.0


class Pause:
    """Leaves alone what has failed several times in a row.

    Args:
        clock: Tells seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._reason = ""

    def reason(self) -> str | None:
        """Why not to ask now; None where asking is fine."""
        if self._clock() >= self._until:
            return None
        return f"not asked: it failed {self._failures} times in a row, at last: {self._reason}"

    def note(self, failure: str | None) -> None:
        """What came of a question: None, or how it failed. After a pause one more failure starts the next."""
        self._failures = 0 if failure is None else self._failures + 1
        if failure is not None and self._failures >= _FAILURES:
            self._reason, self._until = failure, self._clock() + _PAUSE_S


class Listener:
    """Asks and waits.

    Args:
        ask: Answers one question, from any thread.
        budget_s: How long to wait for all that one request asks.
        clock: Tells seconds that never run backwards.
    """

    def __init__(self, ask: Ask, budget_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._budget_s = budget_s
        self._clock = clock
        self._pause = Pause(clock)
        self._threads: ThreadPoolExecutor | None = None

    def hear(self, asked: Sequence[Asking]) -> list[Heard]:
        """One for each question, in their order; the same question is asked once."""
        paused = self._pause.reason()
        if paused is not None:
            return [_without(one, paused) for one in asked]
        until = self._clock() + self._budget_s
        distinct = _distinct(asked)
        begun = [self._begin(question) for question in distinct]
        found = [self._result(future, until) for future in begun]
        return [one.heard if one.question is None else found[distinct.index(one.question)] for one in asked]

    def close(self) -> None:
        """Ends the threads, without waiting for what hangs."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _begin(self, question: Question) -> Future[Any]:
        self._threads = self._threads or _threads()
        return self._threads.submit(self._ask, question)

    def _result(self, future: Future[Any], until: float) -> Heard:
        try:
            document = future.result(max(0.0, until - self._clock()))
        except Exception as error:  # noqa: BLE001  # whatever it is, the search goes on
            future.cancel()
            return _failed(error, self._pause)
        self._pause.note(None)
        return heard(document)


class AsyncListener:
    """Asks and is awaited.

    Args:
        ask: Answers one question; what it returns may have to be awaited. What does not is run in a thread.
        budget_s: How long to wait for all that one request asks.
    """

    def __init__(self, ask: AskAwaited, budget_s: float) -> None:
        self._ask = ask
        self._budget_s = budget_s
        self._pause = Pause()
        self._threads: ThreadPoolExecutor | None = None

    async def hear(self, asked: Sequence[Asking]) -> list[Heard]:
        """One for each question, in their order; the same question is asked once."""
        paused = self._pause.reason()
        if paused is not None:
            return [_without(one, paused) for one in asked]
        distinct = _distinct(asked)
        found = await asyncio.gather(*(self._one(question) for question in distinct))
        return [one.heard if one.question is None else found[distinct.index(one.question)] for one in asked]

    async def _one(self, question: Question) -> Heard:
        try:
            async with asyncio.timeout(self._budget_s):
                document = await self._document(question)
        except Exception as error:  # noqa: BLE001  # whatever it is, the search goes on
            return _failed(error, self._pause)
        self._pause.note(None)
        return heard(document)

    async def _document(self, question: Question) -> Any:
        if inspect.iscoroutinefunction(self._ask):
            return await self._ask(question)
        # Threads of our own: what hangs in them must not keep the application from its own.
        self._threads = self._threads or _threads()
        made = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)
        return await made if inspect.isawaitable(made) else made

    def close(self) -> None:
        """Ends the threads, without waiting for what hangs."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="algosync-personalizer")


def _distinct(asked: Sequence[Asking]) -> list[Question]:
    made: list[Question] = []
    for one in asked:
        if one.question is not None and one.question not in made:
            made.append(one.question)
    return made


def _without(one: Asking, reason: str) -> Heard:
    return one.heard if one.question is None else Heard(reason=reason)


def _failed(error: Exception, pause: Pause) -> Heard:
    if isinstance(error, Silence):
        pause.note(error.reason if error.down else None)
        return Heard(reason=error.reason)
    reason = _reason(error)
    pause.note(reason)
    return Heard(reason=reason)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, AlgosyncError):
        return f"no answer: {error.what}"
    return f"no answer ({type(error).__name__})"
