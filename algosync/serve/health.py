"""GET /healthz: the process answers. GET /readyz: whether it can do its work, and from how old a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from algosync.serve.desk import Condition, Desk
from algosync.serve.refusals import JSON, PRIVATE


async def alive(_request: Request) -> Response:
    """Says that the process answers."""
    return Response(b'{"alive":true}', 200, PRIVATE, JSON)


def ready(desk: Desk, clock: Callable[[], datetime]) -> Callable[[Request], object]:
    """The handler of /readyz: 503 where something is missing, with what it is."""

    async def answer(_request: Request) -> Response:
        condition = await run_in_threadpool(desk.condition)
        body = orjson.dumps(document(condition, clock()))
        return Response(body, 503 if condition.problems else 200, PRIVATE, JSON)

    return answer


def document(condition: Condition, now: datetime) -> dict[str, Any]:
    """How the stores are, as /readyz says it."""
    return {
        "ready": not condition.problems,
        "generation": condition.generation,
        "as_of": condition.as_of,
        "age_s": _age(condition.as_of, now),
        "problems": list(condition.problems),
    }


def _age(as_of: str | None, now: datetime) -> int | None:
    try:
        return None if as_of is None else int((now - datetime.fromisoformat(as_of)).total_seconds())
    except (ValueError, TypeError):
        return None
