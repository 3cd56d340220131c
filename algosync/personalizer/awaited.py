"""`AsyncPersonalizer`: personalized search and Recommend over the official client, for asyncio.

Owns the order of the calls; what is said in them is decided in `requests`. `blocking` is its twin for code that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Self, Unpack

from algosync.errors import ConfigError
from algosync.experience.question import Consent
from algosync.personalizer import requests as make
from algosync.personalizer.api import Api, Signing
from algosync.personalizer.ask import About, Asking, asking
from algosync.personalizer.blocking import BUDGET_S
from algosync.personalizer.clients import RecommendClient, SearchClient, is_untrained, of_kind, plain
from algosync.personalizer.gaps import Gap, filled, request_for
from algosync.personalizer.listen import AskAwaited, AsyncListener
from algosync.personalizer.results import Heard, Parameters, Personalized, Recommended


class AsyncPersonalizer:
    """Personalized search and Recommend over the official client, within one event loop.

    A search never fails, and never waits for more than the budget, because personalization is down: it goes plain, and
    `.personalization` of its result says why. What Algolia refuses is raised as the client raises it.

    Args:
        search: The shop's `SearchClient`.
        recommend: The shop's `RecommendClient`, for the methods that recommend.
        url: Address of the HTTP API.
        experience: Asked instead of the HTTP API: answers a `Question` with the document of an experience; awaited, or
            run in a thread where it is a plain function.
        key: The API's admin key, or what makes a visitor key of a userToken.
        visitor_secrets: The secrets of visitor keys, the newest first; without a `key` they sign each question.
        budget_s: How long to wait for the experience, in seconds.

    Raises:
        ConfigError: A client is one that waits, or the address is none; or nobody is there to ask, or two.
    """

    def __init__(  # noqa: PLR0913  # all but the first two are named
        self,
        search: SearchClient,
        recommend: RecommendClient | None = None,
        *,
        url: str | None = None,
        experience: AskAwaited | None = None,
        key: str | Callable[[str], str] | None = None,
        visitor_secrets: Sequence[str] = (),
        budget_s: float = BUDGET_S,
    ) -> None:
        of_kind(search, recommend, awaited=True)
        self._search = search
        self._recommend = recommend
        self._signing = Signing(key=key, secrets=tuple(visitor_secrets))
        self._api: Api | None = None
        if experience is None:
            self._api = Api(url, self._signing, budget_s)
            self._api.connect(awaited=True)
            experience = self._api.ask_awaited
        elif url is not None:
            raise ConfigError("experiences come from `url` or from `experience`, not from both", where="url")
        self._listener = AsyncListener(experience, budget_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the threads and connections to the HTTP API. The clients stay the caller's."""
        self._listener.close()
        if self._api is not None:
            await self._api.close_awaited()

    def visitor_key(self, user_token: str, valid_for: timedelta) -> str:
        """A key with which a browser asks the HTTP API about this visitor and no other.

        Raises:
            ConfigError: There are no `visitor_secrets`.
        """
        return self._signing.visitor(user_token, valid_for)

    async def experience(  # noqa: PLR0913  # all but the first are optional and named
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
        return await self._hear(asking(about, query=query, object_id=object_id, index=index))

    async def search(  # noqa: PLR0913  # all but the first two are optional and named
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
        made = make.search_parameters(await self._hear(asking(about, query=query, index=index)), params, consent)
        response = await self._search.search_single_index(index, {**made, "query": query}, request_options)
        return Personalized(response, made.personalization)

    async def multi_search(
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
        heard = await self._listener.hear(make.askings(about, requests))
        made = make.several_parameters(heard, requests, consent)
        response = await self._search.search({**params, "requests": [dict(one) for one in made]}, request_options)
        return make.several(response, made)

    async def search_params(
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
        return make.search_parameters(await self._hear(asking(about, query=query, index=index)), params, consent)

    async def multi_search_params(
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
        heard = await self._listener.hear(make.askings(about, requests))
        return make.several_parameters(heard, requests, consent)

    async def related_products(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products like this one, by what visitors do."""
        return await self._recommended("related-products", index, object_id, user_token, options)

    async def frequently_bought_together(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products that are bought with this one."""
        return await self._recommended("bought-together", index, object_id, user_token, options)

    async def looking_similar(
        self, index: str, object_id: str, *, user_token: str | None, **options: Unpack[make.RecommendOptions]
    ) -> Recommended:
        """Products that look like this one."""
        return await self._recommended("looking-similar", index, object_id, user_token, options)

    async def trending(
        self, index: str, *, user_token: str | None, **options: Unpack[make.TrendingOptions]
    ) -> Recommended:
        """Products in fashion, of a facet's value where one is given."""
        return await self._recommended("trending-items", index, None, user_token, options)

    async def recommend_params(
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
        return make.recommend_parameters(await self._hear(question), request, options.get("consent"))

    async def _hear(self, asked: Asking) -> Heard:
        return (await self._listener.hear([asked]))[0]

    async def _recommended(
        self, model: str, index: str, object_id: str | None, user_token: str | None, options: Mapping[str, Any]
    ) -> Recommended:
        request, question = make.recommendation(model, index, object_id, user_token, options)
        heard = await self._hear(question)
        made = make.recommend_parameters(heard, request, options.get("consent"))
        response = await self._recommendation(made, options.get("request_options"))
        hits = make.recommended_hits(response)
        missing = make.gap_in(made, hits, heard, fill=options.get("fill", True))
        more, problem = await self._filling(missing, made, options.get("request_options"))
        return make.recommended(response, made, hits, more, problem)

    async def _recommendation(self, made: Parameters, request_options: Any) -> Any:
        """Algolia's answer; None where there is no model yet."""
        client = make.needed(self._recommend)
        try:
            return await client.get_recommendations({"requests": [dict(made)]}, request_options)
        except Exception as error:
            if is_untrained(error):
                return None
            raise

    async def _filling(
        self, missing: Gap, made: Parameters, request_options: Any
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Products for the gap, or why there are none: it is no reason to lose those that Algolia recommended."""
        if not missing.wanted or not missing.origins:
            return make.filling(missing, [])
        try:
            answer = await self._search.search_single_index(
                made["indexName"], request_for(missing, made), request_options
            )
            return make.filling(missing, filled(missing, plain(answer)["hits"]))
        except Exception as error:  # noqa: BLE001  # whatever it is, Algolia's own answer stands
            return [], f"the shop's own products could not be fetched ({type(error).__name__})"
