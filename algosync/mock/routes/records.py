"""Handlers that write and read records."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index
from algosync.mock.engine.parameters import KNOWN, check, echo, from_body
from algosync.mock.engine.records import Record, project
from algosync.mock.engine.search import filters_of, matching_ids
from algosync.mock.routes.calls import Answer, Room, route

_ACL = {"deleteObject": "deleteObject", "delete": "deleteIndex", "clear": "deleteIndex"}
BROWSE_HITS = 1000


def batch(room: Room) -> Any:
    """POST /1/indexes/{index}/batch."""
    requests = _requests(room)
    tasks, object_ids = _apply(room, [(room.index_name, request) for request in requests])
    task = tasks.get(room.index_name) or room.algolia.submit([room.index_name], lambda *_: None)
    return {"taskID": task, "objectIDs": object_ids}


def multiple_batch(room: Room) -> Any:
    """POST /1/indexes/*/batch."""
    pairs: list[tuple[str, Any]] = []
    for position, request in enumerate(_requests(room)):
        name = request.get("indexName") if isinstance(request, dict) else None
        if not isinstance(name, str) or not name:
            raise AlgoliaError("indexName is missing", status=400, position=position)
        room.require(None, name)
        pairs.append((name, request))
    tasks, object_ids = _apply(room, pairs)
    return {"taskID": tasks, "objectIDs": object_ids}


def _requests(room: Room) -> list[Any]:
    requests = room.call.json_object().get("requests")
    if not isinstance(requests, list):
        raise AlgoliaError("Invalid batch, expected an array of requests", status=400)
    return requests


def _apply(room: Room, pairs: list[tuple[str, Any]]) -> tuple[dict[str, int], list[str]]:
    stages = {name: room.algolia.stage(name) for name in dict.fromkeys(name for name, _ in pairs)}
    object_ids: list[str] = []
    for position, (name, request) in enumerate(pairs):
        if not isinstance(request, dict):
            raise AlgoliaError("Invalid request, expected a JSON object", status=400, position=position)
        action = str(request.get("action"))
        room.require(_ACL.get(action, "addObject"))
        body = request.get("body", {} if action in {"clear", "delete"} else None)
        object_id = stages[name].apply(action, body, position)
        if object_id is not None:
            object_ids.append(object_id)
    tasks = {name: room.algolia.commit(name, stage) for name, stage in stages.items()}
    room.algolia.operations.update(request["action"] for _, request in pairs)
    return tasks, object_ids


def _one(room: Room, action: str, body: Any) -> tuple[int, str]:
    stage = room.algolia.stage(room.index_name)
    object_id = stage.apply(action, body, 0)
    task = room.algolia.commit(room.index_name, stage)
    room.algolia.operations[action] += 1
    return task, object_id or ""


def add(room: Room) -> Any:
    """POST /1/indexes/{index}: a record with an objectID made here, unless it brings one."""
    task, object_id = _one(room, "addObject", room.call.json_object())
    created = room.algolia.updated_at(room.index_name)
    return Answer.of({"createdAt": created, "taskID": task, "objectID": object_id}, status=201)


def put(room: Room) -> Any:
    """PUT /1/indexes/{index}/{object}."""
    task, object_id = _one(room, "updateObject", room.call.json_object() | {"objectID": room.parts["object"]})
    return room.updated(task) | {"objectID": object_id}


def partial(room: Room) -> Any:
    """POST /1/indexes/{index}/{object}/partial?createIfNotExists=."""
    create = room.call.flag("createIfNotExists", default=True)
    action = "partialUpdateObject" if create else "partialUpdateObjectNoCreate"
    task, object_id = _one(room, action, room.call.json_object() | {"objectID": room.parts["object"]})
    return room.updated(task) | {"objectID": object_id}


def delete(room: Room) -> Any:
    """DELETE /1/indexes/{index}/{object}."""
    task, _ = _one(room, "deleteObject", {"objectID": room.parts["object"]})
    return room.deleted(task)


def delete_by(room: Room) -> Any:
    """POST /1/indexes/{index}/deleteByQuery: all records that satisfy the filters."""
    params = from_body(room.call.json())
    if not filters_of(params):
        raise AlgoliaError("deleteByQuery needs filters", status=400)
    stage = room.algolia.stage(room.index_name)
    for object_id in matching_ids(room.algolia.known(room.index_name), params):
        stage.apply("deleteObject", {"objectID": object_id}, 0)
    room.algolia.operations["deleteBy"] += 1
    return room.updated(room.algolia.commit(room.index_name, stage))


def clear(room: Room) -> Any:
    """POST /1/indexes/{index}/clear: records go, settings and rules stay."""
    task, _ = _one(room, "clear", {})
    return room.updated(task)


def _hidden(room: Room, index: Index) -> list[str]:
    if "seeUnretrievableAttributes" in room.key.acl:
        return []
    hidden: list[str] = index.settings.get("unretrievableAttributes", [])
    return hidden


def _asked(value: Any) -> list[str] | None:
    asked: Any = value.split(",") if isinstance(value, str) else value
    if asked is not None and not (isinstance(asked, list) and all(isinstance(name, str) for name in asked)):
        raise AlgoliaError('Invalid value for "attributesToRetrieve" parameter, expected array of strings', status=400)
    return asked


def get(room: Room) -> Any:
    """GET /1/indexes/{index}/{object}?attributesToRetrieve=."""
    index = room.algolia.index(room.index_name)
    record = index.record(room.parts["object"])
    if record is None:
        raise AlgoliaError("ObjectID does not exist", status=404)
    return project(record, _asked(room.call.query.get("attributestoretrieve")), _hidden(room, index))


def get_many(room: Room) -> Any:
    """POST /1/indexes/*/objects: records in the order asked, null for one that does not exist."""
    results: list[Record | None] = []
    for request in _requests(room):
        name = request.get("indexName") if isinstance(request, dict) else None
        object_id = request.get("objectID") if isinstance(request, dict) else None
        if not isinstance(name, str) or not isinstance(object_id, str):
            raise AlgoliaError("indexName and objectID are needed", status=400)
        room.require(None, name)
        index = room.algolia.index(name)
        record = index.record(object_id)
        wanted = _asked(request.get("attributesToRetrieve"))
        results.append(None if record is None else project(record, wanted, _hidden(room, index)))
    return {"results": results}


def browse(room: Room) -> Any:
    """POST /1/indexes/{index}/browse: records in the order of their objectIDs, a page at a time.

    A cursor names the last record seen and carries the parameters, so that writes between pages neither skip nor
    repeat other records.
    """
    index = room.algolia.index(room.index_name)
    body = room.call.json_object()
    after, params = _resumed(body.get("cursor")) if body.get("cursor") is not None else (None, None)
    if params is None:
        params = from_body(body, KNOWN | {"cursor"})
    narrowed = bool(params.get("query") or filters_of(params))
    ids = matching_ids(index, params) if narrowed else index.ids()
    size = params.get("hitsPerPage", BROWSE_HITS) or BROWSE_HITS
    start = 0 if after is None else bisect_right(ids, after)
    shown = ids[start : start + size]
    answer: dict[str, Any] = {
        "hits": _browsed(index, shown, params.get("attributesToRetrieve"), _hidden(room, index)),
        "page": start // size,
        "nbHits": len(ids),
        "nbPages": -(-len(ids) // size),
        "hitsPerPage": size,
        "processingTimeMS": 1,
        "query": params.get("query", ""),
        "params": echo(params),
    }
    if start + size < len(ids):
        answer["cursor"] = urlsafe_b64encode(orjson.dumps([shown[-1], params])).decode()
    return answer


def _browsed(index: Index, ids: list[str], wanted: list[str] | None, hidden: list[str]) -> list[Any]:
    if wanted is None and not hidden:
        return [orjson.Fragment(index.records[object_id]) for object_id in ids]
    return [project(orjson.loads(index.records[object_id]), wanted, hidden) for object_id in ids]


def _resumed(cursor: Any) -> tuple[str, dict[str, Any]]:
    try:
        after, params = orjson.loads(urlsafe_b64decode(cursor))
        if not isinstance(after, str):
            raise TypeError
        return after, check(dict(params))
    except (ValueError, TypeError, AttributeError):
        raise AlgoliaError("Invalid cursor", status=400) from None


ROUTES = (
    route("POST /1/indexes/*/batch", "multipleBatch", None, multiple_batch),
    route("POST /1/indexes/*/objects", "getObjects", "search", get_many),
    route("POST /1/indexes/{index}/batch", "batch", None, batch),
    route("POST /1/indexes/{index}/browse", "browse", "browse", browse),
    route("POST /1/indexes/{index}/clear", "clearObjects", "deleteIndex", clear),
    route("POST /1/indexes/{index}/deleteByQuery", "deleteBy", "deleteIndex", delete_by),
    route("POST /1/indexes/{index}", "saveObject", "addObject", add),
    route("POST /1/indexes/{index}/{object}/partial", "partialUpdateObject", "addObject", partial),
    route("GET /1/indexes/{index}/{object}", "getObject", "search", get),
    route("PUT /1/indexes/{index}/{object}", "addOrUpdateObject", "addObject", put),
    route("DELETE /1/indexes/{index}/{object}", "deleteObject", "deleteObject", delete),
)
