"""Plain connections: what they see, who has them, and what is left when they are closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from algosync.errors import StoreError
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.plain import Plain
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
