"""Handlers for tasks."""

from __future__ import annotations

from typing import Any

from algosync.mock.routes.calls import Room, route


def task(room: Room) -> Any:
    """GET /1/indexes/{index}/task/{task}: of an unknown task Algolia says the same as of one that waits.

    A task outlives its index, or nobody could wait for a deletion.
    """
    return _status(room)


def app_task(room: Room) -> Any:
    """GET /1/task/{task}."""
    return _status(room)


def _status(room: Room) -> dict[str, Any]:
    number = room.parts["task"]
    known = number.isascii() and number.isdecimal() and len(number) < 19
    published = known and room.algolia.tasks.is_published(int(number))
    return {"status": "published" if published else "notPublished", "pendingTask": not published}


ROUTES = (
    route("GET /1/indexes/{index}/task/{task}", "getTask", "addObject", task),
    route("GET /1/task/{task}", "getAppTask", "editSettings", app_task),
)
