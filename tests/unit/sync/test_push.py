"""A plan pushed to a server: what arrives, what is remembered, and what a crash at any step leaves behind."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from math import ceil, log2

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.access import StorefrontAccess
from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgosyncError, PushRefusedError, StoreError
from algosync.stores import tables
from algosync.sync.batches import Limits
from algosync.sync.ledger import Ledger
from algosync.sync.plan import There, plan
from algosync.sync.push import push, refuse_unless_private
from algosync.sync.recover import recover
from algosync.sync.sending import Manner

AT = datetime(2026, 11, 23, tzinfo=UTC)
INDICES = (
    ("products", "related"),
    ("payloads", "segments"),
    ("payloads", "profiles"),
    ("products", "rules"),
)


@pytest.fixture
def shop(algolia):
    algolia.indices = {"products": {f"p{n}": {"objectID": f"p{n}", "name": f"Product {n}"} for n in range(6)}}
    return algolia


@pytest.fixture
def ledger(engine, algolia):
    return Ledger(engine, algolia.target)


@pytest.fixture
def client(algolia):
    with WriteClient(algolia.target, "key", sleep=lambda seconds: None) as client:
        yield client


@pytest.fixture
def desired(make):
    return [
        *(make("related", f"p{n}", f"about {n}") for n in range(5)),
        *(make("segments", f"segment-{n}") for n in range(3)),
        *(make("profiles", f"token-{n}") for n in range(3)),
        *(make("rules", f"algosync-{n}") for n in range(3)),
    ]


def there(shop, ledger):
    return There(
        observed={"products": shop.observed("products")},
        ledger={(index, family): ledger.hashes(index, family) for index, family in INDICES},
    )


def holds(shop):
    """Everything at the server that is ours."""
    return {
        "products": {k: r.get("algosync") for k, r in shop.indices["products"].items()},
        "payloads": dict(shop.indices.get("payloads", {})),
        "rules": dict(shop.rules.get("products", {})),
    }


def sync(shop, ledger, client, desired, now, **options):
    recover(client, ledger, now=now)
    return push(plan(desired, there(shop, ledger)), client, ledger, now=now, **options)


def test_everything_arrives_and_a_second_sync_sends_nothing(shop, ledger, client, desired, now):
    seen = []

    done = sync(shop, ledger, client, desired, now, progress=seen.append)

    assert (done.operations, done.deferred, done.failed) == (14, 0, ())
    assert done.families == {"profiles": 3, "related": 5, "rules": 3, "segments": 3}
    assert (done.batches, seen[-1]) == (4, 14)
    assert done.bytes == sum(len(p.body) for p in desired)
    assert client.operations == 14
    assert sorted(shop.indices["payloads"]) == sorted(p.object_id for p in desired if p.index == "payloads")
    assert sorted(shop.rules["products"]) == ["algosync-0", "algosync-1", "algosync-2"]
    assert shop.indices["products"]["p0"]["name"] == "Product 0"
    assert shop.indices["products"]["p5"] == {"objectID": "p5", "name": "Product 5"}
    sent = client.operations
    assert sync(shop, ledger, client, desired, now).operations == 0
    assert client.operations == sent


def test_what_the_shops_feed_replaced_is_put_back_and_nothing_else(shop, ledger, client, desired, now):
    sync(shop, ledger, client, desired, now)
    shop.indices["products"]["p3"] = {"objectID": "p3", "name": "New name"}

    again = plan(desired, there(shop, ledger))

    assert [(op.object_id, op.reason) for op in again.operations] == [
        ("p3", "lost: the shop's feed replaced the record")
    ]
    push(again, client, ledger, now=now)
    assert shop.indices["products"]["p3"]["algosync"]["related"] == "about 3"
    assert shop.indices["products"]["p3"]["name"] == "New name"


def test_what_is_no_longer_desired_goes_and_the_rest_of_the_shop_stays(shop, ledger, client, desired, now):
    shop.rules = {"products": {"merchandiser": {"objectID": "merchandiser"}}}
    sync(shop, ledger, client, desired, now)

    done = sync(shop, ledger, client, [], now)

    assert done.operations == 14
    assert set(holds(shop)["products"].values()) == {None}
    assert shop.indices["payloads"] == {}
    assert shop.rules["products"] == {"merchandiser": {"objectID": "merchandiser"}}
    assert all(ledger.hashes(*key) == {} for key in INDICES)


def test_a_budget_defers_the_rest_to_the_next_run(shop, ledger, client, desired, now):
    first = sync(shop, ledger, client, desired, now, manner=Manner(limits=Limits(operations=10, records=4)))
    second = sync(shop, ledger, client, desired, now, manner=Manner(limits=Limits(operations=10)))
    third = sync(shop, ledger, client, desired, now)

    assert [(d.operations, d.deferred) for d in (first, second, third)] == [(10, 4), (4, 0), (0, 0)]


def test_an_oversize_record_is_put_aside_and_the_rest_arrives(shop, ledger, client, make, now):
    sizes = [5, 20_000, 5, 20_000, 5]
    desired = [make("segments", f"s{n}", "x" * size) for n, size in enumerate(sizes)]
    seen = []

    done = sync(shop, ledger, client, desired, now, progress=seen.append)

    assert [f.object_id for f in done.failed] == ["s1", "s3"]
    assert all("too big" in f.reason for f in done.failed)
    assert (done.operations, done.batches, seen) == (3, 1, [1, 2, 5])
    assert sorted(shop.indices["payloads"]) == ["s0", "s2", "s4"] == sorted(ledger.hashes("payloads", "segments"))
    assert ledger.unfinished() == []
    assert [(r.object_id, r.hash) for r in ledger.refusals.listed()] == [
        (p.object_id, p.hash) for p in desired if p.object_id in ("s1", "s3")
    ]


def test_oversize_records_alone_are_all_put_aside(shop, ledger, client, make, now):
    desired = [make("segments", f"s{n:04d}", "x" * 10_000) for n in range(100)]

    done = sync(shop, ledger, client, desired, now)

    assert (done.operations, len(done.failed)) == (0, 100)


def test_an_operation_larger_than_a_request_is_put_aside_unsent(shop, ledger, client, make, now):
    desired = [make("segments", "big", "x" * 3000), make("segments", "small")]

    done = sync(shop, ledger, client, desired, now, manner=Manner(limits=Limits(bytes=2000)))

    assert [(f.object_id, "more than one request" in f.reason) for f in done.failed] == [("big", True)]
    assert list(shop.indices["payloads"]) == ["small"]


def test_a_body_too_large_for_the_server_is_halved(shop, ledger, client, make, now):
    route = shop.route

    def routed(verb, parts, body):
        if parts[-1] == "batch" and len(body) > 400:
            return 413, {"message": "Request Entity Too Large"}
        return route(verb, parts, body)

    shop.route = routed
    desired = [make("segments", f"s{n}", "x" * 100) for n in range(8)]

    done = sync(shop, ledger, client, desired, now)

    assert (done.operations, done.failed, done.batches) == (8, (), 4)


def test_a_refusal_that_names_no_record_stops_the_run_and_changes_nothing(shop, ledger, client, desired, now):
    shop.route = lambda verb, parts, body: (403, {"message": "Rules quota exceeded"})

    with pytest.raises(AlgoliaError, match="quota"):
        sync(shop, ledger, client, desired, now)

    assert ledger.unfinished() == []
    assert all(ledger.hashes(*key) == {} for key in INDICES)


def test_many_batches_are_waited_for_as_they_go(shop, ledger, client, make, now):
    desired = [make("segments", f"s{n:03d}") for n in range(120)]

    done = sync(shop, ledger, client, desired, now, manner=Manner(limits=Limits(records=1)))

    assert (done.operations, done.batches, shop.polls) == (120, 120, 120)
    first_poll = next(n for n, (_, path, _) in enumerate(shop.requests) if "/task/" in path)
    assert first_poll == 51


class CrashError(BaseException):
    """The plug is pulled."""


def crash_at(step, monkeypatch, shop):
    """Pull the plug at the n-th of all calls that change anything."""
    count = itertools.count()

    def guard(owner, name, *, after):
        real = getattr(owner, name)

        def call(*args, **kwargs):
            if not after and next(count) == step:
                raise CrashError
            done = real(*args, **kwargs)
            if after and next(count) == step:
                raise CrashError
            return done

        monkeypatch.setattr(owner, name, call)

    for name in ("intend", "sent", "published"):
        guard(Ledger, name, after=False)
        guard(Ledger, name, after=True)
    for name in ("batch", "save_rules", "delete_rule", "wait"):
        guard(WriteClient, name, after=False)
        guard(WriteClient, name, after=True)
    return count


@pytest.mark.parametrize("lost", ["nothing", "products"])
def test_a_crash_at_every_single_step_is_mended_by_running_again(shop, engine, desired, make, now, monkeypatch, lost):
    """Old state, then a mix of adds, updates and deletions, broken off at each step in turn."""
    old = [
        *desired[:3],
        make("segments", "segment-old"),
        make("rules", "algosync-old"),
        make("profiles", "token-1", "old"),
    ]
    wanted = holds_after(shop, engine, desired, old, now, None, monkeypatch)
    for step in itertools.count():
        shop.indices, shop.rules = {"products": {f"p{n}": {"objectID": f"p{n}"} for n in range(6)}}, {}
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM ledger")
        crashed = []
        assert holds_after(shop, engine, desired, old, now, step, monkeypatch, crashed, lost) == wanted
        if not crashed:
            break
    assert step >= 60


def holds_after(shop, engine, desired, old, now, step, monkeypatch, crashed=None, lost="nothing"):
    ledger = Ledger(engine, shop.target)
    manner = Manner(limits=Limits(records=3))
    with WriteClient(shop.target, "key", sleep=lambda seconds: None) as client:
        sync(shop, ledger, client, old, now, manner=manner)
        if step is not None:
            with monkeypatch.context() as patch:
                crash_at(step, patch, shop)
                try:
                    sync(shop, ledger, client, desired, now, manner=manner)
                except CrashError:
                    crashed.append(step)
            if lost == "products":
                shop.indices["products"]["p0"] = {"objectID": "p0"}
        sync(shop, ledger, client, desired, now, manner=manner)
        assert ledger.unfinished() == []
        assert plan(desired, there(shop, ledger)).operations == ()
        before = client.operations
        sync(shop, ledger, client, desired, now, manner=manner)
        assert client.operations == before
    for record in shop.indices["products"].values():
        record.pop("name", None)
    return holds(shop)


def losing(shop, when, times=None):
    """Lose batches of records: before they are looked at, or the answers to them."""
    left = itertools.count() if times is None else iter(range(times))

    def lose(verb, path):
        if path.endswith("/batch") and "/rules/" not in path and next(left, None) is not None:
            raise shop.Lost

    setattr(shop, when, lose)


def test_a_write_whose_answer_was_lost_is_found_by_its_content_and_not_sent_again(shop, ledger, client, desired, now):
    losing(shop, "after")

    done = sync(shop, ledger, client, desired, now)

    assert (done.operations, done.deferred, done.stopped) == (14, 0, None)
    assert [path for verb, path, _ in shop.requests if path.endswith("/batch")] == [
        "/1/indexes/payloads/batch",
        "/1/indexes/payloads/batch",
        "/1/indexes/products/rules/batch",
        "/1/indexes/products/batch",
    ]
    assert ledger.unfinished() == []
    assert sum(minute.operations for minute in ledger.spent_since(now())) == 14
    assert plan(desired, there(shop, ledger)).operations == ()


def test_a_write_that_was_lost_on_the_way_is_sent_again(shop, ledger, client, desired, now):
    losing(shop, "before", times=2)

    done = sync(shop, ledger, client, desired, now)

    assert (done.operations, done.stopped) == (14, None)
    assert sum(minute.operations for minute in ledger.spent_since(now())) == 14


def test_a_server_that_takes_nothing_ends_the_run_and_the_next_one_finishes_it(shop, ledger, client, desired, now):
    losing(shop, "before")

    first = sync(shop, ledger, client, desired, now)

    assert (first.operations, first.deferred) == (0, 14)
    assert first.deferred_for == {"broke off": 14}
    assert "no connection" in first.stopped.reason
    assert first.stopped.come_again_s > 0
    assert len(ledger.unfinished()) == 3
    shop.before = lambda verb, path: None
    with ReadClient(shop.target, "key") as reader:
        found = recover(reader, ledger, now=now)
    assert (found.published, found.unsure) == (0, 3)
    assert sync(shop, ledger, client, desired, now).operations == 14
    assert plan(desired, there(shop, ledger)).operations == ()


def test_what_was_sent_is_waited_for_and_not_sent_again(shop, ledger, client, desired, now):
    shop.unpublished = True
    first = sync(shop, ledger, client, desired, now)
    assert {row.task_id for row in ledger.unfinished()} == {1, 2, 3, 4}
    assert (first.operations, first.waiting, first.deferred) == (0, 14, 0)
    assert "not published" in first.stopped.reason
    sent = client.operations

    assert sync(shop, ledger, client, desired, now).operations == 0
    assert ledger.unfinished() == []  # they can be read, whatever is said of the task
    assert client.operations == sent


def test_a_server_made_anew_knows_no_task_and_gets_everything_again(shop, ledger, client, desired, now, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "published", lambda *args: (_ for _ in ()).throw(StoreError("disk full")))
        with pytest.raises(StoreError):
            sync(shop, ledger, client, desired, now)
    shop.unknown_tasks, shop.rules = True, {}
    shop.indices = {"products": {k: {"objectID": k} for k in shop.indices["products"]}}

    found = recover(client, ledger, now=now)

    assert (found.published, found.unsure) == (0, 14)
    shop.unknown_tasks = False
    assert sync(shop, ledger, client, desired, now).operations == 14


def test_tasks_are_asked_about_with_the_key_that_may(shop, ledger, client, desired, now, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "published", lambda *args: None)
        sync(shop, ledger, client, desired, now)

    with ReadClient(shop.target, "other") as tasks, ReadClient(shop.target, "key") as reader:
        assert recover(reader, ledger, now=now, tasks=tasks).published == 14
        assert (tasks.requests, reader.requests) == (4, 6)


def test_what_the_key_may_no_longer_look_at_is_unsure_after_an_hour_and_holds_nothing_up(
    shop, ledger, client, desired, now, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "published", lambda *args: None)
        sync(shop, ledger, client, desired, now)
    route = shop.route

    def denied(verb, parts, body):
        return (
            (403, {"message": "Not allowed"})
            if "payloads" in parts or b"payloads" in body
            else route(verb, parts, body)
        )

    shop.route = denied

    found = recover(client, ledger, now=now)
    assert (found.published, found.unsure, found.waiting) == (8, 0, 6)
    found = recover(client, ledger, now=lambda: now() + timedelta(hours=1))
    assert (found.published, found.unsure, found.waiting, ledger.unfinished()) == (0, 6, 0, [])


def test_recovery_with_nothing_open_asks_nothing(shop, ledger, client, now):
    assert recover(client, ledger, now=now).published == 0
    assert client.requests == 0


DENIED = StorefrontAccess(verdict="denied", reason="the storefront's key is refused on 'payloads'")


@pytest.mark.parametrize(
    ("access", "says"),
    [
        (None, "is not set"),
        (StorefrontAccess(verdict="allowed", reason="can search 'payloads'"), "can search"),
        (StorefrontAccess(verdict="unknown", reason="not the key in use"), "not the key in use"),
    ],
)
def test_profiles_are_refused_unless_visitors_provably_cannot_read_them(make, access, says):
    with_profiles = plan([make("profiles", "t")], There(observed={}))

    with pytest.raises(PushRefusedError, match=says) as caught:
        refuse_unless_private(with_profiles, access)

    assert "Restrict the storefront's key" in str(caught.value)
    assert isinstance(caught.value, AlgosyncError)
    refuse_unless_private(with_profiles, DENIED)


def test_plans_without_new_profiles_need_no_proof(make):
    refuse_unless_private(plan([make("segments", "s")], There(observed={})), None)
    taken_away = There(observed={}, ledger={("payloads", "profiles"): {"t": "h"}})
    refuse_unless_private(plan([], taken_away), None)


def test_an_answer_without_a_task_is_no_refusal(shop, ledger, client, make, now):
    """The batch was taken: a ledger that forgot it would never delete it again."""
    shop.task = lambda: (200, {"odd": True})
    segment = make("segments", "s")

    with pytest.raises(AlgoliaError, match="taskID"):
        sync(shop, ledger, client, [segment], now)

    assert [row.object_id for row in ledger.unfinished()] == ["s"]
    assert list(shop.indices["payloads"]) == ["s"]
    assert recover(client, ledger, now=now).published == 1


def refusing(shop, status, bad):
    """Refuse each batch of rules that holds the bad one, and each deletion of it, without a word about which."""
    route = shop.route

    def routed(verb, parts, body):
        found = parts[1] == "rules" and verb != "GET" and (bad.encode() in body or bad in parts)
        return (status, {"message": "Invalid rule"}) if found else route(verb, parts, body)

    shop.route = routed


def test_a_refused_rule_that_nobody_names_is_searched_for(shop, ledger, client, make, now):
    desired = [make("rules", f"algosync-{n}") for n in range(9)] + [make("segments", "s")]
    refusing(shop, 400, "algosync-6")

    done = sync(shop, ledger, client, desired, now)

    assert [(f.family, f.object_id) for f in done.failed] == [("rules", "algosync-6")]
    assert "Invalid rule" in done.failed[0].reason
    assert (done.operations, ledger.unfinished()) == (9, [])
    assert sorted(ledger.hashes("products", "rules")) == sorted(shop.rules["products"])
    assert [op.object_id for op in plan(desired, there(shop, ledger)).operations] == ["algosync-6"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusals_of_the_key_or_the_index_are_not_searched(shop, ledger, client, desired, now, status):
    refusing(shop, status, "algosync-1")

    with pytest.raises(AlgoliaError, match="Invalid rule"):
        sync(shop, ledger, client, desired, now)

    assert shop.rules == {}


def test_a_refusal_of_everything_that_names_nothing_is_not_about_the_records(shop, ledger, client, make, now):
    desired = [make("rules", f"algosync-{n:03d}") for n in range(100)]
    refusing(shop, 400, "algosync-")

    with pytest.raises(AlgoliaError, match="Invalid rule"):
        sync(shop, ledger, client, desired, now)

    assert (ledger.unfinished(), ledger.refusals.listed()) == ([], [])


def test_a_single_operation_that_is_refused_without_a_name_is_put_aside(shop, ledger, client, make, now):
    refusing(shop, 400, "algosync-1")

    done = sync(shop, ledger, client, [make("rules", "algosync-1")], now)

    assert [f.object_id for f in done.failed] == ["algosync-1"] == [r.object_id for r in ledger.refusals.listed()]


@pytest.mark.parametrize("ends", ["paused", "Algolia is down"])
def test_a_run_that_breaks_off_puts_nothing_aside_that_nobody_named(shop, ledger, client, make, now, ends):
    desired = [make("rules", f"algosync-{n}") for n in range(4)]
    refusing(shop, 400, "algosync-0")
    if ends == "paused":
        reasons = iter([None, None, None])  # four rules, two of them, the first alone: then it ends
        manner = Manner(halt=lambda: next(reasons, "paused"))
    else:
        manner, refuses = Manner(), shop.route

        def down(verb, parts, body):
            served = verb == "GET" or b"algosync-0" in body
            return refuses(verb, parts, body) if served else (503, {"message": "down"})

        shop.route = down

    done = sync(shop, ledger, client, desired, now, manner=manner)

    assert (done.stopped is not None, done.failed, ledger.refusals.listed()) == (True, (), [])
    refusing_again = [op.object_id for op in plan(desired, there(shop, ledger)).operations]
    assert refusing_again == [f"algosync-{n}" for n in range(4)]


class Scripted:
    """A client without a server: refuses batches that hold a bad record, and tells how often it was asked."""

    def __init__(self, bad, *, named):
        self.bad, self.named, self.asked, self.throttled, self.held = bad, named, 0, 0, {}

    def batch(self, index, body, count):
        self.asked += 1
        ids = [request["body"]["objectID"] for request in orjson.loads(body)["requests"]]
        found = [(place, name) for place, name in enumerate(ids) if name in self.bad]
        if found:
            place, name = found[0] if self.named else (None, None)
            raise AlgoliaError("refused", status=400, position=place, object_id=name)
        for name in ids:
            assert name not in self.held, "sent twice"
            self.held[name] = self.asked
        return self.asked

    def wait(self, index, task_id, timeout_s):
        return 0.0


@pytest.mark.parametrize("bad", [range(25), range(100, 125), range(140, 200), range(0, 200, 4)])
def test_however_many_neighbours_are_refused_the_rest_arrives(make, bad):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    ledger = Ledger(engine, Target(app_id="APP"))
    desired = [make("segments", f"s{n:03d}") for n in range(200)]
    client = Scripted({f"s{n:03d}" for n in bad}, named=False)

    done = push(plan(desired, There(observed={})), client, ledger, now=lambda: AT)

    assert {f.object_id for f in done.failed} == client.bad == {r.object_id for r in ledger.refusals.listed()}
    assert len(client.held) == 200 - len(bad)
    engine.dispose()


@given(bad=st.sets(st.integers(0, 199), max_size=8), named=st.booleans(), records=st.integers(2, 200))
@settings(max_examples=25)
def test_whatever_is_refused_the_rest_arrives_at_a_bounded_price(make, bad, named, records):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    ledger = Ledger(engine, Target(app_id="APP"))
    desired = [make("segments", f"s{n:03d}") for n in range(200)]
    client = Scripted({f"s{n:03d}" for n in bad}, named=named)
    manner = Manner(limits=Limits(records=records))

    done = push(plan(desired, There(observed={})), client, ledger, now=lambda: AT, manner=manner)

    assert {f.object_id for f in done.failed} == client.bad == {r.object_id for r in ledger.refusals.listed()}
    assert set(client.held) == {p.object_id for p in desired} - client.bad
    assert ledger.unfinished() == []
    least = -(-200 // records)
    each = 1 if named else 2 * ceil(log2(records)) + 1
    assert client.asked <= least + len(bad) * each
    engine.dispose()


class Throttling(Scripted):
    """Says for a while that there are too many requests, and then takes them after all, as the wire sees to it."""

    def __init__(self, until):
        super().__init__(set(), named=True)
        self.until, self.sizes, self.pauses = until, [], []

    def batch(self, index, body, count):
        self.sizes.append(count)
        self.throttled += self.asked < self.until
        return super().batch(index, body, count)

    def pause(self, seconds):
        self.pauses.append(seconds)
        return True


def test_at_the_first_429_batches_become_small_and_pauses_long_until_it_goes_well_again(make, ledger, now):
    desired = [make("segments", f"s{n:05d}") for n in range(8000)]
    client = Throttling(until=3)

    done = push(plan(desired, There(observed={})), client, ledger, now=now)

    assert (done.operations, done.throttled) == (8000, 3)
    assert client.sizes[:5] == [1000, 500, 250, 125, 125]
    assert max(client.sizes[5:]) > 900
    assert client.pauses[:3] == [1.0, 2.0, 4.0]
    assert client.pauses == sorted(client.pauses[:3]) + sorted(client.pauses[3:], reverse=True)


def test_patience_that_is_spent_ends_the_run(make, ledger, now):
    client = Throttling(until=9)
    client.pause = lambda seconds: False

    done = push(plan([make("segments", f"s{n:04d}") for n in range(3000)], There(observed={})), client, ledger, now=now)

    assert (done.operations, done.deferred) == (1000, 2000)
    assert "patience" in done.stopped.reason


def test_what_is_held_back_is_told_by_its_reason(make, ledger, now):
    desired = [make("segments", "s1"), *(make("profiles", f"t{n}") for n in range(5)), make("rules", "algosync-1")]
    reasons = iter([None, "paused"])
    manner = Manner(limits=Limits(operations=3), adds=4, busy={"products"}, halt=lambda: next(reasons, "paused"))

    done = push(plan(desired, There(observed={})), Scripted(set(), named=True), ledger, now=now, manner=manner)

    assert done.deferred_for == {"adds_per_run": 2, "budget": 1, "earlier writes are not published": 1}
    assert (done.operations, done.deferred, len(done.left), done.stopped) == (3, 4, 4, None)
    stopped = push(plan(desired, There(observed={})), Scripted(set(), named=True), ledger, now=now, manner=manner)
    assert (stopped.operations, stopped.stopped.reason) == (0, "paused")
    assert stopped.document()["deferred_for"]["broke off"] == 3
