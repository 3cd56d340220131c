"""Algolia Insights as a place to send events to, and to have a user's taken away.

One request, one try: Insights knows no event again, so whether to send once more is for those to decide who know what
was sent before. Must not know where events come from. Like the wire, a client is not for several threads at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import orjson

from algosync.algolia import calls
from algosync.algolia.target import Target
from algosync.algolia.wire import Wire

EVENTS_MAX: Final = 1000
"""Events of one request, at Algolia."""
BODY_MAX: Final = 1_000_000
"""Bytes of one request's events; Algolia takes twice as many."""

_HOSTS: Final = {None: "insights.algolia.io", "us": "insights.us.algolia.io", "eu": "insights.de.algolia.io"}


class InsightsClient:
    """Sends events, and has them deleted.

    Args:
        target: Application and hosts; without hosts, Algolia's own.
        api_key: A key with the permission search, and deleteObject to delete. It appears in no message.
        region: Where the application's analytics are kept; None leaves it to Algolia.

    Raises:
        ConfigError: The target or the key cannot be used at all.
    """

    def __init__(self, target: Target, api_key: str, region: Literal["us", "eu"] | None = None) -> None:
        self._wire = Wire(target, api_key, host=_HOSTS[region])

    def push(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Send events: all are taken, or none.

        Args:
            events: EVENTS_MAX at most, and less than 2 MB as JSON.

        Raises:
            AlgoliaError: Refused. A status of 422, 413 or 400 is about the events, any other about the key or host.
            AlgoliaUnavailableError: It is unknown whether they were taken.
        """
        self._wire.once(calls.push_events(orjson.dumps({"events": list(events)})))

    def delete_user(self, token: str) -> None:
        """Has all events of a user token deleted, again if need be. Algolia takes up to 48 hours, and tells no end.

        Args:
            token: As events name it, signed in or not.

        Raises:
            AlgoliaError: Refused; 422 where this can be no user token.
            AlgoliaUnavailableError: No answer.
        """
        self._wire.send(calls.delete_user_token(token))

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._wire.close()
