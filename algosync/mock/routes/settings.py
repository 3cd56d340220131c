"""Handlers for an index's settings."""

from __future__ import annotations

from typing import Any

from algosync.mock.engine.coverage import WARNING_HEADER, not_acted_on, warning
from algosync.mock.engine.settings import check_settings
from algosync.mock.routes.calls import Answer, Room, route


def get_settings(room: Room) -> Any:
    """GET /1/indexes/{index}/settings."""
    return room.algolia.index(room.index_name).all_settings | {"version": 2}


def set_settings(room: Room) -> Any:
    """PUT /1/indexes/{index}/settings: the settings named change, null puts a default back.

    `forwardToReplicas` is taken and means nothing: there are no replicas.
    """
    checked = check_settings(room.call.json(), room.call.body)
    given = {name: value for name, value in checked.items() if name != "version"}
    answer = room.updated(room.algolia.write(room.index_name, lambda index: index.set_settings(given)))
    ignored = not_acted_on({}, given)
    return Answer(body=Answer.of(answer).body, headers={WARNING_HEADER: warning(ignored)}) if ignored else answer


ROUTES = (
    route("GET /1/indexes/{index}/settings", "getSettings", "settings", get_settings),
    route("PUT /1/indexes/{index}/settings", "setSettings", "editSettings", set_settings),
)
