"""Somebody is forgotten: nothing of hers is left anywhere, nothing brings her back, and everybody else stays."""

from __future__ import annotations

import json
import os
import shutil
from copy import deepcopy
from datetime import timedelta

import orjson
import pytest
from structlog.testing import capture_logs

from algosync.algolia.client import ReadClient
from algosync.errors import AlgoliaUnavailableError, ConfigError, RequestError, StoreError
from algosync.events.commit import lock
from algosync.mock.algolia import MockAlgolia
from algosync.operate.forget import Forgetting
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state
from tests.e2e.conftest import ACTIONS, DECLARED, PRODUCTS, SEGMENTS, Shop
from tests.e2e.conftest import VISITS as OTHERS

HERS = ("anna-4711", "device-of-anna")
SHARED = "family-tablet"


def seen(who, day, minute, product="book-2", what="view", **more):
    return {"at": f"2026-11-{day:02d}T10:{minute:02d}:00Z", "who": who, "what": what, "product": product, **more}


VISITS = [
    *[seen("device-of-anna", 10, n, f"book-{n}") for n in range(1, 7)],
    seen("device-of-anna", 11, 1, "book-3", "purchase", customer="anna-4711", order="o-1", price=10, quantity=1),
    *[seen(SHARED, 12, n, f"phone-{n}", customer="ben-0815") for n in range(1, 6)],
    seen(SHARED, 12, 50, "phone-6", "purchase", customer="ben-0815", order="o-2", price=999, quantity=1),
    *[seen(SHARED, 13, n, f"lamp-{n}", customer="anna-4711" if n == 1 else None) for n in range(1, 5)],
    *[seen(SHARED, 14, n, f"phone-{n}", customer="ben-0815") for n in range(1, 4)],
    *[seen("device-of-carla", 13, n, f"book-{n}") for n in range(1, 6)],
    *[seen("device-of-carla", 15, n, f"book-{n}", customer="carla-1") for n in range(1, 6)],
]  # fmt: skip


@pytest.fixture(scope="module")
def _household_once(server, tmp_path_factory):
    live, before = tmp_path_factory.mktemp("household"), server.algolia
    server.algolia = MockAlgolia()
    made = furnished(live, server, [*OTHERS, *VISITS])
    made.sync()
    kept, there = shutil.copytree(live, tmp_path_factory.mktemp("kept") / "copy"), server.algolia.snapshot()
    server.algolia = before
    return made, kept, there


@pytest.fixture
def household(_household_once, server):
    """Anna has a device of her own and a tablet that she shares with ben; carla has nothing to do with them."""
    made, kept, there = _household_once
    shutil.rmtree(made.folder)
    shutil.copytree(kept, made.folder)
    server.algolia = MockAlgolia()
    server.algolia.restore(there)
    fresh = Shop(made.folder, server)
    fresh.settings = deepcopy(made.settings)
    return fresh


def furnished(folder, server, visits):
    """The small shop with other visits, nothing synced yet."""
    made = Shop(folder, server)
    made.configure(algolia={"forget_api_key": "mock-admin"})
    made.feed(PRODUCTS, settings=DECLARED)
    made.events(visits)
    made.source("events.jsonl")
    made.segments(SEGMENTS)
    made.actions(ACTIONS)
    made.setup()
    return made


def forget(shop, user="device-of-anna", **options):
    return shop.runtime().forget(user, confirm=lambda _: True, **options)


def steps(receipt):
    return {step["step"]: step for step in receipt["steps"]}


def known(shop):
    """Everybody's documents, links and memberships."""
    with open_state("sqlite", shop.state, create=False, book=SNAPSHOT) as opened:
        snapshot = Snapshot(opened)
        with opened.read() as connection:
            people = dict(map(tuple, connection.exec_driver_sql("SELECT person, doc FROM people")))
            tokens = dict(map(tuple, connection.exec_driver_sql("SELECT token, person FROM tokens")))
        return people, tokens, snapshot.members().keys()


def holding(shop, *names):
    """Files of the state in which a name stands as it is."""
    return [f"{path}: {name}" for path, content in shop.files().items() for name in names if name.encode() in content]


def later(shop, hours=49):
    shop.now += timedelta(hours=hours)
    return shop


def test_all_that_is_hers_goes_and_the_receipt_says_what_and_what_cannot(household):
    before = household.records("algosync_payloads")
    receipt = forget(household)
    assert receipt["person"] == "anna-4711"
    assert set(receipt["tokens"]) == set(HERS)
    assert receipt["shared"] == [SHARED]
    assert receipt["status"] == "pending"  # Algolia deletes within 48 hours
    done = steps(receipt)
    assert done["events"]["events"] == 11  # seven on her device, four on the tablet
    assert done["snapshot"]["people"] == 1
    assert done["records"]["records"] == 2
    assert done["insights"]["status"] == "pending"
    assert receipt["proof"]["clean"]
    assert receipt["proof"]["rows"]
    assert receipt["proof"]["parquet_files"]
    assert receipt["proof"]["bytes"]
    assert "webhooks" in str(receipt["not_erased"])
    assert "backups" in str(receipt["not_erased"])
    left = household.records("algosync_payloads")
    assert len(before) - len(left) == 2
    assert all(left[name] == before[name] for name in left)
    people, tokens, _ = known(household)
    assert "anna-4711" not in people
    assert not tokens.keys() & set(HERS)
    assert {"ben-0815", "carla-1"} <= people.keys()


def test_after_48_hours_algolia_is_asked_again_and_no_byte_of_her_is_left(household):
    forget(household)
    assert household.runtime().forget_pending()["erasures"][0]["status"] == "pending"
    asked = [r.path for r in household.algolia.requests if r.path.startswith("/1/usertokens/")]
    [receipt] = later(household).runtime().forget_pending()["erasures"]
    assert receipt["status"] == "done"
    assert receipt["proof"]["clean"]
    again = [r.path for r in household.algolia.requests if r.path.startswith("/1/usertokens/")]
    assert sorted(asked) == [f"/1/usertokens/{name}" for name in sorted(HERS)]
    assert sorted(again) == sorted(2 * asked)
    assert holding(household, *HERS) == []
    assert household.runtime().forget_pending() == {"erasures": []}
    assert forget(household, "anna-4711")["status"] == "pending"  # again: nothing is found, and it is no error


def test_what_remains_is_as_if_she_had_never_been_there(household, tmp_path_factory, server):
    forget(household)
    household.sync()
    after, content = known(household), household.content()
    alone = [visit for visit in VISITS if "anna" not in f"{visit['who']}{visit.get('customer')}"]
    alone = [visit for visit in alone if not (visit["who"] == SHARED and visit["at"][8:10] == "13")]
    kept, server.algolia = server.algolia, MockAlgolia()
    try:
        other = furnished(tmp_path_factory.mktemp("other"), server, [*OTHERS, *alone])
        other.sync()
        for one, same in zip(after, known(other), strict=True):
            assert one == same
        profiles = other.content()["algosync_payloads"]["records"]
        assert content["algosync_payloads"]["records"] == profiles
    finally:
        server.algolia = kept


def test_late_events_and_sources_that_are_read_again_do_not_bring_her_back(household):
    forget(household)
    household.events([seen("device-of-anna", 20, 1), seen("somewhere", 20, 2, customer="anna-4711"),
                      seen("device-of-anna", 20, 3, at="no moment")])  # fmt: skip
    report = household.sync()
    assert report["events"]["forgotten"] == 3
    assert report["events"]["rejected"] == 0
    # The whole file under another name: all of it is read again.
    shutil.copy(household.folder / "events.jsonl", household.folder / "more.jsonl")
    household.source("*.jsonl")
    report = household.sync()["events"]
    assert report["forgotten"] == 3 + 11
    assert report["accepted"] == 0
    people, tokens, _ = known(household)
    assert "anna-4711" not in people
    assert not tokens.keys() & set(HERS)


def test_a_rebuilt_state_does_not_bring_her_back(household):
    forget(household)
    household.sync()
    people = known(household)[0]
    for path in household.state.iterdir():
        if path.name != "tombstones.sqlite":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = household.sync()["events"]
    assert report["forgotten"] == 11
    assert known(household)[0] == people
    assert holding(household, *HERS) == []


def test_a_restored_backup_does_not_bring_her_back(household):
    backup = shutil.copytree(household.state, household.folder / "backup")
    forget(household, insights=False)
    kept = (household.state / "tombstones.sqlite").read_bytes()
    shutil.rmtree(household.state)
    shutil.move(backup, household.state)
    (household.state / "tombstones.sqlite").write_bytes(kept)
    with pytest.raises(StoreError, match=r"2 people who were forgotten.*forget --pending"):
        household.sync()
    [receipt] = household.runtime().forget_pending(insights=False)["erasures"]
    assert receipt["status"] == "done"
    household.sync()
    assert "anna-4711" not in known(household)[0]
    assert holding(household, *HERS) == []
    assert household.runtime().retention()["erasures"] == []


def test_a_restored_backup_brings_nobodys_past_back_who_has_returned_since(household):
    backup = shutil.copytree(household.state, household.folder / "backup")
    forget(household, insights=False)
    household.runtime().forget_lift("anna-4711")
    kept = (household.state / "tombstones.sqlite").read_bytes()
    shutil.rmtree(household.state)
    shutil.move(backup, household.state)
    (household.state / "tombstones.sqlite").write_bytes(kept)
    with pytest.raises(StoreError, match=r"2 people who were forgotten.*forget --pending"):
        household.sync()
    asked = len(household.algolia.requests)
    [receipt] = household.runtime().forget_pending()["erasures"]
    assert (receipt["status"], steps(receipt)["events"]["events"]) == ("done", 11)
    assert not [r for r in list(household.algolia.requests)[asked:] if r.path.startswith("/1/usertokens/")]
    household.events([seen("device-of-anna", 24, n, f"book-{n}", customer="anna-4711") for n in range(1, 4)])
    household.now += timedelta(days=2)
    household.sync()
    assert json.loads(known(household)[0]["anna-4711"])["events"] == 3
    assert household.runtime().forget_pending() == {"erasures": []}


def test_whoever_returns_is_heeded_from_then_on_and_her_past_stays_away(household):
    forget(household)
    household.sync()
    lifted = household.runtime().forget_lift("anna-4711")
    assert lifted["lifted"] == 2
    assert household.runtime().forget_pending() == {"erasures": []}  # nothing asks Algolia again
    assert holding(household, *HERS) == []
    household.now += timedelta(days=1)
    household.events([seen("device-of-anna", 24, n, f"book-{n}", customer="anna-4711") for n in range(1, 4)])
    household.configure(state={"as_of": "clock"})
    household.now += timedelta(days=1)
    assert household.sync()["events"]["accepted"] == 3
    shutil.copy(household.folder / "events.jsonl", household.folder / "more.jsonl")
    household.source("*.jsonl")
    assert household.sync()["events"]["forgotten"] == 11  # what the tablet saw stays away too
    person = json.loads(known(household)[0]["anna-4711"])
    assert person["events"] == 3
    assert person["state"] == "user"  # her purchase is forgotten
    assert household.runtime().forget_lift("nobody")["lifted"] == 0


def test_the_collector_takes_nothing_of_hers_and_says_so_to_nobody(household, on_loopback):
    import httpx

    from algosync.runtime.serving import open_api
    from algosync.settings.load import load

    household.configure(
        sources=[household.settings["sources"][0], {"name": "web", "type": "collector"}],
        serve={"admin_key": "admin-key-of-the-shop-and-no-other"},
    )
    household.sync()
    forget(household)
    event = {"eventType": "view", "eventName": "Seen", "index": "products", "objectIDs": ["book-1"]}
    headers = {"authorization": "Bearer admin-key-of-the-shop-and-no-other"}
    with (
        open_api(load(household.config), household.folder, clock=lambda: household.now) as (app, _),
        on_loopback(app) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        sent = {"events": [{**event, "userToken": name} for name in ("device-of-anna", "somebody-else")]}
        assert httpx.post(f"{url}/1/events", json=sent, headers=headers).json() == {"status": 200, "message": "OK"}
        chosen = {"userToken": "anna-4711", "consent": "for_you"}
        assert httpx.post(f"{url}/v1/consent", json=chosen, headers=headers).json()["consent"] == "not_personalized"
        asked = {"userToken": "anna-4711", "where": "home"}
        assert httpx.post(f"{url}/v1/experience", json=asked, headers=headers).json()["strategy"] == "content"
        # Lifted while it runs: from the next event on she is heeded again.
        household.runtime().forget_lift("device-of-anna")
        assert httpx.post(f"{url}/1/events", json={"events": sent["events"][:1]}, headers=headers).status_code == 200
    with open_state("sqlite", household.state, create=False, book=INBOX) as opened:
        assert [one.event["userToken"] for one in Inbox(opened).after(0, 10)] == ["somebody-else", "device-of-anna"]


def test_a_token_of_several_customers_names_none_of_them(household):
    with pytest.raises(RequestError, match="2 customers use this token"):
        forget(household, SHARED)


def test_without_a_key_it_says_which_and_why(household):
    household.configure(algolia={"forget_api_key": None})
    with pytest.raises(ConfigError, match=r"FORGET_API_KEY.*--no-insights"):
        forget(household)
    receipt = forget(household, insights=False)
    assert receipt["status"] == "done"
    assert steps(receipt)["insights"]["status"] == "skipped"
    assert holding(household, *HERS) == []
    household.configure(identity={"hash_key": "another secret of the shop"})
    with pytest.raises(ConfigError, match="another one than that by which people were forgotten"):
        household.sync()


def test_one_writer_at_a_time(household):
    held = lock(household.state)
    with os.fdopen(held), pytest.raises(StoreError, match="another process is writing"):
        forget(household)


def test_algolia_out_of_reach_leaves_it_unfinished_and_the_next_time_finishes(household):
    household.algolia.faults.add(on="deleteUserProfile", fault="503")
    receipt = forget(household)
    assert receipt["status"] == "unfinished"
    assert steps(receipt)["profiles"]["status"] == "failed"
    assert steps(receipt)["events"]["events"] == 11
    with pytest.raises(RequestError, match="not finished"):
        household.runtime().forget_lift("anna-4711")
    household.algolia.faults.clear()
    [receipt] = household.runtime().forget_pending()["erasures"]
    assert receipt["status"] == "pending"
    assert steps(receipt)["events"]["events"] == 11  # the receipt remembers
    assert receipt["proof"]["clean"]


def test_without_its_key_a_job_leaves_what_algolia_is_to_do_to_whoever_has_it(household):
    household.algolia.faults.add(on="deleteUserToken", fault="503")
    forget(household)
    household.algolia.faults.clear()
    household.configure(algolia={"forget_api_key": None})
    with capture_logs() as lines:
        [left] = household.runtime().retention()["erasures"]
    assert left["status"] == "unfinished"
    assert [(line["erasure"], line["failed"]) for line in lines if "erasure" in line] == [
        (left["erasure"], ["insights"])
    ]
    household.configure(algolia={"forget_api_key": "mock-admin"})
    assert [one["status"] for one in household.runtime().retention()["erasures"]] == ["pending"]
    household.configure(algolia={"forget_api_key": None})
    later(household)
    assert [one["status"] for one in household.runtime().retention()["erasures"]] == ["pending"]
    [receipt] = household.runtime().forget_pending(insights=False)["erasures"]  # unless the shop says so
    assert receipt["status"] == "done"
    assert steps(receipt)["insights"]["status"] == "skipped"


def test_records_go_from_every_index_that_the_settings_named(household):
    household.configure(algolia={"payload_index": "elsewhere"})
    household.sync()
    before = household.content()
    receipt = forget(household, insights=False)
    assert steps(receipt)["records"]["records"] == 4
    assert not any("other applications" in left for left in receipt["not_erased"])
    for index in ("algosync_payloads", "elsewhere"):
        assert len(household.records(index)) == len(before[index]["records"]) - 2


def test_asked_before_it_is_done(household):
    asked = []
    receipt = household.runtime().forget("anna-4711", confirm=lambda concerns: asked.append(concerns) or False)
    assert receipt["status"] == "not done"
    assert asked[0]["events"] == 11
    assert "anna-4711" in known(household)[0]


class Killed(BaseException):
    """As if the process were gone."""


def test_killed_after_any_step_it_is_finished_by_running_it_again(household, monkeypatch):
    household.lighten()
    household.sync()
    kept, algolia = household.folder.parent / "kept", household.algolia.snapshot()
    shutil.copytree(household.state, kept)
    plain, survived = Forgetting._do, []
    while True:
        done = []

        def dying(self, erasure, step, work, done=done):
            """What was done is not noted any more."""
            plain(self, erasure, step, work)
            done.append(step)
            if len(done) > len(survived):
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Forgetting, "_do", dying)
            try:
                forget(household)
            except Killed:
                survived.append(done[-1])
            else:
                break
        if len(survived) % 4 == 1:
            household.sync()  # in between, as a worker would
        receipt = forget(household)
        assert receipt["status"] == "pending", (survived, receipt)
        assert receipt["proof"]["clean"], (survived, receipt)
        assert "anna-4711" not in known(household)[0]
        shutil.rmtree(household.state)
        shutil.copytree(kept, household.state)
        household.server.algolia = MockAlgolia()
        household.algolia.restore(algolia)
    assert survived == [step["step"] for step in receipt["steps"]]


def test_export_tells_all_that_is_held(household):
    household.runtime().order("reset", "carla-1", confirm=lambda _: True)
    household.configure(events={"rejected_share_max": 1})
    household.events([seen("device-of-anna", 22, 1, at="never")])
    household.sync()
    told = orjson.loads(orjson.dumps(household.runtime().export("anna-4711")))
    assert told["person"] == "anna-4711"
    assert told["tokens"] == list(HERS)
    assert told["tokens_that_others_use_too"] == [SHARED]
    assert len(told["events"]) == 11
    first = told["events"][0]
    assert first["user_token"] == "device-of-anna"
    assert first["object_id"] == "book-1"
    assert first["facets"]["brand"] == ["House 1"]
    assert told["profile"]["state"] == "buyer"
    assert told["sums"][0]["events"] == 11
    assert told["scores"]
    assert [row["row"]["who"] for row in told["quarantine"]] == ["device-of-anna"]
    assert len(told["algolia"]["records"]) == len(told["ledger"]) == 2
    assert told["forgotten"] is None
    assert {"table people, column person", "table shelf, column doc"} <= {one["where"] for one in told["named_in"]}
    assert [one["kind"] for one in household.runtime().export("device-of-carla")["orders"]] == ["reset", "reset"]
    before = household.files()
    household.runtime().export("ben-0815")
    assert household.files() == before
    forget(household)
    gone = household.runtime().export("anna-4711")
    assert gone["forgotten"]["holds"]
    assert not any(
        gone[name] for name in ("events", "profile", "memberships", "sums", "scores", "quarantine", "ledger")
    )
    assert [one["where"] for one in gone["named_in"]] == ["table erasures, column doc"]


def test_without_a_region_an_export_says_what_it_could_not_ask(household, monkeypatch):
    def unreachable(*_):
        raise AlgoliaUnavailableError("no connection")

    monkeypatch.setattr(ReadClient, "exists", unreachable)
    household.configure(algolia={"hosts": None})  # Algolia's own, where a region is needed for
    told = household.runtime().export("anna-4711")
    assert len(told["events"]) == 11
    assert told["algolia"]["records"] == {"unknown": "no connection"}
    assert "algolia.region" in told["algolia"]["personalization"]["unknown"]


def test_export_tells_where_she_was_before_anybody_knew_her_name(household):
    household.lighten()
    household.segments({"many": {"name": "Many", "when": {"events": {"type": "view", "count_min": 3}}}})
    household.events([seen("device-of-dora", 20, n, f"book-{n}") for n in range(1, 5)])
    household.sync()
    household.events([seen("device-of-dora", 21, n, f"book-{n}", customer="dora-1") for n in range(1, 5)])
    household.sync()
    found = household.runtime().export("dora-1")["memberships"]
    assert {(one["person"], one["segment"]) for one in found} == {("device-of-dora", "many"), ("dora-1", "many")}


def test_on_the_command_line(household):
    refused = household.command("forget", "anna-4711", "--json")
    assert json.loads(refused.stdout)["status"] == "not done"
    assert "--yes" in refused.stderr
    done = household.command("forget", "anna-4711", "--yes")
    assert done.returncode == 0
    assert "nothing of hers" in done.stdout
    assert "what algosync cannot erase" in done.stdout
    lifted = household.command("forget", "anna-4711", "--lift", "--json")
    assert json.loads(lifted.stdout)["lifted"] == 2
    told = household.command("export", "carla-1")
    assert json.loads(told.stdout)["person"] == "carla-1"


def test_rows_in_quarantine_are_found_by_what_their_source_makes_of_them(household):
    columns = {**household.settings["sources"][0]["columns"], "user_token": {"from": "who", "transform": "hmac"}}
    household.source("mails.jsonl", name="mails", columns=columns)
    good = [seen("anna@example.org", 20, n, f"book-{n}") for n in range(1, 9)]
    household.events(
        [*good, seen("anna@example.org", 20, 1, at="never"), seen("ben@example.org", 20, 1)], "mails.jsonl"
    )
    household.sync()
    receipt = forget(household, "anna@example.org")
    assert steps(receipt)["quarantine"]["rows"] == 1
    assert steps(receipt)["events"]["events"] == 8
    assert receipt["proof"]["clean"]
    assert holding(household, "anna@example.org") == ["state.sqlite: anna@example.org"]  # the record, for 48 hours
    later(household).runtime().forget_pending()
    assert holding(household, "anna@example.org") == []


def test_on_postgresql_too(small, postgresql_url):
    from sqlalchemy import create_engine, inspect, text

    small.configure(algolia={"forget_api_key": "mock-admin"}, state={"url": postgresql_url})
    small.events(VISITS)
    small.sync()
    receipt = forget(small)
    assert receipt["proof"]["clean"]
    assert "VACUUM" in str(receipt["not_erased"])
    small.events([seen("device-of-anna", 20, 1)])
    assert small.sync()["events"]["forgotten"] == 1
    [receipt] = later(small).runtime().forget_pending()["erasures"]
    assert receipt["status"] == "done"
    engine = create_engine(postgresql_url)
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT t::text FROM "{table}" t')).scalars():
                assert not any(name in row for name in HERS), table
    engine.dispose()
    assert small.runtime().forget_lift("anna-4711")["lifted"] == 2
    assert small.runtime().export("anna-4711")["forgotten"]["erasures"][0]["status"] == "done"
