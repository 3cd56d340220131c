"""Rules that promote and hide records: places, pages, counts, `distinct`, filters."""

from __future__ import annotations

import pytest

IDS = "abcdefgh"


@pytest.fixture(autouse=True)
def _products(client):
    client.set_settings(
        "p", {"attributesForFaceting": ["kind"], "attributeForDistinct": "group", "searchableAttributes": ["name"]}
    )
    records = [{"objectID": o, "name": "thing", "kind": "good", "group": "group " + o} for o in IDS]
    client.save_objects("p", [*records, {"objectID": "x", "name": "odd", "kind": "bad", "group": "group b"}])


@pytest.fixture
def keep(client):
    def save(*rules, **consequence):
        given = rules or ({"objectID": "r", "consequence": consequence},)
        client.save_rules("p", list(given), clear_existing_rules=True)

    return save


@pytest.fixture
def look(client):
    def search(query="thing", **params):
        return client.search_single_index("p", {"query": query, "getRankingInfo": True, **params})

    return search


def ids(answer):
    return "".join(hit.object_id for hit in answer.hits)


def promote(*items, **more):
    return {"promote": [{"objectIDs": list(o), "position": p} for o, p in items], **more}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([("x", 0)], "xabcdefgh"),
        ([("x", 3)], "abcxdefgh"),
        ([("x", 300)], "abcdefghx"),
        ([("gx", 2)], "abgxcdefh"),
        ([("xg", 2)], "abxgcdefh"),
        ([("a", 4)], "bcdeafgh"),
        ([("h", 1), ("x", 0)], "xhabcdefg"),
        ([("gh", 0), ("x", 1)], "ghxabcdef"),
        ([("x", 100), ("a", 200)], "bcdefghxa"),
        ([("?x", 1)], "axbcdefgh"),
        ([("aa", 1)], "bacdefgh"),
    ],
)
def test_promoted_records_have_their_places(keep, look, items, expected):
    keep(**promote(*items))
    answer = look()
    assert ids(answer) == expected
    assert answer.nb_hits == len(expected)
    promoted = {hit.object_id for hit in answer.hits if hit.ranking_info.promoted}
    assert promoted == {o for ids_, _ in items for o in ids_} - {"?"}


def test_pages_cut_the_order_with_promoted_records(keep, look):
    keep(**promote(("x", 4), ("h", 2)))
    whole = ids(look())
    assert whole == "abhcxdefg"
    pages = [look(hitsPerPage=2, page=page) for page in range(6)]
    assert "".join(map(ids, pages)) == whole
    assert {page.nb_pages for page in pages} == {5}
    assert ids(look(offset=2, length=3)) == whole[2:5]


def test_a_promoted_record_is_a_hit_whatever_the_query(keep, look):
    keep(**promote(("x", 1)))
    answer = look("nothing at all", facets=["kind"])
    assert (ids(answer), answer.nb_hits, answer.facets) == ("x", 1, {"kind": {"bad": 1}})
    assert answer.hits[0].ranking_info.words == 0
    answer = look(facets=["kind"])
    assert answer.facets == {"kind": {"good": 8, "bad": 1}}
    assert look("odd", facets=["kind"]).nb_hits == 1, "counted once where the query finds it too"


def test_hidden_records_are_neither_shown_nor_counted(keep, look):
    keep(hide=[{"objectID": "b"}, {"objectID": "unknown"}])
    answer = look(facets=["kind"])
    assert (ids(answer), answer.nb_hits, answer.facets) == ("acdefgh", 7, {"kind": {"good": 7}})
    keep(**promote(("bc", 0), hide=[{"objectID": "b"}]))
    assert ids(look()) == "cadefgh", "hiding outweighs promoting"


def test_filters_bind_promoted_records_only_where_a_rule_says_so(keep, look):
    keep(**promote(("x", 0)))
    assert ids(look(filters="kind:good")) == "xabcdefgh"
    keep(**promote(("xh", 0)), filterPromotes=True)
    assert ids(look(filters="kind:good")) == "habcdefg"
    assert ids(look("never", filters="kind:bad")) == "x"
    rules = [
        {"objectID": "r1", "consequence": promote(("x", 0), filterPromotes=True)},
        {"objectID": "r2", "consequence": promote(("x", 3))},
        {"objectID": "r3", "consequence": {"params": {"filters": "kind:good"}}},
    ]
    keep(*rules)
    assert ids(look()) == "abcxdefgh", "each rule speaks for its own promotions, under all filters in force"


def test_several_rules_promote(keep, look):
    keep(
        {"objectID": "r1", "consequence": promote(("g", 1), ("e", 3))},
        {"objectID": "r2", "consequence": promote(("g", 0), ("f", 1), ("d", 2))},
    )
    assert ids(look()) == "afgdebch", "g where the first rule wants it; f and g both at 1, in the order of objectIDs"


def test_distinct_counts_promoted_records_as_members_of_their_group(keep, look):
    keep(**promote(("x", 0)))
    answer = look(distinct=1)
    assert (ids(answer), answer.nb_hits) == ("xacdefgh", 8)
    assert ids(look(distinct=2)) == "xabcdefgh"
    keep(**promote(("x", 4), ("b", 0)))
    assert ids(look(distinct=1)) == "bacdefgh", "never more of a group than asked for"
    keep(hide=[{"objectID": "b"}])
    assert ids(look("", distinct=1)) == "acdefghx", "a hidden record stands for no group"


def test_facet_value_search_counts_what_a_search_would(client, keep):
    client.set_settings("p", {"attributesForFaceting": ["searchable(kind)"]})
    keep(**promote(("x", 0)), hide=[{"objectID": "a"}])
    answer = client.search_for_facet_values("p", "kind", {"params": "query=thing"})
    assert {hit.value: hit.count for hit in answer.facet_hits} == {"good": 7, "bad": 1}


def test_records_that_changed_since_are_promoted_and_hidden_too(client, keep, look):
    keep(**promote(("xc", 0)), hide=[{"objectID": "d"}])
    assert ids(look()) == "xcabefgh"
    client.partial_update_objects("p", [{"objectID": o, "name": "thing"} for o in "xd"])
    client.delete_object("p", "c")
    assert ids(look()) == "xabefgh"
