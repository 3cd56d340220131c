"""Pages of an API: how one leads to the next, and what the next run reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import stamina
import structlog

from algosync.errors import ConfigError, SourceError
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_places import Paging, Size
from algosync.events.sources.http_since import Since

KEY = "a-key-that-nobody-may-see"
SIZE = Size(parameter="limit", rows=3)
TOKEN = Paging(by="token", field="meta.next", parameter="cursor")
OFFSET = Paging(by="offset", parameter="offset")
PAGE = Paging(by="page", parameter="page", first=1)
LINK = Paging()
URL = Paging(by="url", field="meta.next")


def rows(first: int, last: int) -> list[dict]:
    return [{"id": n, "at": f"2026-11-{1 + n // 24:02d}T{n % 24:02d}:00:00Z"} for n in range(first, last + 1)]


class Api:
    """A shop's API over a list of events, oldest first, in every manner of paging at once."""

    def __init__(self) -> None:
        self.events = rows(1, 7)
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.newest_first = False
        self.more: bool | None = None
        self.url = ""

    def __call__(self, verb, path, headers, body):
        self.asked.append(path)
        self.headers = dict(headers)
        query = {name: values[-1] for name, values in parse_qs(urlsplit(path).query).items()}
        found = [one for one in self.events if one["at"] >= query.get("since", "")]
        if self.newest_first:
            found.reverse()
        size = int(query.get("limit", 3))
        start = int(query.get("offset") or query.get("cursor") or (int(query.get("page", 1)) - 1) * size)
        page, end = found[start : start + size], start + size
        meta, extra = {"next": None}, {}
        if end < len(found):
            since = f"&since={query['since']}" if "since" in query else ""
            kind = "&by-url=1" if "by-url" in path else ""
            url = f"{self.url}/events?limit={size}&cursor={end}{since}{kind}"
            meta["next"] = url if kind else str(end)
            extra["Link"] = f'<{url}>; rel="next", <{self.url}/events>; rel="first"'
        document = {"data": {"events": page}, "meta": {**meta, "more": end < len(found)}}
        return 200, orjson.dumps(document), extra


@pytest.fixture(autouse=True)
def _no_pauses():
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@pytest.fixture
def api(served):
    place, url = served
    place["api"] = made = Api()
    made.url = url
    return made


def source(api, paging=TOKEN, path="/events", **more) -> HttpSource:
    given = {"rows": "data.events", "size": SIZE, **more}
    return HttpSource(name="shop", url=api.url + path, paging=paging, **given)


def read(source, cursor=None):
    """The ids that are new since a cursor, and the cursor behind them."""
    found = []
    for batch in source.batches(cursor):
        found += batch.table.column("id").to_pylist() if "id" in batch.table.column_names else []
        cursor = batch.cursor
    return found, cursor


MANNERS = pytest.mark.parametrize(
    ("paging", "path"),
    [(LINK, "/events"), (URL, "/events?by-url=1"), (TOKEN, "/events"), (OFFSET, "/events"), (PAGE, "/events")],
    ids=["link", "url", "token", "offset", "page"],
)


@MANNERS
def test_all_pages_then_only_what_came_since(api, paging, path):
    shop = source(api, paging, path)
    found, cursor = read(shop)
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert list(shop.batches(cursor)) == []
    api.events += rows(8, 12)
    api.asked.clear()
    found, cursor = read(shop, cursor)
    assert set(found) - {7} == {8, 9, 10, 11, 12}  # the last page, which has grown, is read again
    assert not any("cursor=3" in path or "offset=3" in path for path in api.asked)
    assert read(shop, cursor) == ([], cursor)


@MANNERS
def test_a_run_reads_so_many_pages_and_the_next_goes_on_there(api, paging, path):
    shop = source(api, paging, path, pages_max=1)
    with structlog.testing.capture_logs() as logs:
        first, cursor = read(shop)
    assert first == [1, 2, 3]
    assert [(log["event"], log["setting"]) for log in logs] == [
        ("there are more pages than one run reads; the next run goes on there", "pages_per_run")
    ]
    found = list(first)
    # A page that is counted is asked for once more, so that two are needed to get on.
    shop = source(api, paging, path, pages_max=2)
    for _ in range(3):
        more, cursor = read(shop, cursor)
        found += more
    assert found == [1, 2, 3, 4, 5, 6, 7]


def test_answers_of_one_page(api):
    shop = source(api, LINK, size=None)
    api.events = rows(1, 2)
    found, cursor = read(shop)
    assert (found, read(shop, cursor)[0]) == ([1, 2], [])
    api.events = rows(1, 3)
    assert read(shop, cursor)[0] == [1, 2, 3]


def test_an_api_that_says_whether_there_is_more(api):
    paging = Paging(by="token", field="meta.next", parameter="cursor", more="meta.more")
    assert read(source(api, paging))[0] == [1, 2, 3, 4, 5, 6, 7]
    counted = Paging(by="offset", parameter="offset", more="meta.more")
    assert read(source(api, counted))[0] == [1, 2, 3, 4, 5, 6, 7]
    assert len(api.asked) == 6
    shop = source(api, Paging(by="token", field="meta.next", parameter="cursor", more="meta.next"))
    with pytest.raises(SourceError, match=r"'meta\.next' is neither true nor false"):
        read(shop)


def test_the_place_is_what_the_api_calls_next_even_where_it_says_that_this_is_all(answering):
    asked = []

    def tell(verb, path, headers, body):
        asked.append(path)
        token = int(urlsplit(path).query.partition("after=")[2] or 0)
        found = [{"id": token + 1}] if token < 3 else []
        return 200, orjson.dumps({"rows": found, "next": token + len(found), "more": token < 2}), {}

    with answering(tell) as url:
        paging = Paging(by="token", field="next", parameter="after", more="more")
        shop = HttpSource(name="s", url=url, rows="rows", paging=paging)
        found, cursor = read(shop)
        assert found == [1, 2, 3]
        asked.clear()
        assert read(shop, cursor) == ([], cursor)
        assert asked == ["/?after=3"]


def test_a_token_in_a_header(answering):
    def tell(verb, path, headers, body):
        return 200, orjson.dumps([{"id": path}]), {} if "after" in path else {"X-Next": "t 1"}

    with answering(tell) as url:
        paging = Paging(by="token", header="X-Next", parameter="after")
        assert read(HttpSource(name="s", url=f"{url}/e?x=1", paging=paging))[0] == ["/e?x=1", "/e?x=1&after=t+1"]


@pytest.mark.parametrize("newest_first", [False, True])
@MANNERS
def test_since_the_highest_value_of_the_pass_before(api, paging, path, newest_first):
    api.newest_first = newest_first
    shop = source(api, paging, path, since=Since(field="at", parameter="since"))
    found, cursor = read(shop)
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7]
    assert "since" not in api.asked[0]
    api.events += rows(8, 12)
    api.asked.clear()
    found, cursor = read(shop, cursor)
    assert sorted(found) == [7, 8, 9, 10, 11, 12]
    assert all("since=2026-11-01T07%3A00%3A00Z" in path or "since=2026-11-01T07:00:00Z" in path for path in api.asked)
    assert read(shop, cursor)[0] == [12]


def test_a_pass_that_broke_off_is_finished_before_the_next_begins(api):
    api.newest_first = True
    since = Since(field="at", parameter="since", start="2026-01-01")
    cut = source(api, since=since, pages_max=1)
    found, cursor = read(cut)
    assert found == [7, 6, 5]
    api.events += rows(8, 9)
    found, cursor = read(source(api, since=since), cursor)
    assert {4, 3, 2, 1} <= set(found)
    assert api.asked[-1].count("since=2026-01-01") == 1
    assert {8, 9} <= set(read(source(api, since=since), cursor)[0])


def test_a_lookback_reads_again_what_may_have_come_late(api):
    since = Since(field="at", parameter="since", lookback=timedelta(hours=2))
    _, cursor = read(source(api, since=since))
    assert read(source(api, since=since), cursor)[0] == [5, 6, 7]
    api.events = [{"id": 1, "at": "7"}]
    cursor = read(source(api, since=since))[1]
    with pytest.raises(ConfigError, match="lookback needs moments, at holds '7'"):
        read(source(api, since=since), cursor)


def test_what_counts_as_the_highest():
    def highest(*values, high=None, until=None):
        since = Since(field="a.b", parameter="since")
        return since.highest(high, [{"a": {"b": value}} for value in values], until)

    assert highest(9, 10, 2.5, None, True, "x") == 10
    assert highest("9", "10") == "10"
    assert highest("b", "a", "", {}) == "b"
    assert highest("2026-11-01T10:00:00+02:00", "2026-11-01T09:00:00Z") == "2026-11-01T09:00:00Z"
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert highest("2026-11-22", "2099-01-01T00:00:00Z", until=now) == "2026-11-22"
    assert highest(1, high=5) == 5
    assert highest() is None


def test_rows_without_the_field_are_told(api):
    shop = source(api, since=Since(field="changed", parameter="since"))
    with structlog.testing.capture_logs() as logs:
        found, _ = read(shop)
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert [log["event"] for log in logs] == ["no row has a usable since.field: every run reads from the start"]


def test_a_feed_in_no_order_is_read_from_the_start_each_time(api):
    api.newest_first = True
    shop = source(api, again=True)
    _, cursor = read(shop)
    api.events += rows(8, 9)
    assert {8, 9} <= set(read(shop, cursor)[0])


def test_page_numbers_mean_nothing_with_another_size(api):
    _, cursor = read(source(api, PAGE))
    api.asked.clear()
    read(source(api, PAGE, size=Size(parameter="limit", rows=5)), cursor)
    assert api.asked[0] == "/events?limit=5&page=1"


def test_batches_hold_so_many_rows_and_whole_pages(api):
    sizes = [batch.table.num_rows for batch in source(api, batch_rows=6).batches(None)]
    assert sizes == [6, 1]
    batches = list(source(api, size=Size(parameter="limit", rows=7), batch_rows=3).batches(None))
    assert [batch.table.num_rows for batch in batches] == [3, 3, 1]
    again = [list(source(api, size=Size(parameter="limit", rows=7)).batches(batch.cursor)) for batch in batches]
    # Only the last part of a page moves the place behind it.
    assert [len(found) for found in again] == [1, 1, 0]


def test_a_row_has_one_position_wherever_it_stands(api):
    api.events = [*rows(1, 4), *rows(2, 2)]
    whole = source(api, size=Size(parameter="limit", rows=5))
    [batch] = whole.batches(None)
    places = batch.positions.to_pylist()
    assert len(set(places)) == 5
    assert places[1].removesuffix("#1") == places[4].removesuffix("#2")
    api.events = rows(2, 4)
    [other] = whole.batches(None)
    assert other.positions.to_pylist() == places[1:4]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"key": KEY}, {"authorization": f"Bearer {KEY}"}),
        ({"key": KEY, "key_header": "X-Shop-Key"}, {"x-shop-key": KEY}),
        (
            {"headers": {"X-Version": "2", "accept": "application/json"}},
            {"x-version": "2", "accept": "application/json"},
        ),
    ],
)
def test_the_key_goes_along(api, given, sent):
    shop = source(api, **given)
    read(shop)
    assert sent.items() <= api.headers.items()
    assert KEY not in repr(shop)


def test_user_and_password(api):
    api.url = api.url.replace("//", "//anna:secret%40@")
    shop = source(api, OFFSET)
    read(shop)
    assert api.headers["authorization"] == "Basic YW5uYTpzZWNyZXRA"
    assert "secret" not in repr(shop)


def test_no_secret_in_a_cursor_though_the_api_repeats_it(answering):
    asked = []

    def tell(verb, path, headers, body):
        asked.append(path)
        n = int(path.rpartition("=")[2])
        if n >= 3:
            return 200, b"[]", {}
        link = f"/e?api_key={headers['x-key']}&token=sesame+open&page={n + 1}"
        return 200, orjson.dumps([{"id": n}]), {"Link": f'<{link}>; rel="next"'}

    with answering(tell) as url:
        given = {"name": "s", "url": f"{url}/e?token=sesame+open&page=1", "key": KEY, "key_header": "X-Key"}
        _, cursor = read(HttpSource(**given, pages_max=1))
        assert KEY not in cursor
        assert "sesame" not in cursor
        assert json.loads(cursor)["at"] == "/e?api_key=<key>&token=<url.token>&page=2"
        assert read(HttpSource(**given), cursor)[0] == [2]
        assert f"api_key={KEY}&token=sesame%20open&page=2" in asked[1]
        # Without what stood there that page cannot be asked for: reading begins anew.
        asked.clear()
        read(HttpSource(**{**given, "url": f"{url}/e?page=1"}, pages_max=1), cursor)
        assert asked == ["/e?page=1"]


@pytest.mark.parametrize("cursor", ["{", "[]", '{"version": 1, "files": {}}', '{"inbox": "x", "seq": 3}', "3"])
def test_a_cursor_of_another_source_is_refused(api, cursor):
    with pytest.raises(SourceError, match="not one of an HTTP source"):
        list(source(api).batches(cursor))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"url": "ftp://shop.example/x"}, "none of HTTP"),
        ({"url": "https://"}, "none of HTTP"),
        ({"url": "https://[::1/x"}, "none of HTTP"),
        ({"url": "https://a:b@shop.example", "key": KEY}, "exclude each other"),
        ({"url": "https://shop.example", "key": f"{KEY}\n"}, "header Authorization cannot be sent"),
        ({"url": "https://shop.example", "encoding": "latin-0"}, "unknown encoding"),
    ],
)
def test_settings_that_cannot_be_right(given, what):
    with pytest.raises(ConfigError, match=what) as raised:
        HttpSource(name="shop", **given)
    assert KEY not in str(raised.value)
