"""What is really at Algolia against what was published: found, certified, repaired with the fewest operations."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy import delete, true

from algosync.stores.state import open_state
from algosync.stores.tables import ledger

pytestmark = pytest.mark.e2e

NONE = {"missing": 0, "changed": 0, "stale": 0, "unrecorded": 0, "foreign": 0}
PUBLISHED = {"related": 18, "segments": 2, "profiles": 5, "rules": 2}


@pytest.fixture
def shop(synced):
    return synced


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request):
    """The small shop after its first sync, its state in either database."""
    if request.param == "sqlite":
        return request.getfixturevalue("synced")
    made = request.getfixturevalue("small")
    made.configure(state={"url": request.getfixturevalue("postgresql_url")})
    made.sync()
    return made


def verify(shop, *, agreed=True, **options):
    return shop.runtime().verify(confirm=lambda _: agreed, **options).document()


def write(shop, *requests, index="products"):
    """As somebody else with a key of his own."""
    with shop.client("mock-admin") as client:
        client.wait(index, client.batch(index, orjson.dumps({"requests": requests}), len(requests)))


def edit(object_id, **parts):
    return {"action": "partialUpdateObjectNoCreate", "body": {"objectID": object_id, **parts}}


def remove(object_id):
    return {"action": "deleteObject", "body": {"objectID": object_id}}


def save_rule(shop, rule):
    with shop.client("mock-admin") as client:
        client.wait("products", client.save_rules("products", orjson.dumps([rule]), 1))


def rows(shop):
    """What the ledger says is published, by family."""
    return {family: held["published"] for family, held in shop.runtime().status()["ledger"].items()}


def lose_ledger(shop, *names):
    """Rows of these objects go, or all of them."""
    url = shop.settings["state"].get("url", "sqlite")
    gone = ledger.c.object_id.in_(names) if names else true()
    with open_state(url, shop.state, create=True) as state, state.write() as connection:
        connection.execute(delete(ledger).where(gone))


def test_nothing_is_wrong_after_a_sync(shop):
    before = shop.content()

    found = verify(shop)

    assert (found["known"], found["looked"], found["wrong"], found["wrong_at_most"]) == (27, 27, 0, 0)
    assert found["found"] == NONE
    assert {family: one["known"] for family, one in found["families"].items()} == PUBLISHED
    assert found["repair"]["operations"] == 0
    assert shop.content() == before


def test_what_somebody_edited_is_found_and_put_right_with_one_operation_each(either):
    before = either.content()
    attribute = before["products"]["records"]["book-1"]["algosync"]
    write(either, edit("book-1", algosync={**attribute, "related": ["lamp-1"]}))  # its `v` as it was
    write(either, edit("book-2", algosync={**before["products"]["records"]["book-2"]["algosync"], "v": "0" * 12}))
    write(either, edit("book-3", algosync=None))
    write(either, edit("segment-phones", optionalFilters=[["brand:Sony<score=9>"]]), index="algosync_payloads")
    write(either, remove("segment-segment2"), index="algosync_payloads")
    save_rule(either, {**before["products"]["rules"]["algosync-5-phones"], "enabled": False})

    assert either.sync(dry_run=True)["plan"]["operations"] == 3  # all that a sync sees by itself

    found = verify(either)
    assert found["found"] == {**NONE, "missing": 2, "changed": 4}
    assert {(one["kind"], one["objectID"]) for one in found["findings"]} == {
        ("changed", "book-1"),
        ("changed", "book-2"),
        ("missing", "book-3"),
        ("changed", "segment-phones"),
        ("missing", "segment-segment2"),
        ("changed", "algosync-5-phones"),
    }
    assert (found["repair"]["operations"], found["repaired"], found["left"]) == (6, False, 6)

    refused = verify(either, repair=True, agreed=False)
    assert not refused["repaired"]
    assert either.content() != before

    repaired = verify(either, repair=True)
    assert (repaired["repaired"], repaired["pushed"]["operations"], repaired["left"]) == (True, 6, 0)
    assert either.content() == before
    assert verify(either)["found"] == NONE
    assert either.sync()["pushed"]["operations"] == 0


def test_what_is_not_ours_is_reported_and_stays(shop):
    write(shop, {"action": "updateObject", "body": {"objectID": "notes", "by": "somebody"}}, index="algosync_payloads")
    shop.feed([{"objectID": "new", "name": "Nothing to say about it", "algosync": "somebody's own"}])
    save_rule(shop, {"objectID": "algosync-sale", "consequence": {"userData": {"sale": True}}})
    before = shop.content()

    found = verify(shop)

    assert found["found"] == {**NONE, "foreign": 3}
    assert {one["objectID"] for one in found["findings"] if one["kind"] == "foreign"} == {
        "notes",
        "new",
        "algosync-sale",
    }
    assert shop.sync()["pushed"]["operations"] == 0
    assert shop.content() == before


def test_a_repair_takes_away_rules_that_bear_our_name_once_that_is_confirmed(shop):
    clean = shop.content()
    save_rule(shop, {"objectID": "algosync-sale", "consequence": {"userData": {"sale": True}}})
    write(shop, {"action": "updateObject", "body": {"objectID": "notes", "by": "somebody"}}, index="algosync_payloads")
    full = shop.content()

    refused = verify(shop, repair=True, agreed=False)
    assert (refused["repair"]["foreign_rules"], refused["left"]) == (1, 1)
    assert shop.content() == full

    assert verify(shop, repair=True)["pushed"]["operations"] == 1
    assert shop.content()["products"] == clean["products"]
    assert "notes" in shop.records("algosync_payloads")


def test_rows_whose_objects_are_gone_and_wanted_by_nobody_leave_the_ledger(shop):
    write(shop, remove("lamp-4"))
    write(shop, remove("segment-phones"), index="algosync_payloads")
    definitions = orjson.loads((shop.folder / "segments.json").read_bytes())
    shop.segments({"segment2": definitions["segment2"]})
    before = shop.content()

    found = verify(shop)
    assert found["found"] == {**NONE, "stale": 2}
    assert found["wrong"] == 0

    repaired = verify(shop, repair=True)
    assert (repaired["corrected"], repaired["pushed"]["operations"]) == (2, 0)
    assert rows(shop) == {**PUBLISHED, "related": 17, "segments": 1}
    assert shop.content() == before


def test_a_lost_ledger_comes_back_with_the_next_sync_and_nothing_is_sent(either):
    before = either.content()
    lose_ledger(either)

    assert either.sync(dry_run=True)["plan"]["operations"] == 0
    assert rows(either) == {}

    report = either.sync()
    assert report["pushed"]["operations"] == 0
    assert [note.split(" of ours")[0] for note in report["notes"]] == ["27 objects"]
    assert rows(either) == PUBLISHED
    assert either.content() == before
    assert either.sync()["notes"] == []


def test_a_lost_ledger_comes_back_with_a_repair_and_nothing_is_sent(either):
    before = either.content()
    lose_ledger(either)

    found = verify(either)
    assert (found["known"], found["found"]) == (0, {**NONE, "unrecorded": 27})
    assert rows(either) == {}

    repaired = verify(either, repair=True)
    assert (repaired["corrected"], repaired["pushed"]["operations"]) == (27, 0)
    assert rows(either) == PUBLISHED
    assert either.content() == before
    assert verify(either)["found"] == NONE


def test_rows_that_a_restored_backup_lacks_are_found_and_taken_in(shop):
    before = shop.content()
    lose_ledger(shop, "segment-phones", "book-1", "algosync-5-phones")

    assert verify(shop)["found"] == {**NONE, "unrecorded": 3}
    assert verify(shop, repair=True)["pushed"]["operations"] == 0
    assert rows(shop) == PUBLISHED
    assert shop.sync()["pushed"]["operations"] == 0
    assert shop.content() == before


@pytest.mark.parametrize("by", ["the next sync", "a repair"])
def test_what_a_lost_ledger_would_have_known_and_nobody_wants_is_taken_away(shop, by):
    definitions = orjson.loads((shop.folder / "segments.json").read_bytes())
    shop.segments({"segment2": definitions["segment2"]})
    shop.sync()
    wanted = shop.content()
    shop.segments(definitions)
    shop.sync()
    lose_ledger(shop)
    shop.segments({"segment2": definitions["segment2"]})

    if by == "a repair":
        assert verify(shop, repair=True)["pushed"]["operations"] == 0  # that is for a plan, which a brake may stop
    pushed = shop.sync()["pushed"]

    assert pushed["families"] == {**pushed["families"], "segments": 1, "rules": 1}
    assert shop.content() == wanted
    assert rows(shop) == {**PUBLISHED, "segments": 1, "rules": 1}


def test_a_sample_says_how_much_may_be_wrong_at_most(shop):
    write(shop, edit("book-3", algosync=None), edit("book-4", algosync=None))
    save_rule(shop, {"objectID": "algosync-sale", "consequence": {"userData": {"sale": True}}})
    write(shop, {"action": "updateObject", "body": {"objectID": "notes", "by": "somebody"}}, index="algosync_payloads")

    found = verify(shop, sample=10)
    assert (found["mode"], found["known"], found["looked"], found["share"]) == ("sample", 27, 12, round(12 / 27, 6))
    assert {family: one["known"] for family, one in found["families"].items()} == PUBLISHED
    assert found["families"]["rules"]["looked"] == 2  # always all
    assert found["found"] == {**NONE, "missing": found["wrong"], "foreign": 1}  # records are not looked for
    assert found["wrong"] <= 2 <= found["wrong_at_most"] <= 25
    assert verify(shop, sample=10) == {**found, "requests": verify(shop, sample=10)["requests"]}

    everything = verify(shop, sample=1000)
    assert (everything["looked"], everything["wrong"], everything["wrong_at_most"]) == (27, 2, 2)
    assert verify(shop, sample=1000, repair=True)["pushed"]["operations"] == 3
    assert verify(shop)["found"] == {**NONE, "foreign": 1}


def test_a_repair_heeds_pauses_and_budgets_and_the_next_sync_goes_on_with_it(shop):
    before = shop.content()
    save_rule(shop, {**before["products"]["rules"]["algosync-5-phones"], "enabled": False})
    write(
        shop, *(edit(f"segment-{name}", ruleContext="x") for name in ("phones", "segment2")), index="algosync_payloads"
    )
    edited = shop.content()

    shop.runtime().pause("stock-taking")
    paused = verify(shop, repair=True)
    assert (paused["repaired"], paused["left"]) == (False, 3)
    assert "stock-taking" in paused["notes"][0]
    assert shop.content() == edited
    shop.runtime().resume()

    shop.configure(push={"operations_per_hour": 27 + 1})  # of which the first sync has spent 27
    broken_off = verify(shop, repair=True)
    assert (broken_off["pushed"]["operations"], broken_off["left"]) == (1, 2)
    assert verify(shop)["found"] == {**NONE, "changed": 2}

    shop.configure(push={"operations_per_hour": None})
    report = shop.sync()
    assert report["pushed"]["operations"] == 2
    assert {family: one["changes"] for family, one in report["brake"]["families"].items() if one["changes"]} == {}
    assert shop.content() == before


def test_a_product_that_was_edited_under_its_version_is_put_right_though_the_repair_broke_off(shop):
    before = shop.content()
    edits = [edit(name, algosync={**shop.ours(name), "popularity": 77}) for name in ("book-2", "phone-3")]
    write(shop, *edits)
    shop.configure(push={"operations_per_hour": 27 + 1})  # of which the first sync has spent 27
    assert verify(shop, repair=True)["left"] == 1
    shop.configure(push={"operations_per_hour": None})

    assert shop.sync()["pushed"]["operations"] == 1

    assert shop.content() == before
    assert shop.sync()["plan"]["operations"] == 0


def test_a_payload_index_that_was_deleted_is_put_back(shop):
    before = shop.content()
    write(shop, {"action": "delete", "body": {}}, index="algosync_payloads")

    assert verify(shop)["found"] == verify(shop, sample=1000)["found"] == {**NONE, "missing": 7}
    assert verify(shop, repair=True)["pushed"]["families"] == {"profiles": 5, "segments": 2}
    assert shop.content() == before


def test_the_command_and_the_last_certificate(either):
    assert either.runtime().status()["certificate"] is None
    write(either, edit("book-3", algosync=None))

    done = either.call("verify", "--json", "--check")
    found = orjson.loads(done.stdout)
    assert (done.returncode, found["wrong"], found["repair"]["operations"]) == (3, 1, 1)
    assert either.runtime().status()["certificate"] == found

    unanswered = either.call("verify", "--repair")
    assert "run with --yes" in unanswered.stderr
    assert "1 operations repair it" in unanswered.stdout

    done = either.call("verify", "--repair", "--yes", "--check")
    assert done.returncode == 0
    assert "Repaired with 1 operations" in done.stdout
    assert (
        "27 of 27 published objects looked at, 1 of them missing or changed; repaired" in either.call("status").stdout
    )
    assert either.runtime().runs(1)["runs"][0]["operations"] == 1
