from hypothesis import given
from hypothesis import strategies as st

from algosync.personalizer.gaps import Gap, filled, gap, request_for, tagged

IDS = st.lists(st.sampled_from([f"p{n}" for n in range(9)]), max_size=8)
CONTENT = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("related", "viewed_together", "similar", "bought_together", "trending"), IDS)
)
MODELS = st.sampled_from(["related-products", "bought-together", "looking-similar", "trending-items", "new-model"])


@given(model=MODELS, limit=st.integers(1, 6), came=IDS, content=CONTENT, exist=st.sets(IDS.map(tuple)))
def test_nothing_twice_never_the_product_itself_and_never_more_than_asked_for(model, limit, came, content, exist):
    anchor = "p0"
    hits = tagged({"objectID": one} for one in dict.fromkeys(came) if one != anchor)[:limit]
    request = {"model": model, "objectID": anchor, "maxRecommendations": limit}
    missing = gap(request, hits, content)
    there = {one for ids in exist for one in ids}
    more = filled(missing, [{"objectID": one} for one in sorted(there)])
    ids = [hit["objectID"] for hit in [*hits, *more]]
    assert len(ids) == len(set(ids)) <= limit
    assert anchor not in ids
    assert {hit["objectID"] for hit in more} <= there & {one for ids in content.values() for one in ids}
    for hit in more:
        assert hit["objectID"] in content[hit["_origin"].removeprefix("algosync:")]


def test_the_best_list_comes_first_in_its_own_order():
    content = {"similar": ["s1", "r2"], "related": ["r1", "r2"], "viewed_together": ["v1"], "trending": ["t1"]}
    missing = gap({"model": "related-products", "objectID": "a", "maxRecommendations": 4}, [], content)
    assert list(missing.origins.items()) == [
        ("r1", "algosync:related"),
        ("r2", "algosync:related"),
        ("v1", "algosync:viewed_together"),
        ("s1", "algosync:similar"),
    ]
    found = [{"objectID": one, "_highlightResult": {}} for one in ("s1", "v1", "r2")]
    assert filled(missing, found) == [
        {"objectID": "r2", "_origin": "algosync:related"},
        {"objectID": "v1", "_origin": "algosync:viewed_together"},
        {"objectID": "s1", "_origin": "algosync:similar"},
    ]


def test_what_fills_is_held_to_the_requests_own_conditions():
    request = {
        "model": "trending-items",
        "facetName": "brand",
        "facetValue": "LG",
        "queryParameters": {"filters": "in_stock:true", "optionalFilters": ["brand:LG"], "userToken": "u-1"},
    }
    made = request_for(Gap(wanted=2, origins={"p1": "algosync:trending", "p2": "algosync:popular"}), request)
    assert made["filters"] == "in_stock:true"
    assert made["facetFilters"] == ["brand:LG", ["objectID:p1", "objectID:p2"]]
    assert made["hitsPerPage"] == 2
    assert made["analytics"] is False
    assert not {"userToken", "optionalFilters"} & made.keys()


def test_a_full_answer_has_no_gap():
    hits = [{"objectID": str(n)} for n in range(3)]
    assert gap({"model": "looking-similar", "maxRecommendations": 3}, hits, {"similar": ["x"]}).wanted == 0
    assert gap({"model": "looking-similar"}, hits, {"similar": ["x"]}) == Gap(
        wanted=27, origins={"x": "algosync:similar"}
    )
