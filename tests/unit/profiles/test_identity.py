from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.identity import hinges, identify, left_out, unignored, usable

ANN, BOB, TABLET, LAPTOP = 11, 12, 1, 2


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def people(rows, events):
    return [person for _, person in rows(identify(events), "key_hi", "person")]


def test_tokens_that_never_log_in_are_persons(log, rows):
    events = log({"token": 1}, {"token": 2}, {"token": 1})
    assert rows(identify(events), "key_hi", "person", "epoch") == [(0, 1, 0), (1, 2, 0), (2, 1, 0)]


def test_anonymous_events_before_the_first_login_are_the_persons_however_old(log, rows):
    events = log(
        {"at": minutes(0)},
        {"at": timedelta(days=40)},
        {"at": timedelta(days=41), "auth": ANN},
        {"at": timedelta(days=42)},
    )
    assert rows(identify(events), "key_hi", "person", "epoch") == [(0, ANN, 0), (1, ANN, 0), (2, ANN, 1), (3, ANN, 1)]


def test_two_people_on_one_device_stay_two(log, rows):
    events = log(
        {"auth": ANN},
        {},
        {"event_name": "Logout"},
        {"auth": BOB, "at": minutes(60)},
        {"at": minutes(61)},
    )
    assert people(rows, events) == [ANN, ANN, ANN, BOB, BOB]


def test_another_authenticated_token_starts_an_epoch_without_logout(log, rows):
    events = log({"auth": ANN}, {"auth": BOB}, {"auth": ANN})
    assert rows(identify(events), "key_hi", "person", "epoch") == [(0, ANN, 0), (1, BOB, 1), (2, ANN, 2)]


def test_later_anonymous_epochs_join_within_the_session_only(log, rows):
    events = log(
        {"auth": ANN, "at": minutes(0)},
        {"event_name": "logout", "at": minutes(1)},
        {"at": minutes(2)},  # a session of its own: nobody's but the token's
        {"at": minutes(100)},
        {"at": minutes(129)},
        {"auth": BOB, "at": minutes(130)},
    )
    assert people(rows, events) == [ANN, ANN, 1, BOB, BOB, BOB]


def test_session_ids_overrule_silence(log, rows):
    apart = log(
        {"auth": ANN, "session_id": "a"},
        {"event_name": "logout", "session_id": "a"},
        {"session_id": "b"},
        {"auth": BOB, "session_id": "c"},
    )
    assert people(rows, apart) == [ANN, ANN, 1, BOB]
    together = log(
        {"auth": ANN, "session_id": "a"},
        {"event_name": "logout", "session_id": "a"},
        {"session_id": "b", "at": minutes(10)},
        {"auth": BOB, "session_id": "b", "at": minutes(300)},
    )
    assert people(rows, together) == [ANN, ANN, BOB, BOB]


def test_one_person_on_two_devices_is_one(log, rows):
    events = log({"token": TABLET}, {"token": LAPTOP, "auth": ANN}, {"token": TABLET, "auth": ANN})
    assert people(rows, events) == [ANN, ANN, ANN]


def test_equal_timestamps_follow_the_key(log, rows):
    same = minutes(0)
    events = log({"at": same, "auth": ANN}, {"at": same, "event_name": "logout"}, {"at": same})
    assert people(rows, events) == [ANN, ANN, 1]


def test_a_logout_that_names_its_user_is_hers(log, rows):
    events = log({"auth": BOB}, {"auth": ANN, "event_name": "LOGOUT"}, {"at": minutes(90)})
    assert people(rows, events) == [BOB, ANN, 1]


# Many short stories, each on two tokens of its own, in one table: a query costs more than its rows.
step = st.tuples(
    st.sampled_from([None, None, ANN, BOB, "logout"]), st.sampled_from([1, 20, 40]), st.sampled_from([1, 2])
)
stories = st.lists(st.lists(step, min_size=1, max_size=12), min_size=1, max_size=30)
long_stories = st.lists(
    st.lists(
        st.tuples(step.map(lambda drawn: drawn[0]), st.sampled_from([20, 40]), st.just(1)), min_size=8, max_size=12
    ),
    min_size=10,
    max_size=30,
)
few = settings(max_examples=6)


def told(stories: list) -> list[dict]:
    written = []
    for number, steps in enumerate(stories):
        clock = 0
        for mark, gap, token in steps:
            clock += gap
            login = {"event_name": "logout"} if mark == "logout" else {"auth": mark}
            written.append({"at": minutes(clock), "token": 100 + 10 * number + token, **login})
    return written


def person_by_walking(rows: list[dict]) -> list[int]:
    """The rules again, event by event, for one token at a time."""
    found: dict[int, int] = {}
    for token in {row["token"] for row in rows}:
        mine = [(i, row) for i, row in enumerate(rows) if row["token"] == token]
        current, ever, waiting, before = None, False, [], None
        for i, row in mine:
            gap = before is not None and row["at"] - before > minutes(30)
            if row.get("auth"):
                if current is None and (not ever or not gap):
                    found.update(dict.fromkeys(waiting, row["auth"]))
                current, ever, waiting = row["auth"], True, []
                found[i] = current
            elif current is not None:
                found[i] = current
                if row.get("event_name"):
                    current = None
            else:
                if ever and gap:
                    waiting = []
                waiting.append(i)
                found[i] = token
            before = row["at"]
    return [found[i] for i in range(len(rows))]


@few
@given(stories)
def test_the_rules_hold_event_by_event(log, rows, stories):
    written = told(stories)
    found = dict(rows(identify(log(*written)), "key_hi", "person"))
    assert [found[i] for i in range(len(written))] == person_by_walking(written)


@few
@given(stories, st.integers(0, 250))
def test_later_events_move_no_event_to_another_stream(log, rows, stories, cut):
    written = sorted(told(stories), key=lambda row: row["at"])
    early = rows(identify(log(*written[: cut + 1])), "key_hi", "token", "epoch")
    late = rows(identify(log(*written)), "key_hi", "token", "epoch")
    assert [row for row in late if row[0] <= cut] == early


@few
@given(stories)
def test_a_stream_is_of_one_person(log, rows, stories):
    found = set(rows(identify(log(*told(stories))), "token", "epoch", "person"))
    assert len(found) == len({stream[:2] for stream in found})


@few
@given(long_stories, st.randoms(use_true_random=False))
def test_with_the_hinges_and_any_others_every_event_stays_where_it_was(log, rows, stories, random):
    written = told(stories)
    events = log(*written)
    held = {key for key, _ in rows(hinges(events), "key_hi", "key_lo")}
    kept = [key for key in range(len(written)) if key in held or random.random() < 0.3]
    whole = {row[0]: row for row in rows(identify(events), "key_hi", "person", "epoch")}
    left = rows(identify(events.filter(events.key_hi.isin(kept))), "key_hi", "person", "epoch")
    assert left == sorted((whole[key] for key in kept), key=repr)


def test_ignored_and_fast_tokens_count_nowhere(log, rows):
    slow = [{"token": 1, "at": minutes(i)} for i in range(3)]
    fast = [{"token": 2, "at": minutes(i)} for i in range(4)]
    calm = [{"token": 2, "at": minutes(90)}]
    events = log(*slow, *fast, *calm, {"token": 3, "excluded": "ignored:user_token"})
    assert rows(unignored(events, events_per_hour_max=3), "token") == [(1,), (1,), (1,), (2,)]
    assert len(rows(unignored(events, events_per_hour_max=None))) == 8


def test_latest_consent_decides_and_everything_is_accounted_for(log, rows, start):
    events = log(
        {"token": 1, "consent": "for_you"},
        {"token": 1, "consent": "not_personalized", "excluded": "no_consent:denied"},
        {"token": 2, "consent": "not_personalized", "excluded": "no_consent:denied"},
        {"token": 2, "consent": "for_you"},
        {"token": 3, "excluded": "no_consent:missing"},
        {"token": 4, "excluded": "ignored:user_token", "consent": "not_personalized"},
        {"token": 4},
        {"token": 5, "at": timedelta(days=9)},
    )
    as_of = start + timedelta(days=1)
    assert rows(usable(events, as_of=as_of), "key_hi") == [(3,), (6,)]
    assert rows(left_out(events, as_of=as_of)) == [
        ("after as_of", 1),
        ("ignored:user_token", 1),
        ("no_consent:denied", 2),
        ("no_consent:missing", 1),
        ("no_consent:withdrawn", 1),
    ]


@pytest.mark.parametrize("limit", [None, 1])
def test_left_out_and_usable_add_up(log, rows, start, limit):
    events = log(
        {"auth": ANN}, {}, {"token": 2, "consent": "not_personalized"}, {"excluded": "ignored:rate"}, {"token": 3}
    )
    as_of = start + timedelta(days=1)
    kept = rows(usable(events, as_of=as_of, events_per_hour_max=limit))
    gone = rows(left_out(events, as_of=as_of, events_per_hour_max=limit), "events")
    assert len(kept) + sum(n for (n,) in gone) == 5
