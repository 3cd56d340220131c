"""Who may be named to others: consent, orders, tombstones, the holdout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from algosync.experience.shop import Rollout
from algosync.experience.strategy import arm_of
from algosync.operate.permitted import Permits
from algosync.stores.inbox_visitor import Choice
from algosync.stores.orders import Order
from algosync.stores.tombstones import NOBODY, Forgotten, Hasher

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HASHER = Hasher(key=b"a secret of the shop's own")


def permits(*, orders=None, forgotten=NOBODY, choices=None, share=1.0) -> Permits:
    orders, choices = orders or {}, choices or {}
    return Permits(
        rollout=Rollout(share=share),
        orders=lambda names: [orders[name] for name in names if name in orders],
        forgotten=lambda: forgotten,
        choices=lambda names: {name: choices[name] for name in names if name in choices},
    )


def choice(consent, days=0) -> Choice:
    return Choice(consent=consent, at=NOW - timedelta(days=days), source="banner")


def test_whoever_said_nothing_since_her_profile_was_made_may_be_named():
    assert permits().refusals([["anna", "anon"], ["ben"]]) == [None, None]
    assert permits().refusals([]) == []


@pytest.mark.parametrize("name", ["anna", "anon"])
def test_whoever_withdrew_or_is_suppressed_or_forgotten_by_any_of_her_names_may_not(name):
    anna = [["anna", "anon"], ["ben"]]
    gone = Forgotten(hasher=HASHER, names={HASHER.of("name", name): None})
    assert permits(choices={name: choice("not_personalized")}).refusals(anna) == ["consent was withdrawn", None]
    assert permits(orders={name: Order(suppressed=True)}).refusals(anna) == ["suppressed by the shop", None]
    assert permits(forgotten=gone).refusals(anna) == ["forgotten", None]


def test_her_latest_choice_counts_by_whichever_token():
    no, yes = choice("not_personalized", days=2), choice("for_you", days=1)
    assert permits(choices={"anna": no, "anon": yes}).refusals([["anna", "anon"]]) == [None]
    assert permits(choices={"anna": yes, "anon": choice("not_personalized")}).refusals([["anna", "anon"]]) == [
        "consent was withdrawn"
    ]


def test_whoever_returned_or_was_lifted_may_be_named_again():
    back = Forgotten(hasher=HASHER, names={HASHER.of("name", "anna"): NOW - timedelta(days=1)})
    assert permits(forgotten=back, orders={"anna": Order(suppressed=False)}).refusals([["anna"]]) == [None]


def test_of_the_holdout_nobody_learns():
    people = [[f"user-{n}"] for n in range(200)]
    found = permits(share=0.5).refusals(people)
    arms = [arm_of(tokens[0], Rollout(share=0.5)) for tokens in people]
    assert found == ["in the holdout" if arm == "holdout" else None for arm in arms]
    assert set(arms) == {"holdout", "personalized"}


def test_nobody_is_not_somebody_who_may_be_named():
    assert permits().refusals([[]]) == ["nobody is named"]
