"""`Personalizer`: personalized search and Recommend over the official client, for code that waits.

Owns the order of the calls; what is said in them is decided in `requests`. `awaited` is its twin for asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Self, Unpack

from algosync.errors import ConfigError
from algosync.experience.question import Consent
from algosync.personalizer import requests as make
from algosync.personalizer.api import Api, Signing
from algosync.personalizer.ask import About, Asking, asking
from algosync.personalizer.clients import RecommendClientSync, SearchClientSync, is_untrained, of_kind, plain
from algosync.personalizer.gaps import Gap, filled, request_for
from algosync.personalizer.listen import Ask, Listener
from algosync.personalizer.results import Heard, Parameters, Personalized, Recommended

BUDGET_S: Final = 0.08
"""How long a search waits for the experience, in seconds."""


class Personalizer:
    """Personalized search and Recommend over the official client. Safe for several threads as far as the client is.

    A search never fails, and never waits for more than the budget, because personalization is down: it goes plain, and
    `.personalization` of its result says why. What Algolia refuses is raised as the client raises it.

    Args:
        search: The shop's `SearchClientSync`.
        recommend: The shop's `RecommendClientSync`, for the methods that recommend.
        url: Address of the HTTP API.
        experience: Asked instead of the HTTP API: answers a `Question` with the document of an experience.
        key: The API's admin key, or what makes a visitor key of a userToken.
        visitor_secrets: The secrets of visitor keys, the newest first; without a `key` they sign each question.
        budget_s: How long to wait for the experience, in seconds.

    Raises:
        ConfigError: A client is one of asyncio, or the address is none; or nobody is there to ask, or two.
    """

    def __init__(  # noqa: PLR0913  # all but the first two are named
        self,
        search: SearchClientSync,
        recommend: RecommendClientSync | None = None,
        *,
        url: str | None = None,
        experience: Ask | None = None,
        key: str | Callable[[str], str] | None = None,
        visitor_secrets: Sequence[str] = (),
        budget_s: float = BUDGET_S,
    ) -> None:
        of_kind(search, recommend, awaited=False)
        self._search = search
        self._recommend = recommend
        self._signing = Signing(key=key, secrets=tuple(visitor_secrets))
        self._api: Api | None = None
        if experience is None:
            self._api = Api(url, self._signing, budget_s)
            self._api.connect(awaited=False)
            experience = self._api.ask
        elif url is not None:
            raise ConfigError("experiences come from `url` or from `experience`, not from both", where="url")
        self._listener = Listener(experience, budget_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads and connections to the HTTP API. The clients stay the caller's."""
        self._listener.close()
        if self._api is not None:
            self._api.close()

    def visitor_key(self, user_token: str, valid_for: timedelta) -> str:
        """A key with which a browser asks the HTTP API about this visitor and no other.

        Raises:
            ConfigError: There are no `visitor_secrets`.
        """
        return self._signing.visitor(user_token, valid_for)

    def experience(  # noqa: PLR0913  # all but the first are optional and named
        self,
        user_token: str | None,
        *,
        where: str = "any",
        query: str | None = None,
        object_id: str | None = None,
        index: str | None = None,
        context: Mapping[str, str] | None = None,
        consent: Consent | None = None,
    ) -> Heard:
        """The whole experience: `.document` with actions and content, empty where none came, and `.reason`."""
        about = About(user_token=user_token, where=where, context=context, consent=consent)
        return self._hear(asking(about, query=query, object_id=object_id, index=index))

    def search(  # noqa: PLR0913  # all but the first two are optional and named
        self,
        index: str,
        query: str,
        *,
        user_token: str | None,
        where: str = "search",
        context: Mapping[str, str] | None = None,
        consent: Consent | None = None,
        request_options: Any = None,
        **params: Any,
    ) -> Personalized:
        """Search one index.

        Args:
            index: Its name.
            query: What was typed.
            user_token: Who asks; None searches plain.
            where: Where on the site, as in `Question`.
            context: Declared keys such as country and device.
            consent: What the request says of it.
            request_options: The client's own.
            params: Algolia's search parameters, by Algolia's names.
        """
        about = About(user_token=user_token, where=where, context=context, consent=consent)
        made = make.search_parameters(self._hear(asking(about, query=query, index=index)), params, consent)
        response = self._search.search_single_index(index, {**made, "query": query}, request_options)
        return Personalized(response, made.personalization)

    def multi_search(
        self,
        requests: Sequence[Mapping[str, Any]],
        *,
        user_token: str | None,
        where: str = "search",
        context: Mapping[str, str] | None = None,
        consent: Consent | None = None,
        request_options: Any = None,
        **params: Any,
    ) -> Personalized:
        """Several searches in one request: each with its `indexName`, `query` and parameters; `strategy` goes along."""
        about = About(user_token=user_token, where=where, context=context, consent=consent)
        heard = self._listener.hear(make.askings(about, requests))
        made = make.several_parameters(heard, requests, consent)
        response = self._search.search({**params, "requests": [dict(one) for one in made]}, request_options)
        return make.several(response, made)

    def search_params(
        self,
        user_token: str | None,
        *,
        query: str | None = None,
        index: str | None = None,
        where: str = "search",
        context: Mapping[str, str] | None = None,
        consent: Consent | None = None,
        **params: Any,
    ) -> Parameters:
        """The parameters of `search`, for a search of one's own: the caller's, and what is added to them."""
        about = About(user_token=user_token, where=where, context=context, consent=consent)
        return make.search_parameters(self._hear(asking(about, query=query, index=index)), params, consent)

    def multi_search_params(
        self,
        requests: Sequence[Mapping[str, Any]],
        *,
        user_token: str | None,
        where: str = "search",
        context: Mapping[str, str] | None = None,
        consent: Consent | None = None,
    ) -> list[Parameters]:
        """The requests of `multi_search`, for a call of one's own: the caller's, and what is added to each."""
        about = About(user_token=user_token, where=where, context=context, consent=consent)
        heard = self._listener.hear(make.askings(about, requests))
        return make.several_parameters(heard, requests, consent)

    def related_products(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products like this one, by what visitors do."""
        return self._recommended("related-products", index, object_id, user_token, options)

    def frequently_bought_together(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products that are bought with this one."""
        return self._recommended("bought-together", index, object_id, user_token, options)

    def looking_similar(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products that look like this one."""
        return self._recommended("looking-similar", index, object_id, user_token, options)

    def trending(self, index: str, *, user_token: str | None, **options: Unpack[make.TrendingOptions]) -> Recommended:
        """Products in fashion, of a facet's value where one is given."""
        return self._recommended("trending-items", index, None, user_token, options)

    def recommend_params(
        self,
        user_token: str | None,
        *,
        index: str,
        object_id: str | None = None,
        model: str = "related-products",
        **options: Unpack[make.TrendingOptions],
    ) -> Parameters:
        """The request to Recommend, for a call of one's own: the caller's, and what is added to it."""
        request, question = make.recommendation(model, index, object_id, user_token, options)
        return make.recommend_parameters(self._hear(question), request, options.get("consent"))

    def _hear(self, asked: Asking) -> Heard:
        return self._listener.hear([asked])[0]

    def _recommended(
        self, model: str, index: str, object_id: str | None, user_token: str | None, options: Mapping[str, Any]
    ) -> Recommended:
        request, question = make.recommendation(model, index, object_id, user_token, options)
        heard = self._hear(question)
        made = make.recommend_parameters(heard, request, options.get("consent"))
        response = self._recommendation(made, options.get("request_options"))
        hits = make.recommended_hits(response)
        missing = make.gap_in(made, hits, heard, fill=options.get("fill", True))
        more, problem = self._filling(missing, made, options.get("request_options"))
        return make.recommended(response, made, hits, more, problem)

    def _recommendation(self, made: Parameters, request_options: Any) -> Any:
        """Algolia's answer; None where there is no model yet."""
        client = make.needed(self._recommend)
        try:
            return client.get_recommendations({"requests": [dict(made)]}, request_options)
        except Exception as error:
            if is_untrained(error):
                return None
            raise

    def _filling(self, missing: Gap, made: Parameters, request_options: Any) -> tuple[list[dict[str, Any]], str | None]:
        """Products for the gap, or why there are none: it is no reason to lose those that Algolia recommended."""
        if not missing.wanted or not missing.origins:
            return make.filling(missing, [])
        try:
            answer = self._search.search_single_index(made["indexName"], request_for(missing, made), request_options)
            return make.filling(missing, filled(missing, plain(answer)["hits"]))
        except Exception as error:  # noqa: BLE001  # whatever it is, Algolia's own answer stands
            return [], f"the shop's own products could not be fetched ({type(error).__name__})"
