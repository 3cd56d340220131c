"""The outbox, on both databases: batches that hang on another database, claims, what becomes of letters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from algosync.stores.outbox import Letter, Outbox, Rest
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def outbox(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state:
        yield Outbox(state)


def letter(number: int, target: str = "crm", kind: str = "entered:books", **more) -> Letter:
    doc = {"at": NOW.isoformat(), "data": {"segment": "books", "userTokens": [f"user-{number}"]}}
    usual = {"doc": doc, "created_at": NOW + timedelta(seconds=number), "due_at": NOW}
    return Letter(occurrence=f"msg_{number}", target=target, kind=kind, **{**usual, **more})


def numbers(letters) -> list[str]:
    return [one.occurrence for one in letters]


def test_a_letter_comes_back_as_it_was_put(outbox):
    given = letter(1)
    outbox.put([given, letter(1, target="erp")])
    assert outbox.due("crm", NOW, 10) == [given]
    assert outbox.counts() == {"crm": {"waiting": 1}, "erp": {"waiting": 1}}


def test_what_is_put_again_stays_as_it_is(outbox):
    outbox.put([letter(1)])
    outbox.delivered(letter(1), NOW)
    outbox.put([letter(1), letter(2)])
    assert numbers(outbox.due("crm", NOW, 10)) == ["msg_2"]


def test_a_batch_is_sent_once_it_is_released_and_not_before(outbox):
    outbox.expect("batch-1", [letter(1), letter(2)], NOW)
    assert outbox.expects()
    assert outbox.due("crm", NOW, 10) == []
    assert outbox.release("another") == outbox.release(None) == 0
    assert outbox.release("batch-1") == 2
    assert numbers(outbox.due("crm", NOW, 10)) == ["msg_1", "msg_2"]
    assert outbox.release("batch-1") == 0
    assert not outbox.expects()


def test_a_batch_that_was_never_published_makes_room_for_the_next(outbox):
    outbox.expect("batch-1", [letter(1)], NOW)
    outbox.expect("batch-2", [letter(2)], NOW)
    assert outbox.release("batch-1") == 0
    assert outbox.release("batch-2") == 1
    assert numbers(outbox.listed()) == ["msg_2"]
    outbox.expect("batch-3", [letter(3)], NOW)
    outbox.expect("batch-4", [], NOW)
    assert not outbox.expects()
    assert numbers(outbox.listed()) == ["msg_2"]


def test_what_was_tried_least_comes_first_then_what_happened_first(outbox):
    outbox.put([letter(3), letter(2, tries=1), letter(1, tries=1), letter(4, due_at=NOW + HOUR)])
    assert numbers(outbox.due("crm", NOW, 10)) == ["msg_3", "msg_1", "msg_2"]
    assert numbers(outbox.due("crm", NOW, 1)) == ["msg_3"]
    assert numbers(outbox.due("crm", NOW + HOUR, 10)) == ["msg_3", "msg_4", "msg_1", "msg_2"]


def test_one_of_several_senders_has_a_letter_until_its_time_is_over(outbox):
    outbox.put([letter(1)])
    (found,) = outbox.due("crm", NOW, 10)
    assert outbox.claim(found, NOW + HOUR)
    assert not outbox.claim(found, NOW + HOUR)
    assert outbox.due("crm", NOW, 10) == []
    (again,) = outbox.due("crm", NOW + HOUR, 10)
    assert (again.tries, again.occurrence) == (1, "msg_1")
    assert outbox.claim(again, NOW + 2 * HOUR)


def test_what_is_withheld_names_nobody_any_more(outbox):
    outbox.put([letter(1)])
    outbox.withhold(letter(1), NOW, "consent was withdrawn")
    (found,) = outbox.listed()
    assert (found.status, found.doc, found.error) == ("withheld", {}, "consent was withdrawn")
    assert outbox.retry(NOW) == 0


def test_what_was_given_up_can_be_sent_again_under_its_id(outbox):
    outbox.put([letter(1), letter(2), letter(3, target="erp")])
    for one in (letter(1), letter(2), letter(3, target="erp")):
        outbox.give_up(one, NOW, "HTTP 500")
    later = NOW + 100 * HOUR
    assert outbox.due("crm", later, 10) == []
    assert outbox.retry(later, id="msg_2") == 1
    (found,) = outbox.due("crm", later, 10)
    assert (found.occurrence, found.tries, found.created_at) == ("msg_2", 0, later)
    assert outbox.retry(later, target="erp") == 1
    assert outbox.retry(later) == 1
    assert outbox.counts() == {"crm": {"waiting": 2}, "erp": {"waiting": 1}}


def test_a_receiver_rests_until_it_answers_or_somebody_retries(outbox):
    rest = Rest(failures=2, until=NOW + HOUR, error="HTTP 503")
    assert outbox.rest("crm") is None
    outbox.let_rest("crm", rest, NOW)
    outbox.let_rest("erp", rest, NOW)
    assert outbox.rest("crm") == rest
    outbox.let_rest("crm", None, NOW)
    assert outbox.rest("crm") is None
    outbox.retry(NOW)
    assert outbox.rest("erp") is None


def test_to_retry_one_receiver_leaves_another_alone_whose_name_begins_with_its(outbox):
    for name in ("crm", "crm_two"):
        outbox.let_rest(name, Rest(failures=1, until=NOW, error="no"), NOW)
    outbox.retry(NOW, target="crm")
    assert (outbox.rest("crm"), outbox.rest("crm_two").error) == (None, "no")


def test_letters_for_nobody_and_old_ones_are_given_up(outbox):
    outbox.put([letter(1), letter(2, target="gone"), letter(3, target="gone", created_at=NOW + HOUR)])
    assert outbox.abandon(["crm"], NOW + HOUR, NOW) == 1
    assert outbox.expire("crm", NOW + HOUR, NOW, "HTTP 500") == 1
    found = {one.occurrence: (one.status, one.error) for one in outbox.listed()}
    assert found == {
        "msg_1": ("given_up", "HTTP 500"),
        "msg_2": ("given_up", "no webhook of this name is in the settings"),
        "msg_3": ("waiting", None),
    }
    assert outbox.oldest("gone") == NOW + HOUR
    assert outbox.oldest("crm") is None


def test_what_was_settled_long_ago_is_forgotten_but_for_what_caps_are_counted_by(outbox):
    action = partial(letter, kind="action:mail")
    outbox.put([letter(1), letter(2), action(3)])
    outbox.delivered(letter(1), NOW)
    outbox.delivered(action(3), NOW)
    assert outbox.forget(NOW + HOUR) == 1
    assert outbox.forget(NOW + HOUR) == 0
    assert sorted(numbers(outbox.listed())) == ["msg_2", "msg_3"]


def test_caps_count_each_occurrence_once_and_none_that_nobody_got(outbox):
    action = partial(letter, kind="action:mail")
    outbox.put([action(1), action(1, target="erp"), action(2), action(3), letter(4)])
    outbox.give_up(action(2), NOW, "HTTP 500")
    outbox.withhold(action(3), NOW, "suppressed by the shop")
    assert numbers(outbox.of_kinds({"action:mail"})) == ["msg_1"]


def test_lists_are_of_one_receiver_or_status_and_the_latest_come_first(outbox):
    outbox.put([letter(1), letter(2), letter(3, target="erp")])
    outbox.delivered(letter(2), NOW)
    assert numbers(outbox.listed()) == ["msg_3", "msg_2", "msg_1"]
    assert numbers(outbox.listed(statuses=["waiting"], target="crm")) == ["msg_1"]
    assert numbers(outbox.listed(limit=1)) == ["msg_3"]
