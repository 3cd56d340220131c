"""The official JavaScript client's keys, and the clients made from it: Recommend, Insights, Personalization."""

from __future__ import annotations

from typing import Any

import pytest

from algosync.mock.server import MockAlgolia

pytestmark = pytest.mark.browser


def _refused(saw: dict[str, Any], status: int, *words: str) -> None:
    assert saw["name"] == "ApiError"
    assert saw["status"] == status
    assert all(word in saw["message"] for word in words), saw["message"]


def test_secured_keys(run, catalog) -> None:
    saw = run("services.secured")
    assert 3590 <= saw["remaining"] <= 3600
    wanted = [key for key, product in catalog.items() if product["brand"] == "Kestrel" and product["in_stock"]]
    assert saw["ids"] == wanted
    _refused(saw["expired"], 400, "validUntil", "expired")
    for name in ("otherIndex", "tampered", "write"):
        _refused(saw[name], 403)


def test_keys(run) -> None:
    saw = run("services.keys")
    assert saw["added"] == {"acl": ["search"], "indexes": ["prod*"], "description": "storefront"}
    assert saw["updated"] == ["search", "browse"]
    assert saw["hits"] == 5
    _refused(saw["deleted"], 403)
    assert saw["listed"]


def test_recommend(run, catalog) -> None:
    saw = run("services.recommend")
    related, together, similar, trending, facets = saw["results"]
    held = catalog["p-01"]["algosync"]
    assert [hit["objectID"] for hit in related["hits"]] == held["related"][:4]
    assert [hit["objectID"] for hit in together["hits"]] == held["bought_together"]
    stocked = [key for key in held["similar"] if catalog[key]["in_stock"]]
    assert [hit["objectID"] for hit in similar["hits"]] == stocked
    best = sorted(catalog, key=lambda key: [-catalog[key]["algosync"][name] for name in ("trending", "popularity")])
    assert [hit["objectID"] for hit in trending["hits"]] == best[:4]
    brands = {product["brand"] for product in catalog.values()}
    assert len(facets["hits"]) == 4
    assert {(hit["facetName"], hit["facetValue"] in brands) for hit in facets["hits"]} == {("brand", True)}
    for result in saw["results"]:
        scores = [hit["_score"] for hit in result["hits"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 100 for score in scores)
    _refused(saw["refused"], 400)


def test_insights(run, algolia: MockAlgolia) -> None:
    saw = run("services.insights")
    assert saw["taken"] == {"status": 200, "message": "OK"}
    _refused(saw["refused"], 422, "UserToken must contain only")
    assert [request.status for request in algolia.requests] == [200, 422]
    viewed, bought = algolia.events.of_user("visitor-1")
    assert (viewed.type, viewed.object_ids) == ("view", ("p-01", "p-02"))
    assert (bought.type, bought.subtype, bought.object_ids) == ("conversion", "purchase", ("p-02",))
    assert bought.sent["objectData"] == [{"price": 19.5, "quantity": 2, "discount": "1.50"}]


def test_personalization(run) -> None:
    saw = run("services.personalization")
    assert saw["got"] == saw["wanted"]
    assert saw["set"]["message"]
    assert saw["profile"]["userToken"] == "fan"
    assert saw["profile"]["scores"]["brand"].keys() == {"Vireo"}
    assert saw["deleted"]["userToken"] == "fan"
    _refused(saw["unknown"], 404)
