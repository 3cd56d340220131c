"""Handlers of the Insights API: events in, a user's events away. Its hosts are the mock's one host.

Credentials that search refuses with 403 are refused with 401 here, and a wrong method with 405.
"""

from __future__ import annotations

import re
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.nesting import read_json
from algosync.mock.routes.calls import Answer, Call, Room, route
from algosync.mock.services.insights import BODY_BYTES_MAX, check_token, read_events

_OWN = re.compile(r"/1/events|/1/usertokens/[^/]+")
_BAD_REQUEST = b"<!DOCTYPE html><html><head><title>400 Bad Request</title></head><body>400 Bad Request</body></html>"


def push_events(room: Room) -> Any:
    """POST /1/events. Malformed JSON is answered with a page of HTML, as at Algolia."""
    if len(room.call.body) > BODY_BYTES_MAX:
        raise AlgoliaError("Request Entity Too Large", status=413)
    try:
        content = read_json(room.call.body)
    except ValueError:
        return Answer(status=400, body=_BAD_REQUEST, media_type="text/html")
    for event in read_events(content, room.algolia.now_ms()):
        room.algolia.events.append(event)
    return {"status": 200, "message": "OK"}


def delete_user_token(room: Room) -> Any:
    """DELETE /1/usertokens/{userToken}: done at once; Algolia takes up to 48 hours."""
    check_token(room.parts["userToken"])
    room.algolia.events.forget(room.parts["userToken"])
    return Answer(status=204, headers=room.algolia.quota.take(room.algolia.now_ms()))


def refused(call: Call, refusal: AlgoliaError) -> AlgoliaError:
    """A refusal as the Insights API words it, where the call is one of its own."""
    if not _OWN.fullmatch(call.path):
        return refusal
    if refusal.status == 403:
        return AlgoliaError("Invalid credentials", status=401)
    if refusal.status == 404:
        return AlgoliaError("Method Not Allowed", status=405)
    return refusal


ROUTES = (
    route("POST /1/events", "pushEvents", "search", push_events),
    route("DELETE /1/usertokens/{userToken}", "deleteUserToken", "deleteObject", delete_user_token),
)
