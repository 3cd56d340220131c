"""What is asked, and what is known of who asks: the two values an answer is made of, besides the shop itself.

A question that Algolia could not carry is refused here, so that whoever answers never has to doubt it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from algosync.errors import RequestError
from algosync.payloads.contexts import is_context

Consent = Literal["for_you", "not_personalized"]

CONTEXTS_MAX: Final = 10
"""Rule contexts that Algolia takes with one query."""

PLACES: Final = ("any", "home", "category", "product", "search", "cart", "checkout", "account")
"""Where a visitor can be; `category:<value>` besides."""

QUERY_CHARACTERS_MAX: Final = 512
"""Algolia's own limit on a query."""

_TEXT_CHARACTERS_MAX: Final = 1_000
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_=/+-]{1,129}")


# Neither is frozen, though nobody changes one: every answer makes both, and to freeze them doubles what that costs.
@dataclass(slots=True, kw_only=True)
class Question:
    """One request of a storefront.

    Args:
        user_token: Who asks.
        where: any, home, category, `category:<value>`, product, search, cart, checkout or account.
        query: What was typed; None on pages without a search box.
        object_id: The product that the page shows.
        context: What the request tells by itself, for example country and device.
        consent: What this request says of it; None leaves it to what is stored, and then to the shop's default.
        rule_contexts: The caller's own, which come first.
        optional_filters: The caller's own, which come first; texts, and lists of texts of which any will do.
        index: The product index that will be searched; None where that is not known.

    Raises:
        RequestError: It cannot be answered as it stands; `where` of the error names the field.
    """

    user_token: str
    where: str = "any"
    query: str | None = None
    object_id: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    consent: Consent | None = None
    rule_contexts: tuple[str, ...] = ()
    optional_filters: Sequence[str | Sequence[str]] = ()
    index: str | None = None

    def __post_init__(self) -> None:
        if self._is_plain():
            return
        for name, problem in (
            ("userToken", _token_problem(self.user_token)),
            ("where", _place_problem(self.where)),
            ("query", None if self.query is None else _query_problem(self.query)),
            ("objectID", None if self.object_id is None else _text_problem(self.object_id)),
            ("context", _context_problem(self.context)),
            ("consent", _consent_problem(self.consent)),
            ("ruleContexts", _contexts_problem(self.rule_contexts)),
            ("optionalFilters", _filters_problem(self.optional_filters)),
            ("index", None if self.index is None else _text_problem(self.index)),
        ):
            if problem:
                raise RequestError(problem, where=name)

    def _is_plain(self) -> bool:
        """Whether it is one of those that nearly all are: there is nothing more to doubt of it."""
        return (
            type(self.user_token) is str
            and _TOKEN.fullmatch(self.user_token) is not None
            and _place_problem(self.where) is None
            and (self.object_id is None or _text_problem(self.object_id) is None)
            and (self.index is None or _text_problem(self.index) is None)
            and self.consent is None
            and self.rule_contexts == ()
            and self.optional_filters == ()
            and type(self.context) is dict
            and not self.context
            and (self.query is None or _query_problem(self.query) is None)
        )

    @property
    def category(self) -> str | None:
        """The category of a category page, where the question names it."""
        kind, _, value = self.where.partition(":")
        return value or None if kind == "category" else None

    @property
    def words(self) -> int:
        """How many words were typed."""
        return len((self.query or "").split())


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of a visitor at this moment.

    Args:
        person: Her document in the snapshot; None where she is not known, or may not be.
        choice: The consent she stored.
        impressions: When each action was shown to her before, by action id.
        suppressed: The shop ordered that she is not personalized, whatever she or the request says.
    """

    person: Mapping[str, Any] | None = None
    choice: Consent | None = None
    impressions: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    suppressed: bool = False


def _token_problem(token: Any) -> str | None:
    sound = isinstance(token, str) and _TOKEN.fullmatch(token)
    return None if sound else "must be 1 to 129 letters, digits and _ = / + -"


def _text_problem(text: Any) -> str | None:
    if not isinstance(text, str):
        return "must be a text"
    if not 0 < len(text) <= _TEXT_CHARACTERS_MAX:
        return f"must have 1 to {_TEXT_CHARACTERS_MAX} characters"
    return "holds control characters, or is not valid Unicode" if _UNFIT.search(text) else None


def _query_problem(query: Any) -> str | None:
    if not isinstance(query, str):
        return "must be a text"
    if len(query) > QUERY_CHARACTERS_MAX:
        return f"must have at most {QUERY_CHARACTERS_MAX} characters"
    return None


def _place_problem(where: Any) -> str | None:
    if type(where) is str and where in PLACES:
        return None
    if problem := _text_problem(where):
        return problem
    if where.startswith("category:") and where != "category:":
        return None
    return f"must be one of {', '.join(PLACES)}, category:<value>"


def _context_problem(context: Any) -> str | None:
    if type(context) is dict and not context:
        return None
    if not isinstance(context, Mapping) or len(context) > CONTEXTS_MAX:
        return f"must be at most {CONTEXTS_MAX} names with a text each"
    return next((problem for pair in context.items() for text in pair if (problem := _text_problem(text))), None)


def _consent_problem(consent: Any) -> str | None:
    if consent is None:
        return None
    allowed = get_args(Consent)
    return None if consent in allowed else f"must be one of {', '.join(allowed)}"


def _contexts_problem(contexts: Any) -> str | None:
    if contexts == ():
        return None
    if isinstance(contexts, str) or not isinstance(contexts, Sequence) or len(contexts) > CONTEXTS_MAX:
        return f"must be at most {CONTEXTS_MAX} texts"
    sound = all(isinstance(name, str) and is_context(name) for name in contexts)
    return None if sound else "must be made of letters, digits, - and _"


def _filters_problem(filters: Any) -> str | None:
    if filters == ():
        return None
    if isinstance(filters, str) or not isinstance(filters, Sequence):
        return "must be a list"
    for item in filters:
        group = [item] if isinstance(item, str) else item
        if not isinstance(group, Sequence) or not group or not all(isinstance(text, str) for text in group):
            return "must hold texts, and lists of texts"
        if problem := next(filter(None, map(_text_problem, group)), None):
            return f"{problem}, each of its texts"
    return None
