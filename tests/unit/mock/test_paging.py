"""Pages, `distinct` and several searches at once, through the official client."""

from __future__ import annotations

import json
import random

import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.server import MockAlgolia


def raw(client, **params):
    return json.loads(client.search_single_index_with_http_info("p", params).raw_data)


def ids(answer):
    return [hit["objectID"] for hit in answer["hits"]]


def load(client, rows, **wanted):
    client.set_settings("p", wanted)
    client.save_objects("p", rows)


def test_pages(client):
    load(client, [{"objectID": f"{i:04}"} for i in range(1100)])
    assert ids(raw(client, page=2, hitsPerPage=3)) == ["0006", "0007", "0008"]
    offset = raw(client, offset=5, length=2)
    assert (ids(offset), offset["offset"], offset["length"]) == (["0005", "0006"], 5, 2)
    assert not offset.keys() & {"page", "nbPages", "hitsPerPage"}
    assert len(ids(raw(client, offset=5))) == 20
    # algolia.com/doc/api-reference/api-parameters/length: ignored where offset is omitted
    alone = raw(client, length=2, page=1)
    assert (ids(alone)[0], len(alone["hits"]), alone["page"]) == ("0020", 20, 1)
    assert "length" not in alone
    last = raw(client, hitsPerPage=300, page=3)
    assert (len(last["hits"]), last["nbHits"], last["nbPages"]) == (100, 1100, 4)
    nothing = raw(client, hitsPerPage=0)
    assert (nothing["nbHits"], nothing["nbPages"], nothing["hits"]) == (1100, 0, [])
    most = raw(client, hitsPerPage=5000)
    assert (most["hitsPerPage"], len(most["hits"]), most["nbPages"]) == (1000, 1000, 1)


def test_beyond_the_limit_of_pagination(client):
    """algolia.com/doc/api-reference/api-parameters/paginationLimitedTo; the answer is that of the service."""
    load(client, [{"objectID": f"{i:04}"} for i in range(60)], paginationLimitedTo=50)
    assert raw(client, hitsPerPage=20)["nbPages"] == 3
    assert len(raw(client, hitsPerPage=20, page=2)["hits"]) == 10
    for beyond in ({"page": 3, "hitsPerPage": 20}, {"offset": 50, "length": 5}):
        answer = raw(client, **beyond)
        assert (answer["nbHits"], answer["hits"]) == (0, [])
        assert answer["message"].startswith("you can only fetch the 50 hits for this query.")
    assert len(raw(client, offset=45, length=20)["hits"]) == 5


def test_pages_of_many_hits_are_pieces_of_one_order(client):
    """More hits than are worth sorting for one page."""
    rng = random.Random(4)
    rows = [{"objectID": f"{i:04}", "n": rng.randrange(5), "t": rng.choice(["x", "y", None])} for i in range(3000)]
    load(client, rows, customRanking=["desc(n)", "asc(t)"], paginationLimitedTo=3000, attributesForFaceting=["t"])
    ordered = [row["objectID"] for row in sorted(rows, key=lambda row: (-row["n"], row["t"] or "z", row["objectID"]))]
    for size in (7, 300, 1000):
        for page in (0, 1, 2):
            assert ids(raw(client, hitsPerPage=size, page=page)) == ordered[page * size : (page + 1) * size]
    first, second, third = ordered[:3]
    promoted = {"objectID": ordered[-1], "position": 1}
    consequence = {"promote": [promoted], "hide": [{"objectID": first}, {"objectID": third}]}
    client.save_rule("p", "r", {"objectID": "r", "conditions": [], "consequence": consequence})
    assert ids(raw(client, hitsPerPage=4)) == [second, ordered[-1], *ordered[3:5]]
    scored = raw(client, hitsPerPage=2, optionalFilters=["t:y"], enableRules=False, getRankingInfo=True)
    best = [row["objectID"] for row in sorted(rows, key=lambda row: (row["t"] != "y", -row["n"], row["objectID"]))][:2]
    assert ids(scored) == best
    assert [hit["_rankingInfo"]["userScore"] for hit in scored["hits"]] == [3000, 2999]


ROWS = [("a", "g1", 1), ("b", "g1", 3), ("c", "g2", 2), ("d", None, 0), ("e", None, 0), ("f", "g1", 2)]


def test_distinct(client):
    rows = [{"objectID": o, "group": g, "n": n} for o, g, n in ROWS]
    load(client, rows, attributeForDistinct="group", customRanking=["desc(n)"])
    assert ids(raw(client)) == ["b", "c", "f", "a", "d", "e"]
    for one in (True, 1):
        answer = raw(client, distinct=one)
        assert (ids(answer), answer["nbHits"]) == (["b", "c", "d", "e"], 4)
        assert "_distinctSeqID" not in answer["hits"][0]
    client.set_settings("p", {"distinct": True})
    assert ids(raw(client)) == ["b", "c", "d", "e"]
    assert ids(raw(client, distinct=False)) == ["b", "c", "f", "a", "d", "e"]


def test_several_of_a_group_make_pages_of_groups(client):
    """algolia.com/doc/api-reference/api-parameters/distinct: hitsPerPage and nbHits are numbers of groups."""
    rows = [{"objectID": o, "group": g, "n": n} for o, g, n in ROWS]
    load(client, rows, attributeForDistinct="group", customRanking=["desc(n)"], distinct=2)
    answer = raw(client, hitsPerPage=2)
    assert (ids(answer), answer["nbHits"], answer["nbPages"]) == (["b", "f", "c"], 4, 2)
    assert [hit["_distinctSeqID"] for hit in answer["hits"]] == [0, 1, 0]
    assert ids(raw(client, hitsPerPage=2, page=1)) == ["d", "e"]
    assert ids(raw(client, distinct=3, offset=0, length=1)) == ["b", "f", "a"]


def test_what_makes_a_group(client):
    """algolia.com/doc/api-reference/api-parameters/attributeForDistinct: 1.2 and 1 both are "1", booleans nothing."""
    values = [("a", 1.2), ("b", 1), ("c", "1"), ("d", 2), ("e", True), ("f", True), ("g", None)]
    load(client, [{"objectID": o, "group": v} for o, v in values], attributeForDistinct="group", distinct=True)
    assert ids(raw(client)) == ["a", "d", "e", "f", "g"]


@given(
    rows=st.lists(st.tuples(st.sampled_from(["x", "y", "1", 1, 1.4, None]), st.integers(0, 3)), max_size=12),
    most=st.integers(1, 4),
    moved=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_groups_against_a_plain_count(rows, most, moved):
    from algosync.mock.engine.search import Reading, search

    algolia = MockAlgolia()
    stage = algolia.stage("p")
    for number, (group, rank) in enumerate(rows):
        stage.apply("addObject", {"objectID": f"{number:02}", "g": group, "n": rank}, 0)
    algolia.commit("p", stage)
    if not rows:
        return
    wanted = {"attributeForDistinct": "g", "customRanking": ["desc(n)"]}
    algolia.write("p", lambda index: index.set_settings(wanted))
    search(algolia.index("p"), {}, Reading(now_s=0, merging="first"))
    again = algolia.stage("p")
    for number, (group, rank) in list(enumerate(rows))[:moved]:  # these enter the small segment
        again.apply("addObject", {"objectID": f"{number:02}", "g": group, "n": rank}, 0)
    algolia.commit("p", again)
    params = {"distinct": most, "hitsPerPage": 100}
    shown = ids(search(algolia.index("p"), params, Reading(now_s=0, merging="first")))
    groups: dict[str, list[str]] = {}
    for number, (group, _) in sorted(enumerate(rows), key=lambda row: (-row[1][1], row[0])):
        key = f"alone {number}" if group is None else str(round(group)) if isinstance(group, int | float) else group
        groups.setdefault(key, []).append(f"{number:02}")
    assert shown == [name for members in groups.values() for name in members[:most]]


def test_several_searches_at_once(client):
    load(client, [{"objectID": "a", "brand": "X"}], attributesForFaceting=["searchable(brand)"])
    requests = [
        {"indexName": "p", "query": "x", "hitsPerPage": 2},
        {"indexName": "p", "params": "query=nothing&facets=%5B%22brand%22%5D&hitsPerPage=3&getRankingInfo=1"},
        {"indexName": "p", "type": "facet", "facet": "brand", "facetQuery": "x"},
        {"indexName": "p", "type": "facet", "facet": "brand", "params": "facetQuery=y"},
    ]
    results = [result.actual_instance for result in client.search({"requests": requests}).results]
    hits, encoded, facet, none = results
    assert (hits.nb_hits, hits.index, encoded.nb_hits, encoded.hits_per_page) == (1, "p", 0, 3)
    assert (facet.facet_hits[0].value, none.facet_hits) == ("X", [])


def test_searches_stop_when_there_are_enough_matches(client):
    """What the second search gets is known from the integration tests of Algolia's own clients."""
    load(client, [{"objectID": name} for name in "abc"])
    requests = [{"indexName": "p", "hitsPerPage": size} for size in (4, 2, 2)]
    answer = client.search_with_http_info({"requests": requests, "strategy": "stopIfEnoughMatches"})
    results = json.loads(answer.raw_data)["results"]
    assert [(len(each["hits"]), each["nbHits"]) for each in results] == [(3, 3), (2, 3), (0, 0)]
    assert results[2]["processed"] is False
    few = [{**request, "responseFields": ["hits"]} for request in requests]
    answer = client.search_with_http_info({"requests": few, "strategy": "stopIfEnoughMatches"})
    assert [each.get("processed") for each in json.loads(answer.raw_data)["results"]] == [None, None, False]
    everything = client.search({"requests": requests, "strategy": "none"}).results
    assert [each.actual_instance.nb_hits for each in everything] == [3, 3, 3]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"requests": [{"indexName": "p"}, {"indexName": "p", "foo": 1}]}, 400, "Unknown parameter: foo"),
        ({"requests": [{"indexName": "p"}, {"indexName": "none"}]}, 404, "Index none does not exist"),
        ({"requests": [{"indexName": "p"}] * 51}, 400, "Too many queries in multi query request"),
        ({"requests": [{"query": "x"}]}, 400, "indexName is missing"),
        ({"requests": [{"indexName": "p", "type": "odd"}]}, 400, "expected default or facet"),
        ({"requests": [{"indexName": "p", "type": "facet"}]}, 400, "facet is missing"),
        ({"requests": {}}, 400, "expected an array of requests"),
        ({"requests": [1]}, 400, "expected an array of requests"),
        ({"requests": [], "strategy": "odd"}, 400, "expected none or stopIfEnoughMatches"),
    ],
)
def test_one_refusal_refuses_all(client, body, status, message):
    load(client, [{"objectID": "a"}])
    with pytest.raises(RequestException, match=message) as refused:
        client.search(body)
    assert refused.value.status_code == status
