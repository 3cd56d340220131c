"""The section [[webhooks]]: what is wrong in it is told by its key, and no secret of it shows anywhere."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from algosync.errors import ConfigError
from algosync.profiles.actions import Actions, parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.settings.load import load
from algosync.settings.webhooks import listeners, receivers

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = base64.b64encode(b"o" * 24).decode()
BASE = """
[algolia]
app_id = "APP"
indices = [{ name = "products" }]
"""
SEGMENTS = parse_segments({"books": {"when": {"events": {}}}}, affinity_facet=None, facets=[])


@pytest.fixture
def read(tmp_path):
    def settings(*webhooks: dict, more: str = ""):
        tables = [
            "\n[[webhooks]]\n"
            + "\n".join(f"{key} = {_toml(value)}" for key, value in {**USUAL, **webhook}.items() if value is not None)
            for webhook in webhooks
        ]
        path = tmp_path / "algosync.toml"
        path.write_text(more + BASE + "".join(tables))
        return load(path)

    return settings


USUAL = {"name": "crm", "url": "https://crm.example/hook", "on": ["failure"], "secret": SECRET}


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def test_a_webhook_is_read_whole(read):
    on = ["failure", "brake", "entered:books", "left:*", "action:mail"]
    headers = {"Authorization": "Bearer of-the-crm"}
    settings = read({"on": on, "headers": headers, "timeout_seconds": 5, "give_up_hours": 2})
    (receiver,) = receivers(settings)
    assert (receiver.name, receiver.url, receiver.keys) == ("crm", "https://crm.example/hook", (b"s" * 32,))
    assert (receiver.timeout_s, receiver.headers) == (5, headers)
    assert receiver.give_up_after == timedelta(hours=2)
    actions = parse_actions({"mail": {"effect": {"webhook": {}}}}, segments=SEGMENTS)
    (listener,) = listeners(settings, SEGMENTS, actions)
    assert listener.on == tuple(on)


@pytest.mark.parametrize(
    ("on", "name", "hears"),
    [
        ("failure", "failure", True),
        ("failure", "brake", False),
        ("entered:books", "entered:books", True),
        ("entered:books", "entered:phones", False),
        ("entered:*", "entered:phones", True),
        ("entered:*", "left:phones", False),
        ("action:*", "action:mail", True),
    ],
)
def test_who_hears_of_what(read, on, name, hears):
    (listener,) = listeners(read({"on": [on]}), SEGMENTS, Actions())
    assert listener.hears(name) is hears


def test_secrets_come_from_the_environment_too_and_it_wins(read, monkeypatch):
    monkeypatch.setenv("ALGOSYNC_WEBHOOK_SECRETS__CRM", OTHER)
    (without,) = receivers(read({"secret": None}))
    (beside,) = receivers(read({}))
    assert without.keys == beside.keys == (b"o" * 24,)
    monkeypatch.setenv("ALGOSYNC_WEBHOOK_SECRETS__CRM", json.dumps([OTHER, SECRET]))
    (both,) = receivers(read({"secret": None}))
    assert both.keys == (b"o" * 24, b"s" * 32)


def test_while_one_secret_takes_the_place_of_another_both_sign(read):
    (receiver,) = receivers(read({"secret": [SECRET, OTHER]}))
    assert receiver.keys == (b"s" * 32, b"o" * 24)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/hook", "http://localhost/hook", "http://[::1]:9/hook", "https://10.0.0.7/hook"]
)
def test_places_that_may_be_told(read, url):
    (receiver,) = receivers(read({"url": url}))
    assert receiver.url == url


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "http://crm.example/hook"}, "must begin with https://"),
        ({"url": "http://127.0.0.1.example/hook"}, "must begin with https://"),
        ({"url": "ftp://crm.example/hook"}, "must be a URL"),
        ({"url": "https://"}, "must be a URL"),
        ({"url": "https://crm.example:port/"}, "must be a URL"),
        ({"url": "https://crm.example/a b"}, "must be a URL"),
        ({"url": "https://user:word@crm.example/"}, "no user and password"),
        ({"on": []}, "webhooks[0].on"),
        ({"on": ["entered"]}, "'entered' is none of"),
        ({"on": ["entered:"]}, "'entered:' is none of"),
        ({"on": ["failure:x"]}, "'failure:x' is none of"),
        ({"on": ["opened:x"]}, "'opened:x' is none of"),
        ({"secret": "plain words"}, "openssl rand -base64 32"),
        ({"secret": "whsec_" + base64.b64encode(b"short").decode()}, "24 to 64 random bytes"),
        ({"secret": []}, "must be whsec_"),
        ({"secret": None}, "ALGOSYNC_WEBHOOK_SECRETS__CRM"),
        ({"name": "My CRM"}, "webhooks[0].name"),
        ({"timeout_seconds": 0}, "webhooks[0].timeout_seconds"),
        ({"headers": {"webhook-id": "x"}}, "'webhook-id' is no header that may be set"),
        ({"headers": {"X-Shop": "a\nb"}}, "cannot be sent as a header"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_what_is_wrong_is_told_by_its_key_and_no_secret_is(read, wrong, said):
    with pytest.raises(ConfigError) as refused:
        read(wrong)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "word@" not in str(refused.value)


def test_names_differ_and_secrets_belong_to_one(read, monkeypatch):
    with pytest.raises(ConfigError, match="repeated: crm"):
        read({}, {})
    monkeypatch.setenv("ALGOSYNC_WEBHOOK_SECRETS__ERP", SECRET)
    with pytest.raises(ConfigError, match="no webhook has this name"):
        read({})
    monkeypatch.delenv("ALGOSYNC_WEBHOOK_SECRETS__ERP")
    monkeypatch.setenv("ALGOSYNC_WEBHOOK_SECRETS__CRM", "too short")
    with pytest.raises(ConfigError, match=r"webhook_secrets\.crm: must be whsec_"):
        read({})


def test_nothing_secret_is_in_a_repr_or_a_dump(read):
    settings = read({"headers": {"Authorization": "Bearer of-the-crm"}})
    for text in (repr(settings), settings.model_dump_json()):
        assert "crm.example" not in text
        assert SECRET not in text
        assert "of-the-crm" not in text


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("entered:phones", "'entered:phones': there is no such segment. There are: books"),
        ("action:shown", "'action:shown': there is no such action of the effect webhook. There are: mail"),
    ],
)
def test_a_webhook_that_waits_for_what_there_is_not_is_refused(read, on, said):
    document = {"mail": {"effect": {"webhook": {}}}, "shown": {"effect": {"message": {"title": "Hello"}}}}
    actions = parse_actions(document, segments=SEGMENTS)
    with pytest.raises(ConfigError) as refused:
        listeners(read({"on": ["action:*", on]}), SEGMENTS, actions)
    assert said in str(refused.value)


def test_an_action_that_no_webhook_is_told_of_is_refused(read):
    actions = parse_actions({"mail": {"effect": {"webhook": {}}}}, segments=SEGMENTS)
    with pytest.raises(ConfigError, match=r'mail\.effect\.webhook: no webhook is told.*Add "action:mail"'):
        listeners(read({}), SEGMENTS, actions)
