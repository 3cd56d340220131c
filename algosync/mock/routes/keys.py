"""Handlers for API keys."""

from __future__ import annotations

from typing import Any

from algosync.mock.routes.calls import Room, route


def get_key(room: Room) -> Any:
    """GET /1/keys/{key}: a key sees itself, an admin key every key."""
    return room.algolia.keys.look_up(room.parts["key"], room.key).describe()


ROUTES = (route("GET /1/keys/{key}", "getApiKey", None, get_key),)
