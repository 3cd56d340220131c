"""Browsing through the official client: cursors, what is ignored, and the order, whatever is written in between.

What is documented stands on algolia.com/doc/rest-api/search/browse.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import example, given
from hypothesis import strategies as st

from algosync.mock.engine.browse import _keys, browse, orders
from algosync.mock.files import load_index
from algosync.mock.server import MockAlgolia


def ids(answer):
    return [hit.to_dict()["objectID"] for hit in answer.hits]


def test_browse_pages_with_a_cursor_while_records_are_written(client):
    client.save_objects("products", [{"objectID": f"{i:03}", "n": i, "t": "text"} for i in range(25)])
    page = client.browse("products", {"hitsPerPage": 10, "attributesToRetrieve": ["n"]})
    seen = [hit.to_dict() for hit in page.hits]
    assert (page.nb_hits, page.nb_pages, page.cursor is None) == (25, 3, False)
    client.delete_object("products", "003")
    client.save_object("products", {"objectID": "000b", "n": -1})
    while page.cursor:
        page = client.browse("products", {"cursor": page.cursor})
        seen += [hit.to_dict() for hit in page.hits]
    assert seen == [{"objectID": f"{i:03}", "n": i} for i in range(25)]


def test_browse_with_query_and_filters(client):
    client.set_settings("products", {"attributesForFaceting": ["color"]})
    colors = ["red", "blue", "red"]
    client.save_objects("products", [{"objectID": str(i), "color": c, "name": "shoe"} for i, c in enumerate(colors)])
    assert ids(client.browse("products", {"filters": "color:red"})) == ["0", "2"]
    assert ids(client.browse("products", {"query": "shoe", "filters": "color:blue"})) == ["1"]
    with pytest.raises(RequestException, match="Invalid cursor"):
        client.browse("products", {"cursor": "bm9uc2Vuc2U="})


def test_the_client_browses_everything(client):
    client.save_objects("products", [{"objectID": str(i)} for i in range(30)])
    seen = []
    client.browse_objects("products", lambda page: seen.extend(ids(page)), {"hitsPerPage": 7})
    assert sorted(seen, key=int) == [str(i) for i in range(30)]


@pytest.mark.parametrize(
    "params",
    [
        {"advancedSyntax": True},
        {"attributesToHighlight": ["name"]},
        {"attributesToSnippet": ["name:2"]},
        {"distinct": True},
        {"enablePersonalization": True, "userToken": "u"},
        {"enableRules": True, "ruleContexts": ["c"]},
        {"facets": ["*"]},
        {"getRankingInfo": True},
        {"ignorePlurals": True},
        {"optionalFilters": ["color:blue<score=9>"]},
        {"typoTolerance": "strict"},
        {"typoTolerance": "min"},
    ],
)
def test_what_browsing_ignores(client, params):
    client.set_settings(
        "products", {"attributesForFaceting": ["color"], "attributeForDistinct": "color", "distinct": True}
    )
    rule = {"objectID": "r", "conditions": [{"context": "c"}], "consequence": {"hide": [{"objectID": "0"}]}}
    client.save_rules("products", [rule])
    colors = ["red", "blue", "red"]
    client.save_objects("products", [{"objectID": str(i), "color": c, "name": "shoes"} for i, c in enumerate(colors)])
    plain = client.browse("products", {"query": "shoes"}).to_dict()
    seen = client.browse("products", {"query": "shoes", **params}).to_dict()
    assert [hit["objectID"] for hit in seen["hits"]] == ["0", "1", "2"]
    assert {**seen, "params": ""} == {**plain, "params": ""}


def test_typos_are_forgiven_unless_they_are_not(client):
    client.save_objects("products", [{"objectID": "a", "name": "leather"}, {"objectID": "b", "name": "lether"}])
    assert ids(client.browse("products", {"query": "leather"})) == ["a", "b"]
    assert ids(client.browse("products", {"query": "leather", "typoTolerance": "strict"})) == ["a", "b"]
    assert ids(client.browse("products", {"query": "leather", "typoTolerance": False})) == ["a"]


def test_browsing_with_parameters_as_text_and_without_any(client):
    client.save_objects("products", [{"objectID": str(i), "n": i} for i in range(3)])
    page = client.browse("products", {"params": "filters=n%3E0&hitsPerPage=1"})
    assert (ids(page), page.nb_hits, page.hits_per_page) == (["1"], 2, 1)
    assert ids(client.browse("products", {"params": f"cursor={page.cursor}"})) == ["2"]
    assert ids(client.browse("products")) == ["0", "1", "2"]
    assert client.browse("products", {"hitsPerPage": 5000}).hits_per_page == 1000


def test_a_cursor_carries_the_parameters(client):
    """algolia/algoliasearch-client-python#105."""
    client.save_objects("products", [{"objectID": str(i), "n": i} for i in range(6)])
    page = client.browse("products", {"hitsPerPage": 2, "filters": "n>0"})
    rest = client.browse("products", {"cursor": page.cursor, "hitsPerPage": 1000, "filters": "n<0"})
    assert (ids(page), ids(rest), rest.hits_per_page, rest.page) == (["1", "2"], ["3", "4"], 2, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"page": 1}, "you should pass cursor of current page to fetch next page"),
        ({"offset": 10, "length": 5}, "Use of deprecated `offset` parameter in browse"),
        ({"length": 5}, "Use of deprecated `offset` parameter in browse"),
        ({"hitsPerPage": -1}, "hitsPerPage"),
        ({"nope": 1}, "Unknown parameter: nope"),
        ({"cursor": ""}, "Invalid cursor"),
        ({"cursor": 3}, "Invalid cursor"),
        ({"cursor": "bm9uc2Vuc2U="}, "Invalid cursor"),
        ({"cursor": urlsafe_b64encode(orjson.dumps([[], 3, {}])).decode()}, "Invalid cursor"),
        ({"cursor": urlsafe_b64encode(orjson.dumps([[1], "a", {}])).decode()}, "Invalid cursor"),
        ({"cursor": urlsafe_b64encode(orjson.dumps([[], "a", {"nope": 1}])).decode()}, "Unknown parameter: nope"),
        ({"cursor": urlsafe_b64encode(orjson.dumps([[[]], "a", {}])).decode()}, "Invalid cursor"),
    ],
)
def test_what_browsing_refuses(client, params, message):
    """algolia/algoliasearch-client-javascript#1009 and #1211 for pages and offsets."""
    client.save_object("products", {"objectID": "a"})
    with pytest.raises(RequestException, match=message) as refused:
        client.browse("products", params)
    assert refused.value.status_code == 400
    with pytest.raises(RequestException, match="Index absent does not exist") as missing:
        client.browse("absent", {})
    assert missing.value.status_code == 404


def test_what_decides_the_matches_and_is_not_acted_on_is_named(client):
    client.save_object("products", {"objectID": "a"})
    client.set_settings("products", {"separatorsToIndex": "+"})
    answer = client.browse_with_http_info("products", {"aroundLatLng": "1,2"})
    assert answer.headers["x-algosync-mock-warning"] == "Ignored by the mock: aroundLatLng"
    assert "aroundLatLng" in client.browse("products", {"aroundLatLng": "1,2"}).message
    assert client.browse("products", {"ignorePlurals": True}).message is None
    assert client.browse("products", {"query": "a"}).message == "Ignored by the mock: separatorsToIndex"


def test_records_come_in_the_order_of_custom_ranking(client):
    client.set_settings("products", {"customRanking": ["desc(sold)", "asc(price)"]})
    made = [("a", 1, 2), ("b", 3, 9), ("c", 3, 1), ("d", None, 1), ("e", 1, 2), ("f", 1, None)]
    client.save_objects("products", [{"objectID": i, "sold": s, "price": p} for i, s, p in made])
    page, seen = client.browse("products", {"hitsPerPage": 1}), []
    while True:
        seen += ids(page)
        if page.cursor is None:
            break
        page = client.browse("products", {"cursor": page.cursor})
    assert seen == ["c", "b", "a", "e", "f", "d"]
    client.set_settings("products", {"customRanking": ["asc(price)"]})
    with pytest.raises(RequestException, match="Invalid cursor"):
        client.browse("products", {"cursor": urlsafe_b64encode(orjson.dumps([[3.0, 9.0], "b", {}])).decode()})


sorted_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2) | st.sampled_from([2**60, -1e300, 1e300]),
    st.sampled_from(["", "a", "b", "ü"]),
    st.lists(st.integers(0, 3) | st.sampled_from("ab") | st.none(), max_size=3),
)
rows = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.fixed_dictionaries({}, optional={"x": sorted_values, "y": sorted_values})
)
rankings = st.lists(st.sampled_from(["asc(x)", "desc(x)", "asc(y)", "desc(y)"]), max_size=2)
changes = st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.none() | st.integers(-3, 3)), max_size=4)


@given(rows, rankings)
@example({"a": {"x": 1e300}, "b": {"x": "b"}, "c": {"x": "c"}}, ["desc(x)"])
@example({"a": {"x": ["c", "a"]}, "b": {"x": "b"}, "c": {"x": [3, 1]}, "ab": {"x": 2}, "ac": {}}, ["asc(x)"])
def test_a_place_sorts_as_the_search_engine_sorts(held, ranked):
    algolia = MockAlgolia()
    content = [{**record, "objectID": object_id} for object_id, record in held.items()]
    load_index(algolia, "p", {"settings": {"customRanking": ranked}, "records": content})
    index = algolia.index("p")
    ordered = browse(index, {}, 1000, None).ids
    assert sorted(ordered, key=_keys(index, orders(index))) == ordered


@given(rows, rankings, st.integers(1, 4), st.lists(changes, max_size=4), st.sampled_from([{}, {"filters": "NOT x=2"}]))
def test_pages_follow_one_another_whatever_is_written(held, ranked, size, written, params):
    """Records that nobody touches come exactly once, in the order in which a single page has them."""
    algolia = MockAlgolia()
    content = [{**record, "objectID": object_id} for object_id, record in held.items()]
    load_index(algolia, "p", {"settings": {"customRanking": ranked}, "records": content})
    whole = browse(algolia.index("p"), params, 1000, None)
    assert (whole.total, whole.end) == (len(whole.ids), None)
    seen, place, touched, batches = [], None, set(), iter(written)
    while True:
        page = browse(algolia.index("p"), params, size, place)
        seen += page.ids
        if page.end is None:
            break
        place = page.end
        for object_id, value in next(batches, ()):
            touched.add(object_id)
            stage = algolia.stage("p")
            body = {"objectID": object_id, "x": value}
            stage.apply("deleteObject" if value is None else "addObject", body, 0)
            algolia.commit("p", stage)
    assert [name for name in seen if name not in touched] == [name for name in whole.ids if name not in touched]
    assert len(seen) == len(set(seen)) or touched
