"""Scenarios: settings, rules, searches, and requests made by hand."""

from __future__ import annotations

from algoliasearch.search.models import (
    IndexSettings,
    SearchForFacets,
    SearchForHits,
    SearchMethodParams,
    SearchParams,
    SearchParamsObject,
    SearchQuery,
    TypoTolerance,
    TypoToleranceEnum,
)

from .clients import Story
from .writing import seed


async def settings(story: Story) -> None:
    search = story.search
    await story.done("products", await search.set_settings("products", {"hitsPerPage": 5}))
    typed = IndexSettings(custom_ranking=["desc(n)"], typo_tolerance=TypoTolerance(TypoToleranceEnum.STRICT))
    await story.done("products", await search.set_settings("products", typed, forward_to_replicas=True))
    assert story.algolia.requests.of("setSettings")[-1].query == {"forwardtoreplicas": "true"}
    kept = await search.get_settings("products")
    assert (kept.hits_per_page, kept.custom_ranking, kept.query_type) == (5, ["desc(n)"], "prefixLast")
    assert kept.typo_tolerance.actual_instance == "strict"
    await story.done("products", await search.set_settings("products", {"hitsPerPage": None}))
    assert (await search.get_settings("products")).hits_per_page == 20
    await story.refused(search.set_settings("products", {"hitsPerPage": "x"}), "hitsPerPage")
    await story.refused(search.get_settings("nothing"), "Index nothing does not exist", 404)


def rule(name: str, context: str) -> dict:
    consequence = {"params": {"optionalFilters": ["brand:acme<score=2>"]}, "promote": []}
    return {"objectID": name, "description": name, "conditions": [{"context": context}], "consequence": consequence}


async def rules(story: Story) -> None:
    search = story.search
    await story.done("products", await search.save_rules("products", [rule(f"r{n}", "vip") for n in range(3)]))
    await story.done("products", await search.save_rule("products", "s", rule("s", "sale"), forward_to_replicas=False))
    assert list(story.algolia.content()["products"]["rules"]) == ["r0", "r1", "r2", "s"]
    one = await search.get_rule("products", "s")
    assert (one.object_id, one.conditions[0].context) == ("s", "sale")
    found = await search.search_rules("products", {"context": "vip", "hitsPerPage": 2})
    assert ([hit.object_id for hit in found.hits], found.nb_hits, found.nb_pages) == (["r0", "r1"], 3, 2)

    seen: list[str] = []
    await search.browse_rules("products", lambda page: seen.extend(hit.object_id for hit in page.hits))
    assert seen == ["r0", "r1", "r2", "s"]
    seen.clear()
    paged = {"hitsPerPage": 3}
    await search.browse_rules("products", lambda page: seen.extend(hit.object_id for hit in page.hits), paged)
    assert seen == ["r0", "r1", "r2", "s"]
    assert [request.json().get("page") for request in story.algolia.requests.of("searchRules")[-2:]] == [None, 1]

    await story.done("products", await search.delete_rule("products", "r1"))
    await story.refused(search.get_rule("products", "r1"), "ObjectID does not exist", 404)
    only = await search.save_rules("products", [rule("t", "new")], clear_existing_rules=True)
    await story.done("products", only)
    assert list(story.algolia.content()["products"]["rules"]) == ["t"]
    await story.refused(search.save_rules("products", [rule("u", "v"), {"objectID": "w"}]), "consequence")
    await story.done("products", await search.clear_rules("products"))
    assert story.algolia.content()["products"]["rules"] == {}


def ids(answer) -> list[str]:
    return [hit.object_id for hit in answer.hits]


async def searches(story: Story) -> None:
    await seed(story)
    search = story.search
    await story.done("products", await search.set_settings("products", {"customRanking": ["desc(n)"]}))
    answer = await search.search_single_index("products", {"query": "bolt"})
    assert (ids(answer), answer.nb_hits) == (["6", "4", "2", "0"], 4)
    assert answer.hits[0].highlight_result["brand"].actual_instance.value == "<em>bolt</em>"
    boosted = {"optionalFilters": ["brand:acme<score=3>"], "facets": ["brand"], "getRankingInfo": True}
    typed = SearchParamsObject.from_dict(boosted | {"hitsPerPage": 4})
    answer = await search.search_single_index("products", SearchParams(typed))
    assert (ids(answer), answer.nb_pages) == (["5", "3", "1", "6"], 2)
    assert answer.facets == {"brand": {"acme": 3, "bolt": 4}}
    assert [hit.ranking_info.filters for hit in answer.hits] == [3, 3, 3, 0]
    assert ids(await search.search_single_index("products", {"ruleContexts": ["vip"]})) == ["5", "3", "1"]
    await story.refused(search.search_single_index("products", {"colour": 1}), "Unknown parameter: colour")

    hits = SearchForHits(index_name="products", query="acme", filters="n < 4")
    facets = SearchForFacets(index_name="products", facet="brand", type="facet", facet_query="ac")
    asked = SearchMethodParams(requests=[SearchQuery(hits), SearchQuery(facets)])
    first, second = [each.actual_instance for each in (await search.search(asked)).results]
    assert (ids(first), first.index) == (["3", "1"], "products")
    assert second.to_dict()["facetHits"] == [{"value": "acme", "highlighted": "<em>ac</em>me", "count": 3}]
    enough = {"requests": [{"indexName": "products", "hitsPerPage": 1}] * 2, "strategy": "stopIfEnoughMatches"}
    assert [each.actual_instance.nb_hits for each in (await search.search(enough)).results] == [7, 0]


async def facet_values(story: Story) -> None:
    await seed(story)
    search = story.search
    await story.done(
        "products", await search.set_settings("products", {"attributesForFaceting": ["searchable(brand)"]})
    )
    answer = await search.search_for_facet_values("products", "brand")
    assert [(hit.value, hit.count) for hit in answer.facet_hits] == [("bolt", 4), ("acme", 3)]
    asked = {"facetQuery": "ac", "filters": "brand:acme", "maxFacetHits": 1}
    answer = await search.search_for_facet_values("products", "brand", asked)
    assert [(hit.highlighted, hit.count) for hit in answer.facet_hits] == [("<em>ac</em>me", 3)]
    await story.refused(search.search_for_facet_values("products", "n"), "searchable")


async def by_hand(story: Story) -> None:
    search = story.search
    put = await search.custom_put("1/indexes/products/a", {"x": "y z"}, {"n": 1})
    await search.wait_for_task("products", put["taskID"])
    assert story.algolia.requests.of("addOrUpdateObject")[-1].query == {"x": "y z"}
    assert await search.custom_get("1/indexes/products/a", {"attributesToRetrieve": "n"}) == {"objectID": "a", "n": 1}
    found = await search.custom_post("1/indexes/products/query", body={"filters": "n=1"})
    assert [hit["objectID"] for hit in found["hits"]] == ["a"]
    gone = await search.custom_delete("1/indexes/products")
    await search.wait_for_app_task(gone["taskID"])
    assert story.algolia.content() == {}
    await story.refused(search.custom_get("1/nowhere"), "Path not found: GET /1/nowhere", 404)
    assert await search.custom_get("1/isalive") == {"message": "server is alive"}
