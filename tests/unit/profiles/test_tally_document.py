"""What is written of a tally or a standing is what is read, to the last bit."""

from __future__ import annotations

import zlib
from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.profiles.streams import NOBODY, Standing
from algosync.profiles.tally import Tally
from algosync.profiles.tally_document import dump, dump_standing, load, load_standing, pack

# What JSON can say: no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.floats(0, 4e9)
whole = st.integers(-(2**63), 2**63 - 1)


@st.composite
def spans(draw):
    edges = sorted(draw(st.lists(st.integers(0, 4_000_000_000), max_size=8)))
    return tuple(zip(edges[::2], edges[1::2], strict=False))


tallies = st.builds(
    Tally,
    landmark=st.integers(0, 2000),
    sums=st.dictionaries(
        texts, st.dictionaries(texts, st.floats(0, allow_infinity=False), min_size=1, max_size=4), max_size=3
    ),
    facts=st.dictionaries(
        st.tuples(st.integers(0, 9), st.none() | st.integers(0, 50_000)), st.tuples(whole, whole, whole), max_size=6
    ),
    spans=spans(),
    seen=st.none() | st.tuples(moments, moments),
    events=st.integers(0, 2**40),
    products=st.frozensets(texts, max_size=5),
    authenticated=st.booleans(),
    purchased=st.booleans(),
    context=st.dictionaries(texts, st.tuples(moments, texts), max_size=4),
)
standings = st.builds(
    Standing,
    epoch=st.integers(-1, 2**31),
    login=st.none() | texts,
    owner=st.none() | texts,
    logged_in_before=st.booleans(),
    epoch_after_login=st.booleans(),
    second=st.integers(0, 2**40),
    session_id=st.none() | texts,
)


@given(tallies)
def test_a_tally_is_read_as_it_was_written(tally):
    written = dump(tally)
    assert load(written) == tally
    assert dump(load(written)) == written


@given(standings)
def test_a_standing_is_read_as_it_was_written(standing):
    assert load_standing(dump_standing(standing)) == standing


def test_a_text_says_no_more_than_there_is():
    assert dump_standing(NOBODY) == "{}"


@pytest.mark.parametrize("field", [field.name for field in fields(Standing)])
def test_every_field_of_a_standing_is_written(field):
    some = Standing(
        epoch=3, login="ann", owner="ann", logged_in_before=True, epoch_after_login=True, second=5, session_id="s"
    )
    assert field in orjson.loads(dump_standing(some))


def test_each_sum_is_written_once_with_all_that_has_it():
    found = Tally(landmark=676, sums={"brand": {"Acme": 0.1, "Bolt": 3.0}, "colour": {"red": 0.1}})
    text = '[676,null,0,0,0,["brand","colour"],[[0.1,0,"Acme",1,"red"],[3.0,0,"Bolt"]],[],[],[],{}]'
    assert zlib.decompress(dump(found)).decode() == text
    assert dump(found) == pack(text.encode())


def test_order_does_not_show():
    one = Tally(landmark=1, sums={"b": {"y": 1.0, "z": 0.5}, "a": {"x": 2.0}}, products=frozenset("ba"))
    other = Tally(landmark=1, sums={"a": {"x": 2.0}, "b": {"z": 0.5, "y": 1.0}}, products=frozenset("ab"))
    assert dump(one) == dump(other)
