"""Whatever an API does and wherever runs break off: in the end the log holds every event once."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, count, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import SourceError
from algosync.events.clean import clean
from algosync.events.mapping import EventMapping, apply
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_places import Paging, Size
from algosync.events.sources.http_since import Since
from algosync.events.writer import CommittingWriter
from algosync.stores.state import open_state

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="allow")
MAPPING = EventMapping(
    columns={"timestamp": "at", "user_token": "who", "object_id": "product"}, constants={"event_type": "view"}
)
PAGINGS = {
    "link": Paging(),
    "url": Paging(by="url", field="next"),
    "token": Paging(by="token", field="next", parameter="after", more="more"),
    "offset": Paging(by="offset", parameter="after"),
    "page": Paging(by="page", parameter="page", first=1),
}
FAULTS = {
    "500": (500, b"", {}),
    "429": (429, b"", {"Retry-After": "0"}),
    "html": (200, b"<html>", {}),
    "hangs up": None,
    "elsewhere": (302, b"", {"Location": "https://elsewhere.example/"}),
}


def event(n: int) -> dict:
    return {"at": (BEGIN + timedelta(minutes=n)).isoformat(), "who": "anna", "product": f"p{n}"}


class Api:
    """Events in pages, with faults."""

    def __init__(self, paging: str, events: list[int], *, size: int, newest_first: bool, faults: list[str]) -> None:
        self.paging, self.events, self.size, self.newest_first = paging, list(events), size, newest_first
        self.faults = chain(faults, repeat(""))
        self.before = None

    def __call__(self, verb, path, headers, body):
        fault = next(self.faults)
        told = self.page({name: values[-1] for name, values in parse_qs(urlsplit(path).query).items()})
        if fault == "stale" and self.before is not None:
            # An answer of a moment ago, but not for ever.
            told, self.before = self.before, None
            return told
        self.before = told
        if fault == "cut":
            return 200, told[1][:-2], {}
        return FAULTS.get(fault, told)

    def page(self, query):
        since = datetime.fromisoformat(query.get("since", BEGIN.isoformat()))
        found = [event(n) for n in self.events if BEGIN + timedelta(minutes=n) >= since]
        if self.newest_first:
            found.reverse()
        start = int(query.get("after") or (int(query.get("page", 1)) - 1) * self.size)
        end = start + self.size
        rows, more = found[start:end], end < len(found)
        since = f"&since={query['since'].replace('+', '%2B')}" if "since" in query else ""
        link = f"?after={end}{since}"
        if self.paging == "link":
            return 200, orjson.dumps(rows), {"Link": f'<{link}>; rel="next"'} if more else {}
        told = {"url": link, "token": end}.get(self.paging) if more else None
        return 200, orjson.dumps({"rows": rows, "next": told, "more": more}), {}


@pytest.fixture(scope="module")
def served(answering):
    place = {}

    def tell(*request):
        return place["api"](*request)

    with answering(tell) as url, stamina.set_testing(True, attempts=2, cap=True):
        yield place, url


def one_run(source, writer, con, crash: int | None = None) -> None:
    """Reads; `crash` is the batch before whose commit it breaks off."""
    with suppress(SourceError):
        for number, batch in enumerate(source.batches(writer.log.cursor("shop"))):
            if number == crash:
                return
            cleaned = clean(con, apply(batch, MAPPING), RULES)
            writer.append(cleaned, cursor=batch.cursor, source="shop", products=PRODUCT_REFS.empty_table())


@settings(max_examples=settings().max_examples // 2)
@given(
    paging=st.sampled_from(sorted(PAGINGS)),
    since=st.booleans(),
    newest_first=st.booleans(),
    first=st.lists(st.integers(0, 30), max_size=15, unique=True),
    later=st.lists(st.integers(31, 60), max_size=15, unique=True),
    size=st.integers(1, 6),
    pages_max=st.integers(2, 5),
    batch_rows=st.integers(1, 9),
    faults=st.lists(st.sampled_from(["", *FAULTS, "cut", "stale"]), max_size=30),
    crashes=st.lists(st.integers(0, 6), max_size=6),
)
def test_every_event_once(  # one argument a dimension
    served, con, paging, since, newest_first, first, later, size, pages_max, batch_rows, faults, crashes
):
    place, url = served
    newest_first = newest_first and since
    api = place["api"] = Api(paging, sorted(first), size=size, newest_first=newest_first, faults=faults)
    source = HttpSource(
        name="shop",
        url=f"{url}/events",
        rows=None if paging == "link" else "rows",
        paging=PAGINGS[paging],
        size=Size(parameter="limit", rows=size),
        since=Since(field="at", parameter="since") if since else None,
        pages_max=pages_max,
        batch_rows=batch_rows,
    )
    whole = {f"p{n}" for n in {*first, *later}}
    with (
        TemporaryDirectory() as folder,
        open_state("sqlite", Path(folder), create=True) as state,
        CommittingWriter(state) as writer,
    ):
        runs = count()
        while (run := next(runs)) < 3 or writer.log.size().events < len(whole):
            assert run < 150, "it does not come to its end"
            if run == 2:
                api.events += sorted(later)
            one_run(source, writer, con, crashes[run] if run < len(crashes) else None)
            api.before = None
        for _ in range(3):
            one_run(source, writer, con)
        assert writer.log.size().events == len(whole)
        assert set(writer.log.ids("object").column("value").to_pylist()) == whole
