"""One or more valid requests for every route of the mock, and the model of the official client for their answers.

`TABLE` is what the schema is checked against and what the fuzzer starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from algoliasearch.insights.models import EventsResponse
from algoliasearch.personalization.models import (
    DeleteUserProfileResponse,
    GetUserTokenResponse,
    PersonalizationStrategyParams,
    SetPersonalizationStrategyResponse,
)
from algoliasearch.recommend.models import GetRecommendationsResponse
from algoliasearch.search.models import (
    AddApiKeyResponse,
    BatchResponse,
    BrowseResponse,
    DeleteApiKeyResponse,
    DeletedAtResponse,
    GetApiKeyResponse,
    GetObjectsResponse,
    GetTaskResponse,
    ListApiKeysResponse,
    ListIndicesResponse,
    MultipleBatchResponse,
    Rule,
    SaveObjectResponse,
    SearchForFacetValuesResponse,
    SearchResponse,
    SearchResponses,
    SearchRulesResponse,
    SettingsResponse,
    UpdateApiKeyResponse,
    UpdatedAtResponse,
    UpdatedAtWithObjectIdResponse,
)

from algosync.mock.keys import DEFAULT_KEYS, Key
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

from .shop import ENCODED, EVENT, KEY, NOW_MS, PLAIN_RULE, PURCHASE, RECORDS, RULE, SEARCH, SETTINGS, STRATEGY, VIEWED

CREDENTIALS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}


@dataclass(frozen=True)
class Case:
    """A request that is answered.

    Attributes:
        line: Method and path.
        body: Sent as JSON; None for none.
        model: Of the client, for the answer; None where `why` says that it has none.
        status: Of the answer.
        query: Of the address.
        why: Why there is no model.
    """

    line: str
    body: Any = None
    model: Any = None
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    def call(self, **change: Any) -> Call:
        body = b"" if self.body is None else orjson.dumps(self.body)
        query = {name.lower(): value for name, value in self.query.items()}
        made = {"method": self.method, "path": self.path, "query": query, "headers": CREDENTIALS, "body": body}
        return Call(**made | change)


_NO_MODEL = "the client hands the record out as it is"
_OURS = "the mock's own"
_EMPTY = "204, without a body"


def asked(model: str, **more: Any) -> dict[str, Any]:
    """A request for recommendations."""
    return {"requests": [{"indexName": "products", "model": model, "threshold": 0, **more}]}


TABLE: dict[str, tuple[Case, ...]] = {
    "listIndices": (
        Case("GET /1/indexes", model=ListIndicesResponse),
        Case("GET /1/indexes", model=ListIndicesResponse, query={"page": "0", "hitsPerPage": "1"}),
    ),
    "deleteIndex": (Case("DELETE /1/indexes/products", model=DeletedAtResponse),),
    "operationIndex": (
        Case("POST /1/indexes/products/operation", {"operation": "move", "destination": "new"}, UpdatedAtResponse),
        Case(
            "POST /1/indexes/products/operation",
            {"operation": "copy", "destination": "new", "scope": ["settings", "rules", "synonyms"]},
            UpdatedAtResponse,
        ),
    ),
    "multipleBatch": (
        Case(
            "POST /1/indexes/*/batch",
            {
                "requests": [
                    {"indexName": "products", "action": "addObject", "body": {"n": 1}},
                    {"indexName": "other", "action": "partialUpdateObject", "body": {"objectID": "a", "n": 1}},
                    {"indexName": "other", "action": "delete", "body": {}},
                ]
            },
            MultipleBatchResponse,
        ),
    ),
    "getObjects": (
        Case(
            "POST /1/indexes/*/objects",
            {
                "requests": [
                    {"indexName": "products", "objectID": "a", "attributesToRetrieve": ["title"]},
                    {"indexName": "products", "objectID": "nobody"},
                ]
            },
            GetObjectsResponse,
        ),
    ),
    "batch": (
        Case(
            "POST /1/indexes/products/batch",
            {
                "requests": [
                    {"action": "addObject", "body": {"title": "made", "price": 1}},
                    {"action": "updateObject", "body": RECORDS[0]},
                    {
                        "action": "partialUpdateObject",
                        "body": {
                            "objectID": "b",
                            "price": {"_operation": "Increment", "value": 2},
                            "tags": {"_operation": "AddUnique", "value": "z"},
                            "stock": {"_operation": "IncrementSet", "value": 3},
                        },
                    },
                    {"action": "partialUpdateObjectNoCreate", "body": {"objectID": "nobody", "n": 1}},
                    {"action": "deleteObject", "body": {"objectID": "c"}},
                ]
            },
            BatchResponse,
        ),
        Case("POST /1/indexes/products/batch", {"requests": [{"action": "clear", "body": {}}]}, BatchResponse),
    ),
    "clearObjects": (Case("POST /1/indexes/products/clear", model=UpdatedAtResponse),),
    "deleteBy": (
        Case(
            "POST /1/indexes/products/deleteByQuery",
            {"filters": "brand:acme", "numericFilters": ["price>5"], "facetFilters": [["tags:x"]]},
            UpdatedAtResponse,
        ),
    ),
    "saveObject": (Case("POST /1/indexes/products", {"title": "made"}, SaveObjectResponse, 201),),
    "partialUpdateObject": (
        Case(
            "POST /1/indexes/products/b/partial",
            {"price": {"_operation": "Decrement", "value": 1}, "tags": {"_operation": "Remove", "value": "x"}},
            UpdatedAtWithObjectIdResponse,
            query={"createIfNotExists": "false"},
        ),
    ),
    "getObject": (
        Case("GET /1/indexes/products/a", why=_NO_MODEL),
        Case("GET /1/indexes/products/a", query={"attributesToRetrieve": "title,brand"}, why=_NO_MODEL),
    ),
    "addOrUpdateObject": (Case("PUT /1/indexes/products/d", RECORDS[1], UpdatedAtWithObjectIdResponse),),
    "deleteObject": (Case("DELETE /1/indexes/products/a", model=DeletedAtResponse),),
    "browse": (
        Case("POST /1/indexes/products/browse", {"hitsPerPage": 2, "filters": "price > -9"}, BrowseResponse),
        Case("POST /1/indexes/products/browse", model=BrowseResponse),
        Case("POST /1/indexes/products/browse", {"params": ENCODED}, BrowseResponse),
    ),
    "search": (
        Case(
            "POST /1/indexes/*/queries",
            {
                "requests": [
                    {"indexName": "products", **SEARCH},
                    {"indexName": "products", "type": "facet", "facet": "brand", "params": "facetQuery=a&query="},
                    {"indexName": "products", "params": ENCODED},
                ],
                "strategy": "none",
            },
            SearchResponses,
        ),
        Case(
            "POST /1/indexes/*/queries",
            {
                "requests": [{"indexName": "products", "hitsPerPage": 1}, {"indexName": "products"}],
                "strategy": "stopIfEnoughMatches",
            },
            SearchResponses,
        ),
    ),
    "searchSingleIndex": (
        Case("POST /1/indexes/products/query", SEARCH, SearchResponse),
        Case("POST /1/indexes/products/query", model=SearchResponse),
        Case("POST /1/indexes/products/query", {"params": ENCODED}, SearchResponse),
        Case("POST /1/indexes/products/query", {"query": "sheo", "offset": 0, "length": 2}, SearchResponse),
    ),
    "searchForFacetValues": (
        Case(
            "POST /1/indexes/products/facets/brand/query",
            {"facetQuery": "a", "filters": "price > 0", "maxFacetHits": 3},
            SearchForFacetValuesResponse,
        ),
    ),
    "getSettings": (
        Case("GET /1/indexes/products/settings", model=SettingsResponse, query={"getVersion": "2"}),
        Case("GET /1/indexes/empty/settings", model=SettingsResponse),
    ),
    "setSettings": (
        Case("PUT /1/indexes/products/settings", SETTINGS, UpdatedAtResponse, query={"forwardToReplicas": "true"}),
    ),
    "saveRules": (
        Case(
            "POST /1/indexes/products/rules/batch",
            [RULE, PLAIN_RULE],
            UpdatedAtResponse,
            query={"clearExistingRules": "true", "forwardToReplicas": "false"},
        ),
    ),
    "searchRules": (
        Case(
            "POST /1/indexes/products/rules/search",
            {"query": "shoe", "context": "vip", "anchoring": "contains", "enabled": True, "page": 0, "hitsPerPage": 1},
            SearchRulesResponse,
        ),
        Case("POST /1/indexes/products/rules/search", model=SearchRulesResponse),
    ),
    "clearRules": (Case("POST /1/indexes/products/rules/clear", model=UpdatedAtResponse),),
    "getRule": (Case("GET /1/indexes/products/rules/promote", model=Rule),),
    "saveRule": (Case("PUT /1/indexes/products/rules/promote", RULE, UpdatedAtResponse),),
    "deleteRule": (Case("DELETE /1/indexes/products/rules/promote", model=UpdatedAtResponse),),
    "getTask": (
        Case("GET /1/indexes/products/task/1", model=GetTaskResponse),
        Case("GET /1/indexes/products/task/999999", model=GetTaskResponse),
    ),
    "getAppTask": (Case("GET /1/task/1", model=GetTaskResponse),),
    "listApiKeys": (Case("GET /1/keys", model=ListApiKeysResponse),),
    "addApiKey": (Case("POST /1/keys", KEY, AddApiKeyResponse),),
    "getApiKey": (Case("GET /1/keys/spare", model=GetApiKeyResponse),),
    "updateApiKey": (Case("PUT /1/keys/spare", KEY, UpdateApiKeyResponse),),
    "deleteApiKey": (Case("DELETE /1/keys/spare", model=DeleteApiKeyResponse),),
    "restoreApiKey": (Case("POST /1/keys/gone/restore", model=AddApiKeyResponse),),
    "getRecommendations": (
        Case(
            "POST /1/indexes/*/recommendations",
            asked(
                "related-products",
                objectID="a",
                maxRecommendations=3,
                queryParameters={**SEARCH, "query": ""},
                fallbackParameters={"facetFilters": ["brand:bolt"]},
            ),
            GetRecommendationsResponse,
        ),
        *(
            Case("POST /1/indexes/*/recommendations", asked(model, objectID="a"), GetRecommendationsResponse)
            for model in ("bought-together", "looking-similar", "related-products")
        ),
        Case("POST /1/indexes/*/recommendations", asked("trending-items"), GetRecommendationsResponse),
        Case(
            "POST /1/indexes/*/recommendations", asked("trending-facets", facetName="brand"), GetRecommendationsResponse
        ),
    ),
    "pushEvents": (Case("POST /1/events", {"events": [EVENT, PURCHASE, VIEWED]}, EventsResponse),),
    "deleteUserToken": (Case("DELETE /1/usertokens/anna", status=204, why=_EMPTY),),
    "getPersonalizationStrategy": (Case("GET /1/strategies/personalization", model=PersonalizationStrategyParams),),
    "setPersonalizationStrategy": (
        Case("POST /1/strategies/personalization", STRATEGY, SetPersonalizationStrategyResponse),
    ),
    "getUserTokenProfile": (Case("GET /1/profiles/personalization/anna", model=GetUserTokenResponse),),
    "deleteUserProfile": (Case("DELETE /1/profiles/anna", model=DeleteUserProfileResponse),),
    "getFaults": (Case("GET /mock/faults", why=_OURS),),
    "putFaults": (
        Case("PUT /mock/faults", {"seed": 7, "faults": [{"on": "batch", "nth": 3, "fault": "429"}]}, why=_OURS),
    ),
    "addFault": (Case("POST /mock/faults", {"on": "search", "nth": 3, "fault": "500"}, why=_OURS),),
    "liftFaults": (Case("DELETE /mock/faults", why=_OURS),),
    "getRequests": (Case("GET /mock/requests", query={"operation": "batch"}, why=_OURS),),
    "forgetRequests": (Case("DELETE /mock/requests", why=_OURS),),
    "getIndexes": (Case("GET /mock/indexes", why=_OURS),),
    "getIndex": (Case("GET /mock/indexes/products", why=_OURS),),
    "putIndex": (
        Case("PUT /mock/indexes/products", RECORDS, why=_OURS),
        Case("PUT /mock/indexes/new", {"settings": SETTINGS, "rules": [RULE], "records": RECORDS}, why=_OURS),
    ),
    "getEvents": (Case("GET /mock/events", query={"index": "products"}, why=_OURS),),
    "forgetEvents": (Case("DELETE /mock/events", why=_OURS),),
    "getSnapshots": (Case("GET /mock/snapshots", why=_OURS),),
    "takeSnapshot": (Case("POST /mock/snapshots", status=201, why=_OURS),),
    "restoreSnapshot": (Case("PUT /mock/snapshots/1", why=_OURS),),
    "dropSnapshot": (Case("DELETE /mock/snapshots/1", why=_OURS),),
}

CASES = [(operation, case) for operation, cases in TABLE.items() for case in cases]


def filled(clock_ms: int = NOW_MS) -> MockAlgolia:
    """A small shop in which every request of the table is answered."""
    spare = Key(value="spare", acl=frozenset({"search"}), indexes=("prod*",), description="to change")
    algolia = MockAlgolia(keys=(*DEFAULT_KEYS, spare, Key(value="gone", acl=frozenset())), clock_ms=lambda: clock_ms)
    for line, body in (
        ("PUT /1/indexes/products/settings", SETTINGS),
        ("POST /1/indexes/products/batch", {"requests": [{"action": "addObject", "body": each} for each in RECORDS]}),
        ("POST /1/indexes/products/rules/batch", [RULE, PLAIN_RULE]),
        ("PUT /1/indexes/empty/settings", {}),
        ("POST /1/indexes/other/batch", {"requests": [{"action": "addObject", "body": {"objectID": "z"}}]}),
        ("POST /1/strategies/personalization", STRATEGY),
        ("POST /1/events", {"events": [EVENT, PURCHASE, VIEWED]}),
        ("DELETE /1/keys/gone", None),
        ("POST /mock/snapshots", None),
    ):
        answer = handle(algolia, Case(line, body).call())
        assert answer.status < 300, (line, answer.body)
    return algolia
