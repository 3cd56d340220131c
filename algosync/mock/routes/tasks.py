"""Handlers for tasks."""

from __future__ import annotations

from typing import Any

from algosync.mock.routes.calls import Room, route


def task(room: Room) -> Any:
    """GET /1/indexes/{index}/task/{task}."""
    number = room.parts["task"]
    published = number.isdecimal() and len(number) < 19 and room.algolia.tasks.is_published(int(number))
    return {"status": "published" if published else "notPublished", "pendingTask": not published}


ROUTES = (route("GET /1/indexes/{index}/task/{task}", "getTask", "addObject", task),)
