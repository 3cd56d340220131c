"""Makes questions, and reads what came back. Knows no network and no clock.

A question that cannot be asked, and an answer that is none, are reasons to search without personalization: neither is
an error of the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from algosync.errors import AlgosyncError
from algosync.experience.question import Consent, Question
from algosync.personalizer.results import Heard

NOBODY: Final = Heard(reason="no userToken was given")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who asks, where, and what the request tells by itself.

    Attributes:
        user_token: Who; nobody is asked about where there is none.
        where: Where on the site, as in `Question`.
        context: Declared keys such as country and device.
        consent: What the request says of it.
    """

    user_token: str | None
    where: str = "any"
    context: Mapping[str, str] | None = None
    consent: Consent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question, or why there is none.

    Attributes:
        question: To be asked; None where `heard` says all.
        heard: What there is to say without asking.
    """

    question: Question | None = None
    heard: Heard = field(default=NOBODY)


def asking(about: About, *, query: str | None = None, object_id: str | None = None, index: str | None = None) -> Asking:
    """The question about a visitor, where one can be asked."""
    if not about.user_token:
        return Asking()
    try:
        question = Question(
            user_token=about.user_token,
            where=about.where,
            query=query,
            object_id=object_id,
            context=about.context or {},
            consent=about.consent,
            index=index,
        )
    except AlgosyncError as error:
        return Asking(heard=Heard(reason=f"not asked: {error}"))
    return Asking(question=question)


def body(question: Question) -> dict[str, Any]:
    """A question as the HTTP API takes it."""
    whole: dict[str, Any] = {
        "userToken": question.user_token,
        "where": question.where,
        "query": question.query,
        "objectID": question.object_id,
        "context": dict(question.context) or None,
        "consent": question.consent,
        "ruleContexts": list(question.rule_contexts) or None,
        "optionalFilters": list(question.optional_filters) or None,
        "index": question.index,
    }
    return {name: value for name, value in whole.items() if value is not None}


def heard(document: Any) -> Heard:
    """What an answer says, once it has the shape of an experience."""
    if not isinstance(document, Mapping) or not _is_sound(document):
        return Heard(reason="the answer is not an experience")
    return Heard(document=document, reason=str(document.get("reason", "")))


def _is_sound(document: Mapping[str, Any]) -> bool:
    recommend = document.get("recommend") or {}
    content = document.get("content") or {}
    if not isinstance(recommend, Mapping) or not isinstance(content, Mapping):
        return False
    parameters = [document.get("search"), recommend.get("queryParameters"), recommend.get("fallbackParameters")]
    lists_sound = all(isinstance(ids, list | tuple) for ids in content.values())
    return lists_sound and all(_are_parameters(given or {}) for given in parameters)


def _are_parameters(given: Any) -> bool:
    if not isinstance(given, Mapping):
        return False
    lists = [given.get(name) or [] for name in ("optionalFilters", "ruleContexts", "analyticsTags")]
    texts = isinstance(given.get("filters") or "", str)
    return texts and all(isinstance(values, list | tuple) for values in lists)
