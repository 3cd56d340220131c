"""Routes of the mock's own under /mock/: faults, recorded requests, whole indices, snapshots, events.

They need the admin key, which pages of other sites than this machine's cannot use. They are no part of Algolia's API,
so they are neither recorded, nor counted against limits, nor struck by faults.
"""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError, AlgosyncError
from algosync.mock.algolia import MockAlgolia, Snapshot
from algosync.mock.files import dump_index, load_index
from algosync.mock.routes.calls import Answer, Call, Room, find_route, route

PREFIX = "/mock/"
SNAPSHOTS_KEPT = 100


def answer(algolia: MockAlgolia, call: Call) -> Answer:
    """Answer a request to a route of the mock's own."""
    try:
        key = algolia.keys.authenticate(call.caller())
        if not key.is_admin:
            raise AlgoliaError("Method not allowed with this API key", status=403)
        found, parts = find_route(ROUTES, call)
        return Answer.of(found.handler(Room(algolia=algolia, call=call, key=key, parts=parts)))
    except AlgoliaError as refusal:
        return Answer.refusing(refusal)
    except AlgosyncError as error:
        return Answer.refusing(AlgoliaError(str(error), status=400))


def get_faults(room: Room) -> Any:
    """GET /mock/faults: the plan, how many requests each fault has seen and struck, and the strikes."""
    return room.algolia.faults.describe()


def put_faults(room: Room) -> Any:
    """PUT /mock/faults: replace the plan, `{"seed": 7, "faults": [{"on": "batch", "nth": 3, "fault": "429"}]}`."""
    room.algolia.faults.put(room.call.json())
    return room.algolia.faults.describe()


def add_fault(room: Room) -> Any:
    """POST /mock/faults: one more fault behind the others."""
    room.algolia.faults.add(**room.call.json_object())
    return room.algolia.faults.describe()


def lift_faults(room: Room) -> Any:
    """DELETE /mock/faults: lift them; tasks that were held are published."""
    room.algolia.faults.clear()
    room.algolia.tasks.publish()
    return room.algolia.faults.describe()


def get_requests(room: Room) -> Any:
    """GET /mock/requests?operation=: the latest requests, oldest first."""
    operation = room.call.query.get("operation")
    kept = room.algolia.requests if operation is None else room.algolia.requests.of(operation)
    return {"requests": [request.describe() for request in kept]}


def forget_requests(room: Room) -> Any:
    """DELETE /mock/requests: forget them."""
    room.algolia.requests.clear()
    return {"requests": []}


def get_indices(room: Room) -> Any:
    """GET /mock/indexes: how many records each index holds with all accepted writes, and what was billed."""
    held = {name: len(index.records) for name, index in sorted(room.algolia.tasks.head.items())}
    return {"indexes": held, "operations": dict(room.algolia.operations)}


def get_index(room: Room) -> Any:
    """GET /mock/indexes/{index}: an index with all accepted writes, as `PUT` takes it."""
    return dump_index(room.algolia, room.index_name)


def put_index(room: Room) -> Any:
    """PUT /mock/indexes/{index}: replace an index by settings, rules and records, or by an array of records."""
    return {"records": load_index(room.algolia, room.index_name, room.call.json())}


def get_events(room: Room) -> Any:
    """GET /mock/events?index=: the events received, oldest first, as they were sent."""
    index = room.call.query.get("index")
    kept = room.algolia.events if index is None else room.algolia.events.of(index)
    return {"events": [event.sent for event in kept]}


def forget_events(room: Room) -> Any:
    """DELETE /mock/events: forget them."""
    room.algolia.events.clear()
    return {"events": []}


def get_snapshots(room: Room) -> Any:
    """GET /mock/snapshots: the names of those that are kept."""
    return {"snapshots": list(room.algolia.snapshots)}


def take_snapshot(room: Room) -> Any:
    """POST /mock/snapshots: keep a copy of everything; answers with its name. The oldest go when there are many."""
    kept = room.algolia.snapshots
    name = str(int(next(reversed(kept), "0")) + 1)
    kept[name] = room.algolia.snapshot()
    while len(kept) > SNAPSHOTS_KEPT:
        del kept[next(iter(kept))]
    return Answer.of({"snapshot": name}, status=201)


def restore_snapshot(room: Room) -> Any:
    """PUT /mock/snapshots/{snapshot}: put everything back as it was."""
    room.algolia.restore(_snapshot(room))
    return {"snapshot": room.parts["snapshot"]}


def drop_snapshot(room: Room) -> Any:
    """DELETE /mock/snapshots/{snapshot}."""
    _snapshot(room)
    del room.algolia.snapshots[room.parts["snapshot"]]
    return get_snapshots(room)


def _snapshot(room: Room) -> Snapshot:
    found = room.algolia.snapshots.get(room.parts["snapshot"])
    if found is None:
        raise AlgoliaError("Snapshot does not exist", status=404)
    return found


ROUTES = (
    route("GET /mock/faults", "getFaults", None, get_faults),
    route("PUT /mock/faults", "putFaults", None, put_faults),
    route("POST /mock/faults", "addFault", None, add_fault),
    route("DELETE /mock/faults", "liftFaults", None, lift_faults),
    route("GET /mock/requests", "getRequests", None, get_requests),
    route("DELETE /mock/requests", "forgetRequests", None, forget_requests),
    route("GET /mock/indexes", "getIndexes", None, get_indices),
    route("GET /mock/indexes/{index}", "getIndex", None, get_index),
    route("PUT /mock/indexes/{index}", "putIndex", None, put_index),
    route("GET /mock/events", "getEvents", None, get_events),
    route("DELETE /mock/events", "forgetEvents", None, forget_events),
    route("GET /mock/snapshots", "getSnapshots", None, get_snapshots),
    route("POST /mock/snapshots", "takeSnapshot", None, take_snapshot),
    route("PUT /mock/snapshots/{snapshot}", "restoreSnapshot", None, restore_snapshot),
    route("DELETE /mock/snapshots/{snapshot}", "dropSnapshot", None, drop_snapshot),
)
