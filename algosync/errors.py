"""Every error algosync raises on purpose, sorted by what the caller must do.

::

    AlgosyncError               action: stop
    ├── ConfigError             stop: settings, segments.json or actions.json are wrong
    ├── SourceError             retry: a source of events, users or products cannot be read
    ├── RejectedShareError      stop: too many rows of a batch are unusable
    ├── StoreError              stop: the state database or the event log is unusable
    │   └── BusyError           retry: another process is writing
    ├── AlgoliaError            stop: Algolia refused (4xx)
    │   └── AlgoliaUnavailableError  retry: no answer, 429 or 5xx
    │       └── NotPublishedError    retry: a write was taken and cannot be read yet
    ├── AccessError             stop: a key does not open what was asked for
    │   └── ForbiddenError      stop: a good key, which opens something else
    ├── RequestError            stop: a request to the HTTP API is ill-formed or too large
    │   └── TooManyRequestsError     retry: so often is not allowed
    ├── StoppedError            skip: the service was told to end
    └── PushRefusedError        stop: pushing would break a promise, for example show profiles to strangers
        └── BrakeError          stop: a plan would change or delete more than a set share of what is there

An error says what happened, where, and what to do next; adapters translate every foreign exception into one of
these, so that nothing above an adapter names another library's exceptions.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

Action = Literal["retry", "skip", "stop"]

_LONGEST_S: Final = 86_400.0


class AlgosyncError(Exception):
    """Root of all errors raised on purpose.

    Args:
        what: What happened, as one sentence without a full stop.
        where: The file, source, index or key it happened at.
        hint: What to do next.
        retry_after_s: Seconds to wait before another try, where the other side named them; no more than a day counts.
    """

    action: ClassVar[Action] = "stop"

    def __init__(
        self, what: str, *, where: str | None = None, hint: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        self.retry_after_s = None if retry_after_s is None else min(retry_after_s, _LONGEST_S)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text


class ConfigError(AlgosyncError):
    """The settings, segments or actions are wrong."""


class SourceError(AlgosyncError):
    """A source of events, users or products cannot be read."""

    action = "retry"


class RejectedShareError(AlgosyncError):
    """More rows of a batch were rejected than the settings allow."""


class StoreError(AlgosyncError):
    """The state database, the snapshot or the event log cannot be used."""


class BusyError(StoreError):
    """Another process is writing, or leads; when it has finished, this one may."""

    action = "retry"


class AlgoliaError(AlgosyncError):
    """Algolia refused a request.

    Args:
        status: The HTTP status, where there was an answer.
        position: Index within the batch of the record at fault, where Algolia named it.
        object_id: The objectID of the record at fault, where Algolia named it.
    """

    def __init__(  # noqa: PLR0913  # all but the first are optional and named
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        position: int | None = None,
        object_id: str | None = None,
    ) -> None:
        self.status = status
        self.position = position
        self.object_id = object_id
        super().__init__(what, where=where, hint=hint, retry_after_s=retry_after_s)


class AlgoliaUnavailableError(AlgoliaError):
    """No answer, too many requests, or an error on Algolia's side.

    Attributes:
        undone: It is certain that nothing was done: the request never left, or was turned away at the door.
    """

    action = "retry"
    undone: bool = False


class NotPublishedError(AlgoliaUnavailableError):
    """Algolia says of a task that it is not published, or does not know it: it says the same of both."""


class AccessError(AlgosyncError):
    """A key is missing, forged or expired, or does not open what was asked for."""


class ForbiddenError(AccessError):
    """The key is good, and does not open what was asked for."""


class RequestError(AlgosyncError):
    """A request to the HTTP API cannot be understood or taken.

    Args:
        status: The HTTP status that says so.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
        status: int = 400,
    ) -> None:
        self.status = status
        super().__init__(what, where=where, hint=hint, retry_after_s=retry_after_s)


class TooManyRequestsError(RequestError):
    """Somebody asks more often than the settings allow."""

    action = "retry"


class StoppedError(AlgosyncError):
    """The service was told to end; what was committed is kept, the rest rolled back."""

    action = "skip"


class PushRefusedError(AlgosyncError):
    """Pushing would break a promise; nothing was sent."""


class BrakeError(PushRefusedError):
    """A plan is larger than it may be without somebody's approval; nothing was sent.

    Args:
        hash: Of the plan that was stopped.
    """

    def __init__(self, what: str, *, hash: str, where: str | None = None, hint: str | None = None) -> None:  # noqa: A002
        self.hash = hash
        super().__init__(what, where=where, hint=hint)
