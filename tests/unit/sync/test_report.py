"""The report of a pull and of a push, where there is little to say."""

from __future__ import annotations

from algosync.events.writer import Appended
from algosync.sync.pull import Pulled
from algosync.sync.push import Failure, Pushed
from algosync.sync.report import pulled_document, pushed_document


def test_a_pull_is_told_in_all_and_by_source():
    pulled = Pulled(
        sources={"web": Appended(read=5, accepted=3, rejected=1, duplicates=1, waiting=2), "app": Appended()},
        resolved=4,
    )
    said = pulled_document(pulled)
    assert said["events"] == {
        "read": 5,
        "accepted": 3,
        "rejected": 1,
        "duplicates": 1,
        "waiting": 2,
        "ignored": 0,
        "no_consent": 0,
        "forgotten": 0,
        "resolved": 4,
    }
    assert list(said["sources"]) == ["web", "app"]
    assert said["sources"]["app"]["read"] == 0


def test_nothing_pushed_is_all_zeros_in_the_same_shape():
    failure = Failure(family="rules", index="products", object_id="r", reason="too large")
    pushed = Pushed(operations=3, families={"rules": 3}, batches=1, bytes=90, deferred=2, failed=(failure,))
    said, nothing = pushed_document(pushed), pushed_document(None)
    assert said.keys() == nothing.keys()
    assert (said["operations"], said["deferred"], said["failed"][0]["reason"]) == (3, 2, "too large")
    assert not any(nothing.values())
