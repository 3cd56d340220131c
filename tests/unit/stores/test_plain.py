"""Plain connections: what they see, who has them, and what is left when they are closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from algosync.errors import StoreError
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.plain import Plain, Remembered
from algosync.stores.state import State, open_state

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COUNT = "SELECT count(*) FROM choices"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as opened:
        yield opened


def test_a_moment_stays_the_same_and_the_next_one_sees_what_came(state: State) -> None:
    plain = Plain(state)
    with plain.moment() as connection:
        assert connection.execute(COUNT).fetchone() == (0,)
        Inbox(state).put_choice("anna", Choice(consent="for_you", at=NOW, source="storefront"))
        assert connection.execute(COUNT).fetchone() == (0,)
    with plain.moment() as again:
        assert again is connection
        assert again.execute(COUNT).fetchone() == (1,)
    plain.close()


def test_two_at_once_have_a_connection_each(state: State) -> None:
    plain = Plain(state)
    with plain.moment() as one, plain.moment() as other:
        assert one is not other
    plain.close()


def test_an_error_is_one_of_ours_and_the_connection_serves_on(state: State) -> None:
    plain = Plain(state)
    with pytest.raises(StoreError, match="no such table"), plain.moment() as connection:
        connection.execute("SELECT * FROM nowhere")
    with plain.moment() as again:
        assert again is connection
        assert again.execute(COUNT).fetchone() == (0,)
    plain.close()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as state:
        plain = Plain(state)
        with plain.moment() as connection:
            connection.execute(COUNT)
            plain.close()
    assert [path.name for path in tmp_path.iterdir()] == ["inbox.sqlite"]


def test_both_ways_read_the_same(state: State) -> None:
    plain = Plain(state)
    inbox, quick = Inbox(state), Inbox(state, plain)
    tokens = [f"token-{n}" for n in range(5)]
    for n, token in enumerate(tokens):
        moment = NOW.replace(minute=n)
        inbox.put_choice(token, Choice(consent="not_personalized" if n == 4 else "for_you", at=moment, source="x"))
        inbox.put_impression(token, f"action-{n % 2}", NOW.replace(minute=9 - n))
    for some in (tokens, tokens[:3], tokens[:1], ["stranger"], []):
        assert quick.choice(some) == inbox.choice(some)
        assert quick.impressions(some) == inbox.impressions(some)
    assert inbox.impressions(tokens)["action-0"] == [NOW.replace(minute=m) for m in (5, 7, 9)]
    plain.close()


def test_what_there_is_of_a_visitor_is_the_same_both_ways_and_its_mark_moves_with_every_event(state: State) -> None:
    plain = Plain(state)
    inbox, quick = Inbox(state), Inbox(state, plain)
    seen = {inbox.visitor(["a", "b"], 0).mark}
    assert seen == {(0, 0)}
    inbox.put_choice("b", Choice(consent="for_you", at=NOW, source="x"))
    inbox.put_impression("a", "banner", NOW)
    for number, event in enumerate(({"userToken": "a"}, {"userToken": "c", "authenticatedUserToken": "b"})):
        inbox.append([{"eventType": "view", **event}], NOW)
        found = quick.visitor(["a", "b"], 0)
        assert found == inbox.visitor(["b", "a"], 0)
        assert found.mark not in seen
        assert len(quick.of_tokens(["a", "b"], 0)) == number + 2  # the choice is one of them
        seen.add(found.mark)
    assert found.choice == inbox.choice(["b"])
    assert found.impressions == {"banner": [NOW]}
    assert quick.visitor(["a", "b"], 0, shown=False).impressions == {}
    inbox.append([{"eventType": "view", "userToken": "stranger"}], NOW)
    assert quick.visitor(["a", "b"], 0) == found
    last = quick.of_tokens(["a", "b", "c"], 0)[-1].seq
    assert quick.visitor(["a", "b"], last).mark == (0, 0)
    inbox.drop(1)
    assert quick.visitor(["a", "b"], 0).mark not in seen
    assert quick.visitor(["a", "b", "c"], 0).choice == found.choice
    plain.close()


def test_what_was_read_once_is_read_again_when_anybody_has_committed(state: State) -> None:
    plain = Plain(state)
    reads: list[int] = []

    def counted(connection: Any) -> int:
        (found,) = connection.execute(COUNT).fetchone()
        reads.append(found)
        return int(found)

    assert [plain.once(("count",), counted) for _ in range(3)] == [0, 0, 0]
    assert reads == [0]
    for number in (1, 2):
        Inbox(state).put_choice(f"anna-{number}", Choice(consent="for_you", at=NOW, source="storefront"))
        assert [plain.once(("count",), counted) for _ in range(3)] == [number] * 3
    assert reads == [0, 1, 2]
    assert plain.once(("another",), lambda _: "other") == "other"
    plain.close()


def test_each_connection_remembers_for_itself_and_not_too_much(state: State) -> None:
    plain = Plain(state)
    memory: Remembered[dict[int, int]] = Remembered(lambda _: {}, kept=2)
    with plain.moment() as one, plain.moment() as other:
        held = memory.of(one)
        assert memory.of(one) is held
        assert memory.of(other) is not held
        held[1] = held[2] = 0
        assert memory.of(one) == {}
    plain.close()


def test_within_a_turn_nobody_looks_twice_and_in_the_next_one_it_is_seen(state: State) -> None:
    turns = [object()]
    plain = Plain(state, lambda: turns[-1])

    def count(connection: Any) -> int:
        found: int = connection.execute(COUNT).fetchone()[0]
        return found

    assert plain.once(("count",), count) == 0
    Inbox(state).put_choice("anna", Choice(consent="for_you", at=NOW, source="storefront"))
    assert plain.once(("count",), count) == 0
    assert plain.once(("count anew",), count) == 1
    turns.append(object())
    assert plain.once(("count",), count) == 1
    plain.close()
