"""Baskets out of events, and what is had together."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.related.together import BasketRules, Pairs, TogetherRules, baskets, pairs, together

# ibis 12 still calls what duckdb 2 has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

AS_OF = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def _sets(table) -> list[list[int]]:
    """The baskets without their meaningless actors."""
    rows = table.to_pyarrow().to_pylist()
    actors: dict[int, list[int]] = {}
    for row in rows:
        actors.setdefault(row["actor"], []).append(row["item"])
    return sorted(sorted(items) for items in actors.values())


def _line(token, order, group, quantity=1, **more):
    return {"token": token, "kind": "purchase", "order_id": order, "group": group, "quantity": quantity} | more


def test_an_order_is_a_basket_and_its_number_belongs_to_its_buyer(events):
    log = events(_line(1, "o1", 0), _line(1, "o1", 1), _line(2, "o1", 5), _line(1, "o2", 7))
    assert _sets(baskets(log, by="order", rules=BasketRules(as_of=AS_OF))) == [[0, 1], [5], [7]]


def test_returned_lines_unknown_products_ignored_and_later_events_drop_out(events):
    log = events(
        _line(1, "o1", 0),
        _line(1, "o1", 1, 2),
        _line(1, "o1", 1, -2),
        _line(1, "o1", 2, 3),
        _line(1, "o1", 2, -1),
        _line(1, "o1", None),
        _line(1, "o1", 3, excluded="ignored:rate"),
        _line(1, "o1", 4, excluded="no_consent:denied"),
        _line(1, "o1", 5, days=-1),
        _line(1, "o1", 6) | {"kind": "view"},
        _line(1, None, 8),
        _line(1, "o1", 9, None),
    )
    assert _sets(baskets(log, by="order", rules=BasketRules(as_of=AS_OF))) == [[0, 2, 4, 9]]


def test_viewed_together_by_session_or_person(events):
    log = events(
        {"token": 1, "session_id": "a", "group": 0},
        {"token": 1, "session_id": "a", "group": 1},
        {"token": 1, "session_id": "b", "group": 2},
        {"token": 2, "session_id": "a", "group": 3},
        {"token": 2, "group": 4},
        {"token": 2, "kind": "conversion", "group": 5},
    )
    rules = BasketRules(as_of=AS_OF)
    assert _sets(baskets(log, by="session", rules=rules)) == [[0, 1], [2], [3]]
    assert _sets(baskets(log, by="person", rules=rules)) == [[0, 1, 2], [3, 4]]
    joined = log.mutate(person=log.token * 0 + 7)
    assert _sets(baskets(joined, by="person", rules=rules)) == [[0, 1, 2, 3, 4]]


def test_a_pair_weighs_as_its_strongest_event_after_decay(events):
    log = events(
        {"group": 0, "kind": "view"},
        {"group": 0, "kind": "view"},
        {"group": 0, "kind": "click", "days": 10},
        {"group": 0, "kind": "add_to_cart", "days": 30},
        {"group": 0, "kind": "purchase", "quantity": -1},
    )
    rules = BasketRules(as_of=AS_OF, half_life_days=10)
    (row,) = baskets(log, by="person", rules=rules).to_pyarrow().to_pylist()
    assert row["weight"] == pytest.approx(max(1, 3 / 2, 10 / 8))


def test_orders_decay_too(events):
    rules = BasketRules(as_of=AS_OF, half_life_days=10)
    (row,) = baskets(events(_line(1, "o", 0, days=20)), by="order", rules=rules).to_pyarrow().to_pylist()
    assert row["weight"] == pytest.approx(0.25)


def test_neither_the_engines_nor_the_callers_time_zone_matters(events):
    spring = dt.datetime(2024, 5, 1, 3, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    log = events(_line(1, "o", 0, days=60))
    log.get_backend().con.execute("SET TimeZone = 'Europe/Berlin'")
    for by in ("order", "person"):
        rules = BasketRules(as_of=spring, half_life_days=1, weights={"purchase": 1})
        (row,) = baskets(log, by=by, rules=rules).to_pyarrow().to_pylist()
        assert row["weight"] == 2.0**-60


def test_only_the_latest_items_of_an_actor_count(events):
    log = events(*({"group": group, "days": abs(group - 3)} for group in range(8)))
    assert _sets(baskets(log, by="person", rules=BasketRules(as_of=AS_OF, latest=4))) == [[1, 2, 3, 4]]


def _everything(n):
    return {"available": np.ones(n, dtype=bool), "popularity": np.zeros(n)}


CLICKS = (
    ("user1", "A", 5),
    ("user2", "B", 6),
    ("user", "C", 3),
    ("user3", "A", 8),
    ("user2", "C", 5),
    ("user", "B", 7),
    ("user3", "D", 4),
    ("user1", "D", 6),
    ("user4", "A", 8),
    ("user2", "D", 7),
)


@pytest.mark.parametrize("third", ["user", "user1", "user3", "user4"])
@pytest.mark.parametrize("sixth", ["user", "user1", "user3", "user4"])
def test_the_articles_behaviour_sample(third, sixth):
    """Product A gives D .498753, by the cosine of the clicks.

    Repaired printing errors: "user" twice where a number seems lost: the figure holds for every reading, the one
    as printed (a user of that name) among them, because those rows touch neither A nor D; the function's `return`
    was swallowed by the comment before it; lost indentation. `pivot_table` averages repeated cells; here they are
    averaged before, and none repeats as printed.
    """
    cells: dict[tuple[str, str], list[int]] = {}
    for place, (user, product, clicks) in enumerate(CLICKS):
        cells.setdefault(({2: third, 5: sixth}.get(place, user), product), []).append(clicks)
    users = sorted({user for user, _ in cells})
    who = Pairs(
        actor=np.array([users.index(user) for user, _ in cells]),
        item=np.array(["ABCD".index(product) for _, product in cells], dtype=np.int32),
        weight=np.array([np.mean(clicks) for clicks in cells.values()]),
    )
    lists = together(who, n=3, **_everything(4))
    assert {item: round(score, 6) for item, score in lists.of(0)}[3] == pytest.approx(0.498753)
    assert lists.of(0)[0][0] == 3


PAIRS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.sampled_from([1.0, 1.0, 3.0, 10.0])), min_size=1, max_size=40
)
RULES = st.builds(
    TogetherRules,
    similarity=st.sampled_from(["cosine", "dice", "jaccard"]),
    shrink=st.sampled_from([0.0, 5.0]),
    min_support=st.integers(1, 3),
)


@given(PAIRS, RULES, st.integers(1, 4), st.lists(st.booleans(), min_size=10, max_size=10))
def test_lists_are_exact_for_every_similarity(rows, rules, n, here):
    actor, item, weight = (np.array(column) for column in zip(*rows, strict=True))
    available, popularity = np.array(here), np.arange(10) % 3 * 1.0
    got = together(
        Pairs(actor=actor, item=item.astype(np.int32), weight=weight),
        n=n,
        available=available,
        popularity=popularity,
        rules=rules,
    )
    dense = np.zeros((10, 7))
    np.add.at(dense, (item, actor), weight)
    sets = (dense > 0).astype(float)
    m = dense if rules.similarity == "cosine" else sets
    dot, square = m @ m.T, (m**2).sum(axis=1)
    both = square[:, None] + square[None, :]
    below = {
        "cosine": np.sqrt(np.outer(square, square)),
        "dice": both,
        "jaccard": both - dot,
    }[rules.similarity]
    score = np.round(np.where(sets @ sets.T >= rules.min_support, dot / (below + rules.shrink + 1e-6), 0), 9)
    for i in range(10):
        others = [j for j in range(10) if j != i and available[j] and score[i, j] > 0]
        others.sort(key=lambda j: (-score[i, j], -popularity[j], j))
        assert [j for j, _ in got.of(i)] == others[:n]


def test_events_become_lists(events):
    log = events(*(_line(1, order, group) for order in ("a", "b") for group in (0, 1)), _line(1, "b", 2))
    who = pairs(baskets(log, by="order", rules=BasketRules(as_of=AS_OF)).to_pyarrow())
    lists = together(who, n=2, **_everything(3), rules=TogetherRules(min_support=2))
    assert [[j for j, _ in lists.of(i)] for i in range(3)] == [[1], [0], []]


def test_no_baskets_give_empty_lists(events):
    who = pairs(baskets(events({"group": None}), by="person", rules=BasketRules(as_of=AS_OF)).to_pyarrow())
    assert len(together(who, n=2, **_everything(3))) == 3


PUBLISHED = {
    "cosine": (886, TogetherRules(shrink=403, bm25=(1.2, 0.75)), (0.3293, 0.2152, 0.2571)),
    "dice": (179, TogetherRules(similarity="dice"), (0.3211, 0.2040, 0.2425)),
    "jaccard": (161, TogetherRules(similarity="jaccard"), (0.3177, 0.2043, 0.2431)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_item_neighbours_reach_the_published_table(shared_data, name):
    """MovieLens 100K, MCRec split, cut-off 10: Ferrari Dacrema et al., ACM TOIS 2021, appendix tables 46-51."""
    folder = shared_data / "mcrec-ml100k"
    train = np.loadtxt(folder / "ml-100k.train.rating", dtype=int)[:, :2]
    lines = [line.split() for line in (folder / "ml-100k.test.rating").read_text().splitlines()]
    test = np.array([(int(user), int(item)) for user, *liked in lines for item in liked])
    users, items = np.vstack((train, test)).max(axis=0) + 1
    neighbours, rules, published = PUBLISHED[name]
    who = Pairs(actor=train[:, 0], item=train[:, 1].astype(np.int32), weight=np.ones(len(train)))
    lists = together(who, n=neighbours, **_everything(items), rules=rules)
    seen, wanted, near = np.zeros((users, items)), np.zeros((users, items)), np.zeros((items, items))
    seen[train[:, 0], train[:, 1]] = 1
    wanted[test[:, 0], test[:, 1]] = 1
    near[lists.related, lists.rows] = lists.score
    score = np.where(seen > 0, -np.inf, seen @ near)
    some = wanted.sum(axis=1) > 0
    hit = np.take_along_axis(wanted, np.argsort(-score, axis=1, kind="stable")[:, :10], axis=1)[some]
    total = wanted.sum(axis=1)[some]
    gain = 1 / np.log2(np.arange(2, items + 2))
    ndcg = (hit * gain[:10]).sum(axis=1) / np.cumsum(gain)[total.astype(int) - 1]
    got = (hit.mean(), (hit.sum(axis=1) / total).mean(), ndcg.mean())
    assert got == pytest.approx(published, abs=0.0005)
