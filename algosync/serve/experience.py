"""POST /v1/experience: who asks, what is asked, the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope

from algosync.serve.asked import question
from algosync.serve.bodies import body_of, heads, json_object
from algosync.serve.desk import Desk
from algosync.serve.door import Door, Reply
from algosync.serve.whole import whole_of

BODY_MAX: Final = 64 * 1024

Answering = Callable[[Scope, Receive], Awaitable[Reply]]


def experience(door: Door, desk: Desk) -> Answering:
    """The handler."""

    async def answer(scope: Scope, receive: Receive) -> Reply:
        told = heads(scope)
        visitor, now = door.let_in(scope, told)
        body = await body_of(told, receive, BODY_MAX, whole_of(scope))
        asked = question(json_object(body), partial(door.gate.token_for, visitor))
        if visitor.way != "admin":
            door.limits.by_caller(f"ask:{asked.user_token}", now.timestamp())
        work = partial(desk.told, asked, partial(door.gate.allow, visitor, asked.user_token), now=now)
        reply = Reply(*(await run_in_threadpool(work) if desk.waits else work()))
        held = told.get(b"if-none-match")
        return reply if held is None else reply.unless_held(held)

    return answer
