"""A request as the handlers see it, and how a path finds its route. Knows no handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.keys import Caller, Key, require, restrict
from algosync.mock.nesting import read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        method: GET, POST, PUT or DELETE.
        path: The path as sent, percent-encoded, without the query string.
        query: Parameters of the query string, names in lower case.
        headers: Names in lower case.
        body: The body, inflated.
        client: The client's IP address.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"

    def credential(self, name: str) -> str | None:
        """`x-algolia-…` from the headers, else from the query string."""
        return self.headers.get(name) or self.query.get(name)

    def caller(self) -> Caller:
        """Who sent it, for the keys; where there is no Referer, the Origin stands in."""
        origin = self.headers.get("origin")
        return Caller(
            app_id=self.credential("x-algolia-application-id"),
            key=self.credential("x-algolia-api-key"),
            address=self.client,
            referer=self.headers.get("referer") or (f"{origin}/" if origin else None),
            origin=origin,
        )

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean of the query string."""
        value = self.query.get(name.lower())
        return default if value is None else value.lower() == "true"

    def json(self) -> Any:
        """The body as JSON, `{}` where it is empty (400 where it is no JSON)."""
        if not self.body.strip():
            return {}
        try:
            return read_json(self.body)
        except ValueError:
            raise AlgoliaError("Invalid JSON in the request's body", status=400) from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise AlgoliaError("Invalid body, expected a JSON object", status=400)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where a handler works: the application, the call, the key behind it, and the named parts of the path."""

    algolia: MockAlgolia
    call: Call
    key: Key
    parts: Mapping[str, str]

    @property
    def index_name(self) -> str:
        """The index named in the path."""
        return self.parts["index"]

    def require(self, acl: str | None, *indexes: str) -> None:
        """Refuse a key that may not do this."""
        require(self.key, acl, indexes)

    def restricted(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Checked search parameters under what the key forces upon every search."""
        return restrict(self.key, params)

    def updated(self, task: int) -> dict[str, Any]:
        """The answer to a write to the index: when, and its task."""
        return {"updatedAt": self.algolia.updated_at(self.index_name), "taskID": task}

    def deleted(self, task: int) -> dict[str, Any]:
        """The answer to a deletion: when, and its task."""
        return {"deletedAt": self.algolia.updated_at(self.index_name), "taskID": task}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back, and how.

    Attributes:
        status: 0 where the connection is reset before there is an answer.
        body: What comes after the headers.
        media_type: Of the body.
        headers: Besides those of every answer.
        delay_ms: How long to wait before it is sent.
        ending: `reset`: the connection is reset in its place; `truncated`: half of the body is sent, then no more.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    ending: Literal["whole", "reset", "truncated"] = "whole"

    @classmethod
    def of(cls, content: Any, status: int = 200) -> Answer:
        """An answer as it is, or a JSON-able value as the body of one (400 where records are nested too deeply)."""
        if isinstance(content, Answer):
            return content
        try:
            return cls(status=status, body=orjson.dumps(content))
        except orjson.JSONEncodeError as error:
            raise AlgoliaError(f"The answer cannot be written as JSON: {error}", status=400) from None

    @classmethod
    def refusing(cls, refusal: AlgoliaError) -> Answer:
        """A refusal as Algolia writes one."""
        body: dict[str, Any] = {"message": refusal.what}
        if refusal.position is not None:
            body["position"] = refusal.position
        if refusal.object_id is not None:
            body["objectID"] = refusal.object_id
        status = refusal.status or 400
        retry = {} if refusal.retry_after_s is None else {"retry-after": f"{refusal.retry_after_s:.0f}"}
        return cls(status=status, body=orjson.dumps(body | {"status": status}), headers=retry)


Handler = Callable[[Room], Any]
"""Returns a JSON-able value, or an `Answer`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path of fixed parts and `{named}` ones, its name at Algolia, what a key needs, who answers."""

    method: str
    parts: tuple[str, ...]
    operation: str
    acl: str | None
    handler: Handler


def route(line: str, operation: str, acl: str | None, handler: Handler) -> Route:
    """A route from `METHOD /path/{named}`; `acl` is None where the handler itself looks at the key."""
    method, path = line.split()
    parts = tuple(path.strip("/").split("/"))
    return Route(method=method, parts=parts, operation=operation, acl=acl, handler=handler)


def find_route(routes: Sequence[Route], call: Call) -> tuple[Route, dict[str, str]]:
    """The route that fits with most fixed parts, with the named parts of the path, or 404."""
    parts = call.path.strip("/").split("/")
    fitting: list[tuple[Route, dict[str, str]]] = []
    for candidate in routes:
        if candidate.method == call.method and len(candidate.parts) == len(parts):
            named = _fit(candidate.parts, parts)
            if named is not None:
                fitting.append((candidate, named))
    if not fitting:
        raise AlgoliaError(f"Path not found: {call.method} {_shown(call.path)}", status=404)
    return min(fitting, key=lambda found: len(found[1]))


def _shown(path: str) -> str:
    # What follows names a key.
    return "/1/keys/…" if unquote(path).startswith("/1/keys/") else path


def _fit(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    named: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        text = unquote(part)
        if wanted.startswith("{"):
            named[wanted[1:-1]] = text
        elif wanted != text:
            return None
    return named if all(named.values()) else None
