"""Settings of a run, kept without any secret and made into the same rules again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from algosync.errors import ConfigError
from algosync.settings import rules as made
from algosync.settings.answers import shop_answers
from algosync.settings.definitions import load_segments
from algosync.settings.kept import SECTIONS, kept_document, restored
from algosync.settings.load import load
from algosync.settings.models import Settings
from algosync.settings.shop import people_rules

SECRET = "a secret that nobody but the shop may read"
SEGMENTS = {"fans": {"when": {"affinity": {"facet": "brand", "value": "Acme", "score_min": 5}}}}
ACTIONS = {"hello": {"when": {"segments": ["fans"]}, "effect": {"message": {"title": "Hello"}}}}
TOML = """
[algolia]
app_id = "SHOPAPPID"
indices = [{name = "products"}]
write_api_key = "SECRET"
[facets]
brand = 100
categories = {weight = 60, never = ["Health/*"]}
price_band = {weight = 40, from = "price", edges = [10, 25]}
[profiles]
half_life_days = 12
[filters]
apply = {category = true, search = {words_max = 3}}
[rollout]
users = "90%"
[segments]
file = "segments.json"
[actions]
file = "actions.json"
[identity]
hash_key = "SECRET"
[serve]
admin_key = "SECRET"
visitor_secrets = ["SECRET SECRET"]
[[sources]]
name = "shop"
type = "sql"
url = "postgresql://somebody:SECRET@db/shop"
table = "events"
cursor_column = "id"
""".replace("SECRET", SECRET)


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "segments.json").write_text(json.dumps(SEGMENTS))
    (tmp_path / "actions.json").write_text(json.dumps(ACTIONS))
    (tmp_path / "algosync.toml").write_text(TOML)
    return tmp_path


def _rules(settings, base, draft=None):
    segments = load_segments(settings, base, draft)
    answers = shop_answers(settings, base, draft)
    overlay = replace(answers.overlay, counted_by="")  # a digest, which tells 1 from 1.0
    return people_rules(settings, segments), replace(answers, overlay=overlay)


def test_the_rules_of_then_come_back_whatever_the_settings_are_now(shop):
    then = load(shop / "algosync.toml")
    document = json.loads(json.dumps(kept_document(then, shop, {"products": frozenset({"brand"})})))
    rules = _rules(then, shop)
    changed = TOML.replace("half_life_days = 12", "half_life_days = 40").replace("brand = 100", "brand = 1")
    (shop / "algosync.toml").write_text(changed.replace('users = "90%"', 'users = "10%"'))
    (shop / "segments.json").write_text("{}")
    (shop / "actions.json").unlink()
    now = load(shop / "algosync.toml")

    found = restored(now, document)

    assert _rules(found.settings, shop, found.draft) == rules
    assert found.declared == {"products": frozenset({"brand"})}
    assert made.hash_key(found.settings) == made.hash_key(now)


def test_no_secret_is_kept(shop):
    settings = load(shop / "algosync.toml")
    text = json.dumps(kept_document(settings, shop, {}))
    assert "SECRET" not in text
    assert SECRET not in text
    assert "somebody" not in text
    assert "**" not in text  # not even a mask where one was


def test_every_section_is_kept_or_left_out_on_purpose():
    where_things_are = {
        "algolia",
        "state",
        "sources",
        "source_keys",
        "users",
        "catalog",
        "schedule",
        "worker",
        "retention",
        "identity",
        "serve",
        "webhooks",
        "webhook_secrets",
    }
    assert set(SECTIONS) | where_things_are == set(Settings.model_fields)
    assert not set(SECTIONS) & where_things_are


def test_settings_that_this_version_cannot_read_are_told(shop):
    settings = load(shop / "algosync.toml")
    document = kept_document(settings, shop, {})
    for broken in ({**document, "profiles": {"half_life_days": "long"}}, {"facets": {}}):
        with pytest.raises(ConfigError, match="cannot be read by this version"):
            restored(settings, broken)
