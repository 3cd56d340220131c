"""What an index declares, and what setup proposes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.payloads.declared import (
    declared_facets,
    inert_reasons,
    is_own_declaration,
    missing_declarations,
    undeclared,
)


def test_modifiers_are_taken_off() -> None:
    entries = ["brand", "searchable(a.b)", "filterOnly(c)", "afterDistinct(searchable(d))", "filterOnly( e )"]
    assert declared_facets(entries) == {"brand", "a.b", "c", "d", "e"}
    assert declared_facets(None) == frozenset()


def test_only_our_own_attributes_are_added_at_the_end() -> None:
    settings = {"attributesForFaceting": ["searchable(brand)", "zeta", "filterOnly(algosync.boosts)"]}
    needed = {"algosync.price_band", "algosync.boosts", "brand", "colour", "algosync.on_sale"}
    assert missing_declarations(settings, needed) == [
        *settings["attributesForFaceting"],
        "filterOnly(algosync.on_sale)",
        "filterOnly(algosync.price_band)",
    ]
    assert undeclared(settings, needed) == ("algosync.on_sale", "algosync.price_band", "colour")
    assert missing_declarations({}, ["brand"]) == []


names = st.sampled_from(["brand", "algosync.boosts", "algosync.on_sale", "colour"])


@given(st.lists(st.tuples(names, st.sampled_from(["{}", "searchable({})", "filterOnly({})"]))), st.sets(names))
def test_proposing_twice_proposes_nothing_new(entries, needed) -> None:
    own = [form.format(name) for name, form in entries]
    proposed = missing_declarations({"attributesForFaceting": own}, needed)
    assert proposed[: len(own)] == own
    assert missing_declarations({"attributesForFaceting": proposed}, needed) == proposed
    assert {n for n in needed if n.startswith("algosync.")} <= declared_facets(proposed)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"ranking": ["typo", "geo", "words", "filters", "custom"]}, []),
        ({"ranking": ["typo", "custom"]}, ["no `filters`"]),
        ({"ranking": ["asc(price)", "typo", "filters"]}, ["sorts by"]),
        ({"ranking": ["filters", "asc(price)"]}, []),
        ({"enablePersonalization": True}, ["enablePersonalization"]),
    ],
)
def test_settings_that_make_filters_inert(settings, words) -> None:
    found = inert_reasons(settings)
    assert len(found) == len(words)
    assert all(word in reason for word, reason in zip(words, found, strict=True))


@given(
    theirs=st.lists(
        st.sampled_from(["brand", "searchable(algosync.boosts)", "filterOnly(algosync_x)", "filterOnly(c)"])
    ),
    needed=st.sets(st.sampled_from(["algosync.boosts", "algosync.on_sale", "brand"])),
)
def test_what_setup_adds_and_nothing_else_is_our_own(theirs, needed) -> None:
    after = missing_declarations({"attributesForFaceting": theirs}, needed)

    assert [entry for entry in after if not is_own_declaration(entry)] == theirs
    assert not is_own_declaration("filterOnly(algosync.boosts")
