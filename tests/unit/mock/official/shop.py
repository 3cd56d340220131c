"""A small shop: records, settings, rules, events and a search that together use what the mock covers."""

from __future__ import annotations

from typing import Any

NOW_MS = 1_790_000_000_000

RECORDS = [
    {
        "objectID": "a",
        "title": "Red running shoe",
        "brand": "acme",
        "price": 10,
        "tags": ["x", "y"],
        "sale": True,
        "stock": {"shop": 3, "web": {"north": 1}},
        "categories": {"lvl0": "Shoes", "lvl1": "Shoes > Running"},
        "reviews": [{"text": "good shoe"}, {"text": "bad"}],
        "related": {"similar": ["b"], "related": ["b", "c"]},
        "algosync": {"similar": ["b"], "bought_together": ["c"], "viewed_together": ["b"], "related": ["b", "c"]},
    },
    {"objectID": "b", "title": "Blue shoe", "brand": "bolt", "price": 20.5, "tags": ["x"], "sale": False},
    {"objectID": "c", "title": "Green coat", "brand": "acme", "price": -3, "tags": [], "none": None},
]
SETTINGS: dict[str, Any] = {
    "searchableAttributes": ["title", "unordered(brand)", "reviews.text"],
    "attributesForFaceting": ["searchable(brand)", "filterOnly(sale)", "tags", "price", "categories.lvl0"],
    "customRanking": ["desc(price)"],
    "ranking": ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"],
    "attributesToSnippet": ["title:2"],
    "attributeForDistinct": "brand",
    "paginationLimitedTo": 500,
    "unretrievableAttributes": ["stock"],
    "userData": {"a": [1]},
    "typoTolerance": "min",
    "removeWordsIfNoResults": "allOptional",
    "optionalWords": ["red"],
    "renderingContent": {"facetOrdering": {"facets": {"order": ["brand"]}}},
}
RULE = {
    "objectID": "promote",
    "description": "Shoes for a segment",
    "conditions": [{"pattern": "shoe", "anchoring": "contains", "context": "vip"}, {"filters": "brand:acme"}],
    "consequence": {
        "params": {"optionalFilters": ["brand:bolt<score=2>"], "query": {"remove": ["red"]}},
        "promote": [{"objectID": "c", "position": 0}, {"objectIDs": ["a", "b"], "position": 1}],
        "hide": [{"objectID": "b"}],
        "filterPromotes": True,
        "userData": {"banner": "x"},
    },
    "enabled": True,
    "validity": [{"from": 1, "until": 4_000_000_000}],
    "tags": ["t"],
}
PLAIN_RULE = {"objectID": "always", "consequence": {"params": {"automaticFacetFilters": ["brand"]}, "redirect": None}}
EVENT = {"eventType": "click", "eventName": "Opened", "index": "products", "userToken": "anna", "objectIDs": ["a"]}
PURCHASE = {
    **EVENT,
    "eventType": "conversion",
    "eventSubtype": "purchase",
    "authenticatedUserToken": "known",
    "timestamp": NOW_MS - 1000,
    "queryID": "43b15df305339e827f0ac0bdc5ebcaa7",
    "currency": "EUR",
    "value": 12.5,
    "objectData": [{"price": 12.5, "quantity": 1, "discount": 0, "queryID": "43b15df305339e827f0ac0bdc5ebcaa7"}],
}
VIEWED = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "b", "filters": ["brand:acme"]}
STRATEGY = {
    "eventsScoring": [{"score": 10, "eventName": "Opened", "eventType": "click"}],
    "facetsScoring": [{"score": 5, "facetName": "brand"}],
    "personalizationImpact": 30,
}
KEY = {
    "acl": ["search", "browse"],
    "description": "a key",
    "indexes": ["prod*"],
    "maxHitsPerQuery": 5,
    "maxQueriesPerIPPerHour": 100,
    "queryParameters": "typoTolerance=strict&ignorePlurals=false",
    "referers": ["https://shop.example/*"],
    "validity": 600,
}
SEARCH: dict[str, Any] = {
    "query": "red sho",
    "filters": "(brand:acme OR brand:bolt) AND NOT sale:false AND price >= -5",
    "facetFilters": [["brand:acme", "brand:bolt"], "tags:-z"],
    "numericFilters": ["price<=100", ["price=10", "price:1 TO 20"]],
    "optionalFilters": ["brand:acme<score=3>", ["tags:x<score=2>", "tags:y"], "sale:-true"],
    "sumOrFiltersScores": True,
    "facets": ["*"],
    "maxValuesPerFacet": 5,
    "getRankingInfo": True,
    "clickAnalytics": True,
    "ruleContexts": ["vip"],
    "userToken": "anna",
    "hitsPerPage": 2,
    "page": 0,
    "attributesToRetrieve": ["*", "-price"],
    "attributesToHighlight": ["title", "reviews"],
    "attributesToSnippet": ["title:1"],
    "restrictSearchableAttributes": ["title"],
    "distinct": 1,
    "typoTolerance": True,
    "minWordSizefor1Typo": 3,
    "queryType": "prefixAll",
    "removeStopWords": ["en"],
    "analyticsTags": ["x"],
    "responseFields": ["*"],
    "highlightPreTag": "<b>",
    "enableRules": True,
    "explain": ["match.alternatives"],
}
ENCODED = "query=shoe&hitsPerPage=2&facets=%5B%22brand%22%5D&filters=brand%3Aacme&page=0"
