"""`sync --target mock`: the whole sync against a copy of the indices, and what it would change for searchers."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from algosync.mock import files
from algosync.sync.rehearsal import Wish

pytestmark = pytest.mark.e2e


def rehearse(shop: Any, wish: Wish | None = None, **options: Any) -> dict[str, Any]:
    return shop.runtime().rehearse(wish or Wish(), **options).document()


def of(report: dict[str, Any], name: str, query: str = "") -> dict[str, Any]:
    return next(found for found in report["searches"] if (found["name"], found["query"]) == (name, query))


def order(compared: dict[str, Any]) -> list[str]:
    return [hit["object_id"] for hit in compared["hits"]]


def test_the_shop_and_its_algolia_stay_as_they_are(small):
    there, asked = small.content(), len(small.algolia.requests)
    report = rehearse(small)
    assert (report["target"], report["dry_run"]) == ("mock", True)
    assert report["pushed"]["operations"] == report["plan"]["operations"] > 0
    assert not small.state.exists()
    assert small.content() == there
    made = list(small.algolia.requests)[asked:]
    assert report["requests"] == len([one for one in made if one.key == "mock-read"]) > 0
    assert {request.key for request in made} == {"mock-read", "mock-storefront"}
    assert small.sync()["plan"]["operations"] == report["plan"]["operations"]


def test_a_state_and_a_snapshot_that_are_there_stay_as_they_are(synced):
    synced.events([{"at": "2026-11-19T10:00:00Z", "who": "caller-1", "what": "view", "product": "lamp-4"}])
    there, kept, writes = synced.content(), synced.files(), synced.writes()
    report = rehearse(synced)
    assert report["events"]["accepted"] == 1
    assert (synced.content(), synced.files(), synced.writes()) == (there, kept, writes)
    assert synced.sync()["events"]["accepted"] == 1


def test_what_is_there_already_costs_nothing_in_the_mock_either(synced):
    report = rehearse(synced)
    assert report["plan"]["operations"] == report["pushed"]["operations"] == 0
    assert report["searches"]
    assert {(found["moved"], tuple(found["gone"])) for found in report["searches"]} == {(0, ())}


def test_searches_before_and_after_for_segments_and_visitors(small):
    wish = Wish(queries=("", "phone"), users=("caller-1",), segments=("segment2", "phones"), hits=18)
    report = rehearse(small, wish)
    assert len(report["searches"]) == 6
    anybody = [hit["plain"] for hit in of(report, "segment2")["hits"]]
    assert sorted(anybody) == list(range(1, 19))

    readers = of(report, "segment2")
    cheap = {"book-2", "book-3", "book-4", "book-5", "book-6"}
    assert set(order(readers)[:5]) == cheap, "books of 10 to 25 first"
    assert readers["moved"] > 0
    assert [hit["was"] for hit in readers["hits"]] == anybody, "nothing of ours was there before"

    phones = of(report, "phones", "phone")
    apple = [f"phone-{n}" for n in (2, 4, 6)]
    assert order(phones)[:3] == apple
    assert phones["hits"][0]["title"].startswith("Smart phone")

    caller = of(report, "caller-1")
    assert order(caller)[0].startswith("phone-")
    assert caller["kind"] == "user"


def test_after_the_sync_searchers_see_what_the_rehearsal_showed(small):
    wish = Wish(segments=("phones",), hits=18)
    promised = order(of(rehearse(small, wish), "phones"))
    small.sync()
    assert small.search(query="", ruleContexts=["algosync-phones"])[:18] == promised


def test_a_change_of_segments_shows_before_it_is_made(synced):
    segments = json.loads((synced.folder / "segments.json").read_text())
    segments["phones"]["boost"] = [{"brand": "Sony", "score": 15}]
    synced.segments(segments)
    phones = of(rehearse(synced, Wish(segments=("phones",), hits=18)), "phones")
    assert order(phones)[:3] == ["phone-1", "phone-3", "phone-5"]
    assert phones["hits"][0]["was"] > 1
    assert (phones["gone"], phones["moved"] > 0) == ((), True)


def test_from_a_file_without_any_algolia(small, tmp_path):
    folder = tmp_path / "dump"
    files.dump(small.algolia, folder)
    small.configure(algolia={"hosts": ["http://127.0.0.1:9"], "read_api_key": None, "write_api_key": None})
    report = rehearse(small, data=folder)
    assert report["requests"] == 0
    assert report["pushed"]["operations"] == report["plan"]["operations"] > 0


def test_profiles_that_a_sync_would_refuse_are_named(small):
    small.configure(algolia={"storefront_api_key": "mock-storefront-wide"})
    assert any("a sync would stop" in note for note in rehearse(small)["notes"])


def test_a_shop_that_has_declared_nothing_of_ours_yet(small):
    small.feed([], settings={"attributesForFaceting": ["brand", "categories"]})
    wish = Wish(segments=("segment2",), hits=5)
    assert of(rehearse(small, wish), "segment2")["moved"] == 0
    there = small.content()
    declared = rehearse(small, wish, declare=True)
    assert of(declared, "segment2")["moved"] > 0
    assert declared["undeclared_facets"] == []
    assert small.content() == there


def test_what_would_hold_a_sync_back_is_named(small):
    small.configure(push={"operations_per_hour": 20, "quiet": ["2026-11-20/2026-11-24"]})
    report = rehearse(small)
    assert report["pushed"]["operations"] == 27
    notes = " ".join(report["notes"])
    assert "2026-11-20/2026-11-24 is a quiet time" in notes
    assert "would leave 7 operations to the next run" in notes


def test_the_command(small):
    shown = small.call("sync", "--target", "mock", "--segment", "phones", "--user", "reader-1", "--hits", "5")
    assert shown.returncode == 0, shown.stderr
    assert "into the mock; nothing else was written" in " ".join(shown.stdout.split())
    assert "segment phones searches 'products' for ''" in shown.stdout
    assert "user reader-1 searches" in shown.stdout
    asked = small.call("sync", "--target", "mock", "--query", "novel", "--json")
    document = orjson.loads(asked.stdout)
    assert {found["query"] for found in document["searches"]} == {"novel"}


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["--target", "mock", "--segment", "nobody"], 1, "no segment is named 'nobody'"),
        (["--target", "mock", "--user", "nobody"], 1, "nothing is known of 'nobody'"),
        (["--target", "mock", "--data", "absent"], 1, "absent"),
        (["--query", "novel"], 2, "--target mock"),
    ],
)
def test_wishes_that_cannot_be_met(small, arguments, code, what):
    found = small.call("sync", *arguments)
    assert (found.returncode, what in found.stderr) == (code, True), found.stderr
