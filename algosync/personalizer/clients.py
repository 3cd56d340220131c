"""What the helpers need of the official clients, which the caller hands in; nothing of the vendor's is imported here.

The shapes are those of algoliasearch 4: `SearchClientSync` and `RecommendClientSync` for `Personalizer`, `SearchClient`
and `RecommendClient` for `AsyncPersonalizer`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, Protocol

from algosync.errors import ConfigError

_UNTRAINED: Final = 404


class SearchClientSync(Protocol):
    """Searches, and waits for the answer."""

    def search_single_index(self, index_name: str, search_params: Any = None, request_options: Any = None) -> Any:
        """Search one index."""
        ...

    def search(self, search_method_params: Any, request_options: Any = None) -> Any:
        """Several searches in one request."""
        ...


class RecommendClientSync(Protocol):
    """Asks Recommend, and waits for the answer."""

    def get_recommendations(self, get_recommendations_params: Any, request_options: Any = None) -> Any:
        """Several recommendations in one request."""
        ...


class SearchClient(Protocol):
    """Searches; its answers are awaited."""

    async def search_single_index(self, index_name: str, search_params: Any = None, request_options: Any = None) -> Any:
        """Search one index."""
        ...

    async def search(self, search_method_params: Any, request_options: Any = None) -> Any:
        """Several searches in one request."""
        ...


class RecommendClient(Protocol):
    """Asks Recommend; its answers are awaited."""

    async def get_recommendations(self, get_recommendations_params: Any, request_options: Any = None) -> Any:
        """Several recommendations in one request."""
        ...


def of_kind(search: Any, recommend: Any, *, awaited: bool) -> None:
    """Refuse a client of the other kind here, where the hint is of use, not at the first search.

    Raises:
        ConfigError: A client waits where it should be awaited, or the other way round.
    """
    for client, method in ((search, "search_single_index"), (recommend, "get_recommendations")):
        if client is not None and inspect.iscoroutinefunction(getattr(client, method, None)) is not awaited:
            raise ConfigError(
                f"{type(client).__name__} does not go with {'AsyncPersonalizer' if awaited else 'Personalizer'}",
                hint="Give SearchClient and RecommendClient" if awaited else "Give the clients that end in Sync",
            )


def plain(answer: Any) -> dict[str, Any]:
    """A client's answer as JSON would have it."""
    return dict(answer) if isinstance(answer, Mapping) else dict(answer.to_dict())


def is_untrained(error: Exception) -> bool:
    """Whether Recommend says that it has no model yet: an index of its own that is named and missing."""
    return getattr(error, "status_code", None) == _UNTRAINED and "ai_recommend" in str(error)
