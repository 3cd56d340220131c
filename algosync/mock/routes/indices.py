"""Handlers for whole indices."""

from __future__ import annotations

from typing import Any

from algosync.mock.algolia import rfc3339
from algosync.mock.engine.index import Index
from algosync.mock.routes.calls import Room, route
from algosync.mock.tasks import World


def delete_index(room: Room) -> Any:
    """DELETE /1/indexes/{index}."""
    name = room.index_name

    def drop(world: World, _: int) -> None:
        world.pop(name, None)

    task = room.algolia.submit([name], drop)
    room.algolia.operations["delete"] += 1
    return room.deleted(task)


def list_indices(room: Room) -> Any:
    """GET /1/indexes: the indices that the key reaches."""
    reached = [index for name, index in sorted(room.algolia.indices.items()) if room.key.reaches(name)]
    return {"items": [_listed(index, room.algolia.tasks.waiting(index.name)) for index in reached], "nbPages": 1}


def _listed(index: Index, waiting: int) -> dict[str, Any]:
    size = sum(map(len, index.records.values()))
    return {
        "name": index.name,
        "createdAt": rfc3339(index.created_ms),
        "updatedAt": rfc3339(index.updated_ms),
        "entries": len(index.records),
        "dataSize": size,
        "fileSize": size,
        "lastBuildTimeS": 0,
        "numberOfPendingTasks": waiting,
        "pendingTask": waiting > 0,
    }


ROUTES = (
    route("GET /1/indexes", "listIndices", "listIndexes", list_indices),
    route("DELETE /1/indexes/{index}", "deleteIndex", "deleteIndex", delete_index),
)
