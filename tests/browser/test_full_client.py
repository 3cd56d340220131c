"""The official JavaScript client (`algoliasearch` 5) as a back end uses it."""

from __future__ import annotations

from typing import Any

import pytest

from algosync.mock.server import MockAlgolia

pytestmark = pytest.mark.browser


def _refused(saw: dict[str, Any], status: int, *words: str) -> None:
    assert saw["name"] == "ApiError"
    assert saw["status"] == status
    assert all(word in saw["message"] for word in words), saw["message"]


def test_records(run, algolia: MockAlgolia) -> None:
    saw = run("full.records")
    assert saw["batches"] == [10, 10, 5]
    assert saw["changed"] == [["cup-1", "unknown"]]
    assert saw["deleted"] == [["cup-2", "cup-3"]]
    assert saw["several"]["results"] == [{"objectID": "cup-1", "sold": 6}, None]
    assert saw["created"] == {"objectID": "new / ?", "tags": ["x"]}
    assert saw["part"] == {"objectID": "cup-1", "name": "Cup 1"}
    assert saw["exists"] == [True, False]
    _refused(saw["gone"], 404, "ObjectID does not exist")
    _refused(saw["noIndex"], 404, "Index saucers does not exist")
    held = algolia.content()["cups"]["records"]
    assert {record["objectID"]: record for record in saw["all"]} == held
    assert set(held) == {f"cup-{n}" for n in range(25) if n not in {2, 3}} | {"new / ?"}


def test_replace_all_objects(run, algolia: MockAlgolia) -> None:
    saw = run("full.replaced")
    assert saw["steps"] == ["batchResponses", "copyOperationResponse", "moveOperationResponse"]
    assert saw["batches"] == 3
    assert saw["ids"] == [f"new-{n}" for n in range(7)]
    assert saw["settingsKept"]
    assert saw["rules"] == 1
    assert saw["indices"] == ["products"]
    assert sorted(algolia.content()) == ["products"]


def test_indices(run, algolia: MockAlgolia) -> None:
    saw = run("full.indices")
    assert saw["copy"] == 1
    assert saw["items"] == [{"name": "kept", "entries": 1}, {"name": "other", "entries": 1}]
    assert sorted(algolia.content()) == ["kept", "other"]


def test_other_helpers(run, catalog) -> None:
    saw = run("full.odds")
    assert saw["made"]
    assert saw["read"] == "No id"
    assert saw["dear"] == ["put"]
    assert saw["chunks"] == 2
    assert saw["rules"] == 0
    tents = [product for product in catalog.values() if "Tent" in product["name"] and product["in_stock"]]
    assert saw["page"] == {"hits": 5, "cursor": "string" if len(tents) > 5 else "undefined"}
    assert saw["left"] == len(catalog) + 1 - 2
    assert saw["alive"] == {"message": "server is alive"}
    _refused(saw["nowhere"], 404)
    _refused(saw["garbage"], 400, "hitsPerPage")
    _refused(saw["filters"], 400, "filters")


def test_retries_after_faults(run, algolia: MockAlgolia) -> None:
    algolia.faults.add(on="searchSingleIndex", nth=1, fault="503")
    algolia.faults.add(on="searchSingleIndex", nth=4, fault="429", retry_after=1)
    saw = run("full.faults")
    assert saw["answers"] == [10, 10, 20, 10]
    assert saw["ms"] >= 900, "the client waits as long as Retry-After says"
    assert [request.status for request in algolia.requests] == [503, 200, 200, 429, 200, 200]


def test_waiting_for_tasks_that_publish_late(run, algolia: MockAlgolia) -> None:
    algolia.tasks.delay_ms = 300
    saw = run("full.late")
    _refused(saw["before"], 404)
    assert saw["pending"] == "notPublished"
    assert saw["after"]["status"] == "published"
    assert saw["name"] == "Late"


def test_settings(run) -> None:
    saw = run("full.settings")
    assert saw["got"] == saw["wanted"]
    assert saw["all"]["ranking"] == ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"]
    assert saw["all"]["highlightPreTag"] == "<em>"


def test_rules(run) -> None:
    saw = run("full.rules")
    assert saw["found"] == {"nbHits": 2, "nbPages": 2, "page": 0, "hits": 1}
    assert saw["browsed"] == ["hide", *(f"rule-{n}" for n in range(5))]
    assert saw["rule"]["consequence"] == {"hide": [{"objectID": "p-01"}]}
    _refused(saw["gone"], 404)


def test_searches(run, catalog) -> None:
    saw = run("full.searches")
    kettles = {key: product for key, product in catalog.items() if product["name"].endswith("Kettle")}
    order = sorted(kettles, key=lambda key: (kettles[key]["brand"] != "Kestrel", -kettles[key]["popularity"]))
    single = saw["single"]
    assert [hit["objectID"] for hit in single["hits"]] == order
    assert [hit["_rankingInfo"]["filters"] for hit in single["hits"]] == [
        2 if kettles[key]["brand"] == "Kestrel" else 0 for key in order
    ]
    assert {hit["_rankingInfo"]["nbTypos"] for hit in single["hits"]} == {1}
    assert sum(single["facets"]["brand"].values()) == len(kettles)
    assert len(single["queryID"]) == 32
    assert set(single["hits"][0]) == {"objectID", "name", "brand", "_highlightResult", "_rankingInfo"}
    lamps, brands = saw["several"]
    assert (lamps["page"], len(lamps["hits"]), lamps["nbHits"], lamps["nbPages"]) == (1, 3, 20, 7)
    assert [(hit["value"], hit["highlighted"]) for hit in brands["facetHits"]] == [("Kestrel", "<em>Ke</em>strel")]
    assert saw["hits"] == sum("Tent" in product["name"] for product in catalog.values())
    stocked = sum(product["brand"] == "Pomona" and product["in_stock"] for product in catalog.values())
    assert saw["facets"]["facetHits"] == [{"value": "Pomona", "highlighted": "<em>Pom</em>ona", "count": stocked}]
    _refused(saw["refused"], 400, "optionalFilter")
    _refused(saw["forbidden"], 403)
    _refused(saw["stranger"], 403, "Invalid Application-ID or API key")
