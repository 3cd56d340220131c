"""Whatever is sent to the routes of records and indices is answered, and a refused write changes nothing."""

from __future__ import annotations

import json

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

NAMES = st.sampled_from(["requests", "action", "body", "indexName", "objectID", "operation", "destination", "scope"])
PARAMETERS = st.sampled_from(["cursor", "query", "filters", "facetFilters", "_operation", "value", "params"])
ACTIONS = ["addObject", "updateObject", "partialUpdateObject", "deleteObject", "clear", "delete", "bogus"]
_VALUES = st.none() | st.integers(-3, 3) | st.text(max_size=2) | st.just({"_operation": "Add", "value": 1})
BATCHES = st.fixed_dictionaries(
    {
        "requests": st.lists(
            st.fixed_dictionaries(
                {"action": st.sampled_from(ACTIONS)},
                optional={
                    "indexName": st.sampled_from(["p", "q", ""]),
                    "body": st.dictionaries(st.sampled_from(["objectID", "n"]), _VALUES) | _VALUES,
                    "objectID": _VALUES,
                    "attributesToRetrieve": _VALUES,
                },
            ),
            max_size=4,
        )
    }
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | PARAMETERS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
PATHS = [
    "POST /1/indexes/p/batch",
    "POST /1/indexes/*/batch",
    "POST /1/indexes/*/objects",
    "POST /1/indexes/p/browse",
    "POST /1/indexes/p/deleteByQuery",
    "POST /1/indexes/p/operation",
    "POST /1/indexes/p/a/partial",
    "PUT /1/indexes/p/a",
    "POST /1/indexes/p",
    "GET /1/indexes",
]


@given(st.sampled_from(PATHS), anything | BATCHES, st.dictionaries(st.sampled_from(["page", "hitsperpage"]), st.text()))
@settings(max_examples=60)
def test_whatever_is_sent_is_answered(line, body, query):
    algolia = MockAlgolia()
    method, path = line.split()
    algolia.write("p", lambda index: None)
    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
    try:
        data = orjson.dumps(body)
    except TypeError:  # an integer beyond 64 bits, which JSON allows
        data = json.dumps(body).encode()
    before = algolia.content()
    answer = handle(algolia, Call(method=method, path=path, headers=headers, query=query, body=data))
    assert answer.status in {200, 201, 400, 404}
    if answer.status >= 400:
        assert orjson.loads(answer.body)["status"] == answer.status
        assert algolia.content() == before
