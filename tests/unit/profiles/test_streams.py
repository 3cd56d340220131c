from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.identity import identify, standings
from algosync.profiles.streams import NOBODY, Sign, Standing, follow

ANN, BOB = 1001, 1002

row = st.fixed_dictionaries(
    {"minutes": st.sampled_from([0, 1, 10, 29, 31, 100])},
    optional={
        "auth": st.sampled_from([ANN, BOB]),
        "event_name": st.sampled_from(["logout", "Logout", "look"]),
        "session_id": st.sampled_from(["a", "b"]),
    },
)
token_rows = st.lists(row, min_size=1, max_size=12)


def dated(rows: list[dict]) -> list[dict]:
    """The rows with moments; `minutes` are those since the row before."""
    at, made = timedelta(0), []
    for each in rows:
        at += timedelta(minutes=each["minutes"])
        made.append({"at": at, **{name: value for name, value in each.items() if name != "minutes"}})
    return made


def sign_of(each: dict, start) -> Sign:
    auth = each.get("auth")
    return Sign(
        second=int((start + each["at"]).timestamp()),
        login=None if auth is None else str(auth),
        is_logout=each.get("event_name", "").lower() == "logout",
        session_id=each.get("session_id"),
    )


def persons(token: int, signs: list[Sign], cuts: list[int]) -> list[tuple[int, int]]:
    """(epoch, person) of each event, followed in parts."""
    standing, places = NOBODY, []
    for first, last in zip([0, *cuts], [*cuts, len(signs)], strict=True):
        found, standing = follow(standing, signs[first:last])
        places += found
    owners = {place.epoch: place.owner for place in places}
    for place in places:
        if place.takes_over:
            owners[place.epoch - 1] = place.owner
    return [(place.epoch, int(owners[place.epoch] or token)) for place in places]


@settings(max_examples=6)
@given(tokens=st.lists(token_rows, min_size=20, max_size=40), data=st.data())
def test_one_token_followed_in_parts_is_as_in_the_batch(log, start, tokens, data):
    written = [(token, each) for token, rows in enumerate(tokens) for each in dated(rows)]
    table = identify(log(*[{"token": token, **each} for token, each in written]))
    batch = {r["key_hi"]: (r["epoch"], r["person"]) for r in table.to_pyarrow().to_pylist()}
    number = 0
    for token, rows in enumerate(tokens):
        signs = [sign_of(each, start) for each in dated(rows)]
        cuts = sorted(data.draw(st.lists(st.integers(0, len(signs)), max_size=3)))
        alone = persons(token, signs, cuts)
        assert alone == [batch[number + place] for place in range(len(signs))]
        number += len(signs)


@settings(max_examples=3)
@given(tokens=st.lists(token_rows, min_size=20, max_size=40))
def test_tokens_stand_in_the_batch_as_they_do_one_by_one(log, start, tokens):
    written = [(token, each) for token, rows in enumerate(tokens) for each in dated(rows)]
    found = {
        r.pop("token"): r
        for r in standings(log(*[{"token": t, **each} for t, each in written])).to_pyarrow().to_pylist()
    }
    for token, rows in enumerate(tokens):
        signs = [sign_of(each, start) for each in dated(rows)]
        if all(sign.login is None and not sign.is_logout for sign in signs):
            assert token not in found
            continue
        told = found[token]
        named = {name: None if told[name] is None else str(told[name]) for name in ("login", "owner")}
        _, alone = follow(NOBODY, signs)
        assert Standing(**{**told, **named}) == alone


def test_nothing_new_changes_nothing():
    _, standing = follow(NOBODY, [Sign(second=5, login="ann")])
    assert follow(standing, []) == ([], standing)
