"""The mock's own routes: faults, requests, whole indices, snapshots and events over HTTP, with the admin key alone."""

from __future__ import annotations

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.mock.routes.calls import Call
from algosync.mock.routes.control import ROUTES, SNAPSHOTS_KEPT
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
PATHS = ["/mock/faults", "/mock/requests", "/mock/indexes", "/mock/snapshots", "/mock/events"]


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, headers=HEADERS, trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
def test_they_need_the_admin_key(http, path):
    assert http.get(path).status_code == 200
    for key in ("mock-write", "mock-storefront", "wrong"):
        assert http.get(path, headers={"x-algolia-api-key": key}).status_code == 403


def test_unknown_ones_are_404(http):
    for method, path in (("GET", "/mock/nothing"), ("PATCH", "/mock/faults"), ("GET", "/mock/snapshots/7")):
        assert http.request(method, path).status_code == 404


def test_they_are_no_part_of_the_log_and_meet_no_faults(http, algolia):
    algolia.faults.add(on="*", fault="503")
    assert [http.get(path).status_code for path in PATHS] == [200] * len(PATHS)
    assert list(algolia.requests) == []
    assert http.get("/1/indexes").status_code == 503


def test_faults_are_put_seen_and_lifted_at_run_time(http, client):
    plan = {"seed": 7, "faults": [{"on": "batch", "fault": "unpublished", "nth": 1}, {"on": "getTask", "fault": 500}]}
    put = http.put("/mock/faults", json=plan)
    assert put.json()["faults"][1] == {"on": ["getTask"], "fault": "500", "seen": 0, "struck": 0}
    held = client.batch("p", {"requests": [{"action": "addObject", "body": {"objectID": "a"}}]}).task_id
    assert http.get(f"/1/indexes/p/task/{held}").status_code == 500
    seen = http.get("/mock/faults").json()
    assert (seen["seed"], seen["heldTasks"]) == (7, [held])
    assert [strike["fault"] for strike in seen["strikes"]] == ["unpublished", "500"]
    assert http.get("/1/indexes/p/a").status_code == 404
    added = http.post("/mock/faults", json={"on": "getObject", "fault": "429"}).json()
    assert len(added["faults"]) == 3
    lifted = http.delete("/mock/faults").json()
    assert lifted == {"seed": 0, "faults": [], "strikes": [], "heldTasks": []}
    assert http.get("/1/indexes/p/a").json() == {"objectID": "a"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{"on": "bach", "fault": "500"}], "faults: there is no operation 'bach'. Did you mean batch"),
        ({"faults": [{"on": "batch"}]}, "faults.faults.0.fault: Field required"),
        (7, "faults: "),
    ],
)
def test_a_plan_that_is_none_leaves_the_one_before(http, algolia, body, said):
    algolia.faults.add(on="batch", fault="500")
    refused = http.put("/mock/faults", json=body)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith(said)
    assert len(http.get("/mock/faults").json()["faults"]) == 1


def test_what_was_asked_and_forgotten(http, client):
    client.save_object("p", {"objectID": "a"})
    client.search_single_index("p", {"query": "lamp"})
    all_of_them = http.get("/mock/requests").json()["requests"]
    assert [request["operation"] for request in all_of_them] == ["saveObject", "searchSingleIndex"]
    (search,) = http.get("/mock/requests?operation=searchSingleIndex").json()["requests"]
    assert (
        search.items()
        >= {
            "method": "POST",
            "path": "/1/indexes/p/query",
            "key": "mock-admin",
            "status": 200,
            "fault": None,
            "body": {"query": "lamp"},
        }.items()
    )
    assert http.delete("/mock/requests").json() == {"requests": []}
    assert http.get("/mock/requests").json() == {"requests": []}


CONTENT = {
    "settings": {"attributesForFaceting": ["brand"]},
    "rules": [],
    "records": [{"brand": "Lumen", "objectID": "1"}, {"objectID": "2"}],
}


def test_whole_indices_in_and_out(http, client):
    assert http.put("/mock/indexes/a%2Fb", json=CONTENT).json() == {"records": 2}
    assert http.get("/mock/indexes/a%2Fb").json() == CONTENT
    assert http.put("/mock/indexes/list", json=CONTENT["records"]).status_code == 200
    assert http.get("/mock/indexes").json() == {"indexes": {"a/b": 2, "list": 2}, "operations": {}}
    assert client.search_single_index("a/b", {"facets": ["brand"]}).facets == {"brand": {"Lumen": 1}}
    assert http.get("/mock/indexes/none").status_code == 404
    refused = http.put("/mock/indexes/list", json=[{"no": "id"}])
    assert refused.status_code == 400
    assert "index list: records[0]" in refused.json()["message"]
    assert len(http.get("/mock/indexes/list").json()["records"]) == 2


def test_snapshots(http, client):
    client.save_object("p", {"objectID": "a"})
    name = http.post("/mock/snapshots").json()["snapshot"]
    client.clear_objects("p")
    client.save_object("q", {"objectID": "b"})
    assert http.get("/mock/snapshots").json() == {"snapshots": [name]}
    assert http.put(f"/mock/snapshots/{name}").status_code == 200
    assert http.get("/mock/indexes").json()["indexes"] == {"p": 1}
    assert http.delete(f"/mock/snapshots/{name}").json() == {"snapshots": []}
    assert http.put(f"/mock/snapshots/{name}").status_code == 404
    assert http.post("/mock/snapshots").status_code == 201


def test_the_oldest_snapshots_go():
    algolia = MockAlgolia()
    for _ in range(SNAPSHOTS_KEPT + 2):
        handle(algolia, Call(method="POST", path="/mock/snapshots", headers=HEADERS))
    assert list(algolia.snapshots) == [str(number) for number in range(3, SNAPSHOTS_KEPT + 3)]


def test_events(http):
    event = {"eventType": "view", "eventName": "seen", "userToken": "u", "objectIDs": ["1"]}
    for index in ("p", "q"):
        assert http.post("/1/events", json={"events": [event | {"index": index}]}).status_code == 200
    assert len(http.get("/mock/events").json()["events"]) == 2
    assert http.get("/mock/events?index=q").json() == {"events": [event | {"index": "q"}]}
    assert http.delete("/mock/events").json() == {"events": []}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["on", "fault", "seed", "faults", "records"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(route=st.sampled_from(ROUTES), body=JSON.map(orjson.dumps) | st.binary(max_size=20))
def test_garbage_is_refused(route, body):
    path = "/" + "/".join("x" if part.startswith("{") else part for part in route.parts)
    answer = handle(MockAlgolia(), Call(method=route.method, path=path, headers=HEADERS, body=body))
    assert answer.status in {200, 201, 400, 404}
    assert orjson.loads(answer.body)
