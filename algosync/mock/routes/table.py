"""The table of routes, and the way of a request through it: credentials, rights, handler, answer, log."""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia, RecordedRequest
from algosync.mock.keys import Key, require
from algosync.mock.routes import indices, keys, records, rules, searches, settings, tasks
from algosync.mock.routes.calls import Answer, Call, Room, Route, find_route

ROUTES: tuple[Route, ...] = (
    *indices.ROUTES,
    *records.ROUTES,
    *searches.ROUTES,
    *settings.ROUTES,
    *rules.ROUTES,
    *tasks.ROUTES,
    *keys.ROUTES,
)


def handle(algolia: MockAlgolia, call: Call) -> Answer:
    """Answer one request. Never raises for what a client sends."""
    with algolia.lock:
        algolia.tasks.publish()
        key: Key | None = None
        operation = ""
        try:
            if (call.method, call.path) == ("GET", "/1/isalive"):
                answer = Answer.of({"message": "server is alive"})
            else:
                key = algolia.keys.authenticate(
                    call.credential("x-algolia-application-id"), call.credential("x-algolia-api-key")
                )
                route, parts = find_route(ROUTES, call)
                operation = route.operation
                require(key, route.acl, [parts["index"]] if "index" in parts else [])
                answer = Answer.of(route.handler(Room(algolia=algolia, call=call, key=key, parts=parts)))
        except AlgoliaError as refusal:
            answer = Answer.of(_refusal(refusal), status=refusal.status or 400)
        algolia.requests.append(
            RecordedRequest(
                operation=operation,
                method=call.method,
                path=call.path,
                key=key.value if key else None,
                status=answer.status,
            )
        )
        return answer


def _refusal(refusal: AlgoliaError) -> dict[str, Any]:
    body: dict[str, Any] = {"message": refusal.what}
    if refusal.position is not None:
        body["position"] = refusal.position
    if refusal.object_id is not None:
        body["objectID"] = refusal.object_id
    return body | {"status": refusal.status or 400}
