"""Handlers of the Personalization API: strategy and profiles. Its hosts are the mock's one host."""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.algolia import rfc3339
from algosync.mock.routes.calls import Answer, Handler, Room, route
from algosync.mock.services.personalization import check_strategy


def get_strategy(room: Room) -> Any:
    """GET /1/strategies/personalization: empty before one was set."""
    return dict(room.algolia.personalization.strategy)


def set_strategy(room: Room) -> Any:
    """POST /1/strategies/personalization."""
    room.algolia.personalization.strategy = check_strategy(room.call.json())
    return {"status": 200, "message": "Strategy was successfully updated"}


def get_profile(room: Room) -> Any:
    """GET /1/profiles/personalization/{userToken}: 404 where no event of the strategy is known of the person."""
    token, state = room.parts["userToken"], room.algolia.personalization
    events = state.counted(token, room.algolia.events.of_user(token))
    if not events:
        raise AlgoliaError("User profile not found", status=404)
    # A sender's clock may be ahead, as far as beyond all dates.
    last_ms = min(room.algolia.now_ms(), max(event.timestamp_ms for event in events))
    return {
        "userToken": token,
        "lastEventAt": rfc3339(last_ms),
        "scores": state.scores(events, room.algolia.indices),
    }


def delete_profile(room: Room) -> Any:
    """DELETE /1/profiles/{userToken}: events received until now count no more; they stay for everything else."""
    token, now_ms = room.parts["userToken"], room.algolia.now_ms()
    room.algolia.personalization.deleted_until_ms[token] = now_ms
    return {"userToken": token, "deletedUntil": rfc3339(now_ms)}


def _limited(handler: Handler) -> Handler:
    def answer(room: Room) -> Answer:
        limits = room.algolia.quota.take(room.algolia.now_ms())
        try:
            content, status = handler(room), 200
        except AlgoliaError as refusal:
            content, status = {"message": refusal.what, "status": refusal.status}, refusal.status or 400
        made = Answer.of(content, status=status)
        return Answer(status=made.status, body=made.body, headers=limits)

    return answer


_STRATEGY = "/1/strategies/personalization"
_ACL = "recommendation"

ROUTES = (
    route(f"GET {_STRATEGY}", "getPersonalizationStrategy", _ACL, _limited(get_strategy)),
    route(f"POST {_STRATEGY}", "setPersonalizationStrategy", _ACL, _limited(set_strategy)),
    route("GET /1/profiles/personalization/{userToken}", "getUserTokenProfile", _ACL, _limited(get_profile)),
    route("DELETE /1/profiles/{userToken}", "deleteUserProfile", _ACL, _limited(delete_profile)),
)
