"""Handlers that write and read records and indices."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.algolia import rfc3339
from algosync.mock.calls import Room
from algosync.mock.index import Index
from algosync.mock.parameters import KNOWN, check, echo, from_body
from algosync.mock.records import Record, project
from algosync.mock.search import filters_of, matching_ids

_ACL = {"deleteObject": "deleteObject", "delete": "deleteIndex", "clear": "deleteIndex"}
BROWSE_HITS = 1000


def batch(room: Room) -> Any:
    """POST /1/indexes/{index}/batch."""
    requests = _requests(room)
    object_ids = _apply(room, [(room.index_name, request) for request in requests])
    return {"taskID": room.algolia.next_task(), "objectIDs": object_ids}


def multiple_batch(room: Room) -> Any:
    """POST /1/indexes/*/batch."""
    pairs: list[tuple[str, Any]] = []
    for position, request in enumerate(_requests(room)):
        name = request.get("indexName") if isinstance(request, dict) else None
        if not isinstance(name, str) or not name:
            raise AlgoliaError("indexName is missing", status=400, position=position)
        room.require(None, name)
        pairs.append((name, request))
    object_ids = _apply(room, pairs)
    return {"taskID": {name: room.algolia.next_task() for name, _ in pairs}, "objectIDs": object_ids}


def _requests(room: Room) -> list[Any]:
    requests = room.call.json_object().get("requests")
    if not isinstance(requests, list):
        raise AlgoliaError("Invalid batch, expected an array of requests", status=400)
    return requests


def _apply(room: Room, pairs: list[tuple[str, Any]]) -> list[str]:
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
    for name, stage in stages.items():
        room.algolia.commit(name, stage)
    room.algolia.operations.update(request["action"] for _, request in pairs)
    return object_ids


def _one(room: Room, action: str, body: Any) -> str:
    stage = room.algolia.stage(room.index_name)
    object_id = stage.apply(action, body, 0)
    room.algolia.commit(room.index_name, stage)
    room.algolia.operations[action] += 1
    return object_id or ""


def add(room: Room) -> Any:
    """POST /1/indexes/{index}: a record with an objectID made here, unless it brings one."""
    object_id = _one(room, "addObject", room.call.json_object())
    return {
        "createdAt": room.algolia.updated_at(room.index_name),
        "taskID": room.algolia.next_task(),
        "objectID": object_id,
    }


def put(room: Room) -> Any:
    """PUT /1/indexes/{index}/{object}."""
    object_id = _one(room, "updateObject", room.call.json_object() | {"objectID": room.parts["object"]})
    return room.updated() | {"objectID": object_id}


def partial(room: Room) -> Any:
    """POST /1/indexes/{index}/{object}/partial?createIfNotExists=."""
    create = room.call.flag("createIfNotExists", default=True)
    action = "partialUpdateObject" if create else "partialUpdateObjectNoCreate"
    object_id = _one(room, action, room.call.json_object() | {"objectID": room.parts["object"]})
    return room.updated() | {"objectID": object_id}


def delete(room: Room) -> Any:
    """DELETE /1/indexes/{index}/{object}."""
    _one(room, "deleteObject", {"objectID": room.parts["object"]})
    return _deleted(room)


def delete_by(room: Room) -> Any:
    """POST /1/indexes/{index}/deleteByQuery: all records that satisfy the filters."""
    params = from_body(room.call.json())
    if not filters_of(params):
        raise AlgoliaError("deleteByQuery needs filters", status=400)
    stage = room.algolia.stage(room.index_name)
    for object_id in matching_ids(room.algolia.index(room.index_name), params):
        stage.apply("deleteObject", {"objectID": object_id}, 0)
    room.algolia.commit(room.index_name, stage)
    room.algolia.operations["deleteBy"] += 1
    return room.updated()


def clear(room: Room) -> Any:
    """POST /1/indexes/{index}/clear: records go, settings and rules stay."""
    _one(room, "clear", {})
    return room.updated()


def delete_index(room: Room) -> Any:
    """DELETE /1/indexes/{index}."""
    room.algolia.indices.pop(room.index_name, None)
    room.algolia.operations["delete"] += 1
    return _deleted(room)


def _deleted(room: Room) -> dict[str, Any]:
    return {"deletedAt": room.algolia.updated_at(room.index_name), "taskID": room.algolia.next_task()}


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


def list_indices(room: Room) -> Any:
    """GET /1/indexes: the indices that the key reaches."""
    reached = [index for name, index in sorted(room.algolia.indices.items()) if room.key.reaches(name)]
    return {"items": [_listed(index) for index in reached], "nbPages": 1}


def _listed(index: Index) -> dict[str, Any]:
    size = sum(map(len, index.records.values()))
    return {
        "name": index.name,
        "createdAt": rfc3339(index.created_ms),
        "updatedAt": rfc3339(index.updated_ms),
        "entries": len(index.records),
        "dataSize": size,
        "fileSize": size,
        "lastBuildTimeS": 0,
        "numberOfPendingTasks": 0,
        "pendingTask": False,
    }
