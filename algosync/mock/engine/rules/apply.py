"""What the rules that a query triggers make of it: parameters, promoted and hidden records, data for the answer. Pure.

How the parameters of several rules and of the query combine is documented nowhere, so there are two ways. *first*: for
each parameter the first rule that sets it wins, over later rules and over the query. *merge*: optionalFilters,
facetFilters, numericFilters and tagFilters are appended to the query's own, `filters` are joined by AND; other
parameters as in *first*. Under both, automatic filters are added to what is there, and edits of the query add up, each
rule's being about words of its own; a whole new query counts only where no earlier rule touched the query.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from algosync.mock.engine.filters import groups
from algosync.mock.engine.rules.consequences import (
    AUTOMATIC,
    Automatic,
    Promotion,
    automatic,
    edits,
    hidden,
    promotions,
    redirect,
)
from algosync.mock.engine.rules.edits import EditedQuery
from algosync.mock.engine.rules.matching import Asked, Triggered, asked, triggered
from algosync.mock.engine.rules.patterns import Circumstances, Named
from algosync.mock.engine.rules.shape import Rule

Merging = Literal["first", "merge"]

NO_REDIRECT = "The mock does not follow redirects to another index"

_APPENDED = frozenset({"optionalFilters", "facetFilters", "numericFilters", "tagFilters"})
_TARGETS = dict(zip(AUTOMATIC, ("facetFilters", "optionalFilters"), strict=True))


@dataclass(slots=True)
class Outcome:
    """A query after its rules.

    Attributes:
        params: The search parameters to use.
        promote: Promotions in the order of the rules.
        hide: objectIDs that must not be shown.
        user_data: userData of the rules that have some.
        applied: objectIDs of the rules that were applied.
        redirect: The first rule that redirects to another index, and that index; None where none does.
    """

    params: dict[str, Any]
    promote: list[Promotion] = field(default_factory=list)
    hide: set[str] = field(default_factory=set)
    user_data: list[Any] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    redirect: tuple[str, str] | None = None

    @property
    def ignored(self) -> list[str]:
        """Consequences that were not acted on."""
        return ["redirect"] if self.redirect is not None else []

    def notes(self, source: str) -> dict[str, Any]:
        """What an answer says of rules: appliedRules, userData, a redirect from index `source` that was not made."""
        said: dict[str, Any] = {}
        if self.applied:
            said["appliedRules"] = [{"objectID": object_id} for object_id in self.applied]
        if self.user_data:
            said["userData"] = self.user_data
        if self.redirect is not None:
            rule, destination = self.redirect
            told = {"source": source, "dest": destination, "reason": NO_REDIRECT, "succeed": False}
            said["redirect"] = {"index": [told | {"data": {"ruleObjectID": rule}}]}
        return said


def apply_rules(
    params: Mapping[str, Any], rules: Iterable[Rule], around: Circumstances, *, merging: Merging
) -> Outcome:
    """What the triggered rules make of a query; the parameters as they are where none is triggered."""
    outcome = Outcome(dict(params))
    rules = list(rules)
    if not rules:
        return outcome
    query = asked(params)
    acting = triggered(query, rules, around)
    given: set[str] = set()
    for each in acting:
        consequence = each.rule["consequence"]
        _set_params(outcome.params, consequence.get("params") or {}, given, merging)
        outcome.promote += promotions(consequence)
        outcome.hide.update(hidden(consequence))
        if consequence.get("userData") is not None:
            outcome.user_data.append(consequence["userData"])
        outcome.applied.append(each.rule["objectID"])
        if outcome.redirect is None and (destination := redirect(consequence)) is not None:
            outcome.redirect = (each.rule["objectID"], destination)
    _edit_query(outcome.params, query, acting)
    _add_automatic(outcome.params, acting)
    return outcome


def _set_params(target: dict[str, Any], params: Mapping[str, Any], given: set[str], merging: Merging) -> None:
    for name, value in params.items():
        if value is None or name == "query" or name in AUTOMATIC:
            continue
        current = target.get(name)
        if merging == "merge" and current is not None and name in _APPENDED:
            target[name] = groups(current, name) + groups(value, name)
        elif merging == "merge" and current and name == "filters":
            target[name] = f"({current}) AND ({value})" if value else current
        elif name not in given:
            target[name] = value
        given.add(name)


def _edit_query(target: dict[str, Any], query: Asked, acting: Iterable[Triggered]) -> None:
    edited: EditedQuery | None = None
    for each in acting:
        change = (each.rule["consequence"].get("params") or {}).get("query")
        if isinstance(change, str):
            if edited is None:
                target["query"] = change
                return
        elif change is not None:
            edited = edited or EditedQuery(query)
            for delete, insert in edits(change):
                edited.edit(delete, insert, each.named)
    if edited is not None:
        target["query"] = str(edited)


def _add_automatic(target: dict[str, Any], acting: Iterable[Triggered]) -> None:
    for each in acting:
        params = each.rule["consequence"].get("params") or {}
        for name, parameter in _TARGETS.items():
            added = [group for wish in automatic(params, name) for group in _groups(wish, each.named, name)]
            if added:
                target[parameter] = groups(target.get(parameter) or [], parameter) + added


def _groups(wish: Automatic, named: Iterable[Named], name: str) -> list[list[str]]:
    """OR groups for the values that were named: one for all of them if disjunctive, else one for each."""
    score = f"<score={wish.score}>" if _TARGETS[name] == "optionalFilters" else ""
    found = [[_term(wish.facet, value) + score for value in n.values] for n in named if n.facet == wish.facet]
    return [[term for group in found for term in group]] if wish.disjunctive and found else found


def _term(facet: str, value: str) -> str:
    return f"{facet}:\\{value}" if value.startswith("-") else f"{facet}:{value}"
