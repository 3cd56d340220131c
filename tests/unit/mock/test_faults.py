"""Faults on purpose: when they strike, what a client and a bare connection then see, how a plan is written."""

from __future__ import annotations

import inspect
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

import httpx
import orjson
import pytest
import requests
import stamina
from algoliasearch.http.exceptions import AlgoliaUnreachableHostException, RequestException
from algoliasearch.search import models
from algoliasearch.search.client import SearchClientSync
from hypothesis import given
from hypothesis import strategies as st

from algosync.algolia.client import WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaUnavailableError, ConfigError
from algosync.mock.fault_plan import HELPERS, KINDS, FaultPlan, check_names, make_fault, read_plan, read_short
from algosync.mock.faults import Asked, Faults, makes_task
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import OPERATIONS, handle
from algosync.mock.server import MockAlgolia, MockServer

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}


def records(*names):
    return [{"objectID": name, "name": name} for name in names]


def faults_of(*made, seed=0):
    faults = Faults(lambda: OPERATIONS)
    faults.put(FaultPlan(seed=seed, faults=tuple(map(read_short, made))))
    return faults


def strikes(faults, operations, index="products"):
    found = [faults.strike(Asked(operation=operation, index=index)) for operation in operations]
    return [None if strike is None else strike.kind for strike in found]


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, headers=HEADERS, trust_env=False) as opened:
        yield opened


# When


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("batch:500", "xxxxxxxx"),
        ("batch:3:500", "--x-----"),
        ("batch:3:x2:500", "--xx----"),
        ("batch:every3:500", "--x--x--"),
        ("batch:every3:x1:500", "--x-----"),
        ("batch:x2:500", "xx------"),
        ("batch:0%:500", "--------"),
        ("batch:100%:500", "xxxxxxxx"),
        ("batch@other:500", "--------"),
        ("batch@prod*:2:500", "-x------"),
        ("read:500", "--------"),
        ("write:500", "xxxxxxxx"),
        ("search,batch:1:500", "x-------"),
        ("saveObjects:1:500", "x-------"),
        ("*:8:500", "-------x"),
    ],
)
def test_which_requests_are_struck(fault, expected):
    struck = strikes(faults_of(fault), ["batch"] * 8)
    assert "".join("-" if each is None else "x" for each in struck) == expected


def test_only_requests_that_fit_are_counted():
    faults = faults_of("batch:2:500")
    assert strikes(faults, ["batch", "searchSingleIndex", "getTask", "batch"]) == [None, None, None, "500"]
    described = faults.describe()
    assert described["faults"] == [{"on": ["batch"], "fault": "500", "nth": 2, "seen": 2, "struck": 1}]
    assert described["strikes"] == [{"fault": "500", "operation": "batch", "index": "products", "request": 2}]


def test_the_first_fault_wins_and_all_count():
    assert strikes(faults_of("batch:2:500", "batch:2:x2:503"), ["batch"] * 3) == [None, "500", "503"]


OPERATIONS_SEEN = st.lists(st.sampled_from(["batch", "searchSingleIndex", "getTask"]), max_size=40)
PLANS = st.lists(st.sampled_from(["batch:30%:500", "*:50%:503", "read:every4:429", "write:2:reset"]), max_size=4)


@given(plan=PLANS, seen=OPERATIONS_SEEN, seed=st.integers(0, 5))
def test_the_same_seed_and_requests_meet_the_same_faults(plan, seen, seed):
    faults = faults_of(*plan, seed=seed)
    first = strikes(faults, seen)
    assert strikes(faults_of(*plan, seed=seed), seen) == first
    faults.put(FaultPlan(seed=seed, faults=tuple(map(read_short, plan))))
    assert strikes(faults, seen) == first


@given(plan=PLANS, seen=OPERATIONS_SEEN)
def test_a_fault_of_its_own_is_not_moved_by_others(plan, seen):
    """What a fault sees and draws depends on its place and on requests, not on what other faults do."""
    alone = faults_of("batch:30%:oversize", *plan)
    with_body = [Asked(operation=name, body=b'{"requests":[{"action":"addObject","body":{}}]}') for name in seen]
    struck = [strike is not None and strike.kind == "oversize" for strike in map(alone.strike, with_body)]
    single = faults_of("batch:30%:oversize")
    assert [single.strike(asked) is not None for asked in with_body] == struck


def test_seeds_differ_and_shares_are_about_right():
    drawn = {seed: strikes(faults_of("batch:25%:500", seed=seed), ["batch"] * 2000) for seed in (1, 2)}
    assert drawn[1] != drawn[2]
    assert all(430 < sum(map(bool, struck)) < 570 for struck in drawn.values())


# What


def test_429_tells_when_to_come_again(http, algolia):
    algolia.faults.add(on="listIndices", nth=1, fault="429", retry_after=7)
    refused = http.get("/1/indexes")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert refused.json() == {"message": "Too many requests", "status": 429}
    assert http.get("/1/indexes").status_code == 200


def test_the_official_client_waits_and_comes_again(client, algolia):
    algolia.faults.add(on="saveObjects", fault="429", nth=1, retry_after=0)
    client.save_objects("products", records("a"))
    assert [(r.operation, r.status, r.fault) for r in algolia.requests] == [
        ("batch", 429, "429"),
        ("batch", 200, None),
    ]
    assert algolia.operations == {"addObject": 1}


@pytest.mark.parametrize(("fault", "media_type"), [("500", "application/json"), ("503", "text/html")])
def test_errors_of_the_server(http, algolia, fault, media_type):
    algolia.faults.add(on="batch", fault=fault, nth=1)
    body = {"requests": [{"action": "addObject", "body": {"objectID": "a"}}]}
    failed = http.post("/1/indexes/p/batch", json=body)
    assert failed.status_code == int(fault)
    assert failed.headers["content-type"].startswith(media_type)
    assert algolia.content() == {}
    assert http.post("/1/indexes/p/batch", json=body).status_code == 200


def test_the_official_client_gives_up_on_its_one_host(client, algolia):
    algolia.faults.add(on="search", fault="503")
    with pytest.raises(AlgoliaUnreachableHostException):
        client.search({"requests": [{"indexName": "p"}]})


def test_credentials_are_not_looked_at_before_a_balancers_error(server, algolia):
    algolia.faults.add(on="*", fault="503")
    assert httpx.get(f"{server.url}/1/indexes", trust_env=False).status_code == 503


def test_a_slow_answer_holds_up_nobody_else(algolia):
    """While one client waits another one is served, and sees what the first one wrote."""
    algolia.faults.add(on="batch", fault="slow", nth=1, delay_ms=600_000)
    body = {"requests": [{"action": "addObject", "body": {"objectID": "a"}}]}
    options = {"headers": HEADERS, "trust_env": False, "timeout": 30}
    with MockServer(algolia) as server, ThreadPoolExecutor() as pool:
        late = pool.submit(httpx.post, f"{server.url}/1/indexes/p/batch", json=body, **options)
        while not algolia.requests.of("batch"):
            wait([late], timeout=0.01)
        answered = httpx.get(f"{server.url}/1/indexes/p/a", **options)
        assert not late.done()
        server.stop()
        assert late.result().status_code == 200
    assert answered.json() == {"objectID": "a"}


def test_a_client_that_does_not_wait_for_a_slow_answer_has_written_all_the_same(http, algolia):
    algolia.faults.add(on="batch", fault="slow", nth=1, delay_ms=600_000)
    body = {"requests": [{"action": "addObject", "body": {"objectID": "a"}}]}
    with httpx.Client(base_url=http.base_url, headers=HEADERS, trust_env=False) as hasty:
        with pytest.raises(httpx.ReadTimeout):
            hasty.post("/1/indexes/p/batch", json=body, timeout=httpx.Timeout(30, read=0.05))
        while not algolia.requests.of("batch"):
            hasty.get("/1/isalive")
    assert http.get("/1/indexes/p/a").json() == {"objectID": "a"}


def test_a_slow_answer_comes(http, algolia):
    algolia.faults.add(on="read", fault="slow", delay_ms=60)
    answer = http.get("/1/indexes")
    assert answer.json()["items"] == []
    assert answer.elapsed.total_seconds() >= 0.06


def test_a_server_that_stops_does_not_wait_for_slow_answers(algolia, capfd):
    algolia.faults.add(on="read", fault="slow", delay_ms=600_000)
    with MockServer(algolia) as server, ThreadPoolExecutor() as pool:
        late = pool.submit(httpx.get, f"{server.url}/1/indexes", headers=HEADERS, trust_env=False, timeout=30)
        while not algolia.faults.strikes:
            wait([late], timeout=0.01)
        server.stop()
        assert late.result().status_code == 200
    assert capfd.readouterr().err == ""


def test_a_reset_connection_is_a_reset_and_nothing_was_done(server, algolia):
    algolia.faults.add(on="batch", fault="reset", nth=1)
    body = b'{"requests":[{"action":"addObject","body":{"objectID":"a"}}]}'
    head = "POST /1/indexes/p/batch HTTP/1.1\r\nhost: x\r\nx-algolia-application-id: MOCKAPP\r\n"
    head += f"x-algolia-api-key: mock-admin\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            raw.recv(100)
    assert algolia.content() == {}
    assert [(r.status, r.fault) for r in algolia.requests] == [(0, "reset")]


def test_an_answer_that_is_lost_after_the_write(client, algolia):
    algolia.faults.add(on="batch", fault="lost", nth=1)
    with pytest.raises(requests.exceptions.ConnectionError, match="reset"):
        client.save_objects("products", records("a", "b"))
    assert set(algolia.content()["products"]["records"]) == {"a", "b"}
    assert [(r.status, r.fault) for r in algolia.requests] == [(200, "lost")]


def test_a_truncated_answer(http, algolia):
    algolia.faults.add(on="listIndices", fault="truncated", nth=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        http.get("/1/indexes")
    assert http.get("/1/indexes").json()["nbPages"] >= 0
    with http.stream("GET", "/1/indexes") as whole:
        length = int(whole.headers["content-length"])
    algolia.faults.add(on="listIndices", fault="truncated")
    with http.stream("GET", "/1/indexes") as half:
        assert int(half.headers["content-length"]) == length
        with pytest.raises(httpx.RemoteProtocolError, match=rf"received {length // 2} bytes, expected {length}"):
            half.read()


def test_a_task_that_is_never_published_until_the_fault_is_lifted(client, algolia):
    algolia.faults.add(on="batch", fault="unpublished", nth=1)
    held = client.batch("products", {"requests": [{"action": "addObject", "body": {"objectID": "a"}}]}).task_id
    behind = client.batch("products", {"requests": [{"action": "addObject", "body": {"objectID": "b"}}]}).task_id
    other = client.save_objects("other", records("c"))[0].task_id
    assert [client.get_task("products", task).status for task in (held, behind)] == ["notPublished"] * 2
    assert client.get_task("other", other).status == "published"
    with pytest.raises(RequestException, match="does not exist"):
        client.search_single_index("products")
    assert algolia.faults.describe()["heldTasks"] == [held]
    algolia.faults.clear()
    assert client.get_task("products", behind).status == "published"
    assert client.search_single_index("products").nb_hits == 2


def test_what_makes_no_task_does_not_use_up_a_fault_that_holds_tasks(algolia):
    algolia.faults.add(on="write", fault="unpublished", nth=1)
    for path in ("/1/events", "/1/keys", "/1/strategies/personalization"):
        handle(algolia, Call(method="POST", path=path, headers=HEADERS, body=b'{"acl":["search"]}'))
    assert list(algolia.faults.strikes) == []
    handle(algolia, Call(method="PUT", path="/1/indexes/p/settings", headers=HEADERS, body=b"{}"))
    assert algolia.faults.describe()["heldTasks"] == [1]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_which_operations_make_a_task(operation):
    """Those whose answer has a taskID among the official client's models, Recommend's rules apart."""
    method = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", operation)
    if "recommend" in method or not hasattr(SearchClientSync, method):
        assert not makes_task(operation)
        return
    answers = inspect.signature(getattr(SearchClientSync, method)).return_annotation
    fields = getattr(getattr(models, answers, None), "model_fields", {})
    assert makes_task(operation) == ("task_id" in fields)


def test_held_tasks_of_several_indices_and_with_a_delay():
    now = [0]
    algolia = MockAlgolia(clock_ms=lambda: now[0], publish_after_ms=100)
    algolia.faults.add(on="multipleBatch", fault="unpublished")
    puts = [{"action": "addObject", "indexName": name, "body": {"objectID": "a"}} for name in "pq"]
    call = Call(method="POST", path="/1/indexes/*/batch", headers=HEADERS, body=orjson.dumps({"requests": puts}))
    tasks = orjson.loads(handle(algolia, call).body)["taskID"]
    now[0] = 10_000
    assert not algolia.content()
    assert algolia.faults.describe()["heldTasks"] == sorted(tasks.values())
    algolia.faults.clear()
    assert set(algolia.content()) == {"p", "q"}


def test_an_oversize_record_as_algolia_words_it(client, algolia):
    """The message is that of saleor/apps#926."""
    algolia.faults.add(on="batch", fault="oversize", object_id="b")
    with pytest.raises(RequestException) as refused:
        client.save_objects("products", records("a", "b", "c"))
    assert refused.value.status_code == 400
    assert "Record at the position 1 objectID=b is too big size=200000/100000 bytes." in str(refused.value)
    assert algolia.content() == {}
    client.save_objects("products", records("a", "c"))
    client.delete_objects("products", ["b"])
    assert set(algolia.content()["products"]["records"]) == {"a", "c"}


def test_the_position_and_objectid_of_an_oversize_record(http, algolia):
    algolia.faults.add(on="write", fault="oversize")
    puts = [{"action": "addObject", "body": {"objectID": name}} for name in "abc"]
    gone = {"action": "deleteObject", "body": {"objectID": "z"}}
    refused = http.post("/1/indexes/p/batch", json={"requests": [gone, *puts]}).json()
    assert refused["status"] == 400
    assert refused["objectID"] == "zabc"[refused["position"]] != "z"
    single = http.put("/1/indexes/p/x%2Fy", json={"v": 1}).json()
    assert (single["position"], single["objectID"]) == (0, "x/y")
    assert http.put("/1/indexes/p/settings", json={"hitsPerPage": 3}).status_code == 200
    unsigned = httpx.post(f"{http.base_url}/1/indexes/p/batch", json={"requests": puts}, trust_env=False)
    assert unsigned.status_code == 403


def test_browsers_see_faults_too(http, algolia):
    algolia.faults.add(on="*", fault="429")
    refused = http.get("/1/indexes", headers={"origin": "https://shop.example"})
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in refused.headers["access-control-expose-headers"]


@given(
    on=st.sampled_from(sorted(OPERATIONS | {"*"})),
    kind=st.sampled_from(sorted(KINDS)),
    body=st.binary(max_size=30) | st.just(b'{"requests":[{"action":"addObject","body":3},7]}'),
)
def test_whatever_is_sent_meets_a_fault_and_no_error_of_the_mock(on, kind, body):
    algolia = MockAlgolia()
    algolia.faults.add(on=on, fault=kind)
    paths = ("POST indexes/p/batch", "POST indexes/*/batch", "GET indexes/p/x", "POST events", "POST indexes/p")
    for method, path in map(str.split, paths):
        answer = handle(algolia, Call(method=method, path=f"/1/{path}", headers=HEADERS, body=body))
        assert answer.status in ({200, 201, 400, 404, 422, 0} | ({int(kind)} if kind.isdecimal() else set()))


PASSING = ("429=0", "500", "503", "reset", "lost", "truncated", "slow=1")


@pytest.fixture
def impatient():
    with stamina.set_testing(True, attempts=20):
        yield


def again(call):
    """A write whose fate is unknown is not sent again by the client itself."""
    for _ in range(50):
        with suppress(AlgoliaUnavailableError):
            return call()
    raise AssertionError


@pytest.mark.parametrize("seed", range(6))
def test_a_client_that_comes_again_ends_where_it_would_have_without_faults(server, algolia, impatient, seed):
    algolia.faults.put(FaultPlan(seed=seed, faults=tuple(read_short(f"*:12%:{kind}") for kind in PASSING)))
    with WriteClient(Target(app_id="MOCKAPP", hosts=(server.url,)), "mock-admin") as client:
        for number in range(12):
            requests_ = [{"action": "updateObject", "body": {"objectID": f"{number}-{n}", "n": n}} for n in range(3)]
            task = again(partial(client.batch, "p", orjson.dumps({"requests": requests_}), 3))
            again(partial(client.wait, "p", task))
        assert again(lambda: sum(len(page) for page in client.browse("p", page_size=7))) == 36
    assert set(algolia.content()["p"]["records"]) == {f"{number}-{n}" for number in range(12) for n in range(3)}
    struck = {strike.kind for strike in algolia.faults.strikes}
    assert len(struck) >= 4


# How it is written


def test_a_plan_as_json():
    text = """{"seed": 7, "faults": [
        {"on": "batch", "index": "products*", "nth": 3, "fault": 429, "retry_after": 5},
        {"on": ["search", "read"], "probability": 0.1, "fault": "slow", "delay_ms": 250},
        {"on": "write", "fault": "oversize", "objectID": "book-3", "times": 2}]}"""
    plan = read_plan(json.loads(text))
    assert plan.seed == 7
    assert [fault.describe() for fault in plan.faults] == [
        {"on": ["batch"], "index": "products*", "nth": 3, "fault": "429", "retry_after": 5},
        {"on": ["search", "read"], "probability": 0.1, "fault": "slow", "delay_ms": 250},
        {"on": ["write"], "fault": "oversize", "objectID": "book-3", "times": 2},
    ]
    assert read_plan([fault.describe() for fault in plan.faults]).faults == plan.faults
    short = "batch@products*:3:429=5"
    assert read_plan({"seed": 7, "faults": [short, *json.loads(text)["faults"][1:]]}) == plan


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("batch:3:429", {"on": "batch", "nth": 3, "fault": "429"}),
        ("batch:429=0", {"on": "batch", "fault": "429", "retry_after": 0}),
        ("read:2.5%:slow=250", {"on": "read", "probability": 0.025, "fault": "slow", "delay_ms": 250}),
        ("batch,search@a_*:every5:x2:503", {"on": ["batch", "search"], "index": "a_*", "every": 5, "times": 2}),
        ("write:oversize=book-3", {"on": "write", "fault": "oversize", "object_id": "book-3"}),
        ("batch:2:oversize=isbn:3=4", {"on": "batch", "nth": 2, "fault": "oversize", "object_id": "isbn:3=4"}),
    ],
)
def test_a_fault_in_short(short, long):
    assert read_short(short) == make_fault({"fault": "503", **long})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("batch", "A fault is one of 429, 500"),
        ("batch:418", "A fault is one of 429, 500"),
        ("batch:soon:500", "'soon' in 'batch:soon:500' says no when"),
        ("batch:2:3:500", "'3' in 'batch:2:3:500' says when once more"),
        ("batch@:500", "'batch@:500' names no index behind its @"),
        ("batch:0:500", "nth"),
        ("batch:200%:500", "probability"),
        ("batch:3:every3:500", "only one of nth, every and probability"),
        ("batch:500=3", "'500' takes no value"),
        ("batch:slow=long", "delay_ms"),
    ],
)
def test_a_short_fault_that_is_none_says_why(text, said):
    with pytest.raises(ConfigError) as refused:
        read_short(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (3, "faults"),
        ([{"on": [], "fault": "500"}], "faults.faults.0.on"),
        ([{"on": "batch", "fault": "500", "nht": 3}], "faults.faults.0.nht"),
        ({"faults": [], "sead": 1}, "faults.sead"),
    ],
)
def test_a_plan_that_is_none_says_where(content, said):
    with pytest.raises(ConfigError) as refused:
        read_plan(content)
    assert said in str(refused.value)


def test_one_more_fault_in_short_or_by_name():
    faults = Faults(lambda: OPERATIONS)
    assert faults.add("saveObjects@p*:2:429=5") == faults.add(on="batch", index="p*", nth=2, fault=429, retry_after=5)
    with pytest.raises(ConfigError, match="faults: 'batch:429' says all"):
        faults.add("batch:429", nth=2)
    assert len(faults.describe()["faults"]) == 2


def test_a_name_that_is_no_operation_is_refused_with_those_that_come_near():
    faults = Faults(lambda: OPERATIONS)
    with pytest.raises(ConfigError, match=r"there is no operation 'saveObjcts'\. Did you mean saveObjects"):
        faults.add(on="saveObjcts", fault="500")
    faults.put([{"on": "batch", "fault": "500"}])
    with pytest.raises(ConfigError, match="there is no operation 'x'"):
        faults.put([{"on": "x", "fault": "500"}])
    assert strikes(faults, ["batch"]) == ["500"], "the plan before stays"


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_helpers_stand_for_operations_that_exist(helper):
    assert set(check_names(make_fault({"on": helper, "fault": "500"}), OPERATIONS).on) <= OPERATIONS
