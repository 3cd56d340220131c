"""The demo's second scene: user123's two visits, through files, syncs and the mock, give the article's two tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from algosync.algolia.client import ReadClient
from algosync.algolia.target import Target
from algosync.demo.story import STEPS, play, search_books
from algosync.mock.server import MockServer
from algosync.sync.stages import Silent

pytestmark = pytest.mark.e2e

SIGN_UP, SHIPPING, BOOKS = "sign up and save on the first order", "free shipping", "books of $10-25 first"


def test_user123_visits_twice(tmp_path: Path) -> None:
    with MockServer() as server:
        target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
        told: list[str] = []
        moments = play(tmp_path / "story", target, Silent(), lambda moment: told.append(moment.step.text))
        with ReadClient(target, "mock-read") as client:
            [segment] = client.get_objects("algosync_payloads", ["segment-segment2"])
        assert segment is not None
        plain = [hit["objectID"] for hit in search_books(target, [])]
        boosted = [hit["objectID"] for hit in search_books(target, segment["optionalFilters"])]

    assert told == [step.text for step in STEPS]
    states = [(moment.visit, moment.state) for moment in moments]
    assert states == [
        ("new", "visitor"),
        ("new", "visitor"),
        ("new", "user"),
        ("new", "buyer"),
        ("returning", "buyer"),
    ]
    first_visit, second_visit = moments[3], moments[4]
    assert moments[0].actions == {SIGN_UP: False, SHIPPING: False, BOOKS: True}
    assert first_visit.actions == {SIGN_UP: True, SHIPPING: False, BOOKS: True}
    assert second_visit.actions == {SIGN_UP: False, SHIPPING: True, BOOKS: True}
    # Both ends of $10-25 count, the $12 notebook is no book, and within each part the order stays.
    assert boosted[:3] == ["product234", "product236", "product238"]
    assert boosted[3:] == [name for name in plain if name not in boosted[:3]]
