"""The consequences of a rule: the shape that is accepted, and how its parts are read. Every refusal is a 400.

Limits and forms are those of Algolia's API specification (search/rules) and of its guides on rules. Knows no query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import SCORE_MAX
from algosync.mock.engine.parameters import KNOWN, check

PROMOTED_MAX = 300
GROUP_MAX = 100
POSITION_MAX = 300
HIDDEN_MAX = 50
USER_DATA_BYTES_MAX = 1000

AUTOMATIC = ("automaticFacetFilters", "automaticOptionalFacetFilters")

_CONSEQUENCES = frozenset({"params", "promote", "filterPromotes", "hide", "redirect", "userData"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Records that a rule puts at a position, one after the other.

    Attributes:
        object_ids: The records, in their order.
        position: Where the first of them goes, from 0.
        filtered: Whether each must satisfy the search's filters to be shown (filterPromotes).
    """

    object_ids: tuple[str, ...]
    position: int
    filtered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """An automatic filter: on the facet whose value the query named, worth `score` where it is optional."""

    facet: str
    score: int = 1
    disjunctive: bool = False


def check_consequence(consequence: Any) -> None:
    """Refuse a consequence with what is wrong."""
    if not isinstance(consequence, dict):
        raise invalid("consequence is missing")
    only(consequence, _CONSEQUENCES, "consequence")
    if not isinstance(consequence.get("filterPromotes"), bool | None):
        raise invalid("filterPromotes must be a boolean")
    _check_params(consequence.get("params"))
    promotions(consequence)
    hidden(consequence)
    redirect(consequence)
    _check_user_data(consequence.get("userData"))


def promotions(consequence: Mapping[str, Any]) -> list[Promotion]:
    """What a consequence promotes, in the order given."""
    promote = listed(consequence, "promote", PROMOTED_MAX)
    filtered = consequence.get("filterPromotes") is True
    read = [_promotion(item, filtered=filtered) for item in promote]
    if sum(len(each.object_ids) for each in read) > PROMOTED_MAX:
        raise invalid(f"more than {PROMOTED_MAX} promoted records")
    if len({each.position for each in read}) < len(read):
        raise invalid("two promotions have the same position")
    return read


def hidden(consequence: Mapping[str, Any]) -> list[str]:
    """The objectIDs of the records that a consequence hides."""
    hide = listed(consequence, "hide", HIDDEN_MAX)
    if not all(isinstance(item, dict) and isinstance(item.get("objectID"), str) for item in hide):
        raise invalid("hide must be an array of {objectID}")
    return [item["objectID"] for item in hide]


def redirect(consequence: Mapping[str, Any]) -> str | None:
    """The index that a consequence sends searches to, or None."""
    given = consequence.get("redirect")
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("indexName"), str):
        raise invalid("redirect needs indexName, a string")
    only(given, frozenset({"indexName"}), "redirect")
    return str(given["indexName"])


def automatic(params: Mapping[str, Any], name: str) -> list[Automatic]:
    """The automatic filters of one kind: objects with `facet`, or names of facets."""
    given = listed(params, name, None)
    return [_automatic({"facet": item} if isinstance(item, str) else item, name) for item in given]


def edits(change: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Edits of the query as (what goes, what comes in its place), removals first."""
    only(change, frozenset({"remove", "edits"}), "query")
    removed = listed(change, "remove", None)
    if not all(isinstance(word, str) for word in removed):
        raise invalid("remove must be an array of strings")
    return [(word, "") for word in removed] + [_edit(edit) for edit in listed(change, "edits", None)]


def _check_params(params: Any) -> None:
    if params is None:
        return
    if not isinstance(params, dict):
        raise invalid("params must be a JSON object")
    special = {*AUTOMATIC, "query"} if isinstance(params.get("query"), dict) else set(AUTOMATIC)
    check({name: value for name, value in params.items() if name not in special}, KNOWN)
    if "query" in special:
        edits(params["query"])
    for name in AUTOMATIC:
        automatic(params, name)


def _check_user_data(data: Any) -> None:
    if not isinstance(data, dict | None):
        raise invalid("userData must be a JSON object")
    try:
        size = len(orjson.dumps(data))
    except orjson.JSONEncodeError:
        raise invalid("userData is nested too deeply") from None
    if size > USER_DATA_BYTES_MAX:
        raise invalid(f"userData is larger than {USER_DATA_BYTES_MAX} bytes")


def _promotion(item: Any, *, filtered: bool) -> Promotion:
    if not isinstance(item, dict) or ("objectID" in item) == ("objectIDs" in item):
        raise invalid("promote needs either objectID or objectIDs")
    only(item, frozenset({"objectID", "objectIDs", "position"}), "promote")
    ids, position = item.get("objectIDs", [item.get("objectID")]), item.get("position")
    if not isinstance(ids, list) or not all(isinstance(object_id, str) for object_id in ids):
        raise invalid("promote needs objectID or objectIDs")
    if len(ids) > GROUP_MAX:
        raise invalid(f"more than {GROUP_MAX} objectIDs in one promotion")
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position <= POSITION_MAX:
        raise invalid(f"promote needs a position between 0 and {POSITION_MAX}")
    return Promotion(object_ids=tuple(ids), position=position, filtered=filtered)


def _automatic(item: Any, name: str) -> Automatic:
    if not isinstance(item, dict) or not isinstance(item.get("facet"), str):
        raise invalid(f"{name} must be an array of facets or of {{facet, score, disjunctive}}")
    only(item, frozenset({"facet", "score", "disjunctive"}), name)
    score, disjunctive = item.get("score", 1), item.get("disjunctive", False)
    if isinstance(score, bool) or not isinstance(score, int) or not 0 <= score <= SCORE_MAX:
        raise invalid(f"score in {name} must be an integer between 0 and {SCORE_MAX}")
    if not isinstance(disjunctive, bool):
        raise invalid(f"disjunctive in {name} must be a boolean")
    return Automatic(facet=item["facet"], score=score, disjunctive=disjunctive)


def _edit(edit: Any) -> tuple[str, str]:
    if not isinstance(edit, dict) or not isinstance(edit.get("delete"), str):
        raise invalid("edits must be an array of {type, delete, insert}")
    only(edit, frozenset({"type", "delete", "insert"}), "edits")
    kind, insert = edit.get("type"), edit.get("insert")
    if kind not in ("remove", "replace"):  # not a set: a client may send what has no hash
        raise invalid("the type of an edit must be remove or replace")
    if not isinstance(insert, str | None) or (kind == "replace" and insert is None):
        raise invalid("an edit of the type replace needs insert, a string")
    return edit["delete"], insert or "" if kind == "replace" else ""


def invalid(what: str) -> AlgoliaError:
    """The refusal of a rule."""
    return AlgoliaError(f"Invalid rule: {what}", status=400)


def listed(source: Mapping[str, Any], name: str, most: int | None) -> list[Any]:
    """A list, empty where there is none; refused where it is another thing or has more than `most` items."""
    given = source.get(name)
    if not isinstance(given, list | None):
        raise invalid(f"{name} must be an array")
    if most is not None and len(given or ()) > most:
        raise invalid(f"more than {most} items in {name}")
    return given or []


def only(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Refuse attributes that are not known."""
    if unknown := sorted(given.keys() - known):
        raise invalid(f"unknown attribute {unknown[0]} in {where}")
