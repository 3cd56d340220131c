"""POST /v1/explain: who may ask, what may be asked, and how many at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from algosync.errors import ConfigError, RequestError, StoreError
from algosync.experience.keys import sign
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.explain import WAITING_MAX, Asked, moment, parsed, routes
from algosync.serve.limits import Limits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET, ADMIN, PUBLIC = "a secret of the shop's, long enough", "the shop's own key, of 32 characters", "public"
ANONYMOUS = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Desk:
    """Knows nobody."""

    waits = False

    def answer(self, question, allow, *, now):
        raise AssertionError("nobody asked for an answer")

    def person(self, token):
        return None

    def condition(self):
        return Condition(generation=1, as_of=NOW.isoformat())


class Explainer:
    """Gives back what it was asked, or the trouble it is in; waits where it is told to."""

    def __init__(self):
        self.asked: list[Asked] = []
        self.trouble: Exception | None = None
        self.entered, self.free = threading.Semaphore(0), threading.Event()
        self.free.set()
        self.busy = self.most = 0

    def explain(self, asked):
        self.busy += 1
        self.most = max(self.most, self.busy)
        self.entered.release()
        assert self.free.wait(20)
        self.busy -= 1
        self.asked.append(asked)
        if self.trouble is not None:
            raise self.trouble
        return {"person": asked.user}


@pytest.fixture
def explainer():
    return Explainer()


@pytest.fixture
def post(explainer, on_loopback):
    keys = Keys(public=(PUBLIC,), admin=ADMIN, visitor_secrets=(SECRET,))
    door = Door(gate=Gate(keys, lambda _: None), limits=Limits(address=None, caller=None), clock=lambda: NOW)
    app = make_app(Parts(door=door, desk=Desk(), routes=routes(door, explainer)))
    with on_loopback(app) as port:

        def ask(body, key=ADMIN):
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            headers = {} if key is None else {"authorization": f"Bearer {key}"}
            return httpx.post(f"http://127.0.0.1:{port}/v1/explain", content=content, headers=headers, timeout=30)

        yield ask


def test_a_question_a_moment_and_a_draft_reach_the_explainer(post, explainer):
    draft = {"segments": {"fans": {"when": {}}}}
    answer = post({"userToken": "anna", "where": "search", "query": "shoe", "at": "2026-11-21", "draft": draft})
    assert (answer.status_code, answer.json()) == (200, {"person": "anna"})
    assert answer.headers["cache-control"] == "no-store"
    (asked,) = explainer.asked
    assert (asked.user, asked.question.where, asked.question.query) == ("anna", "search", "shoe")
    assert asked.at == datetime(2026, 11, 21, 23, 59, 59, 999999, UTC)
    assert asked.draft == {**draft, "actions": {}}
    post({"userToken": "anna", "at": None, "draft": None, "query": None})
    assert (explainer.asked[1].at, explainer.asked[1].draft) == (None, None)


@pytest.mark.parametrize(
    ("key", "status"),
    [
        pytest.param(None, 401, id="no-key"),
        pytest.param("forged", 401, id="forged"),
        pytest.param(PUBLIC, 403, id="public"),
        pytest.param(sign("anna", secrets=[SECRET], valid_for=timedelta(hours=1), now=NOW), 403, id="her-own"),
    ],
)
def test_only_the_shops_own_key_opens_it(post, explainer, key, status):
    answer = post({"userToken": ANONYMOUS}, key=key)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert explainer.asked == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"no json", 400, id="no-json"),
        pytest.param([], 400, id="a-list"),
        pytest.param({}, 422, id="nobody"),
        pytest.param({"userToken": "a b"}, 400, id="token"),
        pytest.param({"userToken": 7}, 400, id="number"),
        pytest.param({"userToken": "anna", "colour": "red"}, 400, id="field"),
        pytest.param({"userToken": "anna", "at": 7}, 400, id="at-number"),
        pytest.param({"userToken": "anna", "at": "yesterday"}, 400, id="at-words"),
        pytest.param({"userToken": "anna", "at": "2026-11-21T10:00:00"}, 400, id="at-no-zone"),
        pytest.param({"userToken": "anna", "draft": []}, 400, id="draft-list"),
        pytest.param({"userToken": "anna", "draft": {"rules": {}}}, 400, id="draft-other"),
        pytest.param({"userToken": "anna", "draft": {"actions": [1]}}, 400, id="draft-actions"),
        pytest.param(b" " * 300_000, 413, id="large"),
    ],
)
def test_what_makes_no_sense_is_told(post, explainer, body, status):
    answer = post(body)
    assert answer.status_code == status, answer.text
    assert "anna" not in answer.text
    assert explainer.asked == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        pytest.param(RequestError("nothing is known", status=404), 404, id="unknown"),
        pytest.param(StoreError("the log is gone", where="/srv/state/log"), 503, id="store"),
    ],
)
def test_troubles_have_their_status_and_name_no_place(post, explainer, trouble, status):
    explainer.trouble = trouble
    answer = post({"userToken": "anna"})
    assert answer.status_code == status
    assert "/srv" not in answer.text


def test_a_wrong_draft_is_the_askers_fault_and_wrong_settings_are_not(post, explainer):
    explainer.trouble = ConfigError("is no segment", where="the draft: fans")
    assert post({"userToken": "anna", "draft": {"segments": {"fans": {}}}}).status_code == 422
    assert post({"userToken": "anna"}).status_code >= 500


def test_one_at_a_time_and_not_more_than_a_few_wait(post, explainer):
    explainer.free.clear()
    with ThreadPoolExecutor(WAITING_MAX + 1) as pool:
        first = pool.submit(post, {"userToken": "anna"})
        assert explainer.entered.acquire(timeout=20)
        others = [pool.submit(post, {"userToken": "bert"}) for _ in range(WAITING_MAX)]
        refused = next(one for one in _finished(others))
        assert refused.result().status_code == 429
        assert int(refused.result().headers["retry-after"]) > 0
        explainer.free.set()
        answered = [one.result().status_code for one in (first, *others) if one is not refused]
    assert answered == [200] * WAITING_MAX
    assert explainer.most == 1
    assert post({"userToken": "carl"}).status_code == 200


def _finished(futures):
    from concurrent.futures import as_completed

    yield from as_completed(futures, timeout=20)


def test_moments_are_of_utc():
    assert moment("2026-11-21T18:00:00+01:00") == datetime(2026, 11, 21, 17, tzinfo=UTC)
    assert moment("2026-11-21T18:00:00Z") == datetime(2026, 11, 21, 18, tzinfo=UTC)
    assert parsed({"userToken": "anna", "at": "2026-11-21T18:00:00Z"}).at == moment("2026-11-21T18:00:00Z")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_none(at):
    with pytest.raises(RequestError, match="no moment"):
        moment(at)
