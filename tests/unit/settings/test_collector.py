"""The source of type `collector`: its settings, what it becomes, and when the inbox is read without it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from algosync.errors import ConfigError
from algosync.events.sources.collector import CollectorSource
from algosync.settings import rules
from algosync.settings.event_sources import event_source

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEB = '[[sources]]\nname = "web"\ntype = "collector"\n'
FILE = '[[sources]]\nname = "inbox"\ntype = "files"\npath = "*.csv"\npreset = "rees46"\n'
SERVE = f'[serve]\nadmin_key = "{"x" * 40}"\n'


def test_what_it_becomes(settings, tmp_path):
    given = settings(
        WEB
        + 'preset = "insights"\ncontext = { country = "context.country" }\n'
        + '[events]\nrejected_share_max = 0.1\n[state]\ndirectory = "there"\n'
    )
    [source] = given.sources
    made = event_source(given, source, base=tmp_path, now=NOW)
    assert made.source == CollectorSource(name="web", url="sqlite", directory=tmp_path / "there", batch_rows=50_000)
    assert made.mapping.columns["consent"] == "consent"
    assert made.mapping.columns["object_id"] == "objectIDs"
    assert made.mapping.context == {"country": "context.country"}
    assert made.max_share == 1.0  # strangers may send what they like


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        (WEB, ["web"]),
        (SERVE, ["inbox"]),
        (WEB + SERVE, ["web"]),
        (FILE, ["inbox"]),
        (FILE + SERVE, ["inbox", "inbox-2"]),
    ],
)
def test_the_inbox_is_read_wherever_the_api_is_served(settings, text, names):
    assert [source.name for source in rules.sources(settings(text))] == names


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (WEB + WEB.replace("web", "two"), "only one source can be a collector"),
        (WEB + 'preset = "rees46"\n', "preset"),
        (WEB + 'path = "x"\n', "path"),
        (WEB + 'segment = { secret = "short" }\n', "segment.secret"),
    ],
)
def test_what_cannot_be(settings, text, what):
    with pytest.raises(ConfigError, match=what):
        settings(text)


def test_the_shared_secret_is_not_shown(settings):
    given = settings(WEB + 'segment = { secret = "a secret that we share" }\n')
    assert "a secret" not in repr(given)
    assert given.sources[0].segment.secret.get_secret_value() == "a secret that we share"
