"""What a fault on purpose does to a request: to its answer, to its tasks, and to the connection.

When one strikes is faults.py's to say; the connection itself is app.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.engine.records import TOO_BIG
from algosync.mock.faults import Strike
from algosync.mock.routes.calls import Answer

_UNAVAILABLE = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    b"<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"
)


def struck(algolia: MockAlgolia, strike: Strike, serve: Callable[[], Answer]) -> Answer:
    """The answer to a request that is struck.

    Args:
        algolia: The application.
        strike: The fault.
        serve: Does what was asked and makes the honest answer; called unless the fault comes before.
    """
    instead = _instead(strike)
    if instead is not None:
        return instead
    if strike.kind == "unpublished":
        return _held(algolia, serve)
    answer = serve()
    if strike.kind == "slow":
        return replace(answer, delay_ms=strike.fault.delay_ms)
    if strike.kind == "lost":
        return replace(answer, ending="reset")
    return replace(answer, ending="truncated") if strike.kind == "truncated" else answer


def refuse_oversize(strike: Strike | None, limit: int) -> None:
    """Refuse the record that a fault chose, if it chose one, as if it were twice as large as a record may be."""
    if strike is not None and strike.kind == "oversize":
        position, object_id = strike.position, strike.object_id
        what = TOO_BIG.format(position=position, object_id=object_id, size=2 * limit, limit=limit)
        raise AlgoliaError(what, status=400, position=position, object_id=object_id)


def _instead(strike: Strike) -> Answer | None:
    if strike.kind == "429":
        wait_s = strike.fault.retry_after
        return Answer.refusing(AlgoliaError("Too many requests", status=429, retry_after_s=wait_s))
    if strike.kind == "500":
        return Answer.refusing(AlgoliaError("Internal server error", status=500))
    if strike.kind == "503":
        return Answer(status=503, body=_UNAVAILABLE, media_type="text/html")
    return Answer(status=0, ending="reset") if strike.kind == "reset" else None


def _held(algolia: MockAlgolia, serve: Callable[[], Answer]) -> Answer:
    with algolia.faults.holding() as held:
        answer = serve()
        held.update(_tasks(answer))
    return answer


def _tasks(answer: Answer) -> set[int]:
    """The tasks that an answer names: one, or one for each index."""
    is_json = answer.body and answer.media_type == "application/json"
    answered: Any = orjson.loads(answer.body) if is_json else {}
    task = answered.get("taskID") if isinstance(answered, dict) else None
    tasks = task.values() if isinstance(task, dict) else [task]
    return {number for number in tasks if isinstance(number, int)}
