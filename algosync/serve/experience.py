"""POST /v1/experience: who asks, what is asked, the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
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

Answering = Callable[[Scope, Receive, datetime], Awaitable[Reply]]
"""Answers one request that came at a moment."""


def experience(door: Door, desk: Desk) -> Answering:
    """The handler."""
    waits = desk.waits

    async def answer(scope: Scope, receive: Receive, now: datetime) -> Reply:
        told = heads(scope)
        visitor = door.let_in(scope, told, now)
        body = await body_of(told, receive, BODY_MAX, whole_of(scope))
        asked = question(json_object(body), partial(door.gate.token_for, visitor))
        if visitor.way != "admin":
            door.limits.by_caller(f"ask:{asked.user_token}", now.timestamp())
        allow = partial(door.gate.allow, visitor, asked.user_token)
        made = await run_in_threadpool(desk.told, asked, allow, now=now) if waits else desk.told(asked, allow, now=now)
        reply, held = Reply(*made), told.get(b"if-none-match")
        return reply if held is None else reply.unless_held(held)

    return answer
