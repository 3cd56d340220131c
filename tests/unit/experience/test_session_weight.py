"""What the running session weighs: laws, and the article's shared account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.experience.session_weight import SessionRules, running, share_of, weigh
from algosync.payloads.hysteresis import integers
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.tally import Step

NOW = 1_800_000_000.0
AFFINITY = AffinityRules(
    weights={"view": 1, "purchase": 30}, facets=("brand", "size"), never={"brand": ("Health/*",)}, half_life_days=7
)
RULES = SessionRules()
BRANDS = ["Apple", "Bosch", "Cats", "Dolls"]


def view(*brands: str, ago: float = 0.0, kind: str = "view", **more: tuple[str, ...]) -> Step:
    return Step(at=NOW - ago, kind=kind, object_id="p", facets={"brand": brands, **more})


def brand(scores: dict[str, float]) -> dict[tuple[str, str], float]:
    return {("brand", name): score for name, score in scores.items()}


FATHER = brand({"Apple": 20.0, "Bosch": 14.0})
steps = st.lists(
    st.builds(
        view,
        st.sampled_from(BRANDS),
        ago=st.floats(0, 7000),
        kind=st.sampled_from(["view", "purchase", "click"]),
    ),
    max_size=12,
)
profiles = st.dictionaries(st.sampled_from(BRANDS), st.floats(0.001, 20), min_size=1).map(
    lambda held: brand({name: 20 * (score / max(held.values())) for name, score in held.items()})
)


@given(profile=profiles, session=steps)
def test_scores_stay_scores(profile, session):
    weighed = weigh(profile, session, AFFINITY, RULES)
    assert weighed.scores.keys() >= profile.keys()
    assert max(weighed.scores.values()) == 20
    assert all(0 <= score <= 20 for score in weighed.scores.values())
    assert all(0 <= blend.share <= RULES.weight and 0 <= blend.distance <= 1 for blend in weighed.blends.values())


@given(profile=profiles, session=steps)
def test_no_session_or_no_weight_changes_nothing(profile, session):
    assert weigh(profile, [], AFFINITY, RULES).scores == profile
    assert weigh(profile, session, AFFINITY, SessionRules(weight=0)).scores == profile


@given(profile=profiles, session=steps, later=st.floats(0, 1e6))
def test_nothing_moves_but_by_an_event(profile, session, later):
    """The same session at another moment: its own last event is what its decay is measured from."""
    moved = [view(*step.facets["brand"], ago=NOW - step.at - later, kind=step.kind) for step in session]
    now, then = (weigh(profile, some, AFFINITY, RULES).scores for some in (session, moved))
    assert then == pytest.approx(now, rel=1e-6)


@given(profile=profiles, more=st.integers(1, 30))
def test_each_event_for_one_brand_lifts_that_brand(profile, more):
    few, many = (
        weigh(profile, [view("Dolls")] * count, AFFINITY, RULES).scores["brand", "Dolls"] for count in (more, more + 1)
    )
    assert few >= profile.get(("brand", "Dolls"), 0.0) - 1e-9
    assert many >= few - 1e-9


@given(events=st.integers(0, 50), distance=st.floats(0, 1), weight=st.floats(0, 1))
def test_the_share_grows_with_events_with_distance_and_with_the_setting(events, distance, weight):
    def share(n: int, d: float, w: float) -> float:
        return share_of(n, d, SessionRules(weight=w))

    assert 0 <= share(events, distance, weight) <= weight
    assert share(events, distance, weight) <= share(events + 1, distance, weight)
    assert share(events, distance, weight) <= share(events, min(1.0, distance + 0.1), weight)
    assert share(events, distance, weight) <= share(events, distance, min(1.0, weight + 0.1))


def test_a_session_that_agrees_hardly_moves_anything():
    agreeing = [view("Apple", ago=n) for n in range(10)] + [view("Bosch", ago=n) for n in range(7)]
    weighed = weigh(FATHER, agreeing, AFFINITY, RULES)
    assert weighed.blends["brand"].share < 0.1
    before = {key: round(score) for key, score in FATHER.items()}
    assert integers(weighed.scores.items(), before) == before


@pytest.mark.parametrize(("events", "first"), [(1, "Apple"), (3, "Apple"), (4, "Dolls"), (20, "Dolls")])
def test_the_child_at_the_fathers_account(events, first):
    """Where session and profile disagree entirely, the session wins, and not by its first event."""
    scores = weigh(FATHER, [view("Dolls", ago=n) for n in range(events)], AFFINITY, RULES).scores
    assert max(scores, key=scores.__getitem__) == ("brand", first)
    assert scores["brand", "Apple"] > scores["brand", "Bosch"] > 0


def test_other_facets_stay_and_so_do_sensitive_values():
    profile = {**FATHER, ("size", "XL"): 20.0}
    weighed = weigh(profile, [view("Dolls", "Health/Pills")], AFFINITY, RULES)
    assert weighed.scores["size", "XL"] == 20
    assert ("brand", "Health/Pills") not in weighed.scores
    assert set(weighed.blends) == {"brand"}
    assert weigh(profile, [view("Health/Pills")], AFFINITY, RULES).scores == profile


def test_later_events_of_a_session_weigh_more():
    session = [view("Dolls", ago=3600), view("Dolls", ago=3600), view("Cats")]
    scores = weigh(FATHER, session, AFFINITY, RULES).scores
    assert scores["brand", "Cats"] > scores["brand", "Dolls"]


@pytest.mark.parametrize(
    ("ago", "left"),
    [
        ((0, 60), [60, 0]),
        ((60, 60 + 1800), [1860, 60]),
        ((60, 60 + 1801), [60]),
        ((1800,), [1800]),
        ((1801,), []),
        ((-1, 5), [5]),
        ((), []),
    ],
)
def test_the_session_that_is_on(ago, left):
    assert [NOW - step.at for step in running([view("A", ago=s) for s in ago], NOW)] == left
