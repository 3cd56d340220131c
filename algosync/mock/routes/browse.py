"""Handler that browses: all records of an index or those that match, a page at a time, with a cursor.

A cursor is the place where its page ended, with the parameters of the first request; the mock remembers nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.browse import FORCED, Page, Place, browse, orders
from algosync.mock.engine.coverage import WARNING_HEADER, not_acted_on, warning
from algosync.mock.engine.index import Index
from algosync.mock.engine.parameters import KNOWN, check, echo, from_body
from algosync.mock.engine.records import project
from algosync.mock.engine.search import filters_of
from algosync.mock.nesting import read_json
from algosync.mock.routes.calls import Answer, Room, route
from algosync.mock.routes.records import hidden_attributes

BROWSE_HITS = 1000

DEPRECATED_OFFSET = (
    "Use of deprecated `offset` parameter in browse: you should pass the `cursor` parameter to fetch next page. Please "
    "upgrade your api client if necessary"
)


def browse_records(room: Room) -> Any:
    """POST /1/indexes/{index}/browse: matching records, up to 1,000 at a time.

    Sources: algolia.com/doc/rest-api/search/browse (what is ignored, how records are ordered);
    algolia/algoliasearch-client-python#105 (a cursor carries the parameters, those sent with it are ignored);
    algolia/algoliasearch-client-javascript#1009 and #1211 (pages and offsets are refused).
    """
    index = room.algolia.index(room.index_name)
    params = from_body(room.call.json(), KNOWN | {"cursor"})
    cursor = params.pop("cursor", None)
    if cursor is None:
        _refuse_pages(params)
    after, given = (None, params) if cursor is None else _resumed(cursor, index)
    bound = room.restricted(given)
    size = bound.get("hitsPerPage", BROWSE_HITS) or BROWSE_HITS
    size = min(size, room.key.max_hits_per_query or size)
    page = browse(index, bound, size, after)
    answer: dict[str, Any] = {
        "hits": _shown(index, page.ids, bound.get("attributesToRetrieve"), hidden_attributes(room, index)),
        **_counts(page, size),
        "processingTimeMS": 1,
        "query": bound.get("query", ""),
        "params": echo(given),
    }
    if page.end is not None:
        cursor = orjson.dumps([page.end.values, page.end.object_id, given])
        answer["cursor"] = urlsafe_b64encode(cursor).decode()
    return _warned(answer, _ignored(index, bound))


def _refuse_pages(params: Mapping[str, Any]) -> None:
    if params.get("offset") or params.get("length") is not None:
        raise AlgoliaError(DEPRECATED_OFFSET, status=400)
    if params.get("page"):
        raise AlgoliaError("you should pass cursor of current page to fetch next page", status=400)


def _resumed(cursor: Any, index: Index) -> tuple[Place, dict[str, Any]]:
    try:
        values, object_id, params = read_json(urlsafe_b64decode(cursor))
        place = Place(values=[_value(value) for value in values], object_id=object_id)
        params = dict(params)
    except (ValueError, TypeError, AttributeError):
        place, params = Place(values=(), object_id=""), {}
    if not isinstance(place.object_id, str) or not place.object_id or len(place.values) != len(orders(index)):
        raise AlgoliaError("Invalid cursor", status=400)
    return place, check(params)


def _value(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return float(value)


def _counts(page: Page, size: int) -> dict[str, int]:
    return {
        "page": page.before // size,
        "nbHits": page.total,
        "nbPages": -(-page.total // size),
        "hitsPerPage": size,
    }


def _shown(index: Index, ids: list[str], wanted: list[str] | None, hidden: list[str]) -> list[Any]:
    if wanted is None and not hidden:
        return [orjson.Fragment(index.records[object_id]) for object_id in ids]
    return [project(orjson.loads(index.records[object_id]), wanted, hidden) for object_id in ids]


def _ignored(index: Index, params: Mapping[str, Any]) -> list[str]:
    """What the mock does not act on, as far as it decides which records match."""
    narrowed = bool(params.get("query") or filters_of(params))
    return not_acted_on({**params, **FORCED}, index.all_settings if narrowed else {})


def _warned(answer: dict[str, Any], ignored: list[str]) -> Answer:
    if not ignored:
        return Answer.of(answer)
    told = warning(ignored)
    return Answer(body=orjson.dumps(answer | {"message": told}), headers={WARNING_HEADER: told})


ROUTES = (route("POST /1/indexes/{index}/browse", "browse", "browse", browse_records),)
