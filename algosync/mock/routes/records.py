"""Handlers that write and read records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.coverage import WARNING_HEADER, warning
from algosync.mock.engine.index import Index
from algosync.mock.engine.parameters import from_body
from algosync.mock.engine.records import Record, project
from algosync.mock.engine.search import filters_of, matching_ids
from algosync.mock.routes.calls import Answer, Room, route

_ACL = {"deleteObject": "deleteObject", "delete": "deleteIndex", "clear": "deleteIndex"}

DELETE_BY = frozenset({"filters", "facetFilters", "numericFilters", "tagFilters"})
NARROWING = DELETE_BY | {"attributesToRetrieve"}
GEO = frozenset({"aroundLatLng", "aroundRadius", "insideBoundingBox", "insidePolygon"})
DELETE_BY_REFUSAL = (
    "DeleteByQuery endpoint only supports tagFilters, facetFilters, numericFilters and geoQuery condition"
)


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
    done: dict[str, int] = {}
    for position, (name, request) in enumerate(pairs):
        if not isinstance(request, dict):
            raise AlgoliaError("Invalid request, expected a JSON object", status=400, position=position)
        action = str(request.get("action"))
        if action not in done:
            room.require(_ACL.get(action, "addObject"))
        done[action] = done.get(action, 0) + 1
        body = request.get("body", {} if action in {"clear", "delete"} else None)
        object_id = stages[name].apply(action, body, position)
        if object_id is not None:
            object_ids.append(object_id)
    tasks = {name: room.algolia.commit(name, stage) for name, stage in stages.items()}
    room.algolia.operations.update(done)
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
    """POST /1/indexes/{index}/deleteByQuery: all records that satisfy the filters.

    Sources: algolia.com/doc/rest-api/search/delete-by (what it takes); algolia/algoliasearch-client-javascript#640 and
    #697 (the message about anything else). Geographical conditions are refused: the mock knows no places.
    """
    params = from_body(room.call.json())
    _check_delete_by(params)
    stage = room.algolia.stage(room.index_name)
    for object_id in matching_ids(room.algolia.known(room.index_name), params):
        stage.apply("deleteObject", {"objectID": object_id}, 0)
    room.algolia.operations["deleteBy"] += 1
    return room.updated(room.algolia.commit(room.index_name, stage))


def _check_delete_by(params: Mapping[str, Any]) -> None:
    if places := sorted(GEO.intersection(params)):
        raise AlgoliaError(f"The mock cannot delete by place: {', '.join(places)}", status=400)
    if not filters_of(params) or not DELETE_BY.issuperset(params):
        raise AlgoliaError(DELETE_BY_REFUSAL, status=400)


def clear(room: Room) -> Any:
    """POST /1/indexes/{index}/clear: records go, settings and rules stay."""
    task, _ = _one(room, "clear", {})
    return room.updated(task)


def hidden_attributes(room: Room, index: Index) -> list[str]:
    """Attributes that the key may not see in the index's records."""
    if "seeUnretrievableAttributes" in room.key.acl:
        return []
    hidden: list[str] | None = index.settings.get("unretrievableAttributes")
    return hidden or []


def _asked(value: Any) -> list[str] | None:
    asked = _listed(value) if isinstance(value, str) else value
    if asked is not None and not (isinstance(asked, list) and all(isinstance(name, str) for name in asked)):
        raise AlgoliaError('Invalid value for "attributesToRetrieve" parameter, expected array of strings', status=400)
    return asked


def _listed(text: str) -> Any:
    """A list as a query string carries it: `a,b`, or JSON."""
    if not text.startswith("["):
        return text.split(",")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def get(room: Room) -> Any:
    """GET /1/indexes/{index}/{object}?attributesToRetrieve=."""
    index = room.algolia.index(room.index_name)
    record = index.record(room.parts["object"])
    if record is None:
        raise AlgoliaError("ObjectID does not exist", status=404)
    wanted = _asked(room.call.query.get("attributestoretrieve"))
    return _told(room, project(record, wanted, hidden_attributes(room, index)))


def get_many(room: Room) -> Any:
    """POST /1/indexes/*/objects: records in the order asked, null for one that does not exist."""
    return _told(room, {"results": [_asked_for(room, request) for request in _requests(room)]})


def _told(room: Room, found: Any) -> Any:
    """What was found, with a warning where the key narrows searches: Algolia documents that of searches alone."""
    ignored = sorted(f"{name} of the API key" for name in room.restricted({}) if name in NARROWING)
    return Answer(body=Answer.of(found).body, headers={WARNING_HEADER: warning(ignored)}) if ignored else found


def _asked_for(room: Room, request: Any) -> Record | None:
    asked = request if isinstance(request, dict) else {}
    name, object_id = asked.get("indexName"), asked.get("objectID")
    if not isinstance(name, str) or isinstance(object_id, bool) or not isinstance(object_id, str | int):
        raise AlgoliaError("indexName and objectID are needed", status=400)
    room.require(None, name)
    index = room.algolia.index(name)
    record = index.record(str(object_id))
    wanted = _asked(asked.get("attributesToRetrieve"))
    return None if record is None else project(record, wanted, hidden_attributes(room, index))


ROUTES = (
    route("POST /1/indexes/*/batch", "multipleBatch", None, multiple_batch),
    route("POST /1/indexes/*/objects", "getObjects", "search", get_many),
    route("POST /1/indexes/{index}/batch", "batch", None, batch),
    route("POST /1/indexes/{index}/clear", "clearObjects", "deleteIndex", clear),
    route("POST /1/indexes/{index}/deleteByQuery", "deleteBy", "deleteIndex", delete_by),
    route("POST /1/indexes/{index}", "saveObject", "addObject", add),
    route("POST /1/indexes/{index}/{object}/partial", "partialUpdateObject", "addObject", partial),
    route("GET /1/indexes/{index}/{object}", "getObject", "search", get),
    route("PUT /1/indexes/{index}/{object}", "addOrUpdateObject", "addObject", put),
    route("DELETE /1/indexes/{index}/{object}", "deleteObject", "deleteObject", delete),
)
