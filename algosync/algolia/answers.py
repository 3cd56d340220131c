"""What Algolia's answers mean: a status and a body become a value, or one of our errors.

Knows HTTP statuses, Algolia's error documents and which permission (ACL) a call needs. Must not send anything and
must not know the official client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from algosync.errors import AlgoliaError, AlgoliaUnavailableError

TOO_MANY_REQUESTS: Final = 429
_NO_CONTENT: Final = 204
_EXCERPT: Final = 160
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: The HTTP status; None where none came (a timeout).
        text: The body.
        headers: The headers; looked up without regard to case by the mapping that holds them.
        where: Index and server, for messages.
        acl: The permission the call needs.
        secret: The key, which no message may repeat; in no repr.
    """

    status: int | None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    where: str
    acl: str = ""
    secret: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The body as it may be shown."""
        return self.text.replace(self.secret, "…") if self.secret else self.text


def value(answer: Answer) -> Any:
    """The JSON document of a good answer; None of one that says that it has none (204).

    Raises:
        AlgoliaUnavailableError: The body is not JSON: something else than Algolia answered.
    """
    if answer.status == _NO_CONTENT:
        return None
    try:
        return orjson.loads(answer.text)
    except orjson.JSONDecodeError as error:
        raise AlgoliaUnavailableError(
            f"the answer is not JSON: {_excerpt(answer.shown)!r}",
            where=answer.where,
            hint="Something between here and Algolia answered, or algolia.hosts names another server",
            status=answer.status,
        ) from error


def refusal(answer: Answer) -> AlgoliaError:
    """The error that an answer other than 2xx means; 429 and 5xx are worth another try, 4xx are not."""
    status = answer.status
    document = _document(answer.shown)
    message = document.get("message")
    what = message if isinstance(message, str) and message else _excerpt(answer.shown)
    if status is None:
        return AlgoliaUnavailableError("no answer in time", where=answer.where)
    if status == TOO_MANY_REQUESTS or not 400 <= status < 500:
        return AlgoliaUnavailableError(
            f"{what or 'no message'} (HTTP {status})",
            where=answer.where,
            retry_after_s=retry_after(answer.headers),
            status=status,
        )
    position, object_id = document.get("position"), document.get("objectID")
    return AlgoliaError(
        f"{what or 'no message'} (HTTP {status})",
        where=answer.where,
        hint=_hint(status, answer.acl),
        status=status,
        position=position if isinstance(position, int) else None,
        object_id=object_id if isinstance(object_id, str) else None,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the Retry-After header says them, or None.

    A date is counted from the answer's own Date header, so that a wrong clock here does no harm.
    """
    raw = headers.get("retry-after", "").strip()
    if raw.isdecimal():
        return float(raw)
    try:
        until, since = parsedate_to_datetime(raw), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None


def need(document: Any, key: str, kind: type, *, where: str) -> Any:
    """The member `key` of an answer, of the type `kind`.

    Raises:
        AlgoliaError: The answer has another shape than Algolia's.
    """
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, kind):
        raise AlgoliaError(
            f"the answer has no usable {key!r}",
            where=where,
            hint="Check that algolia.hosts names Algolia or a compatible server",
        )
    return found


def _document(text: str) -> dict[str, Any]:
    try:
        loaded = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _excerpt(text: str) -> str:
    plain = " ".join(_TAG.sub(" ", text).split())
    return plain if len(plain) <= _EXCERPT else plain[: _EXCERPT - 1] + "…"


def _hint(status: int, acl: str) -> str | None:
    if status in (401, 403):
        return f"The key needs the permission {acl!r} on this index, and must belong to this application"
    return {
        404: "Check the name of the index",
        413: "Send smaller batches",
    }.get(status)
