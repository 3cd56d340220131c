"""A source of events that is an API: its settings, and where its key comes from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from algosync.errors import ConfigError
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_places import Paging, Size
from algosync.events.sources.http_since import Since
from algosync.settings.event_sources import event_source
from algosync.settings.load import load

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = "the-key-of-the-api"
BASE = """
algolia = {app_id = "APP", indices = [{name = "products"}]}
[[sources]]
name = "My-API"
type = "http"
url = "https://user:word@shop.example/events"
columns = { timestamp = "at", user_token = "who", event_type = "what" }
"""


@pytest.fixture
def made(tmp_path: Path):
    """The source that some further lines of its table make."""

    def make(*lines: str) -> HttpSource:
        path = tmp_path / "algosync.toml"
        path.write_text("\n".join([BASE, *lines]), encoding="utf-8")
        settings = load(path)
        found = event_source(settings, settings.sources[0], base=tmp_path, now=NOW).source
        assert isinstance(found, HttpSource)
        return found

    return make


def test_defaults(made) -> None:
    source = made()
    assert source.paging == Paging(by="link")
    assert (source.key, source.size, source.since, source.again, source.now) == (None, None, None, False, NOW)
    assert (source.manner.timeout_s, source.manner.answer_bytes, source.manner.patience_s) == (30, 64 << 20, 300)
    assert (source.pages_max, source.batch_rows) == (1000, 50_000)


def test_all_that_may_be_set(made) -> None:
    source = made(
        'rows = "data.events"',
        'format = "json"',
        'encoding = "latin-1"',
        'next = { by = "token", field = "meta.next", parameter = "cursor", more = "meta.more" }',
        "size = { rows = 500 }",
        'since = { field = "changed", start = "2026-01-01" }',
        'lookback = "10 minutes"',
        'headers = { X-Version = "2" }',
        "timeout_s = 5",
        "patience_s = 60",
        "page_mb = 2",
        "pages_per_run = 70",
        "batch_rows = 9",
    )
    assert source.paging == Paging(by="token", field="meta.next", parameter="cursor", more="meta.more")
    assert source.size == Size(parameter="limit", rows=500)
    assert source.since == Since(field="changed", parameter="since", start="2026-01-01", lookback=timedelta(minutes=10))
    assert source.sent_headers() == {"X-Version": "2"}
    assert (source.rows, source.form, source.encoding) == ("data.events", "json", "latin-1")
    assert (source.manner.timeout_s, source.manner.answer_bytes, source.manner.patience_s) == (5, 2 << 20, 60)
    assert (source.pages_max, source.batch_rows) == (70, 9)


@pytest.mark.parametrize(
    ("by", "paging"),
    [
        ('{ by = "offset" }', Paging(by="offset", parameter="offset", first=0)),
        ('{ by = "page", parameter = "p" }', Paging(by="page", parameter="p", first=1)),
        ('{ by = "page", first = 0 }', Paging(by="page", parameter="page", first=0)),
        ('{ by = "url", header = "X-Next" }', Paging(by="url", header="X-Next")),
    ],
)
def test_pages(made, by: str, paging: Paging) -> None:
    assert made(f"next = {by}").paging == paging


def test_a_feed_read_from_its_start(made) -> None:
    assert made('resume = "start"').again


def test_the_key_comes_from_the_environment(made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_SOURCE_KEYS__MY_API", "12345678")
    monkeypatch.setattr(f"{__name__}.BASE", BASE.replace("user:word@", ""))
    source = made('key = "another"', 'key_header = "X-Key"')
    assert source.key == "12345678"
    assert source.sent_headers() == {"X-Key": "12345678"}
    assert source.manner.key_hint == "Check the key in ALGOSYNC_SOURCE_KEYS__MY_API"


def test_secrets_are_not_shown(made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_SOURCE_KEYS__MY_API", KEY)
    with pytest.raises(ConfigError) as raised:
        made()
    assert "exclude each other" in str(raised.value)
    assert KEY not in str(raised.value)
    assert "word" not in str(raised.value)


def test_a_key_without_a_source_is_told(made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_SOURCE_KEYS__ORDERS", KEY)
    with pytest.raises(
        ConfigError, match=r"source_keys\.orders: no source of type http has this name; there are: my_a"
    ):
        made()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('next = { by = "url" }', "needs either field or header"),
        ('next = { by = "token", field = "a", header = "b", parameter = "c" }', "needs either field or header"),
        ('next = { by = "token", field = "a" }', "needs parameter"),
        ('next = { by = "page", field = "a" }', "takes neither field nor header"),
        ('next = { parameter = "a" }', "takes no parameter"),
        ('next = { by = "link", first = 1 }', "takes no first"),
        ('id = "row"', "is not for APIs"),
        ('lookback = "1 day"', "lookback goes back from since"),
        ('since = { field = "at" }\nresume = "start"', "exclude each other"),
        ('format = "ndjson"\nrows = "a"', "has no fields beside its rows"),
        ("page_mb = 0", r"sources\[0\]\.page_mb"),
        ('next = { by = "magic" }', r"sources\[0\]\.next\.by: must be 'link', 'url', 'token', 'offset' or 'page'"),
    ],
)
def test_what_cannot_be(made, line: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        made(line)
