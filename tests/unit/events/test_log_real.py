"""The log over real shop events, counted against the file itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from algosync.events.clean import check_share, clean
from algosync.events.log import EventLog
from algosync.events.mapping import apply
from algosync.events.presets.registry import load
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources.files import FilesSource
from algosync.events.writer import Appended, CommittingWriter
from algosync.stores.state import State, open_state

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def pulled(state: State, con: duckdb.DuckDBPyConnection, path: Path, batch_rows: int) -> Appended:
    source, total = FilesSource(name="shop", path=str(path), batch_rows=batch_rows), Appended()
    with CommittingWriter(state) as writer:
        for batch in source.batches(writer.log.cursor("shop")):
            rules = CleanRules(source="shop", now=NOW, newest=writer.log.newest(), consent_missing="allow")
            cleaned = clean(con, apply(batch, load("rees46")), rules)
            check_share(cleaned, 0.2)
            refs = PRODUCT_REFS.empty_table()
            total += writer.append(cleaned, cursor=batch.cursor, source="shop", products=refs)
    return total


def test_every_row_of_a_real_file_is_accounted_for(con, tmp_path, shared_data):
    path = shared_data / "rees46" / "events.csv"
    lines = path.read_text().splitlines()[1:]
    whole = {line for line in lines if line.count(",") == 8}
    sizes = []
    for batch_rows in (250_000, 4_000):
        with open_state("sqlite", tmp_path / str(batch_rows), create=True) as state:
            total = pulled(state, con, path, batch_rows)
            assert (total.read, total.rejected) == (len(lines), 1)
            assert total.accepted == len(whole)
            assert total.duplicates == len(lines) - 1 - len(whole)
            log = EventLog(state)
            assert log.products(con).num_rows == len({line.split(",")[2] for line in whole})
            assert log.ids("token").num_rows == len({line.split(",")[7] for line in whole})
            again = pulled(state, con, path, batch_rows)
            assert again.accepted == 0
            assert EventLog(state).size() == log.size()
            log.view(con)
            query = "SELECT count(*), epoch_us(min(ts)), epoch_us(max(ts)), sum(key_lo % 1000) FROM events"
            sizes.append(con.sql(query).fetchall())
    assert sizes[0] == sizes[1]
