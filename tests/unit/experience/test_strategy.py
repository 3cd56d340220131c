"""Consent before holdout before profile before segment; and the reason says which, in numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.experience.question import Known, Question
from algosync.experience.shop import Rollout
from algosync.experience.strategy import arm_of, stand, visit_at

ANNA = Question(user_token="phone-of-anna")


def test_a_ready_person_is_one_to_one(shop, person, now):
    found = stand(ANNA, Known(person=person()), shop, now)
    assert (found.strategy, found.reason) == ("one-to-one", f"ready: {person()['reason']}")
    assert found.segments == ("readers", "quiet", "apple fans")
    assert (found.visit, found.state, found.arm) == ("returning", "buyer", None)


@pytest.mark.parametrize(
    ("over", "strategy", "reason"),
    [
        ({"ready": False, "reason": "1 of 3 products"}, "segment", "not ready: 1 of 3 products; in 3 segments"),
        ({"ready": False, "reason": "x", "segments": ["quiet"]}, "segment", "not ready: x; in 1 segment"),
        ({"ready": False, "reason": "x", "segments": []}, "content", "not ready: x; in no segment"),
        ({"ready": False, "reason": "x", "segments": ["gone since"]}, "content", "not ready: x; in no segment"),
        ({"reason": "x", "affinities": {}}, "segment", "ready: x, no affinity; in 3 segments"),
    ],
)  # fmt: skip
def test_less_evidence_is_a_lesser_strategy(shop, person, now, over, strategy, reason):
    found = stand(ANNA, Known(person=person(**over)), shop, now)
    assert (found.strategy, found.reason) == (strategy, reason)


@pytest.mark.parametrize(
    ("asked", "stored", "default", "personal"),
    [
        (None, None, "for_you", True),
        (None, None, "not_personalized", False),
        (None, "for_you", "not_personalized", True),
        (None, "not_personalized", "for_you", False),
        ("for_you", "not_personalized", "not_personalized", True),
        ("not_personalized", "for_you", "for_you", False),
    ],
)
def test_consent_is_the_requests_then_the_stored_then_the_default(
    make_shop, person, now, asked, stored, default, personal
):
    question = Question(user_token="phone-of-anna", consent=asked)
    found = stand(question, Known(person=person(), choice=stored), make_shop(consent=default), now)
    assert found.allowed is personal
    assert (found.strategy == "one-to-one") is personal
    if not personal:
        assert (found.person, found.segments, found.visit, found.state) == (None, (), None, None)
        assert found.reason.startswith("not personalized: ")


def test_consent_goes_before_the_holdout(make_shop, person, now):
    nobody = make_shop(rollout=Rollout(share=0.0), consent="not_personalized")
    assert stand(ANNA, Known(person=person()), nobody, now).arm is None


def test_the_holdout_is_dealt_by_person_not_by_token(make_shop, person, now):
    shop = make_shop(rollout=Rollout(share=0.5, key=b"k"))
    tokens = [Question(user_token=f"device-{n}") for n in range(20)]
    assert len({stand(one, Known(person=person()), shop, now).arm for one in tokens}) == 1
    assert {stand(one, Known(), shop, now).arm for one in tokens} == {"personalized", "holdout"}


@given(st.integers(0, 10**6), st.floats(0, 0.999), st.floats(0, 0.999))
@settings(max_examples=60, deadline=None)
def test_a_larger_share_takes_nobody_away(number, one, other):
    small, large = sorted((one, other))
    if arm_of(f"p{number}", Rollout(share=small)) == "personalized":
        assert arm_of(f"p{number}", Rollout(share=large)) == "personalized"


def test_shares_come_out_as_asked():
    for share in (0.0, 0.1, 0.5, 0.9):
        arms = [arm_of(f"person-{n}", Rollout(share=share, key=b"secret")) for n in range(4_000)]
        assert arms.count("personalized") / 4_000 == pytest.approx(share, abs=0.03)
    assert arm_of("anybody", Rollout()) is None
    assert "secret" not in repr(Rollout(key=b"secret"))


def test_half_an_hour_of_silence_ends_the_first_session(person, now):
    seen = (now - timedelta(minutes=30)).isoformat()
    assert visit_at(person(visit="new", last_seen=seen), now) == "new"
    assert visit_at(person(visit="new", last_seen=seen.removesuffix("+00:00")), now) == "new"
    assert visit_at(person(visit="new", last_seen=seen), now + timedelta(seconds=1)) == "returning"
    assert visit_at(person(visit="returning", last_seen=now.isoformat()), now) == "returning"
