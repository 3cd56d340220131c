"""A ledger that has lost everything: what is there of ours is known again by its shape, and taken in once."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.client import WriteClient
from algosync.algolia.target import Target
from algosync.mock.keys import Key
from algosync.mock.server import MockAlgolia, MockServer
from algosync.payloads.contexts import Segment
from algosync.payloads.encode import OpaqueIds
from algosync.payloads.encode import Target as Place
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.records import Profile, profile_records, segment_records
from algosync.payloads.rules import segment_rules
from algosync.stores import tables
from algosync.sync.adopt import Found, adopt
from algosync.sync.brake import BrakeLimits, judge
from algosync.sync.ledger import Ledger
from algosync.sync.plan import There, plan
from algosync.sync.push import push
from algosync.sync.there import there

PAYLOADS = Place(index="payloads", max_record_bytes=10_000)
PRODUCTS = Place(index="products", max_record_bytes=10_000)
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
IDS = OpaqueIds(key=b"sixteen bytes and more")
NO_BROWSE = Key(value="no-browse", acl=frozenset({"search", "settings", "listIndexes"}))


@pytest.fixture
def mock():
    with MockServer(MockAlgolia()) as mock:
        yield mock


def opened(mock, key="mock-write"):
    return WriteClient(Target(app_id=mock.algolia.app_id, hosts=(mock.url,)), key, sleep=lambda seconds: None)


@pytest.fixture
def client(mock):
    with opened(mock) as client:
        yield client


@pytest.fixture
def ledger(engine, client):
    return Ledger(engine, client.target)


@pytest.fixture
def desired():
    segment = Segment(slug="gold", name="Gold", priority=7, user_data={"banner": "gold"})
    people = [Profile(tokens=(f"t{n}",), optional_filters=(), segments=("gold",)) for n in range(120)]
    policy = FilterPolicy(weights={"brand": 100})
    records = (
        segment_records([segment], policy, PAYLOADS),
        profile_records(people, IDS, PAYLOADS),
        segment_rules([segment], policy, PRODUCTS),
    )
    return [payload for made in records for payload in made.payloads]


@pytest.fixture
def lost(mock, client, engine, desired, now):
    """What was published by a ledger that is no more."""
    before = Ledger(engine, client.target)
    client.wait("products", client.set_settings("products", {}))
    done = push(plan(desired, there(client, before, {"products": {}}, "payloads")), client, before, now=now)
    assert done.operations == 122
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")


@pytest.mark.usefixtures("lost")
def test_nothing_is_sent_again_and_the_ledger_is_as_it_was(client, ledger, desired, now):
    held = there(client, ledger, {"products": {}}, "payloads")

    assert not plan(desired, held).operations
    assert ledger.counts() == {}  # to look writes nothing
    assert adopt(ledger, held, now()) == 122
    assert ledger.counts() == {
        "profiles": {"published": 120},
        "rules": {"published": 1},
        "segments": {"published": 1},
    }
    again = there(client, ledger, {"products": {}}, "payloads")
    assert again.ledger == held.ledger
    assert adopt(ledger, again, now()) == 0


@pytest.mark.usefixtures("lost")
def test_what_nobody_wants_any_more_goes_if_the_brake_lets_it(client, ledger, desired):
    held = there(client, ledger, {"products": {}}, "payloads")
    kept = [payload for payload in desired if payload.family != "profiles"]

    drafted = plan(kept, held)

    assert {(op.family, op.kind) for op in drafted.operations} == {("profiles", "delete")}
    assert [(stop.family, stop.kind, stop.objects, stop.there) for stop in judge(drafted, held, BrakeLimits())] == [
        ("profiles", "delete", 120, 120)
    ]


@pytest.mark.usefixtures("lost")
def test_a_family_that_was_taken_in_alone_leaves_the_others_to_be_found(client, ledger, desired, now):
    assert adopt(ledger, there(client, ledger, {"products": {}}, "payloads", ["segments"]), now()) == 1

    held = there(client, ledger, {"products": {}}, "payloads")

    assert not plan(desired, held).operations
    unwanted = next(payload for payload in desired if payload.family == "profiles")
    (op,) = plan([payload for payload in desired if payload != unwanted], held).operations
    assert (op.family, op.kind, op.object_id) == ("profiles", "delete", unwanted.object_id)
    assert adopt(ledger, held, now()) == 120 + 1  # the rule too
    assert not plan(desired, there(client, ledger, {"products": {}}, "payloads")).operations


def test_where_no_more_is_there_than_is_known_nothing_is_browsed(mock, client, ledger, desired, now):
    client.wait("products", client.set_settings("products", {}))
    segments = [payload for payload in desired if payload.family == "segments"]
    push(plan(segments, there(client, ledger, {"products": {}}, "payloads")), client, ledger, now=now)
    assert client.count("payloads") == 1
    before = len(mock.algolia.requests)

    held = there(client, ledger, {"products": {}}, "payloads", ["segments", "profiles"])

    assert held.ledger["payloads", "profiles"] == {}
    assert not [one.path for one in list(mock.algolia.requests)[before:] if one.path.endswith("/browse")]


@pytest.mark.usefixtures("lost")
def test_other_peoples_are_not_taken_in(client, ledger, now):
    strangers = [{"action": "addObject", "body": {"objectID": name, "ruleContext": "x"}} for name in ("segment-x", "y")]
    client.wait("payloads", client.batch("payloads", orjson.dumps({"requests": strangers}), 2))
    rule = {"objectID": "algosync-7-gold-rush", "consequence": {"userData": {}}}
    client.wait("products", client.save_rules("products", orjson.dumps([rule]), 1))

    held = there(client, ledger, {"products": {}}, "payloads")

    assert adopt(ledger, held, now()) == 122
    names = {op.object_id for op in plan([], held).operations}
    assert len(names) == 122
    assert names.isdisjoint({"segment-x", "y", "algosync-7-gold-rush"})


@pytest.mark.usefixtures("lost")
def test_a_key_that_may_not_browse_knows_nothing_again(mock, ledger):
    mock.algolia.keys = MockAlgolia(keys=[NO_BROWSE]).keys
    with opened(mock, "no-browse") as client:
        held = there(client, ledger, {"products": {}}, "payloads", ["segments", "profiles"])
        assert held.ledger == {("payloads", "segments"): {}, ("payloads", "profiles"): {}}


@given(seen=st.dictionaries(st.sampled_from("abcd"), st.none() | st.sampled_from("xy")), data=st.data())
def test_products_are_taken_in_as_observed_and_only_where_nothing_is_known(seen, data):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    ledger = Ledger(engine, Target(app_id="APP"))
    known = data.draw(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz")))
    ledger.found([Found(index="i", family="related", object_id=name, hash=h) for name, h in known.items()], AT)

    taken = adopt(ledger, There(observed={"i": seen}, ledger={("i", "related"): known}), AT)

    there_ = {name: v for name, v in seen.items() if v is not None}
    assert ledger.hashes("i", "related") == (known or there_)
    assert taken == (0 if known else len(there_))
    engine.dispose()
