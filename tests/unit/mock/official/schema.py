"""Holds a JSON value against a model of the official client, more strictly than the client does.

The client's models take unknown fields and convert types. Here a field that a model does not name is a fault, except in
a record; `1` is no float's neighbour of `"1"`, `true` is no number, and an enum's value is one of its own.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

OPEN = {"Hit", "RecommendHit"}
"""Models of records: whatever else a record holds is its own."""

_RANKING_INFO = {"timeoutCounts", "timeoutHits"}

MORE: dict[str, set[str]] = {
    "ErrorBase": {"status", "position", "objectID"},
    "GetTaskResponse": {"pendingTask"},
    "SettingsResponse": {"version"},
    # with offset and length; with getRankingInfo; and of a search that `stopIfEnoughMatches` left out
    "SearchResponse": {"offset", "length", "processed", *_RANKING_INFO},
    "RecommendationsResults": {"query", "params", *_RANKING_INFO},
    "SetPersonalizationStrategyResponse": {"status"},
}
"""What Algolia answers besides: examples of algolia.com/doc/rest-api, and the models of its older clients."""

STAMPED = re.compile(r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
"""A time; the creation of an index without records is told as an empty text."""


def faults(value: Any, wanted: Any, where: str = "$") -> Iterator[str]:
    """What is wrong with a value, place by place; nothing when it fits."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if wanted in (Any, object):
        return
    if origin in (Union, types.UnionType):
        yield from _one_of(value, parts, where)
    elif origin is list:
        yield from _list(value, parts[0], where)
    elif origin is dict:
        yield from _dict(value, parts[1], where)
    elif issubclass(wanted, BaseModel):
        yield from _model(value, wanted, where)
    elif issubclass(wanted, Enum):
        if value not in [member.value for member in wanted] or isinstance(value, bool):
            yield f"{where}: {value!r} is no {wanted.__name__}"
    elif not _is(value, wanted):
        yield f"{where}: {value!r} is no {wanted.__name__}"


def _is(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is wanted


def _one_of(value: Any, alternatives: tuple[Any, ...], where: str) -> Iterator[str]:
    tried = [list(faults(value, each, where)) for each in alternatives if each is not type(None)]
    if all(tried) and not (value is None and type(None) in alternatives):
        # Of what it might have been, what it came closest to: where fewest things, and those deepest inside, are wrong.
        yield from min(tried, key=lambda found: (-max(map(_depth, found)), len(found)))


def _depth(fault: str) -> int:
    place = fault.split(": ", maxsplit=1)[0]
    return place.count(".") + place.count("[")


def _list(value: Any, item: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: {value!r} is no array"
        return
    for position, each in enumerate(value):
        yield from faults(each, item, f"{where}[{position}]")


def _dict(value: Any, item: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no object"
        return
    for name, each in value.items():
        yield from faults(each, item, f"{where}.{name}")


def _model(value: Any, model: type[BaseModel], where: str) -> Iterator[str]:
    fields = model.model_fields
    if "actual_instance" in fields:
        wrapped = get_args(fields["actual_instance"].annotation)
        yield from _one_of(value, tuple(each for each in wrapped if each is not type(None)), where)
        return
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {model.__name__}"
        return
    named = {field.alias or name: field for name, field in fields.items()}
    for name, field in named.items():
        if name not in value:
            if field.is_required():
                yield f"{where}.{name}: missing"
            continue
        yield from faults(value[name], field.annotation, f"{where}.{name}")
        if name.endswith("At") and isinstance(value[name], str) and not STAMPED.fullmatch(value[name]):
            yield f"{where}.{name}: {value[name]!r} is no time"
    if model.__name__ not in OPEN:
        unknown = value.keys() - named.keys() - MORE.get(model.__name__, set())
        yield from (f"{where}.{name}: unknown to {model.__name__}" for name in sorted(unknown))
