"""What is too old goes, and nothing that still holds hangs on it: a buyer does not become new, a refusal stays one."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from algosync.events.reading import alone
from algosync.operate.retention import retain as retained
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.runs import last_runs
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state

DAY = "2026-{}T10:{:02d}:00Z"


def seen(who, day, minute=0, product="book-2", what="view", **more):
    return {"at": DAY.format(day, minute), "who": who, "what": what, "product": product, **more}


VISITS = [
    *[seen("buyer", "02-01", n, f"book-{n}") for n in range(1, 5)],
    seen("buyer", "02-01", 30, "book-2", "purchase", order="o-1", price=10, quantity=1),
    *[seen("buyer", "11-20", n, f"phone-{n}") for n in range(1, 5)],
    seen("phone-of-dora", "02-02", 1, "lamp-1"),
    seen("phone-of-dora", "02-02", 2, "lamp-2", customer="dora"),
    *[seen("phone-of-dora", "11-20", n, f"lamp-{n}") for n in range(1, 5)],
    *[seen("once-here", "02-03", n, f"book-{n}") for n in range(1, 5)],
    seen("refusing", "02-04", 1, consent="not_personalized"),
    *[seen("refusing", "11-20", n, f"book-{n}") for n in range(1, 5)],
    seen("bought-and-gone", "02-05", 1, "book-1", "purchase", order="o-2", price=10, quantity=1),
    *[seen("regular", "11-20", n, f"book-{n}") for n in range(1, 5)],
]  # fmt: skip


@pytest.fixture
def old(small):
    small.configure(events={"max_age_days": 3000}, state={"as_of": "clock"})
    small.lighten()
    (small.folder / "events.jsonl").unlink()
    small.events(VISITS)
    small.sync()
    return small


def people(shop):
    with open_state("sqlite", shop.state, create=False, book=SNAPSHOT) as opened:
        snapshot = Snapshot(opened)
        names = {visit["who"] for visit in VISITS} | {"dora"}
        return {name: snapshot.person(name) for name in sorted(names)}


def said(person, *names):
    return None if person is None else tuple(person[name] for name in names)


def retain(shop, days=90, **options):
    shop.configure(retention={"events_days": days})
    return shop.runtime().retention(**options)


def test_who_somebody_is_does_not_hang_on_old_events(old):
    before = people(old)
    report = retain(old)
    assert report["gone"]["events"]["before"] == "2026-08-25T00:00:00+00:00"
    old.sync()
    after = people(old)
    for name in ("buyer", "phone-of-dora", "regular", "refusing"):
        told = ("person", "visit", "state", "first_seen", "last_seen")
        assert said(after[name], *told) == said(before[name], *told), name
    assert after["buyer"]["state"] == "buyer"
    assert after["phone-of-dora"]["person"] == "dora"
    assert after["refusing"] is None
    assert after["once-here"] is None  # came once, long ago, and bought nothing: nothing of her is kept
    assert after["bought-and-gone"]["state"] == "buyer"
    assert (before["buyer"]["products"], after["buyer"]["products"]) == (8, 4)  # what she looked at counts no more
    assert after["regular"]["affinities"] == before["regular"]["affinities"]


def test_what_is_left_of_old_events_says_not_what_they_were_about(old):
    shop = old
    report = retain(shop)["gone"]["events"]
    told = shop.runtime().export("buyer")["events"]
    past = [event for event in told if event["ts"] < "2026-08"]
    assert [(event["ts"][:16], event["kind"]) for event in past] == [
        ("2026-02-01T10:01", "view"),
        ("2026-02-01T10:30", "purchase"),
    ]
    assert not any({"object_id", "price", "order_id", "facets"} & event.keys() for event in past)
    assert report["rows"] == 7
    assert report["names"] == 1


def test_an_hour_faster_than_people_leaves_no_trace(small):
    small.configure(events={"max_age_days": 3000, "ignore": {"events_per_hour_max": 5}}, state={"as_of": "clock"})
    small.lighten()
    (small.folder / "events.jsonl").unlink()
    fast = [seen("fast", "02-06", n, f"book-{n % 4 + 1}") for n in range(6)]
    small.events([*VISITS, *fast, *[seen("fast", "11-20", n, f"book-{n}") for n in range(1, 5)]])
    small.sync()
    with open_state("sqlite", small.state, create=False, book=SNAPSHOT) as opened:
        before = Snapshot(opened).person("fast")
    assert retain(small)["gone"]["events"]["rows"] == 7 + len(fast)
    small.sync()
    with open_state("sqlite", small.state, create=False, book=SNAPSHOT) as opened:
        assert Snapshot(opened).person("fast") == before
    assert before["first_seen"].startswith("2026-11-20")


def test_the_second_time_nothing_is_left_to_do(old):
    retain(old)
    files = {name for name in old.files() if name.startswith("log/")}
    again = retain(old)["gone"]["events"]
    assert (again["rows"], again["traces"]) == (0, 0)
    assert {name for name in old.files() if name.startswith("log/")} == files


def test_a_dry_run_counts_and_changes_nothing(old):
    files = old.files()
    report = retain(old, dry_run=True)
    assert report["gone"]["events"]["rows"] == 7
    assert old.files() == files


def test_the_files_of_the_log_stay_while_a_dry_run_looks(old, monkeypatch):
    free = []

    def looked(*args, **options):
        with alone(old.state, wait_s=0) as nobody_reads:
            free.append(nobody_reads)
        return retained(*args, **options)

    monkeypatch.setattr("algosync.runtime.forgetting.retained", looked)
    assert retain(old, dry_run=True)["gone"]["events"]["rows"] == 7
    assert free == [False]


def test_old_events_that_are_read_again_go_again(old):
    retain(old)
    (old.folder / "events.jsonl").rename(old.folder / "again.jsonl")
    old.source("again.jsonl")
    counts = old.sync()["events"]
    assert (counts["duplicates"], counts["accepted"]) == (22, 7)
    assert retain(old)["gone"]["events"]["rows"] == 7


def test_each_kind_by_its_own_age(old):
    with open_state("sqlite", old.state, create=True, book=INBOX) as opened:
        inbox = Inbox(opened)
        for days in (100, 5):
            at = old.now - timedelta(days=days)
            inbox.append([{"eventType": "view", "userToken": f"u-{days}", "objectIDs": ["book-1"]}], at)
            inbox.put_impression("u", f"action-{days}", at)
    old.configure(events={"rejected_share_max": 1})
    old.events([seen("somebody", "11-20", at="never")])
    old.sync()
    old.configure(
        retention={"inbox_days": 30, "impressions_days": 30, "quarantine_days": 30, "runs_days": 30},
    )
    gone = old.runtime().retention()["gone"]
    assert {name: one["rows"] for name, one in gone.items()} == {
        "inbox": 1, "impressions": 1, "quarantine": 0, "runs": 0, "certificates": 0, "deliveries": 0,
    }  # fmt: skip
    with open_state("sqlite", old.state, create=False, book=INBOX) as opened:
        assert [one.event["userToken"] for one in Inbox(opened).after(0, 9)] == ["u-5"]
        assert list(Inbox(opened).impressions(["u"])) == ["action-5"]
    old.now += timedelta(days=31)
    gone = old.runtime().retention()["gone"]
    assert gone["quarantine"]["rows"] == 1
    assert gone["runs"]["rows"] == 2
    with open_state("sqlite", old.state, create=False) as state:
        assert last_runs(state) == []


def test_without_settings_nothing_goes(old):
    files = old.files()
    assert old.runtime().retention()["gone"] == {}
    assert {name for name in old.files() if "log/" in name} == {name for name in files if "log/" in name}


def test_on_the_command_line(old):
    old.configure(retention={"events_days": 90})
    refused = old.command("retention")
    assert "--yes" in refused.stderr
    report = json.loads(old.command("retention", "--yes", "--json").stdout)
    assert report["gone"]["events"]["rows"] == 7
