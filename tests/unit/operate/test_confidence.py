"""The bound is exact: against sums of binomial coefficients, and by what it promises over every sample."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.operate.confidence import drawn, wrong_at_most


@st.composite
def looks(draw):
    known = draw(st.integers(0, 300))
    looked = draw(st.integers(0, known))
    return known, looked, draw(st.integers(0, looked))


def chance(known: int, looked: int, wrong: int, really: int) -> Fraction:
    """How likely a sample shows no more wrong ones, where so many really are."""
    ways = sum(comb(really, n) * comb(known - really, looked - n) for n in range(min(wrong, looked) + 1))
    return Fraction(ways, comb(known, looked))


@given(look=looks())
def test_one_more_would_be_too_unlikely(look):
    known, looked, wrong = look
    most = wrong_at_most(known, looked, wrong)

    assert chance(known, looked, wrong, most) > Fraction(5, 100) or most == wrong
    if most < known - (looked - wrong):
        assert chance(known, looked, wrong, most + 1) <= Fraction(5, 100)


@given(known=st.integers(1, 60), share=st.floats(0, 1), data=st.data())
def test_it_holds_in_at_least_95_of_100_samples(known, share, data):
    really = round(share * known)
    looked = data.draw(st.integers(0, known))

    holds = sum(
        Fraction(comb(really, n) * comb(known - really, looked - n), comb(known, looked))
        for n in range(min(really, looked) + 1)
        if looked - n <= known - really and wrong_at_most(known, looked, n) >= really
    )

    assert holds >= Fraction(95, 100)


@given(look=looks())
def test_the_more_is_looked_at_the_less_can_be_wrong(look):
    known, looked, wrong = look
    most = wrong_at_most(known, looked, wrong)

    assert wrong <= most <= known - (looked - wrong)
    if looked < known:
        assert wrong_at_most(known, looked + 1, wrong) <= most
    assert wrong_at_most(known, known, wrong) == wrong
    assert wrong_at_most(known, looked, wrong, confidence=0.99) >= most


def test_three_thousand_good_ones_of_a_million():
    assert wrong_at_most(1_000_000, 3000, 0) == 996  # the rule of three: 3 of 3,000, which is 0.1 %


@pytest.mark.parametrize("look", [(1, 2, 0), (3, 2, 3), (1, 1, -1)])
def test_what_cannot_be_is_an_error(look):
    with pytest.raises(ValueError, match="not possible"):
        wrong_at_most(*look)


@given(names=st.sets(st.text("ab", min_size=1, max_size=4)), number=st.integers(0, 20), seed=st.text(max_size=3))
def test_a_draw_hangs_on_the_seed_alone(names, number, seed):
    pairs = [(name,) for name in names]

    chosen = drawn(pairs, number, seed)

    assert len(set(chosen)) == len(chosen) == min(number, len(names))
    assert set(chosen) <= set(pairs)
    assert chosen == drawn(reversed(pairs), number, seed)
    assert set(chosen) <= set(drawn(pairs, number + 1, seed))


def test_every_one_is_drawn_about_as_often():
    names = [(str(n),) for n in range(10)]
    counts = dict.fromkeys(names, 0)
    for seed in range(2000):
        for name in drawn(names, 3, str(seed)):
            counts[name] += 1

    assert sum(counts.values()) == 6000
    assert all(520 < count < 680 for count in counts.values())
