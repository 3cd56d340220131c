"""The HTTP API as a place to ask: one request, bounded in size and time, its failures turned into `Silence`.

Knows httpx and no Algolia. A key is sent in the header alone; neither it nor the userToken is part of a reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from algosync.errors import AlgosyncError, ConfigError
from algosync.experience import keys
from algosync.experience.question import Question
from algosync.personalizer.ask import body

if TYPE_CHECKING:
    import httpx

LARGEST_ANSWER: Final = 1_000_000
_OWN_KEY_FOR: Final = timedelta(minutes=1)
_WHAT_CHARACTERS: Final = 200
_KEPT_S: Final = 60.0
"""Less than the API keeps them, so that it never hangs up on a question."""


class Silence(Exception):  # noqa: N818  # never leaves this room: it becomes a reason
    """There is no experience.

    Args:
        reason: Why.
        down: Whether asking again at once is of no use.
    """

    def __init__(self, reason: str, *, down: bool = False) -> None:
        self.reason = reason
        self.down = down
        super().__init__(reason)


def wall_clock() -> datetime:
    """The time, for keys that somebody else's clock will judge; nothing is computed from it."""
    return datetime.fromtimestamp(time.time_ns() / 1_000_000_000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How a request gets its key.

    Attributes:
        key: The admin key, or what makes a visitor key of a userToken.
        secrets: The secrets of visitor keys, by which one is made for each question where `key` is None.
        clock: Tells the time.
    """

    key: str | Callable[[str], str] | None = field(default=None, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    clock: Callable[[], datetime] = wall_clock

    def of(self, user_token: str) -> str | None:
        """The key to ask about a visitor with."""
        if callable(self.key):
            return self.key(user_token)
        if self.key is None and self.secrets:
            return self.visitor(user_token, _OWN_KEY_FOR)
        return self.key

    def visitor(self, user_token: str, valid_for: timedelta) -> str:
        """A key that opens one userToken.

        Raises:
            ConfigError: There is no secret to sign with.
        """
        return keys.sign(user_token, secrets=self.secrets, valid_for=valid_for, now=self.clock())


class Api:
    """`algosync serve`, wherever it runs. One object asks blockingly or is awaited; connections are kept.

    Raises:
        ConfigError: There is no address, or it is no http or https address.
    """

    def __init__(self, url: str | None, signing: Signing, timeout_s: float) -> None:
        if url is None:
            hint = "Give the address of `algosync serve`; or Personalizer.from_config reads the snapshot itself"
            raise ConfigError("it is not said where experiences come from", where="url", hint=hint)
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError("the address of the HTTP API begins with http:// or https://", where="url")
        self._url = f"{url.rstrip('/')}/v1/experience"
        self._signing = signing
        self._timeout_s = timeout_s

    @cached_property
    def _blocking(self) -> httpx.Client:
        import httpx

        return httpx.Client(timeout=self._timeout_s, trust_env=False, limits=_limits())

    @cached_property
    def _awaited(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(timeout=self._timeout_s, trust_env=False, limits=_limits())

    def connect(self, *, awaited: bool) -> None:
        """Makes the client ready, so that the first question need not spend its time on it."""
        _ = self._awaited if awaited else self._blocking

    def ask(self, question: Question) -> Any:
        """The experience.

        Raises:
            Silence: None came.
        """
        import httpx

        until = time.monotonic() + self._timeout_s
        try:
            with self._blocking.stream("POST", self._url, **self._request(question)) as response:
                return _document(response, _bounded(response.iter_bytes(), until))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None

    async def ask_awaited(self, question: Question) -> Any:
        """The experience.

        Raises:
            Silence: None came.
        """
        import httpx

        try:
            async with self._awaited.stream("POST", self._url, **self._request(question)) as response:
                read = bytearray()
                async for chunk in response.aiter_bytes():
                    read += _within(read, chunk)
                return _document(response, bytes(read))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None

    def close(self) -> None:
        """Closes the connections; the next question opens new ones."""
        if "_blocking" in self.__dict__:
            self.__dict__.pop("_blocking").close()

    async def close_awaited(self) -> None:
        """Closes the connections; the next question opens new ones."""
        if "_awaited" in self.__dict__:
            await self.__dict__.pop("_awaited").aclose()

    def _request(self, question: Question) -> dict[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        try:
            key = self._signing.of(question.user_token)
        except AlgosyncError as error:
            raise Silence(f"no key to ask with: {error.what}") from None
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        return {"content": orjson.dumps(body(question)), "headers": headers}


def _limits() -> httpx.Limits:
    """Connections are kept for longer than the pauses of a shop with few visitors."""
    import httpx

    return httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=_KEPT_S)


def _bounded(chunks: Iterable[bytes], until: float) -> bytes:
    """All chunks, unless they come too slowly: nobody waits for them any more, and the thread is needed."""
    read = bytearray()
    for chunk in chunks:
        read += _within(read, chunk)
        if time.monotonic() > until:
            raise Silence("no answer in time", down=True)
    return bytes(read)


def _within(read: bytearray, chunk: bytes) -> bytes:
    if len(read) + len(chunk) > LARGEST_ANSWER:
        raise Silence("the HTTP API answered with more than a megabyte")
    return chunk


def _document(response: httpx.Response, text: bytes) -> Any:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if response.status_code != 200:
        said = document.get("error") if isinstance(document, Mapping) else None
        what = f": {str(said.get('what'))[:_WHAT_CHARACTERS]}" if isinstance(said, Mapping) else ""
        # 429 is no outage: it may be one visitor's, and must not be felt by the others.
        raise Silence(f"the HTTP API answered {response.status_code}{what}", down=response.status_code >= 500)
    return document


def _unreachable(error: httpx.HTTPError) -> Silence:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return Silence("no answer in time", down=True)
    return Silence(f"no connection to the HTTP API ({type(error).__name__})", down=True)
