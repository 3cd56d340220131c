import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from algosync.errors import ConfigError, StoreError
from algosync.experience import keys
from algosync.personalizer.api import LARGEST_ANSWER, Api, Signing, wall_clock
from algosync.personalizer.ask import About, asking, body
from algosync.personalizer.listen import AsyncListener, Listener, Pause
from algosync.personalizer.results import Heard

SECRET = "s" * 40
KINDS = ("sync", "async")


def about(token="u-1", **more):
    return asking(About(user_token=token, **more), query="lamp", index="products")


def hear(kind, place, asked, *, budget_s=2.0, times=1):
    """The last of some hearings; `place` is an Api or a function."""
    if kind == "sync":
        listener = Listener(place.ask if isinstance(place, Api) else place, budget_s)
        try:
            return [listener.hear(asked) for _ in range(times)][-1]
        finally:
            listener.close()
            if isinstance(place, Api):
                place.close()

    async def run():
        listener = AsyncListener(place.ask_awaited if isinstance(place, Api) else place, budget_s)
        try:
            return [await listener.hear(asked) for _ in range(times)][-1]
        finally:
            listener.close()
            if isinstance(place, Api):
                await place.close_awaited()

    return asyncio.run(run())


def over_http(stub, signing=None, timeout_s=2.0):
    return Api(stub if isinstance(stub, str) else stub.url, signing or Signing(key="admin"), timeout_s)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_heard_and_the_question_is_what_was_meant(api, kind):
    asked = [about(where="search", context={"country": "DE"}, consent="for_you")]
    [got] = hear(kind, over_http(api), asked)
    assert got == Heard(document=api.answer, reason="ready: 7 of 3 distinct products")
    assert api.asked == [
        {
            "userToken": "u-1",
            "where": "search",
            "query": "lamp",
            "context": {"country": "DE"},
            "consent": "for_you",
            "index": "products",
        }
    ]
    assert api.keys == ["Bearer admin"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_question_is_asked_once_and_nobody_is_never_asked_about(api, kind):
    got = hear(kind, over_http(api), [about(), about(None), about(), about("u-2")])
    assert [one.reason for one in got] == [api.answer["reason"], "no userToken was given", *[api.answer["reason"]] * 2]
    assert sorted(one["userToken"] for one in api.asked) == ["u-1", "u-2"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (503, {"error": {"what": "there is no snapshot"}}, "the HTTP API answered 503: there is no snapshot"),
        (403, {"error": {"what": "the key does not open this token"}}, "answered 403: the key does not open"),
        (404, {"detail": []}, "the HTTP API answered 404"),
        (302, None, "the HTTP API answered 302"),
        (200, [1], "the answer is not an experience"),
        (200, None, "the answer is not an experience"),
        (200, {"search": []}, ""),
        (200, {"search": [1]}, "the answer is not an experience"),
        (200, {"search": {"optionalFilters": "a:b"}}, "the answer is not an experience"),
        (200, {"recommend": {"queryParameters": {"filters": 1}}}, "the answer is not an experience"),
        (200, {"recommend": [1]}, "the answer is not an experience"),
        (200, {"content": {"related": "1"}}, "the answer is not an experience"),
    ],
)
def test_what_is_no_experience_is_a_reason(api, kind, status, answer, reason):
    api.status, api.answer = status, answer
    [got] = hear(kind, over_http(api), [about()])
    assert reason in got.reason
    assert got.part("search") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_neither_noise_nor_a_flood_is_an_answer(api, kind):
    api.raw = b"<html>"
    assert hear(kind, over_http(api), [about()])[0].reason == "the answer is not an experience"
    api.raw = b"[" + b"1," * LARGEST_ANSWER + b"1]"
    assert "more than a megabyte" in hear(kind, over_http(api), [about()])[0].reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", ["silent", "dripping"])
def test_the_budget_holds_whatever_the_server_does(api, kind, trouble):
    """Waited for, it would come to its end and be an answer."""
    api.delay, api.drip = (30.0, 0.0) if trouble == "silent" else (0.0, 0.03)
    got = hear(kind, over_http(api, timeout_s=0.1), [about(), about("u-2"), about("u-3")], budget_s=0.1)
    assert {one.reason for one in got} == {"no answer in time"}


class Hanging:
    """Threads in which nothing ever ends; waiting moves the clock, and nothing else."""

    def __init__(self):
        self.now = 1000.0
        self.waits = []

    def submit(self, *_):
        return self

    def result(self, timeout):
        self.waits.append(timeout)
        self.now += timeout
        raise TimeoutError

    def cancel(self): ...


def test_the_budget_is_of_all_questions_together():
    threads = Hanging()
    listener = Listener(lambda _: {}, 0.5, clock=lambda: threads.now)
    listener._threads = threads
    got = listener.hear([about(), about("u-2"), about("u-3")])
    assert [one.reason for one in got] == ["no answer in time"] * 3
    assert threads.waits == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_questions_of_a_request_are_asked_at_once(kind):
    """Each is answered when all were asked."""
    met, everybody = threading.Barrier(3), asyncio.Event()
    asked = []

    def now(question):
        met.wait(20)
        return {"reason": question.user_token}

    async def later(question):
        asked.append(question)
        if len(asked) == 3:
            everybody.set()
        await everybody.wait()
        return {"reason": question.user_token}

    got = hear(kind, now if kind == "sync" else later, [about(), about("u-2"), about("u-3")], budget_s=20.0)
    assert [one.reason for one in got] == ["u-1", "u-2", "u-3"]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listens_there(kind):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        [got] = hear(kind, over_http(url), [about()])
        assert got.reason == "no connection to the HTTP API (ConnectError)"
        [got] = hear(kind, over_http(url), [about()], times=6)
        assert got.reason.startswith("not asked: it failed 5 times in a row, at last: no connection")
        assert hear(kind, over_http(url), [about(None)], times=1) == [Heard(reason="no userToken was given")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 403, 429])
def test_what_is_refused_to_one_stops_nobody_else_from_asking(api, kind, status):
    api.status, api.answer = status, {}
    hear(kind, over_http(api), [about()], times=8)
    assert len(api.asked) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_may_answer_instead(kind):
    assert hear(kind, lambda question: {"reason": question.user_token}, [about()])[0].reason == "u-1"


def test_a_coroutine_may_answer_and_so_may_a_function_that_makes_one():
    async def answers(question):
        await asyncio.sleep(0)
        return {"reason": question.query}

    assert hear("async", answers, [about()])[0].reason == "lamp"
    assert hear("async", partial(answers), [about()])[0].reason == "lamp"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreError("the snapshot is of an older version"), "no answer: the snapshot is of an older version"),
        (RuntimeError("u-1 has a secret"), "no answer (RuntimeError)"),
        (TimeoutError(), "no answer in time"),
    ],
)
def test_a_function_that_fails_is_a_reason(kind, error, reason):
    def fails(_):
        raise error

    assert hear(kind, fails, [about()])[0].reason == reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_that_hangs_holds_nobody_up(kind):
    release, waited = threading.Event(), []

    def hangs(_):
        waited.append(release.wait(20))
        return {}

    listener, asynchronous = Listener(hangs, 0.05), AsyncListener(hangs, 0.05)

    async def run():
        try:
            return await asynchronous.hear([about()]), list(waited)
        finally:
            release.set()

    got, ended = (listener.hear([about()]), list(waited)) if kind == "sync" else asyncio.run(run())
    release.set()
    listener.close()
    asynchronous.close()
    assert got[0].reason == "no answer in time"
    assert ended == [], "it was not waited for"


def test_a_pause_ends_and_the_next_failure_begins_another():
    at = [0.0]
    pause = Pause(lambda: at[0])
    for _ in range(4):
        pause.note("down")
    assert pause.reason() is None
    pause.note(None)
    for _ in range(5):
        pause.note("down")
    assert "5 times" in pause.reason()
    at[0] = 2.0
    assert pause.reason() is None
    pause.note("still down")
    assert pause.reason() == "not asked: it failed 6 times in a row, at last: still down"
    at[0] = 4.0
    pause.note(None)
    assert pause.reason() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_that_cannot_be_asked_is_a_reason(api, kind):
    asked = [asking(About(user_token="u-1", where="nowhere")), asking(About(user_token="u-1"), query="x" * 600)]
    first, second = hear(kind, over_http(api), asked)
    assert first.reason.startswith("not asked: where: must be one of any, home")
    assert second.reason.startswith("not asked: query: must have at most 512")
    assert api.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_question_is_signed_where_there_are_secrets(api, kind):
    hear(kind, over_http(api, Signing(secrets=(SECRET,))), [about("u-1")])
    hear(kind, over_http(api, Signing(key=lambda token: f"made for {token}")), [about("u-2")])
    hear(kind, over_http(api, Signing()), [about("u-3")])
    opened = keys.verify(api.keys[0].removeprefix("Bearer "), secrets=[SECRET], now=wall_clock())
    assert opened.user_token == "u-1"
    assert api.keys[1:] == ["Bearer made for u-2", None]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_good_secret_nothing_is_asked(api, kind):
    [got] = hear(kind, over_http(api, Signing(secrets=("short",))), [about()])
    assert got.reason == "no key to ask with: a secret for visitor keys is shorter than 32 bytes"
    assert api.asked == []


@pytest.mark.parametrize("url", ["localhost:8110", "ftp://x", "", "http://"])
def test_an_address_is_checked_at_once(url):
    with pytest.raises(ConfigError, match="http://"):
        over_http(url)


def test_a_body_leaves_out_what_was_not_said():
    assert body(asking(About(user_token="u-1")).question) == {"userToken": "u-1", "where": "any"}


def test_many_threads_may_ask_at_once(api):
    place = over_http(api)
    listener = Listener(place.ask, 5.0)
    with ThreadPoolExecutor(12) as threads:
        got = list(threads.map(lambda n: listener.hear([about(f"u-{n % 7}")])[0].reason, range(120)))
    listener.close()
    place.close()
    assert set(got) == {api.answer["reason"]}
    assert len(api.asked) == 120
