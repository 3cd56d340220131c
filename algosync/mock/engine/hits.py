"""A hit as an answer shows it: the record's attributes, highlights, snippets, ranking information.

Owns what a reader may see of a record. Must not know how hits were found, only the values of their criteria.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from algosync.mock.engine.choices import Choices
from algosync.mock.engine.highlight import Chosen, Tags, chosen, highlighter, over
from algosync.mock.engine.ranking import Query
from algosync.mock.engine.records import Record, project
from algosync.mock.engine.settings import searchables
from algosync.mock.engine.snippet import Style, lengths, snippeter
from algosync.mock.engine.text.criteria import Wording
from algosync.mock.engine.text.matches import Matcher, stand_ins

ELLIPSIS = "…"


@dataclass(frozen=True)
class Show:
    """How the hits of one search are shown.

    Attributes:
        choices: The options.
        query: What was searched.
        ways: Its wordings, as typed first.
        privileged: Whether unretrievable attributes are shown.
    """

    choices: Choices
    query: Query
    ways: Sequence[Wording]
    privileged: bool

    def hit(self, data: bytes) -> Record:
        """A record as a hit, without ranking information."""
        record: Record = orjson.loads(data)
        open_ = project(record, None, self._hidden) if self._hidden else record
        shown = project(open_, self.choices.option("attributesToRetrieve"))
        extra: dict[str, Any] = {}
        if snippets := over(open_, self._snippets, matched_only=self._matched_only):
            extra["_snippetResult"] = snippets
        if marked := over(open_, self._highlights, matched_only=self._matched_only):
            extra["_highlightResult"] = marked
        return shown | extra if extra else shown

    @cached_property
    def _hidden(self) -> list[str]:
        return [] if self.privileged else list(self.choices.option("unretrievableAttributes", ()))

    @cached_property
    def _matched_only(self) -> bool:
        return bool(self.choices.option("restrictHighlightAndSnippetArrays", False))

    @cached_property
    def _matcher(self) -> Matcher:
        exact = len(self.query.words) == 1 and self.choices.option("exactOnSingleWordQuery") == "word"
        return Matcher(words=self.query.words, exact=exact, stand_ins=() if exact else stand_ins(self.ways))

    @cached_property
    def _tags(self) -> Tags:
        return Tags(before=self.choices.option("highlightPreTag"), after=self.choices.option("highlightPostTag"))

    @cached_property
    def _highlights(self) -> Chosen:
        names = self.choices.option("attributesToHighlight")
        if names is None:
            lines = searchables(self.choices.settings)
            names = ["*"] if lines is None else [name for line in lines for name in line.attributes]
        return chosen(dict.fromkeys(names, highlighter(self._matcher, self._tags)))

    @cached_property
    def _snippets(self) -> Chosen:
        style = Style(tags=self._tags, ellipsis=self.choices.option("snippetEllipsisText", ELLIPSIS))
        asked = lengths(self.choices.option("attributesToSnippet", ()))
        return chosen({name: snippeter(self._matcher, style, words) for name, words in asked.items()})


def ranking_info(scores: Mapping[str, int], user_score: int, *, promoted: bool) -> dict[str, Any]:
    """`_rankingInfo` of a hit, from the values of its criteria and its place among all hits, best highest."""
    info: dict[str, Any] = {
        "nbTypos": scores["typo"],
        "firstMatchedWord": scores["attribute"],
        "proximityDistance": scores["proximity"],
        "userScore": user_score,
        "geoDistance": 0,
        "geoPrecision": 1,
        "nbExactWords": scores["exact"],
        "words": scores["words"],
        "filters": scores["filters"],
    }
    return info | ({"promoted": True} if promoted else {})
