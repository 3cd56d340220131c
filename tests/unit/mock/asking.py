"""Requests to a mock without a server between, for the tests that send many."""

from __future__ import annotations

from typing import Any

import orjson

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}


def ask(algolia: MockAlgolia, path: str, body: Any, method: str = "POST", of: str = "p") -> Any:
    """The answer to a request to an index, which must be 200."""
    call = Call(method=method, path=f"/1/indexes/{of}/{path}", headers=HEADERS, body=orjson.dumps(body))
    answer = handle(algolia, call)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


def loaded(records: list[dict[str, Any]], **settings: Any) -> MockAlgolia:
    """A mock whose index `p` has these records and settings."""
    algolia = MockAlgolia()
    ask(algolia, "settings", settings, "PUT")
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": record} for record in records]})
    return algolia


def hits(algolia: MockAlgolia, query: str = "", **params: Any) -> dict[str, dict[str, int]]:
    """The ranking information of a search's hits by objectID, best first."""
    asked = {"query": query, "getRankingInfo": True, "hitsPerPage": 1000, **params}
    return {hit["objectID"]: hit["_rankingInfo"] for hit in ask(algolia, "query", asked)["hits"]}
