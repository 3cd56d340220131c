"""Whatever happens to requests and answers: operations are accounted for, and running again ends in what is desired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, NotPublishedError
from algosync.stores import tables
from algosync.sync.batches import Limits
from algosync.sync.ledger import Ledger
from algosync.sync.plan import There, plan
from algosync.sync.push import push
from algosync.sync.recover import recover
from algosync.sync.sending import Manner

AT = datetime(2026, 11, 23, tzinfo=UTC)
FATES = ("taken", "taken", "taken", "answer lost", "never arrived", "turned away", "held", "one refused")


class Algolia:
    """One index in memory; each write meets the next of its fates, then all is well."""

    def __init__(self, fates):
        self.fates = list(fates)
        self.head, self.visible, self.held = {}, {}, set()
        self.taken = self.tasks = self.throttled = 0
        self.order = []

    def batch(self, index, body, count):
        requests = orjson.loads(body)["requests"]
        fate = self.fates.pop(0) if self.fates else "taken"
        if fate == "turned away":
            self.throttled += 1
            error = AlgoliaUnavailableError("Too many requests", status=429)
            error.undone = True
            raise error
        if fate == "never arrived":
            raise AlgoliaUnavailableError("no connection")
        if fate == "one refused":
            name = requests[-1]["body"]["objectID"]
            raise AlgoliaError("too big", status=400, position=len(requests) - 1, object_id=name)
        self.tasks += 1
        self.taken += len(requests)
        for request in requests:
            name = request["body"]["objectID"]
            self.order.append(name)
            self.head[name] = None if request["action"] == "deleteObject" else request["body"]
        if fate == "held":
            self.held.add(self.tasks)
        self.publish()
        if fate == "answer lost":
            raise AlgoliaUnavailableError("no answer in time")
        return self.tasks

    def publish(self):
        if not self.held:
            self.visible = {name: body for name, body in self.head.items() if body is not None}

    def wait(self, index, task_id, timeout_s=0.0):
        if any(held <= task_id for held in self.held):
            raise NotPublishedError("not published")
        return 0.0

    def get_objects(self, index, ids, attributes=None):
        return [self.visible.get(name) for name in ids]

    def pause(self, seconds):
        return True


def there(algolia, ledger):
    held = {name: h for name, h in ledger.hashes("payloads", "segments").items() if name in algolia.visible or h == "?"}
    return There(
        observed={},
        ledger={("payloads", "segments"): held},
        under_way=ledger.under_way(),
        refused=ledger.refusals.known(),
    )


@given(
    fates=st.lists(st.sampled_from(FATES), max_size=14),
    before=st.sets(st.integers(0, 30), max_size=12),
    wanted=st.sets(st.integers(0, 30), max_size=25),
    records=st.integers(1, 12),
    budget=st.none() | st.integers(0, 20),
)
@settings(max_examples=60)
def test_nothing_is_lost_and_nothing_unaccounted_for(make, fates, before, wanted, records, budget):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    ledger, algolia = Ledger(engine, Target(app_id="APP")), Algolia(())
    moment = [AT]

    def run(desired, operations=None):
        moment[0] += timedelta(minutes=2)
        recover(algolia, ledger, now=lambda: moment[0])
        held = there(algolia, ledger)
        drafted = plan(desired, held)
        manner = Manner(limits=Limits(records=records, operations=operations), busy={i for i, _ in held.under_way})
        done = push(drafted, algolia, ledger, now=lambda: moment[0], manner=manner)
        assert done.operations + done.waiting + done.deferred + len(done.failed) == len(drafted.operations)
        assert done.deferred == len(done.left) == sum(done.deferred_for.values())
        assert operations is None or done.operations + done.waiting <= operations
        return drafted, done

    run([make("segments", f"s{n:02d}", "old") for n in before])
    algolia.fates, taken = list(fates), algolia.taken
    desired = [make("segments", f"s{n:02d}", "new") for n in wanted]
    run(desired, budget)
    for _ in range(len(fates) + 2):
        run(desired)
    algolia.held.clear()
    algolia.publish()
    algolia.fates.clear()
    ledger.refusals.drop(ledger.refusals.listed())
    run(desired)
    drafted, done = run(desired)

    assert (drafted.operations, done.operations) == ((), 0)
    assert algolia.visible == {p.object_id: orjson.loads(p.body) for p in desired}
    assert ledger.hashes("payloads", "segments") == {p.object_id: p.hash for p in desired}
    assert ledger.unfinished() == []
    if "held" not in fates:
        assert algolia.taken - taken == len(wanted) + len(before - wanted), "something was sent twice"
        assert sum(minute.operations for minute in ledger.spent_since(AT)) == algolia.taken
    engine.dispose()
