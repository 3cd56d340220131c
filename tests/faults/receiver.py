"""Somebody who is told by webhook, and fails at first."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.conftest import Told, answering_server

SECRET = "whsec_" + b64encode(b"a key of the shop's own, 32 byte").decode()
_FAILS: tuple[Told | None, ...] = ((503, b"", {}), None)


class Receiver:
    """What it took, and what it answers: it refuses the first request, and hangs up once it has taken the second.

    Attributes:
        url: Where to post; set while it listens.
        taken: What it took and the ids that it came under, by its body.
    """

    def __init__(self) -> None:
        self.url = ""
        self.taken: dict[bytes, set[str]] = {}
        self._fails = iter(_FAILS)

    def reset(self, *, fails: bool = True) -> None:
        """Forgets everything, and fails anew, or not at all."""
        self.taken, self._fails = {}, iter(_FAILS if fails else ())

    def tell(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Told | None:
        """Answers a request."""
        assert (verb, path) == ("POST", "/hook")
        answer = next(self._fails, (204, b"", {}))
        if answer is None or answer[0] < 300:
            self.taken.setdefault(body, set()).add(headers["webhook-id"])
        return answer

    def heard(self) -> list[list[Any]]:
        """What it was told, and under how many ids each."""
        return sorted([body.decode(), len(ids)] for body, ids in self.taken.items())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listens on loopback for as long as the context lasts."""
    receiver = Receiver()
    with answering_server(receiver.tell) as url:
        receiver.url = f"{url}/hook"
        yield receiver
