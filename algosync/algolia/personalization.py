"""Algolia's classic Personalization, as far as people are to be forgotten there.

Must not know why. Like the wire, a client is not for several threads at once.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from algosync.algolia import calls
from algosync.algolia.answers import need
from algosync.algolia.calls import Call
from algosync.algolia.target import Target
from algosync.algolia.wire import Wire
from algosync.errors import AlgoliaError, ConfigError

_HOSTS: Final = {"us": "personalization.us.algolia.com", "eu": "personalization.eu.algolia.com"}


class PersonalizationClient:
    """Deletes profiles.

    Args:
        target: Application and hosts; without hosts, Algolia's own.
        api_key: A key with the permission recommendation. It appears in no message.
        region: Where the application's profiles are kept; only a target with hosts needs none.

    Raises:
        ConfigError: The target or the key cannot be used at all, or the region is missing.
    """

    def __init__(self, target: Target, api_key: str, region: Literal["us", "eu"] | None = None) -> None:
        if region is None and not target.hosts:
            hint = 'Set it to "us" or "eu", as Algolia\'s dashboard says under Infrastructure > Analytics'
            raise ConfigError("is missing: profiles are kept in one region", where="algolia.region", hint=hint)
        self._wire = Wire(target, api_key, host=None if region is None else _HOSTS[region])

    def delete_profile(self, token: str) -> str:
        """Deletes the profile of a user token; events from then on begin a new one.

        Returns:
            Until when events count no more, as Algolia says it.

        Raises:
            AlgoliaError: Refused; 402 where the application has no Personalization, 404 where there is no profile.
            AlgoliaUnavailableError: No answer.
        """
        call = calls.delete_profile(token)
        until: str = need(self._wire.send(call), "deletedUntil", str, where=self._wire.where(call))
        return until

    def profile(self, token: str) -> dict[str, Any] | None:
        """What is known of a user token; None where there is no profile.

        Raises:
            AlgoliaError: Refused.
            AlgoliaUnavailableError: No answer.
        """
        return self._or_absent(calls.get_profile(token))

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._wire.close()

    def _or_absent(self, call: Call) -> dict[str, Any] | None:
        try:
            found = self._wire.send(call)
        except AlgoliaError as error:
            if error.status == 404:
                return None
            raise
        if not isinstance(found, dict):
            raise AlgoliaError("the answer is not a JSON object", where=self._wire.where(call))
        return found
