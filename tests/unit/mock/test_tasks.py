"""Writes become visible task by task: what readers see equals what the published ones alone would have made."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
ids = st.sampled_from("xyz")


def send(algolia, method, path, body=None):
    data = b"" if body is None else orjson.dumps(body)
    answer = handle(algolia, Call(method=method, path=path, headers=HEADERS, body=data))
    return answer.status, orjson.loads(answer.body)


def batch(name):
    actions = ["addObject", "partialUpdateObject", "partialUpdateObjectNoCreate", "deleteObject", "clear", "delete"]
    counted = st.fixed_dictionaries({"_operation": st.just("Increment"), "value": st.integers(1, 3)})
    body = st.fixed_dictionaries({"objectID": ids}, optional={"n": st.integers(0, 3), "m": counted})
    requests = st.lists(st.fixed_dictionaries({"action": st.sampled_from(actions), "body": body}), max_size=4)
    return st.tuples(
        st.just("POST"), st.just(f"/1/indexes/{name}/batch"), st.fixed_dictionaries({"requests": requests})
    )


def other_writes(name):
    rule = {"consequence": {"params": {"filters": "n=1"}}, "conditions": [{"context": "c"}]}
    sized = st.fixed_dictionaries({"hitsPerPage": st.none() | st.integers(1, 9)})
    operation = {"destination": names.filter(lambda other: other != name)}
    scopes = st.lists(st.sampled_from(["settings", "rules", "synonyms"]), max_size=3)
    copied = st.fixed_dictionaries({**operation, "operation": st.just("copy")}, optional={"scope": scopes})
    moved = st.fixed_dictionaries({**operation, "operation": st.just("move")})
    at = f"/1/indexes/{name}"
    return st.one_of(
        st.tuples(st.just("PUT"), st.just(f"{at}/settings"), sized),
        st.tuples(st.just("PUT"), ids.map(lambda made: f"{at}/rules/{made}"), st.just(rule)),
        st.just(("POST", f"{at}/rules/clear", {})),
        st.just(("POST", f"{at}/clear", {})),
        st.just(("POST", f"{at}/deleteByQuery", {"filters": "n=1"})),
        st.just(("DELETE", at, None)),
        st.tuples(st.just("POST"), st.just(f"{at}/operation"), copied | moved),
    )


def multi_batch():
    body = st.fixed_dictionaries({"objectID": ids, "n": st.integers(0, 3)})
    request = st.fixed_dictionaries({"action": st.just("addObject"), "indexName": names, "body": body})
    requests = st.fixed_dictionaries({"requests": st.lists(request, max_size=3)})
    return st.tuples(st.just("POST"), st.just("/1/indexes/*/batch"), requests)


writes = names.flatmap(batch) | names.flatmap(other_writes) | multi_batch()


@dataclass
class Wait:
    """Time passes."""

    ms: int


@dataclass
class Delay:
    """Writes to come take so long."""

    ms: int


@dataclass
class Hold:
    """The next task waits until everything is let go."""


@dataclass
class Release:
    """Nothing is held any more."""


steps = st.lists(
    st.one_of(
        writes,
        writes,
        writes,
        st.integers(1, 30).map(Wait),
        st.sampled_from([0, 5, 10, 50]).map(Delay),
        st.just(Hold()),
        st.just(Release()),
    ),
    max_size=14,
)


@dataclass
class Story:
    """An application under way, and what its writes did, task by task."""

    clock: list[int] = field(default_factory=lambda: [1_000])
    held: set[int] = field(default_factory=set)
    tasks: list[tuple[int, frozenset[str], tuple]] = field(default_factory=list)

    def __post_init__(self):
        self.algolia = MockAlgolia(clock_ms=lambda: self.clock[0])
        self.algolia.tasks.holds = self.held.__contains__

    def take(self, step):
        tasks = self.algolia.tasks
        match step:
            case Wait(ms=ms):
                self.clock[0] += ms
            case Delay(ms=ms):
                tasks.delay_ms = ms
            case Hold():
                self.held.add(tasks._last + 1)
            case Release():
                self.held.clear()
            case _:
                self.write(step)
        tasks.publish()

    def write(self, step):
        status, answer = send(self.algolia, *step)
        if status in {400, 404}:  # a filter or a deletion on an index that is not there
            return
        assert status in {200, 201}
        made = answer["taskID"]
        if isinstance(made, int):
            touched = {step[1].split("/")[3]} | ({step[2]["destination"]} if "operation" in (step[2] or {}) else set())
            self.tasks.append((made, frozenset(touched), step))
        for name, task in made.items() if isinstance(made, dict) else ():
            mine = {"requests": [each for each in step[2]["requests"] if each["indexName"] == name]}
            self.tasks.append((task, frozenset({name}), (step[0], step[1], mine)))

    def published(self):
        return [step for task, _, step in self.tasks if self.algolia.tasks.is_published(task)]


def replayed(written):
    plain = MockAlgolia()
    for step in written:
        send(plain, *step)
    return plain.content()


@given(steps)
@settings(max_examples=60)
def test_readers_see_the_published_writes_and_nothing_else(story_steps):
    story = Story()
    for step in story_steps:
        story.take(step)
        blocked = set()
        for task, touched, _ in story.tasks:
            if not story.algolia.tasks.is_published(task):
                blocked |= touched
            else:
                assert not blocked & touched, "a write must not overtake another one to its index"
        assert story.algolia.content() == replayed(story.published())
    story.held.clear()
    story.clock[0] += 1_000
    end = replayed(step for _, _, step in story.tasks)
    assert {name: index.content() for name, index in sorted(story.algolia.tasks.head.items())} == end
    assert story.algolia.content() == end
    assert story.algolia.tasks.head is story.algolia.tasks.visible
    assert [task for task, _, _ in story.tasks] == sorted({task for task, _, _ in story.tasks})


def test_without_delay_there_is_one_world():
    algolia = MockAlgolia()
    send(algolia, "POST", "/1/indexes/a/batch", {"requests": [{"action": "addObject", "body": {"objectID": "x"}}]})
    assert algolia.tasks.head is algolia.tasks.visible


def test_a_waiting_write_copies_its_own_index_alone():
    algolia = MockAlgolia()
    for name in NAMES:
        send(algolia, "POST", f"/1/indexes/{name}", {"objectID": "x"})
    algolia.tasks.delay_ms = 1_000_000
    send(algolia, "POST", "/1/indexes/a", {"objectID": "y"})
    head, visible = algolia.tasks.head, algolia.tasks.visible
    assert (set(head["a"].records), set(visible["a"].records)) == ({"x", "y"}, {"x"})
    assert head["a"].records["x"] is visible["a"].records["x"]
    assert [head[name] is visible[name] for name in "bc"] == [True, True]


@pytest.mark.parametrize(("operation", "left"), [("copy", {"a": {"x"}, "b": {"x"}}), ("move", {"b": {"x"}})])
def test_an_operation_waits_for_writes_to_either_index(algolia, operation, left):
    for name in "ab":
        send(algolia, "POST", f"/1/indexes/{name}/batch", {"requests": []})
    _, written = send(algolia, "POST", "/1/indexes/a", {"objectID": "x"})
    held = {written["taskID"] + 1}
    algolia.tasks.holds = held.__contains__
    send(algolia, "POST", "/1/indexes/b", {"objectID": "y"})
    task = send(algolia, "POST", "/1/indexes/a/operation", {"operation": operation, "destination": "b"})[1]["taskID"]
    later = send(algolia, "POST", "/1/indexes/c", {"objectID": "z"})[1]["taskID"]
    assert {name: set(index["records"]) for name, index in algolia.content().items()} == {"a": {"x"}, "c": {"z"}}
    assert [algolia.tasks.is_published(each) for each in (task, later)] == [False, True]
    held.clear()
    assert {name: set(index["records"]) for name, index in algolia.content().items()} == {**left, "c": {"z"}}
    assert algolia.tasks.is_published(task)


def test_a_search_structure_survives_writes_that_wait(algolia):
    send(algolia, "POST", "/1/indexes/a", {"objectID": "x", "t": "word"})
    send(algolia, "POST", "/1/indexes/a/query", {"query": "word"})
    searcher = algolia.indices["a"]._searcher
    algolia.tasks.holds = lambda _: True
    send(algolia, "POST", "/1/indexes/a", {"objectID": "y", "t": "word"})
    assert send(algolia, "POST", "/1/indexes/a/query", {"query": "word"})[1]["nbHits"] == 1
    algolia.tasks.holds = lambda _: False
    assert send(algolia, "POST", "/1/indexes/a/query", {"query": "word"})[1]["nbHits"] == 2
    assert algolia.indices["a"]._searcher is searcher


@pytest.mark.parametrize("task", ["0", "99", "-1", "x", "1" * 30, "١"])
def test_a_task_that_was_never_handed_out_is_not_published(algolia, task):
    send(algolia, "POST", "/1/indexes/a", {"objectID": "x"})
    for path in (f"/1/indexes/a/task/{task}", f"/1/task/{task}"):
        assert send(algolia, "GET", path) == (200, {"status": "notPublished", "pendingTask": True})


def test_the_official_client_waits_for_a_task(client, algolia):
    clock = [0]
    algolia.tasks = type(algolia.tasks)(lambda: clock[0], 10)

    def tick(asked):
        clock[0] += 4
        return 0

    task = client.save_object("a", {"objectID": "x"}).task_id
    assert not client.index_exists("a")
    client.wait_for_task("a", task, timeout=tick)
    assert client.get_object("a", "x") == {"objectID": "x"}
    task = client.delete_index("a").task_id
    client.wait_for_app_task(task, timeout=tick)
    assert client.get_task("a", task).status == "published", "a task outlives its index"
    assert clock[0] > 20
