"""The table of routes, and the way of a request through it: faults, credentials, rights, limits, handler, log."""

from __future__ import annotations

from collections.abc import Mapping

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.faults import Asked, Strike
from algosync.mock.keys import Key
from algosync.mock.recorder import RecordedRequest
from algosync.mock.routes import (
    browse,
    control,
    indices,
    insights,
    keys,
    personalization,
    recommend,
    records,
    rules,
    searches,
    settings,
    tasks,
)
from algosync.mock.routes.admission import admit
from algosync.mock.routes.calls import Answer, Call, Room, Route, find_route
from algosync.mock.routes.striking import refuse_oversize, struck

ROUTES: tuple[Route, ...] = (
    *indices.ROUTES,
    *records.ROUTES,
    *browse.ROUTES,
    *searches.ROUTES,
    *settings.ROUTES,
    *rules.ROUTES,
    *tasks.ROUTES,
    *keys.ROUTES,
    *recommend.ROUTES,
    *insights.ROUTES,
    *personalization.ROUTES,
)
_CREDENTIALS = frozenset({"x-algolia-api-key", "x-algolia-application-id"})
OPERATIONS = frozenset(route.operation for route in ROUTES)


def handle(algolia: MockAlgolia, call: Call) -> Answer:
    """Answer one request. Never raises for what a client sends."""
    with algolia.lock:
        algolia.tasks.publish()
        if call.path.startswith(control.PREFIX):
            return control.answer(algolia, call)
        visit = _Visit(algolia, call)
        answer = visit.serve() if visit.strike is None else struck(algolia, visit.strike, visit.serve)
        algolia.requests.append(visit.recorded(answer))
        return answer


class _Visit:
    """One request on its way: its route, the fault that strikes it, its key."""

    def __init__(self, algolia: MockAlgolia, call: Call) -> None:
        self.algolia, self.call = algolia, call
        self.key: Key | None = None
        self.route: Route | None = None
        self.parts: Mapping[str, str] = {}
        self.strike: Strike | None = None
        try:
            self.route, self.parts = find_route(ROUTES, call)
        except AlgoliaError as lost:
            self.lost = lost
            return
        self.asked = Asked(
            operation=self.route.operation,
            index=self.parts.get("index"),
            object_id=self.parts.get("object"),
            body=call.body,
        )
        self.strike = algolia.faults.strike(self.asked)

    def serve(self) -> Answer:
        """Credentials, rights, limits, handler."""
        if (self.call.method, self.call.path) == ("GET", "/1/isalive"):
            return Answer.of({"message": "server is alive"})
        try:
            self.key = self.algolia.keys.authenticate(self.call.caller())
            return self._handled(self.key)
        except AlgoliaError as refusal:
            return Answer.refusing(insights.refused(self.call, refusal))

    def _handled(self, key: Key) -> Answer:
        if self.route is None:
            raise self.lost
        room = Room(algolia=self.algolia, call=self.call, key=key, parts=self.parts)
        room.require(self.route.acl, *([room.index_name] if "index" in self.parts else []))
        admit(room, self.asked)
        refuse_oversize(self.strike, self.algolia.max_record_bytes)
        return Answer.of(self.route.handler(room))

    def recorded(self, answer: Answer) -> RecordedRequest:
        """What the log keeps of it; credentials in the query string stay out."""
        query = self.call.query.items()
        return RecordedRequest(
            operation=self.route.operation if self.route else "",
            method=self.call.method,
            path=self.call.path,
            query={name: value for name, value in query if name not in _CREDENTIALS},
            key=self.key.shown if self.key else None,
            secured=self.key is not None and self.key.secured,
            status=answer.status,
            body=self.call.body,
            body_bytes=len(self.call.body),
            fault=self.strike.kind if self.strike else None,
        )
