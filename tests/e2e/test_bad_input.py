"""Bad input: survived, counted, and each row turned away with its reason."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
from sqlalchemy import create_engine, text

from algosync.errors import ConfigError, SourceError, StoreError

pytestmark = pytest.mark.e2e

HEADER = "at,who,what,product,price,quantity,consent"
CSV = {
    "path": "events.csv",
    "columns": {
        "timestamp": "at",
        "user_token": "who",
        "event_type": "what",
        "object_id": "product",
        "price": "price",
        "quantity": "quantity",
        "consent": "consent",
    },
}
GOOD = [f"2026-11-20T10:{n:02d}:00Z,visitor-{n % 3},view,book-{1 + n % 8},,,for_you" for n in range(40)]


@pytest.fixture
def pull(shop):
    """pull(lines, …) writes a CSV file and pulls it; returns the counts and (position, reason) of each bad row."""
    shop.feed([{"objectID": f"book-{n}", "categories": ["Books"], "price": 20} for n in range(1, 9)])
    shop.configure(events={"rejected_share_max": 1.0})

    def pulled(lines, *, encoding="utf-8", newline="\n", **over):
        content = (newline.join([HEADER, *lines]) + newline).encode(encoding, "surrogateescape")
        (shop.folder / "events.csv").write_bytes(content)
        shop.source(**{**CSV, "timezone": None, **over})
        counts = shop.runtime().pull()["events"]
        assert counts["read"] == counts["accepted"] + counts["rejected"] + counts["duplicates"]
        rows = shop.runtime().quarantine_list(source=None, limit=100)["rows"]
        assert len(rows) == counts["rejected"]
        return counts, [(row["position"].removeprefix("events.csv:"), row["reason"]) for row in rows]

    pulled.shop = shop
    return pulled


REASONS = {
    "2026-11-20 10:00:00,v,view,book-1,,,": "timestamp has no offset and the source no timezone",
    "2027-11-20T10:00:00Z,v,view,book-1,,,": "timestamp is in the future",
    "1999-12-31T10:00:00Z,v,view,book-1,,,": "timestamp is older than events may be",
    "last week,v,view,book-1,,,": "timestamp cannot be read",
    ",v,view,book-1,,,": "timestamp is missing",
    "2026-11-20T10:00:01Z,,view,book-1,,,": "user_token is empty",
    f"2026-11-20T10:00:02Z,{'v' * 129},view,book-1,,,": "user_token is longer than 128 characters",
    "2026-11-20T10:00:03Z,anna@example.com,view,book-1,,,": "user_token has characters other than",
    "2026-11-20T10:00:04Z,v,transaction,book-1,,,": "event_type is unknown: allowed are",
    "2026-11-20T10:00:05Z,v,,book-1,,,": "event_type is missing",
    "2026-11-20T10:00:06Z,v,purchase,book-1,cheap,1,": "price is not a number",
    "2026-11-20T10:00:07Z,v,purchase,book-1,-3,1,": "price is negative",
    "2026-11-20T10:00:08Z,v,purchase,book-1,3,1.5,": "quantity is not a whole number",
    "2026-11-20T10:00:09Z,v,view,book-1,3,-1,": "quantity is negative: only a purchase can be returned",
    "2026-11-20T10:00:10Z,v,view,book-1,,,perhaps": "consent is unknown",
    "2026-11-20T10:00:11Z,v,view": "3 columns",
    "2026-11-20T10:00:12Z,v,view,book-1,,,,,,one too many": "10 columns",
}


def test_every_bad_row_is_turned_away_with_its_own_reason(pull):
    counts, rows = pull([*GOOD, *REASONS])
    assert (counts["accepted"], counts["rejected"]) == (len(GOOD), len(REASONS))
    found = dict(rows)
    for number, reason in enumerate(REASONS.values(), start=len(GOOD) + 2):
        assert reason in found[str(number)]
    assert pull.shop.runtime().pull()["events"]["read"] == 0
    shown = pull.shop.runtime().quarantine_list(source=None, limit=1)["rows"][0]
    assert json.loads(shown["row"])["at"] == "2026-11-20 10:00:00"


def test_naive_timestamps_take_the_zone_of_their_source(pull):
    counts, _ = pull(["2026-11-20 10:00:00,v,view,book-1,,,"], timezone="Europe/Berlin")
    assert counts["accepted"] == 1
    assert pull.shop.runtime().status()["log"]["newest"] == "2026-11-20T09:00:00+00:00"


def test_line_ends_and_encodings(pull):
    lines = [*GOOD, "2026-11-20T11:00:00Z,m\xfcller,view,book-1,,,"]
    counts, rows = pull(lines, encoding="latin-1", newline="\r\n")
    assert counts["accepted"] == 40
    assert rows == [("42", rows[0][1])]
    assert rows[0][1] == "is not valid in the source's encoding"
    # Named rightly, the row is read, and only its token is at fault.
    renamed = "events-latin.csv"
    (pull.shop.folder / renamed).write_bytes("\r\n".join([HEADER, *lines, ""]).encode("latin-1"))
    pull.shop.source(**{**CSV, "path": renamed, "name": "latin", "encoding": "latin-1"})
    assert pull.shop.runtime().pull()["events"]["rejected"] == 1
    (row,) = pull.shop.runtime().quarantine_list(source="latin", limit=5)["rows"]
    assert row["reason"].startswith("user_token has characters")
    columns = {**CSV["columns"], "user_token": {"from": "who", "transform": "safe"}}
    pull.shop.source(**{**CSV, "path": renamed, "name": "safe", "encoding": "latin-1", "columns": columns})
    assert pull.shop.runtime().pull()["events"]["accepted"] == 41


def test_a_missing_column_is_named_with_the_closest(pull):
    with pytest.raises(SourceError, match="user_token") as error:
        pull(GOOD, columns={**CSV["columns"], "user_token": "whom"})
    assert "Did you mean who?" in str(error.value)
    assert pull.shop.runtime().status()["log"]["events"] == 0


def test_alien_columns_and_mixed_types_pass(pull):
    shop = pull.shop
    rows = [
        {"at": 1_795_168_800, "who": 12345, "what": "view", "product": 7, "basket": {"lines": [1, 2]}},
        {"at": 1_795_168_860_000, "who": "v", "what": "view", "product": "book-1", "colour": None},
        {"at": "2026-11-20T10:02:00+02:00", "who": "v", "what": "view", "product": "book-1", "price": "19.90"},
        {"at": "2026-11-20T10:03:00Z", "who": True, "what": "view", "product": "book-1", "price": 5},
        ["no", "object"],
        {"at": {"year": 2026}, "who": "v", "what": "view", "product": "book-1"},
    ]
    lines = [json.dumps(row) for row in rows]
    (shop.folder / "mixed.jsonl.gz").write_bytes(gzip.compress(("\n".join([*lines, '{"at": "2026']) + "\n").encode()))
    optional = {"timestamp": "at", "user_token": "who", "event_type": "what", "object_id": "product", "price": "price"}
    shop.source("mixed.jsonl.gz", columns=optional)
    counts = shop.runtime().pull()["events"]
    assert (counts["read"], counts["accepted"], counts["rejected"]) == (7, 4, 3)
    assert counts["waiting"] == 1
    assert shop.runtime().status()["log"]["newest"] == "2026-11-20T10:03:00+00:00"


def test_a_return_takes_from_its_order_and_never_from_a_view(small):
    small.lighten()
    small.events(
        [
            {"at": "2026-11-19T10:00:00Z", "who": "caller-1", "what": "purchase", "product": "lamp-3",
             "order": "o1", "price": 25, "quantity": 2},
            {"at": "2026-11-20T10:00:00Z", "who": "caller-1", "what": "purchase", "product": "lamp-3",
             "order": "o1", "price": 25, "quantity": -2},
            {"at": "2026-11-20T10:01:00Z", "who": "looker", "what": "purchase", "product": "lamp-4",
             "order": "o2", "price": 60, "quantity": 1},
        ]
    )  # fmt: skip
    report = small.sync()
    assert report["events"]["accepted"] == 42
    categories = {a["value"] for a in small.runtime().explain("caller-1")["affinities"] if a["facet"] == "categories"}
    assert categories == {"Phones", "Electronics"}
    (home,) = [a for a in small.runtime().explain("looker")["affinities"] if a["facet"] == "categories"]
    assert (home["value"], home["event_count"]) == ("Home", 2)
    assert 30.9 < home["points"] < 31  # a purchase now, and a view of two days before


def test_what_was_returned_is_not_popular(synced):
    bought = {"at": "2026-11-17T10:00:00Z", "who": "walker", "what": "purchase", "product": "lamp-3", "order": "o1"}
    content = synced.content()
    synced.events([{**bought, "quantity": 1}, {**bought, "at": "2026-11-17T11:00:00Z", "quantity": -1}])
    assert synced.sync()["events"]["accepted"] == 2
    assert synced.content()["products"] == content["products"]


def test_events_of_unknown_products_wait_and_are_resolved_once(synced):
    synced.events([{"at": "2026-11-20T10:00:00Z", "who": "v", "what": "view", "product": "lamp-9"}] * 2)
    counts = synced.runtime().pull()["events"]
    assert (counts["accepted"], counts["duplicates"], counts["waiting"], counts["resolved"]) == (1, 1, 1, 0)
    synced.feed([{"objectID": "lamp-9", "name": "Lamp 9", "categories": ["Home"], "price": 70}])
    assert synced.runtime().pull()["events"]["resolved"] == 1
    synced.feed([{"objectID": "lamp-9", "name": "Lamp 9", "categories": ["Garden"], "price": 90}])
    assert synced.runtime().pull()["events"]["resolved"] == 0


def test_consent_missing_or_denied_counts_in_aggregates_alone(small):
    small.configure(events={"consent_missing": "deny"}, related={"kinds": []})
    saw = [
        {"at": f"2026-11-20T10:{n:02d}:00Z", "who": who, "what": "view", "product": f"phone-{n}", "consent": consent}
        for who, consent in (("willing", "for_you"), ("refusing", "not_personalized"), ("silent", None))
        for n in range(1, 5)
    ]
    small.events(saw)
    report = small.sync()
    assert report["events"]["no_consent"] == 39 + 8
    assert report["people"] == 1
    assert report["left_out_of_profiles"] == {"no_consent:denied": 4, "no_consent:missing": 43}
    for name in ("refusing", "silent", "reader-1"):
        found = small.runtime().explain(name)
        assert (found["events"], found["affinities"]) == (0, [])
        assert found["answer"]["strategy"] == "content"
    assert len([name for name in small.records("algosync_payloads") if not name.startswith("segment-")]) == 1
    assert small.ours("book-4")["popularity"] == 10  # in aggregates they count


def test_an_empty_file_and_no_file(pull):
    (pull.shop.folder / "events.csv").write_bytes(b"")
    pull.shop.source(**CSV)
    assert pull.shop.runtime().pull()["events"]["read"] == 0
    pull.shop.source(**{**CSV, "path": "elsewhere.csv"})
    with pytest.raises(SourceError, match=r"elsewhere\.csv"):
        pull.shop.runtime().pull()


def test_a_file_that_grows_is_read_on_from_where_it_ended(pull):
    half = GOOD[30][:-20]
    path = pull.shop.folder / "events.csv"
    path.write_text("\n".join([HEADER, *GOOD[:30], half]), encoding="utf-8")
    pull.shop.source(**CSV)
    first = pull.shop.runtime().pull()["events"]
    assert (first["accepted"], first["rejected"]) == (30, 1)  # the row that is being written
    path.write_text("\n".join([HEADER, *GOOD, ""]), encoding="utf-8")
    second = pull.shop.runtime().pull()["events"]
    assert second["accepted"] == 10
    assert second["read"] <= 11
    assert pull.shop.runtime().quarantine_list(source=None, limit=9)["total"] == 0
    assert pull.shop.runtime().status()["log"]["events"] == 40


def _orders(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sold (id INTEGER PRIMARY KEY, at TEXT, who TEXT, product TEXT)"))
        rows = [{"n": n, "at": f"2026-11-20T10:{n:02d}:00Z", "p": f"book-{n}"} for n in range(1, 6)]
        connection.execute(text("INSERT INTO sold VALUES (:n, :at, 'v', :p)"), rows)
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_goes_away_loses_nothing(pull, kind, request, tmp_path):
    shop = pull.shop
    place = tmp_path / "sold.sqlite"
    url = f"sqlite:///{place}" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    _orders(url)
    files = {"name": "shop", "type": "files", "timezone": "UTC", **CSV}
    columns = {"timestamp": "at", "user_token": "who", "object_id": "product"}
    sold = {"name": "sold", "type": "sql", "table": "sold", "cursor_column": "id", "columns": columns}
    sold |= {"constants": {"event_type": "purchase"}, "url": url}
    (shop.folder / "events.csv").write_text("\n".join([HEADER, *GOOD[:5], ""]), encoding="utf-8")
    shop.configure(sources=[sold, files])
    assert shop.runtime().pull()["events"]["accepted"] == 10

    with (shop.folder / "events.csv").open("a", encoding="utf-8") as file:
        file.write("\n".join([*GOOD[5:10], ""]))
    if kind == "sqlite":
        place.rename(tmp_path / "away")
    else:
        shop.configure(sources=[{**sold, "url": url.replace("host=", "host=/nowhere")}, files])
    with pytest.raises(SourceError) as error:
        shop.runtime().pull()
    assert error.value.action == "retry"
    assert "secret" not in str(error.value)
    assert shop.runtime().status()["log"]["events"] == 15  # the other source was read

    if kind == "sqlite":
        (tmp_path / "away").rename(place)
    shop.configure(sources=[sold, files])
    again = shop.runtime().pull()["events"]
    assert (again["accepted"], again["duplicates"]) == (0, again["read"])
    runs = shop.runtime().status()["runs"]
    assert Counter(run["outcome"] == "done" for run in runs) == {True: 2, False: 1}


def test_a_state_that_cannot_be_reached_says_so(synced, postgresql_url):
    synced.configure(state={"url": postgresql_url.replace("host=", "host=/nowhere")})
    there = synced.content()
    with pytest.raises(StoreError) as error:
        synced.sync()
    assert "secret" not in str(error.value)
    synced.configure(state={"url": "mysql://root@localhost/shop"})
    with pytest.raises(StoreError, match="mysql is not supported"):
        synced.sync()
    assert synced.content() == there


def test_an_index_that_does_not_exist(shop):
    shop.source("events.jsonl")
    shop.events([])
    with pytest.raises(Exception, match="products") as error:
        shop.sync()
    assert type(error.value).__name__ == "AlgoliaError"
    assert "does not exist" in str(error.value)


def test_settings_that_contradict_the_files(small):
    small.segments({"broken": {"when": {"affinity": {"facet": "colour", "value": "red"}}}})
    with pytest.raises(ConfigError, match=r"broken\.when\.affinity\.facet"):
        small.sync(dry_run=True)
