"""GET /healthz: the process answers. GET /readyz: whether it can do its work, and from how old a snapshot.

That events cannot be forwarded is told there and makes nobody unready: answers do not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from algosync.errors import StoreError
from algosync.serve.desk import Condition, Desk
from algosync.serve.refusals import JSON, PRIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Also:
    """What /readyz tells besides how the desk is.

    Attributes:
        problems: What else is wrong.
        forwarding: How the forwarding of events is, at a moment; None where nothing is forwarded.
    """

    problems: Callable[[], tuple[str, ...]] = tuple
    forwarding: Callable[[datetime], Mapping[str, Any] | None] = lambda _: None


NOTHING_ELSE: Final = Also()


async def alive(_request: Request) -> Response:
    """Says that the process answers."""
    return Response(b'{"alive":true}', 200, PRIVATE, JSON)


def ready(desk: Desk, clock: Callable[[], datetime], also: Also) -> Callable[[Request], object]:
    """The handler of /readyz: 503 where something is missing, with what it is."""

    async def answer(_request: Request) -> Response:
        told = await run_in_threadpool(lambda: report(desk.condition(), clock(), also))
        return Response(orjson.dumps(told), 200 if told["ready"] else 503, PRIVATE, JSON)

    return answer


def report(condition: Condition, now: datetime, also: Also) -> dict[str, Any]:
    """How everything is, as /readyz says it."""
    problems = [*condition.problems, *also.problems()]
    made = {
        "ready": not problems,
        "generation": condition.generation,
        "as_of": condition.as_of,
        "age_s": _age(condition.as_of, now),
        "problems": problems,
    }
    try:
        forwarding = also.forwarding(now)
    except StoreError:  # that the inbox cannot be read is among the problems already, or will be in a moment
        return made
    return made if forwarding is None else {**made, "forwarding": forwarding}


def _age(as_of: str | None, now: datetime) -> int | None:
    try:
        return None if as_of is None else int((now - datetime.fromisoformat(as_of)).total_seconds())
    except (ValueError, TypeError):
        return None
