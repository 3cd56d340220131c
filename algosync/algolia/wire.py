"""The wire to Algolia: the only module that imports `algoliasearch`.

It uses the official client's transporter (hosts, fail-over, headers, time limits) with bodies that orjson has made,
since the client's own serializer is most of its cost. Every private name of the pinned version is reached here; a
contract test compares each request with the one the official client makes. The client's traps end here: hosts that
stay down for 300 s after one error, raw connection errors, lost statuses, answers that are not JSON, proxies for
loopback, redirects that carry the key away, writes sent to one host after the other without a look at what the first
one did. Not for use by several threads at once.
"""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import stamina

from algosync.algolia.answers import TOO_MANY_REQUESTS, Answer, refusal, value
from algosync.algolia.calls import Call
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, ConfigError

if TYPE_CHECKING:
    from algoliasearch.http.hosts import Host
    from algoliasearch.http.request_options import RequestOptions
    from algoliasearch.search.config import SearchConfig

PATIENCE_S: Final = 300.0
"""Seconds that a client waits in all while Algolia asks for it, or does not answer."""

_TRIES: Final = 4
_LONGEST_S: Final = 5.0
_jitter = SystemRandom()
_TIMEOUT_MS: Final = 30_000
_GZIP_FROM: Final = 750


class Wire:
    """The official transporter behind one method that returns JSON or raises one of our errors.

    Args:
        target: Application and hosts.
        api_key: The key; in no message.
        host: Where the service answers if the target names no hosts; None for those of search.
        patience_s: Seconds to wait between tries, over the whole life of the wire.

    Attributes:
        requests: How many were sent, further tries included.
        throttled: How many were answered 429.
    """

    def __init__(self, target: Target, api_key: str, host: str | None = None, patience_s: float = PATIENCE_S) -> None:
        from algoliasearch.http.transporter_sync import TransporterSync

        self.requests = self.throttled = 0
        self._patience_s = patience_s
        self._target = target
        self._secret = api_key
        self._config = _config(target, api_key, host)
        self._transporter = TransporterSync(self._config)
        self._witness = _witness()
        self._transporter._retry_strategy = self._witness  # noqa: SLF001

    def send(self, call: Call) -> Any:
        """Send one call; again, as long as waiting may help and there is patience left.

        A call that is billed is sent again only where it is certain that nothing was done; else whoever sent it must
        look what is there.
        """
        tries = 0

        def worth_waiting(error: Exception) -> bool | float:
            nonlocal tries
            tries += 1
            return self._wait_s(error, call, tries)

        for attempt in stamina.retry_context(on=worth_waiting, attempts=None, timeout=None):
            with attempt:
                return self.once(call)
        raise AssertionError  # pragma: no cover  (the loop returns or raises)

    def pause(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Spend patience on a pause, a little longer at random; says whether there was enough, and else does not."""
        seconds += _jitter.uniform(0.0, seconds / 4)
        if seconds > self._patience_s:
            return False
        self._patience_s -= seconds
        sleep(seconds)
        return True

    def _wait_s(self, error: Exception, call: Call, tries: int) -> bool | float:
        """Seconds until the next try, taken from the patience; False for none."""
        if not isinstance(error, AlgoliaUnavailableError):
            return False
        undone, told = error.undone, error.retry_after_s
        if (call.billed and not undone) or (tries >= _TRIES and error.status != TOO_MANY_REQUESTS):
            return False
        wait_s = min(0.2 * 2.0 ** (tries - 1), _LONGEST_S) if told is None else told
        wait_s += _jitter.uniform(0.0, min(max(wait_s, 0.5), _LONGEST_S))
        if wait_s > self._patience_s:
            return False
        self._patience_s -= wait_s
        return wait_s

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._transporter.close()

    def once(self, call: Call) -> Any:
        """Send a call that must not be repeated without the caller's knowledge: one try."""
        from algoliasearch.http.exceptions import AlgoliaException
        from algoliasearch.http.verb import Verb
        from requests import RequestException

        self.requests += 1
        self._witness.seen = None
        self._witness.alone = call.billed
        if self._transporter._session is None:  # noqa: SLF001
            self._transporter._session = _session()  # noqa: SLF001
        try:
            self._transporter.request(Verb(call.verb), call.path, self._options(call), call.read)
        except RequestException as error:
            self._avoid(error, read=call.read)
            raise _without_connection(error, self.where(call)) from error
        except (AlgoliaException, ValueError, KeyError, TypeError):
            # The client loses the status of a failed call and trips over bodies that are not JSON; the witness
            # has seen the answer all the same.
            self._revive()
            raise self._refused(call) from None
        return value(self._answer(call))

    def _options(self, call: Call) -> RequestOptions:
        from algoliasearch.http.request_options import RequestOptions

        headers, body = dict(self._config.headers), call.body
        if body is not None and not self._target.hosts and len(body) >= _GZIP_FROM:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers["content-encoding"] = "gzip"
        timeouts = {"read": _TIMEOUT_MS, "write": _TIMEOUT_MS, "connect": self._config.connect_timeout}
        return RequestOptions(self._config, headers, dict(call.query), timeouts, body)

    def _refused(self, call: Call) -> AlgoliaError:
        error = refusal(self._answer(call))
        if isinstance(error, AlgoliaUnavailableError) and error.status == TOO_MANY_REQUESTS:
            self.throttled += 1
            error.undone = True
        return error

    def _answer(self, call: Call) -> Answer:
        seen = self._witness.seen
        if seen is None:
            return Answer(status=None, where=self.where(call), acl=call.acl)
        return Answer(
            status=seen.status_code,
            text=seen.raw_data or "",
            headers=seen.headers or {},
            where=self.where(call),
            acl=call.acl,
            secret=self._secret,
        )

    def where(self, call: Call) -> str:
        """Index and server, for messages."""
        server = ", ".join(self._target.hosts) or f"Algolia application {self._target.app_id}"
        return f"index {call.index!r} at {server}" if call.index else server

    def _avoid(self, error: Any, *, read: bool) -> None:
        """Let the next try go to another host: the client does not, after a connection error."""
        from algoliasearch.http.api_response import ApiResponse
        from algoliasearch.http.verb import Verb

        failed = urlsplit(getattr(error.request, "url", None) or "")
        hosts = self._hosts(read=read)
        for host in hosts:
            if (host.url.strip("[]").lower(), host.port) == (failed.hostname, failed.port):
                self._witness.decide(host, ApiResponse(Verb.GET, is_network_error=True))
        if not any(host.up for host in hosts):
            self._revive()

    def _revive(self) -> None:
        """Take hosts into use again that the client would leave alone for 300 s, unless some are still up."""
        hosts = self._hosts(read=True) + self._hosts(read=False)
        if not any(host.up for host in hosts):
            for host in hosts:
                host.reset()

    def _hosts(self, *, read: bool) -> list[Host]:
        hosts = self._config.hosts
        assert hosts is not None
        return hosts.read() if read else hosts.write()


def _config(target: Target, api_key: str, host: str | None) -> SearchConfig:
    from algoliasearch.http.hosts import Host, HostsCollection
    from algoliasearch.search.config import SearchConfig

    if not re.fullmatch(r"[A-Za-z0-9_-]+", target.app_id):
        raise ConfigError(
            "the application id is missing or ill-formed", where="algolia.app_id", hint="Set algolia.app_id"
        )
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigError(
            "the API key is missing or holds characters that no key has", where="algolia", hint="Check the key"
        )
    config = SearchConfig(target.app_id, api_key)
    # The client would block for three rounds of Retry-After by itself.
    config.max_rate_limit_retries = 0
    if target.hosts:
        config.hosts = HostsCollection([Host(*_address(url)) for url in target.hosts])
        config.proxies = None
    elif host is not None:
        config.hosts = HostsCollection([Host(host)])
    config.set_default_hosts()  # type: ignore[no-untyped-call]
    return config


def _address(url: str) -> tuple[str, str, int | None]:
    hint = 'Write it like "http://127.0.0.1:8108", without a user, a password or a path'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The cause may repeat what it could not read, and a URL may hold a password.
        raise ConfigError("a URL is not a host", where="algolia.hosts", hint=hint) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or extra:
        shown = f"{parts.scheme}://{parts.hostname or ''}"
        raise ConfigError(f"{shown!r} is not a host", where="algolia.hosts", hint=hint)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return name, parts.scheme, port


def _session() -> Any:
    from requests import Session

    session = Session()
    # A redirect would carry the key to another server, and .netrc has nothing to say here.
    session.max_redirects = 0
    session.trust_env = False
    return session


def _witness() -> Any:
    from algoliasearch.http.api_response import ApiResponse
    from algoliasearch.http.retry import RetryOutcome, RetryStrategy

    class Witness(RetryStrategy):
        """The client's own strategy, which also remembers the last answer, and goes to one host `alone`."""

        seen: ApiResponse[str] | None = None
        alone = False

        def decide(self, host: Host, response: ApiResponse[str]) -> str:
            self.seen = response
            decided = super().decide(host, response)
            # The next host would do what the first one may have done.
            return RetryOutcome.FAIL if self.alone and decided == RetryOutcome.RETRY else decided

    return Witness()


def _without_connection(error: BaseException, where: str) -> AlgoliaUnavailableError:
    from urllib3.exceptions import NewConnectionError

    made = AlgoliaUnavailableError(
        f"no connection ({_cause(error)})", where=where, hint="Check the network and algolia.hosts"
    )
    made.undone = any(isinstance(reason, NewConnectionError) for reason in _reasons(error))
    return made


def _reasons(error: BaseException) -> list[BaseException]:
    """The error and what led to it, the innermost last."""
    reasons = [error]
    while (inner := reasons[-1].__cause__ or reasons[-1].__context__) is not None:
        reasons.append(inner)
    return reasons


def _cause(error: BaseException) -> str:
    """The innermost reason of a connection error, without addresses that may hold a proxy's password."""
    for reason in reversed(_reasons(error)):
        if isinstance(reason, OSError) and reason.strerror:
            return reason.strerror
    return type(error).__name__
