"""What a search asks for once rules have had their say: parameters over settings over defaults. Pure.

Owns the reading of options into the words, the filters and the formula that ranking.py works on, and the 400 for an
attribute that may not be searched. Must not look at records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import Filter, facet_filters, numeric_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.ranking import Query
from algosync.mock.engine.settings import DEFAULTS, Facet, Order, facets, ranking, searchables
from algosync.mock.engine.text.inverted import Word
from algosync.mock.engine.text.syntax import FEATURES, Syntax, read
from algosync.mock.engine.text.words import phonemic, split

WORDS_MAX = 10

_NOT_COUNTED = frozenset({"objectID", "_tags"})


@dataclass(frozen=True)
class Choices:
    """The options of one search, chosen among parameters, settings and defaults.

    Attributes:
        params: Parameters, rules applied.
        settings: Settings that were set.
        forced: What every hit must satisfy, whatever rules and parameters say.
    """

    params: Mapping[str, Any]
    settings: Mapping[str, Any]
    forced: Filter = ()

    def option(self, name: str, default: Any = None) -> Any:
        """A parameter, else the setting, else Algolia's default, else the one given."""
        for values in (self.params, self.settings, DEFAULTS):
            value = values.get(name)
            if value is not None:
                return value
        return default

    @cached_property
    def syntax(self) -> Syntax:
        """What is searched for, taken apart: `similarQuery` stands in the place of `query`."""
        text = str(self.params.get("similarQuery") or self.params.get("query") or "")
        return read(
            text, self.option("advancedSyntaxFeatures", FEATURES) if self.option("advancedSyntax", False) else ()
        )

    @cached_property
    def facets(self) -> dict[str, Facet]:
        """Declared facets by attribute."""
        return facets(self.settings)

    @property
    def counted(self) -> list[str]:
        """The facets to count, sorted: of those asked for (`*`: all), the ones that are declared and not filterOnly."""
        asked = self.params.get("facets", ())
        shown = {facet.attribute for facet in self.facets.values() if not facet.filter_only} - _NOT_COUNTED
        return sorted(shown) if "*" in asked else sorted(shown.intersection(asked))

    @property
    def counted_late(self) -> frozenset[str]:
        """Of the facets to count, those counted over what `distinct` leaves.

        facetingAfterDistinct (all of them) has no effect with typoTolerance `min` and `strict`, as documented.
        """
        if self.params.get("facetingAfterDistinct") and self.typo_tolerance not in {"min", "strict"}:
            return frozenset(self.counted)
        return frozenset(name for name in self.counted if self.facets[name].after_distinct)

    @property
    def distinct_by(self) -> str:
        """The attribute whose values make groups; empty where nothing is grouped."""
        return str(self.option("attributeForDistinct", "")) if int(self.option("distinct", 0)) > 0 else ""

    @property
    def distinct(self) -> int:
        """How many records of a group are hits; 0 where nothing is grouped."""
        return int(self.option("distinct", 0)) if self.distinct_by else 0

    @property
    def typo_tolerance(self) -> Any:
        """True, False, "min" or "strict"."""
        value = self.option("typoTolerance", True)
        return {"true": True, "false": False}.get(value, value)

    def query(self) -> Query:
        """What ranking.py is asked.

        Raises:
            AlgoliaError: 400 where restrictSearchableAttributes names an attribute that is not searchable.
        """
        return Query(
            words=self._words(),
            filters=filters_of(self.params) + self.forced,
            optional=facet_filters(self.params.get("optionalFilters", []), "optionalFilters"),
            sum_or=self.params.get("sumOrFiltersScores", False),
            facets=self.facets,
            formula=self._formula(),
            attributes=self._searched(),
            exact_on_single=self.option("exactOnSingleWordQuery"),
            typo_tolerance=self.typo_tolerance,
            no_typos_on=tuple(self.option("disableTypoToleranceOnAttributes", ())),
            no_prefixes_on=tuple(self.option("disablePrefixOnAttributes", ())),
            no_exact_on=tuple(self.option("disableExactOnAttributes", ())),
            kept_words=self._kept_words | {word for phrase in self.syntax.phrases for word in phrase},
            min_proximity=self.option("minProximity", 1),
            attribute_by=self._attribute_by,
            syntax=self.syntax,
        )

    @property
    def _attribute_by(self) -> str:
        """attributeCriteriaComputedBy, or what the older attributeCriteriaComputedByMinProximity says."""
        older = "minProximity" if self.option("attributeCriteriaComputedByMinProximity", False) else "best"
        return str(self.option("attributeCriteriaComputedBy", older))

    def _formula(self) -> list[str | Order]:
        """`similarQuery` sets `words` first, typoTolerance `min` and `strict` set `typo` first, as documented."""
        formula = ranking({**self.settings, "ranking": self.option("ranking")})
        first = ["words"] if self.params.get("similarQuery") else []
        first += ["typo"] if self.typo_tolerance in {"min", "strict"} else []
        return [*first, *(line for line in formula if line not in first)]

    def _searched(self) -> tuple[str, ...] | None:
        restricted = self.params.get("restrictSearchableAttributes")
        if not restricted:
            return None
        lines = searchables(self.settings)
        known = None if lines is None else {name for line in lines for name in line.attributes}
        for name in restricted:
            if known is not None and name not in known:
                what = f"invalid setting for restrictSearchableAttributes, attribute {name} is not in "
                raise AlgoliaError(f"{what}searchableAttributes setting", status=400)
        return tuple(restricted)

    def _words(self) -> tuple[Word, ...]:
        words = self.syntax.words[:WORDS_MAX]
        similar = bool(self.params.get("similarQuery"))
        kind = "prefixNone" if similar else self.option("queryType")
        given = self.option("optionalWords", ())
        lines = [given] if isinstance(given, str) else given
        optional = {word for line in lines for word in split(line)}
        return tuple(
            Word(
                text=word,
                prefix=not literal and (kind == "prefixAll" or (kind == "prefixLast" and place == len(words))),
                typos_max=0 if literal else self._typos_max(word),
                optional=not literal and (similar or word in optional),
            )
            for place, (word, literal) in enumerate(words, 1)
        )

    def _typos_max(self, word: str) -> int:
        if self.typo_tolerance is False or word in self._kept_words or not phonemic(word):
            return 0
        if word.isdigit() and not self.option("allowTyposOnNumericTokens", True):
            return 0
        one, two = self.option("minWordSizefor1Typo"), self.option("minWordSizefor2Typos")
        return int(len(word) >= one) + int(len(word) >= two)

    @cached_property
    def _kept_words(self) -> frozenset[str]:
        return frozenset(word for line in self.option("disableTypoToleranceOnWords", ()) for word in split(line))


def filters_of(params: Mapping[str, Any]) -> Filter:
    """All hard filters of a search as one."""
    return (
        parse_filters(params.get("filters", ""))
        + facet_filters(params.get("facetFilters", []), "facetFilters")
        + numeric_filters(params.get("numericFilters", []))
        + tag_filters(params.get("tagFilters", []))
    )


def relaxed(query: Query, strategy: str) -> list[tuple[Query, frozenset[int]]]:
    """The queries to try after one without hits, and the places of the words each made optional.

    At most five words; with lastWords and firstWords one word stays required
    (algolia.com/doc/api-reference/api-parameters/removeWordsIfNoResults).
    """
    count = len(query.words)
    steps = range(1, min(5, count - 1) + 1)
    if strategy == "lastWords":
        gone = [frozenset(range(count - step, count)) for step in steps]
    elif strategy == "firstWords":
        gone = [frozenset(range(step)) for step in steps]
    else:
        gone = [frozenset(range(count))] if strategy == "allOptional" and count > 1 else []
    return [(_without(query, places), places) for places in gone]


def _without(query: Query, places: frozenset[int]) -> Query:
    words = [replace(word, optional=word.optional or at in places) for at, word in enumerate(query.words)]
    return replace(query, words=tuple(words))
