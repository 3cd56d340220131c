"""What holds a push back and what it survives: brake, budgets, pause, quarantine, and every fault of the mock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import structlog
from typer.testing import CliRunner

from algosync.cli import render
from algosync.cli.app import app
from algosync.errors import BrakeError, StoreError
from algosync.mock.server import MockServer
from algosync.stores.control import APPROVED, told
from algosync.stores.state import open_state

from .conftest import PRODUCTS, SEGMENTS

pytestmark = pytest.mark.e2e

STRICT = {"brake": {"at_least": 1, "change_share": 0.3, "delete_share": 0.1}}


@pytest.fixture
def on(small, state_url):
    """The small shop on either database."""
    small.configure(state={"url": state_url})
    return small


def reordered(shop):
    """Settings that change every filter: a push that the brake stops."""
    shop.configure(facets={"brand": 40, "categories": 90}, push=STRICT)


def test_a_plan_over_the_limit_stops_until_exactly_it_is_approved(synced):
    before = synced.content()
    reordered(synced)
    shown = synced.sync(dry_run=True)
    assert {stop["family"] for stop in shown["brake"]["stops"]} >= {"profiles"}
    assert any(note.startswith("the settings have changed since the last run: ") for note in shown["notes"])

    with pytest.raises(BrakeError, match="changes more than it may") as stopped:
        synced.sync()

    assert stopped.value.hash == shown["brake"]["hash"] == shown["plan"]["hash"]
    assert f"algosync sync --approve {stopped.value.hash}" in str(stopped.value)
    assert synced.content() == before
    with pytest.raises(BrakeError, match="is no more: by now it is"):
        synced.sync(approve="0" * 32)
    assert synced.content() == before
    done = synced.sync(approve=stopped.value.hash)
    assert done["pushed"]["operations"] == shown["plan"]["operations"]
    assert synced.content() != before
    quiet = synced.sync()
    assert (quiet["plan"]["operations"], quiet["brake"]["stops"], quiet["brake"]["settings_changed"]) == (0, [], False)


def test_an_approval_of_a_plan_that_has_moved_on_does_not_fit(synced):
    reordered(synced)
    approved = synced.sync(dry_run=True)["plan"]["hash"]
    seen = {"at": "2026-11-18T11:00:00Z", "what": "view", "product": "phone-1"}
    synced.events([{**seen, "who": "reader-1", "at": f"2026-11-18T11:{n:02d}:00Z"} for n in range(20)])

    with pytest.raises(BrakeError, match="is no more") as stopped:
        synced.sync(approve=approved)

    assert stopped.value.hash == synced.sync(dry_run=True)["plan"]["hash"] != approved


def test_the_rest_of_an_approved_plan_needs_no_second_approval(synced):
    reordered(synced)
    synced.configure(push={"operations_per_hour": 2})
    synced.now += timedelta(hours=2)
    first = synced.sync(approve=synced.sync(dry_run=True)["plan"]["hash"])
    assert (first["pushed"]["operations"], first["pushed"]["budget"]) == (2, "push.operations_per_hour")
    assert first["pushed"]["deferred"] > 0
    assert first["served"]["oldest"] == "2026-11-23T12:00:00+00:00"  # of what waits to be replaced
    for _ in range(20):
        synced.now += timedelta(minutes=61)
        last = synced.sync()
        if not last["pushed"]["deferred"]:
            break
    assert last["plan"]["operations"] > 0
    assert synced.sync()["plan"]["operations"] == 0


def test_what_was_approved_and_then_refused_passes_when_it_is_tried_again(synced):
    reordered(synced)
    synced.configure(push={"brake": {**STRICT["brake"], "change_share": 0.05}})
    refused = min(synced.content()["algosync_payloads"]["records"])
    synced.algolia.faults.add(f"batch@algosync_payloads:oversize={refused}")
    done = synced.sync(approve=synced.sync(dry_run=True)["plan"]["hash"])
    assert [one["object_id"] for one in done["pushed"]["failed"]] == [refused]
    assert synced.sync()["plan"]["operations"] == 0
    synced.algolia.faults.clear()

    assert synced.runtime().quarantine_retry(source=None, payloads=True)["readmitted"] == 1

    assert synced.sync()["pushed"]["operations"] == 1
    reordered(synced)  # and from here on what it makes of that record is a change like any other
    synced.sync()
    with open_state("sqlite", synced.state, create=False) as state:
        assert told(state, APPROVED) is None
    synced.configure(facets={"brand": 90, "categories": 40}, push={"brake": {**STRICT["brake"], "change_share": 0.05}})
    with pytest.raises(BrakeError, match="changes more than it may"):
        synced.sync()


def test_an_approval_counts_on_the_server_where_it_was_given_and_waits_there(synced):
    reordered(synced)
    synced.configure(push={"operations_per_hour": 2})
    synced.now += timedelta(hours=2)
    synced.sync(approve=synced.sync(dry_run=True)["plan"]["hash"])
    with MockServer() as other:
        other.algolia.restore(synced.algolia.snapshot())
        synced.configure(algolia={"hosts": [other.url]}, push={"operations_per_hour": None})
        with pytest.raises(BrakeError, match="changes more than it may"):
            synced.sync()
        synced.configure(push={"brake": {"at_least": 1000}})
        assert synced.sync()["pushed"]["operations"] > 0
        assert synced.sync()["plan"]["operations"] == 0
    synced.configure(algolia={"hosts": [synced.server.url]}, push=STRICT)
    assert synced.sync()["pushed"]["operations"] > 0


def test_a_sync_of_one_family_leaves_the_approval_of_the_others(synced):
    reordered(synced)
    synced.configure(push={"operations_per_hour": 2})
    synced.now += timedelta(hours=2)
    synced.sync(approve=synced.sync(dry_run=True)["plan"]["hash"])
    for _ in range(3):
        synced.now += timedelta(minutes=61)
        rules = synced.sync(only=["rules"])
    assert rules["plan"]["operations"] == 0

    synced.now += timedelta(minutes=61)
    assert synced.sync()["pushed"]["operations"] == 2


def test_what_was_approved_and_never_published_passes_when_it_is_sent_again(synced):
    synced.configure(push=STRICT)
    synced.segments({"segment2": SEGMENTS["segment2"]})
    before = synced.algolia.snapshot()
    synced.algolia.faults.add("batch@algosync_payloads:unpublished")
    approved = synced.sync(approve=synced.sync(dry_run=True)["plan"]["hash"])
    assert "not published" in approved["pushed"]["stopped"]
    assert synced.sync()["plan"]["under_way"] > 0
    synced.algolia.faults.clear()
    synced.algolia.restore(before)  # as if it had never taken them
    synced.now += timedelta(hours=2)

    synced.sync()

    assert "segment-phones" not in synced.content()["algosync_payloads"]["records"]
    assert synced.sync()["plan"]["operations"] == 0


def test_what_the_shops_feed_removed_is_put_back_past_the_brake(synced):
    synced.configure(push=STRICT)
    there = synced.content()
    synced.feed(PRODUCTS)

    done = synced.sync()

    assert done["pushed"]["families"] == {"related": 18}
    assert done["brake"]["families"]["related"]["restores"] == 18
    assert synced.content() == there


def test_first_time_additions_come_in_portions_the_most_valuable_first(small, synced_content):
    small.configure(push={"adds_per_run": 10})

    first = small.sync()

    assert first["pushed"]["families"] == {"profiles": 5, "related": 1, "rules": 2, "segments": 2}
    assert first["pushed"]["deferred_for"] == {"adds_per_run": 17}
    (best,) = [key for key, record in small.records().items() if record.get("algosync")]
    popular = {
        key: (record["algosync"] or {}).get("popularity", 0)
        for key, record in synced_content["products"]["records"].items()
    }
    assert popular[best] == max(popular.values())
    assert small.sync()["pushed"]["operations"] == 10
    assert small.sync()["pushed"]["operations"] == 7
    assert small.content() == synced_content


def test_budgets_of_hour_and_day_are_told_with_the_moment_to_come_again(on, synced_content):
    on.configure(push={"operations_per_hour": 10, "operations_per_day": 15})
    first = on.sync()
    assert (first["pushed"]["operations"], first["pushed"]["deferred_for"]) == (10, {"budget": 17})
    assert datetime.fromisoformat(first["pushed"]["again"]) == on.now + timedelta(minutes=61)
    on.now += timedelta(minutes=61)
    second = on.sync()
    assert (second["pushed"]["operations"], second["pushed"]["budget"]) == (5, "push.operations_per_day")
    on.now += timedelta(hours=2)
    third = on.sync()
    assert third["pushed"]["operations"] == 0
    assert third["served"]["deferred_since"] == first["served"]["deferred_since"]
    assert set(third["served"]["as_of"]) == {"profiles", "segments", "rules"}
    on.now = datetime.fromisoformat(third["pushed"]["again"])
    assert on.sync()["pushed"]["operations"] == 10
    on.now += timedelta(minutes=61)
    last = on.sync()
    assert (last["pushed"]["operations"], last["served"]["deferred_since"]) == (2, None)
    assert set(last["served"]["as_of"]) == {"profiles", "related", "rules", "segments"}
    assert on.content() == synced_content


def test_erasures_go_before_everything_else(synced):
    synced.events(
        [
            {
                "at": "2026-11-18T12:00:00Z",
                "who": "caller-1",
                "what": "view",
                "product": "phone-1",
                "consent": "not_personalized",
            }
        ]
    )
    reordered(synced)
    synced.configure(push={"operations_per_hour": 1, "brake": {"at_least": 1000}})
    synced.now += timedelta(hours=2)

    done = synced.sync()

    assert done["plan"]["operations"] > 1
    assert done["plan"]["families"]["profiles"]["delete"] == 1
    assert len(synced.records("algosync_payloads")) == 6
    assert done["pushed"]["families"] == {"profiles": 1}


def test_a_pause_is_heeded_by_every_push_and_shown(on, synced_content):
    on.sync(only=("segments",))
    runtime = on.runtime()
    assert runtime.pause("the sale")["was_paused"] is False

    held = on.sync()

    assert held["pushed"]["operations"] == 0
    assert held["notes"][0] == (
        "nothing was pushed: paused since 2026-11-23T12:00:00+00:00: the sale; `algosync resume` ends it"
    )
    assert on.sync(dry_run=True)["notes"][0].startswith("a sync would push nothing: paused since")
    assert on.runtime().status()["service"]["paused"]["reason"] == "the sale"
    assert on.runtime().pause()["paused"]["reason"] == "the sale"
    assert on.runtime().resume() == {"paused": None, "was_paused": True}
    assert on.runtime().resume()["was_paused"] is False
    assert on.sync()["pushed"]["operations"] == 25
    assert on.content() == synced_content


def test_a_pause_stops_a_push_that_is_under_way(small, monkeypatch):
    taken = []
    send = type(small.client()).batch

    def batch(client, *arguments):
        taken.append(arguments)
        small.runtime().pause()
        return send(client, *arguments)

    monkeypatch.setattr(type(small.client()), "batch", batch)
    done = small.sync()

    assert len(taken) == 1
    assert done["pushed"]["operations"] == 5
    assert done["pushed"]["stopped"].startswith("paused since")


def test_quiet_times_of_day_are_the_shops_own(small):
    small.configure(push={"quiet": ["22:00/06:00"], "timezone": "Europe/Berlin"})
    small.now = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
    assert small.sync()["notes"][0] == "nothing was pushed: 22:00/06:00 is a quiet time"
    small.now = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
    assert small.sync()["pushed"]["operations"] == 27


def test_a_record_that_algolia_refuses_waits_in_quarantine_until_it_changes(on):
    on.algolia.faults.add("batch@products:oversize=book-4")
    first = on.sync()
    assert [one["object_id"] for one in first["pushed"]["failed"]] == ["book-4"]
    assert first["pushed"]["operations"] == 26
    batches = len([path for _, path in on.writes() if path.endswith("/batch")])

    again = on.sync()

    assert (again["pushed"]["operations"], again["plan"]["operations"]) == (0, 0)
    assert "is too big" in again["plan"]["refused_payloads"][0]["reason"]
    assert len([path for _, path in on.writes() if path.endswith("/batch")]) == batches
    held = on.runtime().quarantine_list(source=None, limit=5)
    assert [one["name"] for one in held["payloads"]] == ["related/products/book-4"]
    assert "too big" in on.runtime().quarantine_show("related/products/book-4")["reason"]
    with pytest.raises(StoreError, match="nothing named 'related/products/book-5'"):
        on.runtime().quarantine_show("related/products/book-5")
    on.algolia.faults.clear()
    assert on.sync()["plan"]["operations"] == 0
    assert on.runtime().quarantine_retry(source=None, payloads=True)["readmitted"] == 1
    assert on.sync()["pushed"]["operations"] == 1
    assert on.runtime().quarantine_list(source=None, limit=5)["payloads_total"] == 0


def test_a_payload_larger_than_the_plan_allows_is_in_quarantine_and_the_older_one_stays(small):
    small.feed(
        [{**PRODUCTS[0], "objectID": f"book-{n}-{'x' * 90}", "name": f"Novel number {n}"} for n in range(20, 40)]
    )
    small.sync()
    there = small.records()
    small.configure(algolia={"max_record_bytes": 1000})

    done = small.sync()

    assert done["plan"]["operations"] == 0
    assert small.records() == there
    held = small.runtime().quarantine_list(source=None, limit=5)
    assert 0 < held["payloads_total"] == len(done["unsent"])
    assert "more than the 1000 that a record may have" in held["payloads"][0]["reason"]
    small.configure(algolia={"max_record_bytes": 10_000})
    assert small.sync()["plan"]["operations"] == 0
    assert small.runtime().quarantine_list(source=None, limit=5)["payloads_total"] == 0


FAULTS = {
    "429": "write:x1:429=1",
    "500": "batch:every2:500",
    "503": "batch:x1:503",
    "reset": "write:every2:reset",
    "truncated": "write:every2:truncated",
    "lost": "write:every2:lost",
}


def survives(shop, content, fault):
    shop.algolia.faults.add(fault)
    operations = shop.algolia.operations.total()

    done = shop.sync()

    assert shop.algolia.faults.strikes
    assert (done["pushed"]["operations"], done["pushed"]["stopped"]) == (27, None)
    assert shop.content() == content
    assert shop.algolia.operations.total() - operations == 27
    assert shop.runtime().status()["ledger"] == {
        "profiles": {"published": 5},
        "related": {"published": 18},
        "rules": {"published": 2},
        "segments": {"published": 2},
    }
    shop.algolia.faults.clear()
    assert shop.sync()["plan"]["operations"] == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_survives_a_fault_and_sends_nothing_twice(small, synced_content, fault):
    survives(small, synced_content, FAULTS[fault])


def test_and_so_it_does_on_either_database(on, synced_content):
    survives(on, synced_content, FAULTS["lost"])


def test_a_task_that_is_not_published_holds_up_neither_other_indices_nor_the_next_run(on, synced_content, naps):
    on.configure(push={"patience_s": 60})
    on.algolia.faults.add("batch@algosync_payloads:x1:unpublished")

    first = on.sync()

    assert first["pushed"]["waiting"] > 0
    assert "not published" in first["pushed"]["stopped"]
    assert first["pushed"]["families"] == {"related": 18, "rules": 2}
    assert 60 <= sum(naps) < 70
    naps.clear()
    again = on.sync()
    assert again["pushed"]["operations"] == 0
    assert sum(naps) < 40
    assert again["plan"]["under_way"] == again["pushed"]["waiting"] == first["pushed"]["waiting"]
    assert datetime.fromisoformat(again["pushed"]["again"]) == on.now + timedelta(minutes=1)
    on.algolia.faults.clear()
    assert on.sync()["plan"]["operations"] == 0
    assert on.content() == synced_content


def test_a_shop_that_is_throttled_beyond_patience_is_told_when_to_come_again(small, synced_content):
    small.algolia.faults.add("batch:429=120")
    small.configure(push={"patience_s": 30})

    first = small.sync()

    assert (first["pushed"]["operations"], first["pushed"]["deferred"]) == (0, 27)
    assert datetime.fromisoformat(first["pushed"]["again"]) == small.now + timedelta(seconds=120)
    assert first["pushed"]["throttled"] == 1
    told = small.command("sync")
    assert told.returncode == 4
    assert "the push ended early" in told.stdout
    small.algolia.faults.clear()
    assert small.sync()["plan"]["add"] == 27  # nobody doubts that nothing was taken
    assert small.sync()["plan"]["operations"] == 0
    assert small.content() == synced_content


FOREIGN_SETTINGS = {
    "ranking": ["desc(price)", "typo", "filters", "custom"],
    "customRanking": ["desc(margin)"],
    "replicas": ["products_by_price", "virtual(products_by_margin)"],
    "synonyms": True,
    "userData": {"owner": "merchandising"},
}
FOREIGN_RULES = [
    {
        "objectID": f"merch-{n}",
        "conditions": [{"pattern": "phone", "anchoring": "contains"}],
        "consequence": {"promote": [{"objectID": f"phone-{n}", "position": 0}]},
        "description": "by hand",
    }
    for n in range(1, 4)
]


def foreign(content):
    """What of the mock's content is not ours."""
    kept = {}
    for index, held in content.items():
        records = {
            key: {name: value for name, value in record.items() if name != "algosync"}
            for key, record in held["records"].items()
        }
        kept[index] = {
            **held,
            "records": records,
            "rules": {k: r for k, r in held["rules"].items() if not k.startswith("algosync-")},
        }
    return kept


def test_what_is_not_ours_stays_byte_for_byte(small):
    other = [{"objectID": f"foreign-{n}", "note": "ä" * n, "nested": {"deep": [1, {"x": None}]}} for n in range(5)]
    products = [{**product, "stock": n, "algosync_like": {"v": "x"}} for n, product in enumerate(PRODUCTS)]
    small.feed(products)
    small.feed(other, index="algosync_payloads")
    small.feed(other, index="elsewhere")
    with small.client("mock-admin") as client:
        client.wait("products", client.set_settings("products", FOREIGN_SETTINGS))
        client.wait("products", client.save_rules("products", orjson.dumps(FOREIGN_RULES), 3))
    before = foreign(small.content())

    small.sync()
    between = foreign(small.content())
    small.configure(facets={"brand": 20, "categories": 90})
    small.segments({})
    small.configure(actions={"file": None})
    small.sync()
    after = foreign(small.content())

    payloads = between.pop("algosync_payloads"), after.pop("algosync_payloads")
    mine = before.pop("algosync_payloads")
    assert between == after == before
    for held in payloads:
        assert {key: held["records"][key] for key in mine["records"]} == mine["records"]
        assert {name: value for name, value in held.items() if name != "records"} == {
            name: value for name, value in mine.items() if name != "records"
        }


@pytest.fixture
def said(synced, monkeypatch):
    """said(*arguments, code=0) runs a command in this process, and gives what it says."""

    def run(*arguments, code=0):
        for console in (render.out, render.err):
            monkeypatch.setattr(console, "width", 200)
        done = CliRunner().invoke(app, [*arguments, "--config", str(synced.config)])
        assert done.exit_code == code, done.output
        return done.output

    yield run
    structlog.reset_defaults()


def test_people_are_shown_what_the_brake_says_and_how_to_go_on(synced, said):
    reordered(synced)
    plan = said("plan")
    assert "over the limit: 5 of 5 (100%) profiles would change, where 30% may" in plan
    approve = re.search(r"algosync sync --approve (\w{32}) lets it through", plan)[1]
    assert "the settings have changed since the last run: " in plan
    stopped = said("sync", code=1)
    assert f"run `algosync sync --approve {approve}`" in stopped
    assert "--approve is for a sync that pushes" in said("sync", "--dry-run", "--approve", approve, code=2)
    assert "Pushed" in said("sync", "--approve", approve)
    assert "over the limit" not in said("plan")


def test_people_pause_and_resume(synced, said):
    assert "Pushing was not paused." in said("resume")
    assert "Pushing is paused since" in said("pause", "--reason", "the sale")
    assert "nothing was pushed: paused since" in said("sync")
    assert "the sale" in said("status")
    assert "Pushing goes on with the next run." in said("resume")
    assert "paused" not in said("sync")


def test_people_see_what_algolia_refused(synced, said):
    synced.feed([{**PRODUCTS[3], "name": "Another"}])
    synced.algolia.faults.add("batch@products:oversize=book-4")
    shown = said("sync")
    assert "refused: related book-4" in shown
    assert "1 payloads were refused and are left out: algosync quarantine list" in shown
    assert "related/products/book-4" in said("quarantine", "list")
    assert "is too big" in said("quarantine", "show", "related/products/book-4")
    assert "1 payloads are tried again by the next sync." in said("quarantine", "retry", "--payloads")
    assert "--source is about rows" in said("quarantine", "retry", "--payloads", "--source", "shop", code=2)
