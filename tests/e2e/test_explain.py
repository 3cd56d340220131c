"""Every number of a profile can be traced to events, and every membership to its conditions."""

from __future__ import annotations

import pytest

from algosync.errors import RequestError

pytestmark = pytest.mark.e2e


def test_the_arithmetic_adds_up(synced):
    found = synced.runtime().explain("caller-1")

    assert found["person"] == "caller-1"
    assert found["tokens"] == ["caller-1"]
    by_facet: dict[str, list[dict]] = {}
    for affinity in found["affinities"]:
        shown = sum(event["points"] for event in affinity["events"])
        assert shown + affinity["rest"] == pytest.approx(affinity["points"], rel=1e-9)
        assert len(affinity["events"]) == affinity["event_count"]
        assert len({event["id"] for event in affinity["events"]}) == affinity["event_count"]
        for event in affinity["events"]:
            assert event["points"] == pytest.approx(event["weight"] * 2 ** (-event["age_days"] / 30), rel=1e-3)
        by_facet.setdefault(affinity["facet"], []).append(affinity)
    assert set(by_facet) == {"brand", "categories", "algosync.price_band"}
    said = [filter_ for group in found["optionalFilters"] for filter_ in group]
    for facet, values in by_facet.items():
        largest = max(value["points"] for value in values)
        for value in values:
            assert value["score"] == pytest.approx(20 * value["points"] / largest, rel=1e-6)
            assert value["integer"] == pytest.approx(value["score"], abs=0.6)
            if value["filter"] is not None:
                assert value["filter"]["product"] == value["integer"] * value["filter"]["weight"]
                assert f"{facet}:{value['value']}<score={value['filter']['score']}>" in said
    assert len(said) == sum(affinity["filter"] is not None for affinity in found["affinities"])
    phones = next(value for value in by_facet["categories"] if value["value"] == "Phones")
    # 4 views, 1 click, 2 purchases: the events behind her leaning to phones
    assert phones["event_count"] == 7
    assert {event["kind"] for event in phones["events"]} == {"purchase", "click", "view"}
    member = {segment["id"]: segment["member"] for segment in found["segments"]}
    assert member == {"phones": True, "segment2": False}
    assert [action["fires"] for action in found["actions"]] == [False]
    (action,) = synced.runtime().explain("reader-1", place="search")["actions"]
    assert (action["id"], action["fires"]) == ("cheap-books-first", True)


def test_nobody_is_made_up(synced):
    with pytest.raises(RequestError, match="nothing is known of this user") as error:
        synced.runtime().explain("stranger")
    assert "algosync sync" in str(error.value)


def test_memberships_keep_when_and_why_they_began_and_ended(synced):
    bought = [
        {
            "at": f"2026-11-20T10:{n:02d}:00Z",
            "who": "caller-1",
            "what": "purchase",
            "product": f"book-{n}",
            "order": "o9",
        }
        for n in (2, 3, 4)
    ]
    synced.events([{**row, "price": 20, "quantity": 9} for row in bought])
    more = [{**row, "at": row["at"].replace("10:", "11:"), "order": "o10"} for row in bought]
    synced.events([{**row, "price": 20, "quantity": 1} for row in more])

    report = synced.sync()

    assert report["segments"]["segment2"] == {"members": 4, "entered": 1, "left": 0}
    assert report["segments"]["phones"] == {"members": 1, "entered": 0, "left": 1}
    history = {row["segment"]: row for row in synced.runtime().explain("caller-1")["history"]}
    assert history["phones"]["entered_at"] == synced.first["as_of"]
    assert history["phones"]["left_at"] == report["as_of"]
    assert "affinity to categories Phones (at least 10): 20" in history["phones"]["why"]
    assert "affinity to categories Phones (at least 10)" in history["phones"]["left_why"]
    assert history["phones"]["left_why"] != history["phones"]["why"]
    assert history["segment2"]["entered_at"] == report["as_of"]
    assert history["segment2"]["left_at"] is None
    assert "purchase" in history["segment2"]["why"]
    pushed = report["pushed"]["families"]
    assert pushed["profiles"] >= 1
    assert synced.sync()["plan"]["operations"] == 0
