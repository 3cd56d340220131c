"""An API that fails: what is survived, what is told, and that nothing secret is in it."""

from __future__ import annotations

import gzip
import zlib

import orjson
import pytest
import stamina
import structlog

from algosync.errors import SourceError
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_asking import Manner, _retry_after
from algosync.events.sources.http_places import Paging, Size

KEY = "a-key-that-nobody-may-see"
HTML = b"<!doctype html><title>Back soon</title>"
JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson; charset=utf-8"}


@pytest.fixture(autouse=True)
def _no_pauses():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Answers:
    """Answers in their order, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.told: list = []
        self.asked: list[str] = []
        self.keys: list[str | None] = []
        self.url = ""

    def __call__(self, verb, path, headers, body):
        self.asked.append(path)
        self.keys.append(headers.get("authorization"))
        told = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        return told(path) if callable(told) else told


@pytest.fixture
def api(served):
    place, url = served
    place["api"] = made = Answers()
    made.url = url
    return made


def page(*ids, next_=None, **headers):
    link = {"Link": f'<{next_}>; rel="next"'} if next_ else {}
    return 200, orjson.dumps([{"id": one} for one in ids]), {**link, **headers}


def source(api, **more) -> HttpSource:
    return HttpSource(**{"name": "shop", "url": f"{api.url}/events?shop=1", "key": KEY, **more})


def read(shop, cursor=None):
    """Ids, the cursor, and the error that ended it."""
    found, bad, failed = [], [], None
    try:
        for batch in shop.batches(cursor):
            found += batch.table.column("id").to_pylist() if batch.table.num_rows else []
            bad += batch.bad
            cursor = batch.cursor
    except SourceError as error:
        failed = error
    if failed is None:
        return found, cursor, bad
    assert KEY not in str(failed)
    assert failed.where.startswith("source shop at 127.0.0.1, page")
    assert failed.hint
    return found, cursor, failed


PASSING = [
    pytest.param((500, b"", {}), "HTTP 500 Internal Server Error", id="500"),
    pytest.param((503, HTML, {}), "HTTP 503", id="503"),
    pytest.param((429, b"{}", {"Retry-After": "7"}), "HTTP 429 Too Many Requests, asks to wait 7 s", id="429"),
    pytest.param((200, HTML, {"content-type": "text/html"}), r"a page for people \(text/html\)", id="html"),
    pytest.param((200, b'[{"id": 1}, {"id', JSON), "cut off after 16 bytes", id="cut"),
    pytest.param((200, b'{"id": 1}\n{"id', LINES), "cut off within its last line", id="cut-line"),
    pytest.param((200, HTML, LINES), "a page for people", id="html-lines"),
    pytest.param((200, b"", JSON), "is empty", id="empty"),
    pytest.param((200, '[{"id": "a"}]'.encode("utf-16"), JSON), "is no JSON", id="charset"),
    pytest.param((200, gzip.compress(b"[]")[:-9], {"Content-Encoding": "gzip"}), "within its compression", id="gzip"),
    pytest.param((200, b"no gzip", {"Content-Encoding": "gzip"}), "compression is damaged", id="no-gzip"),
    pytest.param(None, "no connection, or one that broke off", id="hangs-up"),
]


@pytest.mark.parametrize(("fault", "what"), PASSING)
def test_what_passes_is_asked_for_again(api, fault, what):
    api.told = [page(1, next_="?p=2"), fault, fault, page(2)]
    found, _, bad = read(source(api))
    assert (found, bad) == ([1, 2], [])


@pytest.mark.parametrize(("fault", "what"), PASSING)
def test_what_does_not_pass_is_told_and_what_was_read_before_is_kept(api, fault, what):
    api.told = [page(1, 2, next_="?p=2"), fault]
    found, cursor, error = read(source(api))
    assert found == [1, 2]
    assert error.action == "retry"
    with pytest.raises(SourceError, match=what):
        raise error
    api.told = [page(3)]
    api.asked.clear()
    assert read(source(api), cursor)[0] == [3]
    assert api.asked == ["/events?p=2"]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ((401, b"", {}), "does not accept the key (HTTP 401 Unauthorized). Check key"),
        ((403, b"", {}), "does not accept the key (HTTP 403 Forbidden)"),
        ((404, b"", {}), "refuses the page (HTTP 404): Not Found. Check url"),
        (
            (400, orjson.dumps({"error": {"message": f"bad cursor for {KEY}"}}), {}),
            "refuses the page (HTTP 400): bad cursor for ***",
        ),
        (
            (302, b"", {"Location": "https://elsewhere.example/?key=x"}),
            "redirects to another server, elsewhere.example",
        ),
        ((302, b"", {"Location": "/again"}), "more than 5 redirects"),
        ((302, b"", {}), "the API redirects (HTTP 302 Found) to nowhere"),
        ((304, b"", {}), "HTTP 304 Not Modified, but was not asked whether the page has changed. Take If-None-Match"),
        ((200, b"{}", {"Content-Encoding": "gzip, gzip"}), "packed as 'gzip, gzip'"),
        ((200, b'{"error": "no shop"}', JSON), "the answer is no array. Set rows to the key that holds the array; "),
        ((200, b"7", JSON), "no object"),
    ],
)
def test_what_does_not_pass_by_itself_is_told_at_once(api, fault, what):
    api.told = [fault]
    found, cursor, error = read(source(api))
    assert (found, cursor) == ([], None)
    assert what in str(error)
    assert len(api.asked) == (5 if "redirects" in what and "more" in what else 1)


def test_a_redirect_on_the_same_server_is_followed(api):
    api.told = [(308, b"", {"Location": "/v2/events"}), page(1, next_="?p=2"), page(2)]
    assert read(source(api))[0] == [1, 2]
    assert api.asked[1] == "/v2/events"


@pytest.mark.parametrize("told", ["http://[::1", "http://shop.example:port/", "//[/events"])
def test_what_is_no_address_leads_nowhere(api, told):
    api.told = [page(1, next_=told)]
    found, _, error = read(source(api))
    assert found == [1]
    assert "the next page is said to be at another server" in str(error)


def test_the_key_goes_to_no_other_server(api, answering):
    seen = []

    def other(verb, path, headers, body):
        seen.append(headers)
        return page(9)

    with answering(other) as elsewhere:
        api.told = [page(1, next_=f"{elsewhere}/events")]
        found, cursor, error = read(source(api))
        assert found == [1]
        assert "the next page is said to be at another server" in str(error)
        found, cursor, error = read(source(api), cursor)
        assert found == []
        api.told = [(307, b"", {"Location": elsewhere})]
        assert "redirects to another server" in str(read(source(api))[2])
    assert seen == []


def test_behind_a_proxy_that_ends_tls_servers_call_themselves_http():
    from algosync.events.sources.http_places import within

    assert within("http://shop.example/e?p=2", "https://shop.example/e") == "/e?p=2"
    assert within("http://shop.example:8080/e", "https://shop.example/e") is None
    assert within("http://shop.example/e", "https://shop.example:8443/e") is None
    assert within("https://shop.example:443/e", "https://shop.example/") == "/e"
    assert within("//evil.example/e", "https://shop.example/") is None
    assert within("https://shop.example@evil.example/", "https://shop.example/") is None
    assert within("http://[", "https://shop.example/") is None


def test_a_bomb_is_not_unpacked(api):
    zeros = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    api.told = [(200, bomb, {"Content-Encoding": "gzip"})]
    error = read(source(api, manner=Manner(answer_bytes=1 << 20)))[2]
    assert "an answer of more than 1 MB" in str(error)
    assert len(api.asked) == 1


def test_a_large_answer_is_not_read(api):
    api.told = [(200, b" " * 3000, JSON)]
    assert "more than" in str(read(source(api, manner=Manner(answer_bytes=2000)))[2])


def test_packed_answers_also_of_several_members(api):
    body = gzip.compress(b'[{"id": 1},') + gzip.compress(b'{"id": 2}]')
    api.told = [(200, body, {"Content-Encoding": "gzip"})]
    assert read(source(api))[0] == [1, 2]


def test_waits_that_are_asked_for_have_a_budget(api):
    api.told = [(429, b"", {"Retry-After": "200"})]
    error = read(source(api, manner=Manner(patience_s=100)))[2]
    assert (error.retry_after_s, len(api.asked)) == (200.0, 1)
    api.asked.clear()
    error = read(source(api, manner=Manner(patience_s=300)))[2]
    assert len(api.asked) == 2  # the second wait is beyond it
    date = {"date": "Mon, 23 Nov 2026 12:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}
    assert _retry_after(date) == 30.0
    assert _retry_after({**date, "retry-after": "soon"}) is None


def test_nobody_listens():
    found, cursor, error = read(HttpSource(name="shop", url="http://127.0.0.1:1/events", key=KEY))
    assert (found, cursor) == ([], None)
    assert "no connection, or one that broke off (ConnectError)" in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "found"),
    [
        ('[{"id": "Käse"}]'.encode(), "application/json", None, ["Käse"]),
        ('[{"id": "Käse"}]'.encode("latin-1"), "application/json; charset=ISO-8859-1", None, ["Käse"]),
        ('[{"id": "Käse"}]'.encode(), "application/json; charset=ISO-8859-1", None, ["Käse"]),
        ('[{"id": "Käse"}]'.encode("utf-16"), "application/json; charset=utf-16", None, ["Käse"]),
        ('\ufeff[{"id": "Käse"}]'.encode(), "text/plain", None, ["Käse"]),
        ('[{"id": "Käse"}]'.encode("cp1252"), "application/json", "cp1252", ["Käse"]),
        ('{"id": "Käse"}\r\n\n{"id": "x"}'.encode(), "application/jsonl", None, ["Käse", "x"]),
        (b'[{"id": "a"}, {"id": "\xff"}, {"id": "b"}]', "application/json", None, ["a", "b"]),
        (b'{"id": "a"}\n{"id": "\xff"}\n{"id": "b"}\n', "application/x-ndjson; charset=klingon", None, ["a", "b"]),
    ],
)
def test_texts_in_their_encodings(api, body, kind, encoding, found):
    api.told = [(200, body, {"content-type": kind})]
    assert read(source(api, encoding=encoding))[0] == found


def test_what_is_no_object_is_turned_away_with_its_reason(api):
    api.told = [(200, b'[{"id": 1}, 7, [{"id": 2}], null, "x", 7]', JSON)]
    found, _, bad = read(source(api))
    assert found == [1]
    assert [(row.content, row.reason) for row in bad] == [
        (content, "is no JSON object") for content in ("7", '[{"id":2}]', "null", '"x"', "7")
    ]
    assert len({row.position for row in bad}) == 5
    api.told = [(200, b'{"id": 1}\nnonsense\n[]\n', LINES)]
    bad = read(source(api))[2]
    assert [row.content for row in bad] == ["nonsense", "[]"]
    assert bad[0].reason.startswith("is no JSON: ")


@pytest.mark.parametrize(
    ("body", "found"), [(b'{"data": {"rows": null}}', []), (b'{"data": {"rows": [{"id": 1}]}}', [1])]
)
def test_an_empty_array_may_be_null(api, body, found):
    api.told = [(200, body, JSON)]
    assert read(source(api, rows="data.rows"))[0] == found


def test_fields_that_are_not_there(api):
    api.told = [(200, b'{"data": {"items": []}, "meta": {"next": {"a": 1}}}', JSON)]
    assert "no array at rows = 'data.rows'. Check rows and url; there are: data, meta" in str(
        read(source(api, rows="data.rows"))[2]
    )
    paging = Paging(by="url", field="meta.next")
    error = read(source(api, rows="data.items", paging=paging))[2]
    assert "next.field 'meta.next' holds a dict" in str(error)


def test_no_content_is_no_rows(api):
    api.told = [(204, b"", {})]
    assert read(source(api)) == ([], None, [])


def told(logs):
    return [log["event"] for log in logs]


def test_a_circle_is_left_and_told(api):
    pages = {"/events?shop=1": page(1, next_="?p=2"), "/events?p=2": page(2, next_="?p=3")}
    api.told = [lambda path: pages.get(path) or page(3, next_="?p=2")]
    with structlog.testing.capture_logs() as logs:
        found, cursor, _ = read(source(api))
    assert found == [1, 2, 3]
    assert told(logs) == ["the next page is said to be one that was read already; what is behind it stays unread"]
    pages["/events?p=3"] = page(3, 4)
    assert read(source(api), cursor)[0] == [3, 4]


def test_a_page_given_in_the_place_of_another_hides_nothing(api):
    """As a cache does that forgets the query; it is asked for again before it is believed."""
    by_offset = source(api, paging=Paging(by="offset", parameter="offset"), size=Size(parameter="n", rows=2))
    api.told = [page(1, 2), page(1, 2), page(3, 4), page()]
    assert read(by_offset)[0] == [1, 2, 3, 4]
    api.told = [page(1, next_="?p=2"), page(1, next_="?p=2"), page(2)]
    assert read(source(api))[0] == [1, 2]


def test_an_api_that_does_not_heed_the_parameter_moves_no_place(api):
    shop = source(api, paging=Paging(by="offset", parameter="offset"))
    api.told = [page(1, 2)]
    cursor = None
    for expected in ([1, 2], [], []):
        found, cursor, error = read(shop, cursor)
        assert found == expected
        assert "the API gives the same page whatever offset says" in str(error)
    api.told = [page(3), page()]
    api.asked.clear()
    assert read(shop, cursor)[0] == [3]
    assert api.asked[0] == "/events?shop=1&offset=2"


def test_equal_pages_that_are_meant_so_are_passed(api):
    shop = source(api, paging=Paging(by="offset", parameter="offset"), size=Size(parameter="n", rows=1))
    events = [1, 1, 1, 2]

    def answer(path):
        return page(*events[int(path.rpartition("=")[2]) :][:1])

    api.told = [answer]
    with structlog.testing.capture_logs() as logs:
        found, cursor, _ = read(shop)
    assert found == [1, 2]
    assert told(logs) == ["a page came twice; its rows are taken once"]
    events.append(3)
    assert read(shop, cursor)[0] == [3]


def test_a_feed_of_empty_pages_ends_the_run_not_the_reading(api):
    numbers = iter(range(1, 100))
    api.told = [lambda path: page(next_=f"?p={next(numbers)}")]
    with structlog.testing.capture_logs() as logs:
        _, cursor, _ = read(source(api))
    assert len(api.asked) == 20
    assert told(logs) == ["20 pages in a row had nothing new; the next run goes on behind them"]
    api.told = [page(5)]
    assert read(source(api), cursor)[0] == [5]
    assert api.asked[-1] == "/events?p=20"


def test_a_feed_without_end_is_bounded(api):
    numbers = iter(range(1, 1000))
    api.told = [lambda path: page(n := next(numbers), next_=f"?p={n}")]
    found, cursor, _ = read(source(api, pages_max=30))
    assert found == list(range(1, 31))
    assert read(source(api, pages_max=30), cursor)[0] == list(range(31, 61))


def test_a_place_that_the_api_has_forgotten_is_begun_anew(api):
    api.told = [page(1, next_="?p=2"), page(2)]
    _, cursor, _ = read(source(api))
    api.told = [(410, b"", {}), page(1, 2, 3)]
    with structlog.testing.capture_logs() as logs:
        assert read(source(api), cursor)[0] == [1, 2, 3]
    assert told(logs) == ["the API no longer knows the page to go on at; reading begins anew, known events pass by"]


def test_a_refusal_that_is_not_about_the_page_changes_no_place(api):
    api.told = [page(1, next_="?p=2"), page(2)]
    _, cursor, _ = read(source(api))
    api.told = [(405, b"", {})]
    found, after, error = read(source(api), cursor)
    assert (found, after) == ([], cursor)
    assert "refuses the page (HTTP 405): Method Not Allowed" in str(error)


def test_numbers_behind_the_last_page_may_be_unknown_to_the_api(api):
    """As some frameworks answer."""
    shop = source(api, paging=Paging(by="page", parameter="page", first=1))
    api.told = [page(1), page(2), (404, b"", {})]
    found, cursor, _ = read(shop)
    assert found == [1, 2]
    api.told = [page(2, 3), (404, b"", {})]
    assert read(shop, cursor)[0] == [2, 3]


def test_urls_are_told_to_no_logger(api, caplog):
    api.told = [page(1)]
    with caplog.at_level("DEBUG"):
        read(source(api, url=f"{api.url}/events?token={KEY}", key=None))
    assert KEY not in caplog.text
