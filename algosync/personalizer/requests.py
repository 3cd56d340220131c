"""What both personalizers say to Algolia, and how they read its answers. Pure: the two differ in who waits, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, TypeVar

from algosync.errors import ConfigError
from algosync.experience.question import Consent
from algosync.personalizer import merge
from algosync.personalizer.ask import About, Asking, asking
from algosync.personalizer.clients import plain
from algosync.personalizer.gaps import Gap, gap, tagged
from algosync.personalizer.results import Heard, Parameters, Personalization, Personalized, Recommended

_OURS: Final = ("user_token", "where", "context", "consent", "fill", "request_options")
_REFUSED: Final = {"enablePersonalization": False}
_AS_TEXT: Final = "its parameters are one text in `params`, to which nothing can be added"


_Client = TypeVar("_Client")


class RecommendOptions(TypedDict, total=False):
    """What a recommendation may be told besides its index and product; the camelCase ones are Algolia's.

    Attributes:
        where: Where on the site, as in `Question`.
        context: Declared keys such as country and device.
        consent: What the request says of it.
        fill: Whether a short answer is filled from the shop's own lists; it is.
        request_options: The client's own.
    """

    where: str
    context: Mapping[str, str]
    consent: Consent
    fill: bool
    request_options: Any
    threshold: float
    maxRecommendations: int
    queryParameters: Mapping[str, Any]
    fallbackParameters: Mapping[str, Any]


class TrendingOptions(RecommendOptions, total=False):
    """What trending products may be told besides: of which facet's value."""

    facetName: str
    facetValue: str


def search_parameters(heard: Heard, own: Mapping[str, Any], consent: Consent | None) -> Parameters:
    """A search's parameters, the caller's first."""
    if "params" in own:
        return Parameters(own, Heard(reason=_AS_TEXT).personalization(applied=False))
    ours = _REFUSED if _is_refused(heard, consent) else heard.part("search")
    merged = merge.search_parameters(own, ours)
    return Parameters(merged, heard.personalization(applied=merge.adds(own, merged)))


def recommend_parameters(heard: Heard, own: Mapping[str, Any], consent: Consent | None) -> Parameters:
    """A recommendation's parameters, the caller's first."""
    ours = {"queryParameters": _REFUSED} if _is_refused(heard, consent) else heard.part("recommend")
    merged = merge.recommend_parameters(own, ours)
    applied = merge.adds(own.get("queryParameters") or {}, merged.get("queryParameters") or {})
    return Parameters(merged, heard.personalization(applied=applied))


def _is_refused(heard: Heard, consent: Consent | None) -> bool:
    """Whether only the request itself says what the visitor wants, since no answer came; Algolia must not go on."""
    return not heard.document and consent == "not_personalized"


def recommendation(
    model: str, index: str, object_id: str | None, user_token: str | None, options: Mapping[str, Any]
) -> tuple[dict[str, Any], Asking]:
    """A recommendation's request as the caller means it, and the question about the visitor.

    Raises:
        ConfigError: The caller's queryParameters hold facetFilters, which Recommend ignores.
    """
    own = {name: value for name, value in options.items() if name not in _OURS}
    merge.refuse_facet_filters(own.get("queryParameters") or {})
    about = About(
        user_token=user_token,
        where=options.get("where") or ("home" if object_id is None else "product"),
        context=options.get("context"),
        consent=options.get("consent"),
    )
    request = {"indexName": index, "model": model, "threshold": 0, **own}
    if object_id is not None:
        request["objectID"] = object_id
    return request, asking(about, object_id=object_id, index=index)


def askings(about: About, requests: Sequence[Mapping[str, Any]]) -> list[Asking]:
    """One question for each of several searches."""
    return [asking(about, query=one.get("query"), index=one.get("indexName")) for one in requests]


def several_parameters(
    heard: Sequence[Heard], requests: Sequence[Mapping[str, Any]], consent: Consent | None
) -> list[Parameters]:
    """The parameters of several searches, in their order."""
    return [search_parameters(one, own, consent) for one, own in zip(heard, requests, strict=True)]


def several(response: Any, made: Sequence[Parameters]) -> Personalized:
    """The answer to several searches: what is true of one is said of each, and of all what is true of any."""
    parts = tuple(one.personalization for one in made)
    return Personalized(response, _overall(parts), parts)


def recommended_hits(response: Any) -> list[dict[str, Any]]:
    """The products that Recommend answered with, marked as Algolia's."""
    results = plain(response)["results"] if response is not None else []
    return [hit for result in results for hit in tagged(result.get("hits") or [])]


def gap_in(request: Mapping[str, Any], hits: Sequence[Mapping[str, Any]], heard: Heard, *, fill: bool) -> Gap:
    """What is missing, and could be filled."""
    return gap(request, hits, heard.part("content")) if fill else Gap(wanted=0, origins={})


def recommended(
    response: Any, made: Parameters, hits: list[dict[str, Any]], more: list[dict[str, Any]], problem: str | None
) -> Recommended:
    """Algolia's products and ours behind them."""
    untrained = "Recommend has no model for this yet" if response is None else None
    said = "; ".join(filter(None, (untrained, problem)))
    return Recommended(response, made.personalization, [*hits, *more], said or None)


def needed(client: _Client | None) -> _Client:
    """The client that recommends.

    Raises:
        ConfigError: None was handed in.
    """
    if client is None:
        raise ConfigError("there is no client to ask Recommend with", hint="Give it as `recommend`")
    return client


def filling(missing: Gap, more: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """What goes into the gap, and why it stays open where it does."""
    short = missing.wanted - len(more)
    return more, f"{short} short: no more products are known that fit" if short else None


def _overall(parts: Sequence[Personalization]) -> Personalization:
    if not parts:
        return Personalization(applied=False, reason="there was nothing to search for")
    best = next((part for part in parts if part.applied), parts[0])
    return Personalization(
        applied=best.applied,
        reason="; ".join(dict.fromkeys(part.reason for part in parts)),
        strategy=best.strategy,
        generation=best.generation,
        holdout=best.holdout,
    )
