"""POST /v1/explain: why one person gets the answer that she gets, for whoever holds the shop's admin key.

Explaining opens the log, which takes seconds and memory: one at a time, in a thread of its own, while visitors are
answered. Who explains is handed in; nothing of the log is known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final, Protocol

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from algosync.errors import ConfigError, ForbiddenError, RequestError, TooManyRequestsError
from algosync.experience.question import Question
from algosync.serve.asked import question
from algosync.serve.bodies import json_object, read_body
from algosync.serve.door import Door
from algosync.serve.refusals import JSON

PATH: Final = "/v1/explain"
BODY_MAX: Final = 256 * 1024
WAITING_MAX: Final = 4
"""Requests that may wait for the one under way."""

Draft = Mapping[str, Mapping[str, Any]]
_OWN: Final = ("at", "draft")
_DRAFTS: Final = ("segments", "actions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be explained.

    Args:
        user: A customer id, or any token.
        question: Where she is and what she looks for; None for nowhere in particular.
        at: A moment in the past; None for now.
        draft: `segments` and `actions` by id, laid over the shop's own for this explanation alone.
    """

    user: str
    question: Question | None = None
    at: datetime | None = None
    draft: Draft | None = None


class Explainer(Protocol):
    """Explains answers."""

    def explain(self, asked: Asked) -> Mapping[str, Any]:
        """The document of one person: her profile, its events, the answer and what made it.

        Raises:
            RequestError: Nobody of that name is known, or nothing is kept of that moment.
            ConfigError: The draft is wrong.
            StoreError: Nothing can be read now.
        """


def routes(door: Door, explainer: Explainer) -> list[Route]:
    """The route."""
    return [Route(PATH, explain(door, explainer), methods=["POST"])]


def explain(door: Door, explainer: Explainer) -> Callable[[Request], Awaitable[Response]]:
    """The handler."""
    turn = asyncio.Lock()
    waiting = 0

    async def answer(request: Request) -> Response:
        nonlocal waiting
        visitor, _ = door.enter(request)
        if visitor.way != "admin":
            raise ForbiddenError("this key does not open explanations", hint="Use the admin key, on a server")
        asked = parsed(json_object(await read_body(request, BODY_MAX)))
        if waiting >= WAITING_MAX:
            raise TooManyRequestsError("others are being explained", where="url", retry_after_s=5, status=429)
        waiting += 1
        try:
            async with turn:
                found = await run_in_threadpool(_explained, explainer, asked)
        finally:
            waiting -= 1
        headers = {"cache-control": "no-store"}
        return Response(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS), media_type=JSON, headers=headers)

    return answer


def parsed(document: Mapping[str, Any]) -> Asked:
    """What a body asks: the fields of a question, and `at` and `draft`.

    Raises:
        RequestError: A field is unknown, missing or wrong.
    """
    if not document.get("userToken"):
        raise RequestError("is missing", where="userToken", hint="Name a customer id or any token", status=422)
    given = {name: value for name, value in document.items() if name not in _OWN}
    asked = question(given, lambda token: token or "")
    at, draft = document.get("at"), document.get("draft")
    return Asked(user=asked.user_token, question=asked, at=None if at is None else moment(at), draft=_draft(draft))


def moment(text: Any) -> datetime:
    """A moment with a zone, or the end of a day of UTC.

    Raises:
        RequestError: It is neither.
    """
    hint = "Write 2026-11-21T18:00:00+01:00, or 2026-11-21 for the end of that day (UTC)"
    if not isinstance(text, str):
        raise RequestError("must be a text", where="at", hint=hint)
    try:
        if len(text) == len("2026-11-21"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RequestError("is no moment of ISO 8601", where="at", hint=hint) from None
    raise RequestError("lacks its zone", where="at", hint=hint)


def _draft(given: Any) -> Draft | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise RequestError("must be an object", where="draft", hint='Send {"segments": {…}, "actions": {…}}')
    unknown = sorted(str(name) for name in given if name not in _DRAFTS)
    if unknown:
        raise RequestError("holds more than segments and actions", where="draft", hint="Leave the rest out")
    wrong = [name for name in _DRAFTS if not isinstance(given.get(name) or {}, Mapping)]
    if wrong:
        raise RequestError("must be an object, by id", where=f"draft.{wrong[0]}")
    return {name: given.get(name) or {} for name in _DRAFTS}


def _explained(explainer: Explainer, asked: Asked) -> Mapping[str, Any]:
    try:
        return explainer.explain(asked)
    except ConfigError as error:
        if not asked.draft:
            raise
        raise RequestError(error.what, where=error.where, hint=error.hint, status=422) from None
