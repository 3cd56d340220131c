"""Audiences: who is in them and with what, and files that are there whole or not at all; on both databases."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from algosync.errors import StoreError
from algosync.operate.audience import Wish, file, stream, write
from algosync.stores.roster import roster
from algosync.stores.snapshot import SNAPSHOT, Change, Delta, Snapshot
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AFFINITIES = {"brand": {"Apple": 20, "Sony": 10}, "categories": {"Phones": 20, 'Books, "old"': 12}}


@pytest.fixture
def shelf(state_url, tmp_path, anna):
    people = {
        name: {**anna, "person": name, "affinities": affinities}
        for name, affinities in (("anna", AFFINITIES), ("ben", {}), ("cleo", AFFINITIES), ("dora", AFFINITIES))
    }
    entered = [Change(person=name, segment=segment, why="") for name in people for segment in ("books", "phones")]
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state:
        snapshot = Snapshot(state)
        snapshot.publish(
            Delta(
                people=people, tokens={"t2": "anna", "t1": "anna"}, entered=entered, as_of="2026-11-20T00:00:00+00:00"
            )
        )
        gone = [Change(person="dora", segment="books", why="")]
        snapshot.publish(Delta(people=people, tokens={"t2": "anna", "t1": "anna"}, left=gone, as_of=NOW.isoformat()))
        yield state


def exported(shelf, form, top=3, refused=()):
    to = io.BytesIO()
    wish = Wish(segment="books", format=form, top=top, at=NOW)
    with roster(shelf, "books") as members:
        counts = write(members, wish, lambda people: ["no" if t[0] in refused else None for t in people], to)
    return counts, to.getvalue().decode()


def test_members_are_exported_with_what_they_like_most(shelf):
    counts, text = exported(shelf, "jsonl")
    anna, ben, cleo = map(json.loads, text.splitlines())
    assert anna == {
        "userToken": "anna",
        "userTokens": ["anna", "t1", "t2"],
        "segment": "books",
        "since": "2026-11-20T00:00:00+00:00",
        "visit": "returning",
        "state": "user",
        "affinities": [
            {"facet": "brand", "value": "Apple", "score": 20},
            {"facet": "categories", "value": "Phones", "score": 20},
            {"facet": "categories", "value": 'Books, "old"', "score": 12},
        ],
    }
    assert (ben["userToken"], ben["affinities"], cleo["userTokens"]) == ("ben", [], ["cleo"])
    assert (counts.members, counts.exported, counts.left_out) == (3, 3, {})


def test_the_rows_of_a_table_are_all_equally_wide(shelf):
    _, text = exported(shelf, "csv", top=4)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["userToken"] for row in rows] == ["anna", "ben", "cleo"]
    assert json.loads(rows[0]["userTokens"]) == ["anna", "t1", "t2"]
    assert (rows[0]["affinity_3_value"], rows[0]["affinity_3_score"]) == ('Books, "old"', "12")
    assert (rows[1]["affinity_1_facet"], rows[1]["affinity_4_score"]) == ("", "")
    assert None not in rows[0]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_liking_is_a_formula_to_a_spreadsheet_and_jsonl_holds_it_as_it_is(shelf, anna, sign):
    value, name = f'{sign}HYPERLINK("https://evil.example")', "-Tkn=/+_"
    doc = {**anna, "person": name, "affinities": {f"{sign}facet": {value: 7, "plain = 1": 3}}}
    entered = [Change(person=name, segment="books", why="")]
    Snapshot(shelf).publish(Delta(people={name: doc}, tokens={}, entered=entered, as_of=NOW.isoformat()))
    _, text = exported(shelf, "csv")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["userToken"] == name  # which stays what it is elsewhere: its signs make no formula that does anything
    assert (row["affinity_1_facet"], row["affinity_1_value"]) == (f"'{sign}facet", f"'{value}")
    assert row["affinity_2_value"] == "plain = 1"
    (line,) = exported(shelf, "jsonl")[1].splitlines()
    assert json.loads(line)["affinities"][0] == {"facet": f"{sign}facet", "value": value, "score": 7}


def test_whoever_may_not_be_named_is_counted_alone(shelf):
    counts, text = exported(shelf, "csv", top=0, refused={"anna", "cleo"})
    assert text.splitlines() == [
        "userToken,userTokens,segment,since,visit,state",
        'ben,"[""ben""]",books,2026-11-20T00:00:00+00:00,returning,user',
    ]
    assert (counts.members, counts.exported, counts.left_out) == (3, 1, {"no": 2})


def test_many_members_are_asked_about_some_at_a_time(shelf):
    asked = []

    def refusals(people):
        asked.append(len(people))
        return [None] * len(people)

    with roster(shelf, "books") as members:
        many = [member for member in members for _ in range(400)]
    counts = write(many, Wish(segment="books", format="jsonl", top=1, at=NOW), refusals, io.BytesIO())
    assert (counts.exported, asked) == (1200, [500, 500, 200])


def test_a_file_is_there_once_it_is_whole_for_its_owner_alone(tmp_path):
    path = tmp_path / "books.csv"
    path.write_text("of last week")
    with file(path) as (to, done):
        to.write(b"of today")
        assert path.read_text() == "of last week"
        done()
    assert path.read_text() == "of today"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_a_file_that_was_not_finished_nothing_is_left(tmp_path):
    path = tmp_path / "books.csv"
    with suppress(KeyError), file(path) as (to, _):
        to.write(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_that_is_said(tmp_path):
    with pytest.raises(StoreError, match=r"cannot be written.*--out"), file(tmp_path / "nowhere" / "books.csv"):
        pass


def test_a_stream_is_given_all_or_nothing():
    to = io.BytesIO()
    with suppress(KeyError), stream(to) as (made, _):
        made.write(b"half")
        raise KeyError
    assert to.getvalue() == b""
    with stream(to) as (made, done):
        made.write(b"whole")
        done()
    assert to.getvalue() == b"whole"
