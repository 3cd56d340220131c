"""What programs write as JSON and JSON has not: it costs its own record, no other one, and gets no further."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
import stamina

from algosync.errors import SourceError
from algosync.events import quarantine
from algosync.events.clean import clean
from algosync.events.mapping import EventMapping, apply
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources import arrays
from algosync.events.sources.files import FilesSource
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_places import Paging
from algosync.events.writer import CommittingWriter
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="allow")
COLUMNS = {"timestamp": "at", "user_token": "who", "object_id": "product", "price": "price"}
MAPPING = EventMapping(columns=COLUMNS, constants={"event_type": "view"}, product={"name": "name"})

NUMBER = "is no JSON: a number is NaN, infinite or too large"
HALF = "is no JSON: half a character, a lone surrogate"
DEEP = "is nested over 100 levels deep"
BYTES = "is not UTF-8; a source of another encoding needs its name in the settings"
FLAWS = [
    pytest.param(b'"price": NaN', NUMBER, '"price":NaN', id="nan"),
    pytest.param(b'"price": -Infinity', NUMBER, '"price":-Infinity', id="infinity"),
    pytest.param(b'"price": 1e999', NUMBER, '"price":Infinity', id="overflow"),
    pytest.param(b'"price": ' + b"9" * 5000, NUMBER, '"price":Infinity', id="digits"),
    pytest.param(b'"price": 1, "odd": [{"deep": NaN}]', NUMBER, '"deep":NaN', id="nested"),
    pytest.param(b'"price": 1, "name": "a\\ud83d"', HALF, r'"name":"a\ud83d"', id="half"),
    pytest.param(b'"price": 1, "name": "\xed\xa0\xbd"', HALF, r'"name":"\ud83d"', id="raw-half"),
    pytest.param(b'"price": 1, "odd": ' + b"[" * 100 + b"]" * 100, DEEP, '"odd":[[[', id="deep"),
    pytest.param(b'"price": 1, "odd": ' + b'{"a":' * 500 + b"NaN" + b"}" * 500, DEEP, '"odd":{"a":{"a":', id="deeper"),
    pytest.param(b'"price": 1, "name": "K\xe4se"', BYTES, r'"name":"K\xe4se"', id="bytes"),
    pytest.param(b'"price": 1, "name": "\xc3", "\xf6": 1', BYTES, r'"name":"\xc3","\xf6":1', id="bytes-in-key"),
    pytest.param(b'"price": 1, "name": "\xe4 \\ud83d"', HALF, r'"name":"\udce4 \ud83d"', id="bytes-and-half"),
    pytest.param(b'"price": NaN, "\\udc00": "K\xc3\xa4se"', HALF, '"\\udc00":"Käse"', id="key"),
]


def record(name: str, rest: bytes) -> bytes:
    return b'{"at": "2026-11-22T10:00:00Z", "who": "anna", "product": "%s", %s}' % (name.encode(), rest)


def array(records):
    return b"[" + b",\n".join(records) + b"]"


def lines(records):
    return b"\n".join(records)


@pytest.fixture
def page(served):
    """Serves a body as the only page; gives the source."""
    place, url = served

    def put(body, **options):
        place["api"] = lambda *request: (200, body, {})
        return HttpSource(name="shop", url=f"{url}/events", **options)

    with stamina.set_testing(True, attempts=2, cap=True):
        yield put


def kept(source, con, folder):
    """Products in the log, the quarantine's rows, and the number of rows that a second reading finds."""
    with open_state("sqlite", folder, create=True) as state, CommittingWriter(state) as writer:
        read = []
        for _ in range(2):
            read.append(0)
            for batch in source.batches(writer.log.cursor("shop")):
                cleaned = clean(con, apply(batch, MAPPING), RULES)
                writer.append(cleaned, cursor=batch.cursor, source="shop", products=PRODUCT_REFS.empty_table())
                read[-1] += cleaned.read
        products = writer.log.ids("object").column("value").to_pylist()
        return sorted(products), quarantine.listed(state, quarantine.Which(source="shop")), read


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("form", ["json", "ndjson"])
@pytest.mark.parametrize(("flaw", "reason", "shown"), FLAWS)
def test_a_flawed_record_of_a_page_is_turned_away_alone(page, con, tmp_path, form, flaw, reason, shown, last):
    records = [record("p1", b'"price": 1'), record("flawed", flaw), record("p2", b'"price": 2')]
    if last:
        records.append(records.pop(1))
    body = array(records) if form == "json" else lines(records)
    products, turned_away, read = kept(page(body, form=form), con, tmp_path)
    assert products == ["p1", "p2"]
    [row] = turned_away
    assert (row.reason, shown in orjson.loads(row.row)) == (reason, True)
    assert read == [3, 0]


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize(("flaw", "reason", "shown"), FLAWS)
def test_a_flawed_record_of_a_file_is_turned_away_alone(con, tmp_path, form, flaw, reason, shown):
    records = [record("flawed", flaw), record("p1", b'"price": 1'), record("p2", b'"price": 2')]
    path = tmp_path / f"events.{form}"
    path.write_bytes(array(records) if form == "json" else lines([*records, b""]))
    products, turned_away, read = kept(FilesSource(name="shop", path=str(path)), con, tmp_path / "state")
    assert products == ["p1", "p2"]
    assert [row.reason for row in turned_away] == [reason]
    assert read == [3, 0]


def test_a_file_whose_only_line_is_flawed_is_no_document(con, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(record("flawed", b'"price": NaN') + b"\n")
    _, [row], read = kept(FilesSource(name="shop", path=str(path)), con, tmp_path / "state")
    assert (row.position, row.reason, read) == ("events.jsonl:1", NUMBER, [1, 0])


def test_what_stands_beside_the_records_may_be_flawed_unless_it_leads_on(page):
    paging = Paging(by="token", field="next", parameter="after")
    source = page(b'{"took": NaN, "rows": [{"id": 1}], "next": null}', rows="rows", paging=paging)
    assert [batch.table.to_pylist() for batch in source.batches(None)] == [[{"id": 1}]]
    source = page(b'{"rows": [{"id": 1}], "next": "a\\ud800"}', rows="rows", paging=paging)
    with pytest.raises(SourceError, match=r"next\.field 'next' holds half a character"):
        list(source.batches(None))
    source = page(b'{"a\\ud800": []}', rows="rows", paging=paging)
    with pytest.raises(SourceError, match=r"no array at rows = 'rows'. Check rows and url; there are: a\\ud800"):
        list(source.batches(None))


def test_what_stands_deep_enough_to_be_odd_is_still_read(con, page, tmp_path):
    body = array([record("p1", b'"odd": ' + b'{"a":' * 99 + inner + b"}" * 99) for inner in (b"1", b'"a"')])
    products, turned_away, _ = kept(page(body), con, tmp_path)
    assert (products, turned_away) == (["p1"], [])


def test_json_text_holds_no_half_characters():
    assert arrays.dumps({"ä": "\ud800", "n": 2**70}) == '{"ä":"\\ud800","n":1180591620717411303424}'
