"""The log of what was asked of the mock, for tests to look at: the latest requests, their bodies within a bound.

Keeps references to bodies that were read anyway, and lets go of the oldest ones first. Knows no route and no key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from algosync.mock.nesting import read_json

REQUESTS_KEPT = 10_000
BODY_KEPT = 1 << 20
BODIES_KEPT = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request that was answered.

    Attributes:
        operation: Algolia's name of what was asked, such as `searchSingleIndex`; empty where no route was reached.
        method: GET, POST, PUT or DELETE.
        path: As sent, without the query string.
        key: The API key, of a secured key its parent, of a private one how it begins; None where the credentials were
            refused.
        status: The answer's status code, also of an answer that was lost on purpose; 0 where the connection was reset
            before there was one.
        query: Parameters of the query string, names in lower case, without credentials.
        body: The body, inflated; None where it was larger than a MiB or has made room for later ones.
        body_bytes: How long the body was, kept or not.
        secured: Whether the key was a secured one.
        fault: The fault that struck it on purpose, such as `503`; None for an honest answer.
    """

    operation: str
    method: str
    path: str
    key: str | None
    status: int
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""
    body_bytes: int = 0
    secured: bool = False
    fault: str | None = None

    def json(self) -> Any:
        """The body as JSON; None where it was empty or not kept.

        Raises:
            ValueError: It is no JSON.
        """
        return read_json(self.body) if self.body else None

    def describe(self) -> dict[str, Any]:
        """The request as a JSON-able value; a body that is no JSON as text."""
        try:
            body = self.json()
        except ValueError:
            body = (self.body or b"").decode(errors="replace")
        return {
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "key": self.key,
            "secured": self.secured,
            "status": self.status,
            "fault": self.fault,
            "bodyBytes": self.body_bytes,
            "body": body,
        }


class Recorder:
    """The latest requests, oldest first.

    Args:
        requests_kept: How many.
        bodies_kept: Bytes of all their bodies.
    """

    def __init__(self, requests_kept: int = REQUESTS_KEPT, bodies_kept: int = BODIES_KEPT) -> None:
        self._requests: deque[RecordedRequest] = deque()
        self._requests_kept = requests_kept
        self._bodies_kept = bodies_kept
        self._bytes = 0
        self._bare = 0

    def append(self, request: RecordedRequest) -> None:
        """Remember one more."""
        if request.body is not None and len(request.body) > min(BODY_KEPT, self._bodies_kept):
            request = replace(request, body=None)
        self._requests.append(request)
        self._bytes += len(request.body or b"")
        if len(self._requests) > self._requests_kept:
            self._bytes -= len(self._requests.popleft().body or b"")
            self._bare = max(self._bare - 1, 0)
        while self._bytes > self._bodies_kept:
            oldest = self._requests[self._bare]
            if oldest.body:
                self._bytes -= len(oldest.body)
                self._requests[self._bare] = replace(oldest, body=None)
            self._bare += 1

    def clear(self) -> None:
        """Forget all."""
        self._requests.clear()
        self._bytes = self._bare = 0

    def of(self, operation: str) -> list[RecordedRequest]:
        """Those of one operation."""
        return [request for request in self if request.operation == operation]

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(tuple(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, position: int) -> RecordedRequest:
        return self._requests[position]
