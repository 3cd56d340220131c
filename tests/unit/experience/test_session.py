"""Stored and recent events together are what a count of all of them gives, at every moment of the hand-over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.experience.session import Arrival, Counting, Share, Token, share, together
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.definitions import parse_segments
from algosync.profiles.streams import NOBODY, Sign, follow
from algosync.profiles.tally import Step, Tally, tally

SEGMENTS = parse_segments(
    {"callers": {"when": {"events": {"categories": "Phones", "within_days": 3}}}},
    facets=("categories",),
    affinity_facet="categories",
)
COUNTING = Counting(
    rules=AffinityRules(weights={"view": 1, "purchase": 30}, facets=("categories",), half_life_days=7),
    segments=SEGMENTS,
    landmark=676,
)
START = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())

event = st.fixed_dictionaries(
    {
        "token": st.sampled_from(["desk", "phone"]),
        "seconds": st.sampled_from([0, 60, 1799, 1801, 90_000]),
        "login": st.sampled_from([None, None, None, "ann", "bob"]),
        "is_logout": st.sampled_from([False, False, False, True]),
        "kind": st.sampled_from(["view", "purchase"]),
        "object_id": st.sampled_from(["p1", "p2"]),
        "consents": st.sampled_from([True, True, False]),
    }
)


def arrivals_of(rows: list[dict]) -> list[tuple[str, Arrival]]:
    at, made = START, []
    for row in rows:
        at += row["seconds"]
        sign = Sign(second=at, login=row["login"], is_logout=row["is_logout"])
        facets = {"categories": ("Phones",) if row["object_id"] == "p1" else ("Books",)}
        step = Step(
            at=float(at),
            kind=row["kind"],
            object_id=row["object_id"],
            facets=facets,
            price=9.99,
            authenticated=row["login"] is not None,
        )
        made.append((row["token"], Arrival(sign=sign, step=step if row["consents"] else None)))
    return made


def flat(sums) -> dict[tuple[str, str], float]:
    return {(facet, value): total for facet, held in sums.items() for value, total in held.items()}


def counted(steps: list[Step]) -> Tally:
    return tally(steps, COUNTING.rules, SEGMENTS, landmark=COUNTING.landmark)


def stored(rows: list[tuple[str, Arrival]]) -> tuple[dict[str, Token], dict[str, Tally], dict[str, list[Step]]]:
    """What a run over these events leaves: tokens with their open epochs, settled persons; and everybody's steps."""
    tokens: dict[str, Token] = {}
    settled: dict[str, list[Step]] = {}
    whole: dict[str, list[Step]] = {}
    for name in ("desk", "phone"):
        mine = [arrival for token, arrival in rows if token == name]
        places, standing = follow(NOBODY, [arrival.sign for arrival in mine])
        owners = {place.epoch: place.owner or name for place in places}
        for place in places:
            if place.takes_over:
                owners[place.epoch - 1] = owners[place.epoch]
        is_open = standing.epoch >= 0 and standing.owner is None
        opened: list[Step] = []
        for place, arrival in zip(places, mine, strict=True):
            if arrival.step is None:
                continue
            whole.setdefault(owners[place.epoch], []).append(arrival.step)
            into = opened if is_open and place.epoch == standing.epoch else settled.setdefault(owners[place.epoch], [])
            into.append(arrival.step)
        tokens[name] = Token(name=name, standing=standing, open=counted(opened) if is_open else None)
    return tokens, {person: counted(steps) for person, steps in settled.items()}, whole


def in_two(token: Token, first: int) -> Share:
    """What a token's share is, worked out when only the first events had come, and then from that."""
    early = Token(name=token.name, standing=token.standing, open=token.open, arrivals=token.arrivals[:first])
    return share(token, COUNTING, share(early, COUNTING))


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(event, max_size=16), data=st.data())
def test_stored_and_recent_events_are_what_all_of_them_are(rows, data):
    every = arrivals_of(rows)
    cut = data.draw(st.integers(0, len(every)))
    tokens, settled, _ = stored(every[:cut])
    since = {name: [arrival for token, arrival in every[cut:] if token == name] for name in tokens}
    now = [
        Token(name=name, standing=token.standing, open=token.open, arrivals=since[name])
        for name, token in tokens.items()
    ]
    _, _, whole = stored(every)
    first = data.draw(st.integers(0, 16))
    for person in ("desk", "phone", "ann", "bob"):
        found = together(person, settled.get(person), [in_two(token, first) for token in now], COUNTING)
        expected = counted(whole.get(person, []))
        assert flat(found.sums) == pytest.approx(flat(expected.sums), rel=1e-11)
        for name in ("facts", "spans", "seen", "events", "products", "authenticated", "purchased"):
            assert getattr(found, name) == getattr(expected, name), (person, name)


def test_an_anonymous_session_joins_the_account_at_login_and_a_logout_parts_them():
    row = {"token": "desk", "seconds": 60, "login": None, "is_logout": False, "consents": True}
    row |= {"kind": "view", "object_id": "p1"}
    looked, logged_in, gone, alone = arrivals_of([row, row | {"login": "ann"}, row | {"is_logout": True}, row])
    before = share(Token(name="desk", arrivals=[looked[1]]), COUNTING)
    assert (before.present, before.tallies["desk"].events) == ("desk", 1)
    after = share(Token(name="desk", arrivals=[looked[1], logged_in[1]]), COUNTING)
    assert (after.present, set(after.tallies), after.tallies["ann"].events) == ("ann", {"ann"}, 2)
    out = share(Token(name="desk", arrivals=[looked[1], logged_in[1], gone[1]]), COUNTING)
    assert (out.present, set(out.tallies)) == ("desk", {"ann"})  # the logout is hers, and who is there now is not she
    left = share(Token(name="desk", arrivals=[looked[1], logged_in[1], gone[1], alone[1]]), COUNTING)
    assert (left.present, left.tallies["ann"].events, left.tallies["desk"].events) == ("desk", 3, 1)
