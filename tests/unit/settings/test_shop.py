"""The settings and the files that they name, brought together into one run's rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text

from algosync.errors import ConfigError
from algosync.settings.shop import shop_rules

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PUSH = "[push]\nrelated = true\nrules = true\n"
SEGMENT = {"when": {"affinity": {"facet": "brand", "value": "Acme"}}}


def test_what_is_switched_on_and_how_much_of_it(settings, tmp_path):
    assert shop_rules(settings(), tmp_path, NOW).families == frozenset()
    loaded = settings(PUSH)
    assert shop_rules(loaded, tmp_path, NOW).families == {"related", "rules"}
    assert shop_rules(loaded, tmp_path, NOW, ("rules",)).families == {"rules"}
    with pytest.raises(ConfigError, match=r"push\.profiles is switched off\. Set push\.profiles = true"):
        shop_rules(loaded, tmp_path, NOW, ("rules", "profiles"))


def test_indices_limits_and_clock(settings, tmp_path):
    rules = shop_rules(settings('[state]\nas_of = "last_event"\n'), tmp_path, NOW)
    assert rules.indices == ("products", "produits")
    assert (rules.payload_index, rules.as_of, rules.max_record_bytes) == ("algosync_payloads", "last_event", 100_000)
    assert rules.products is None
    assert rules.products_from_events is False
    assert shop_rules(settings('[catalog]\ntype = "events"\n'), tmp_path, NOW).products_from_events is True


def test_segments_and_actions_come_from_their_files(settings, tmp_path):
    (tmp_path / "segments.json").write_text(json.dumps({"fans": SEGMENT}), encoding="utf-8")
    actions = {"hello": {"when": {"segments": ["fans"]}, "effect": {"message": {"title": "Hello"}}}}
    (tmp_path / "actions.json").write_text(json.dumps(actions), encoding="utf-8")
    text_ = '[facets]\nbrand = 100\n[segments]\nfile = "segments.json"\nmax_contexts = 2\n'
    text_ += '[actions]\nfile = "actions.json"\n'
    rules = shop_rules(settings(text_), tmp_path, NOW)
    assert [segment.id for segment in rules.people.segments.items] == ["fans"]
    assert [action.id for action in rules.actions.items] == ["hello"]
    assert rules.people.max_contexts == 2
    (tmp_path / "segments.json").write_text(json.dumps({"fans": {"when": {"affinity": {"facet": "colour"}}}}))
    with pytest.raises(ConfigError, match=r"segments\.json") as error:
        shop_rules(settings(text_), tmp_path, NOW)
    assert "fans.when.affinity" in str(error.value)
    (tmp_path / "segments.json").write_text('{"fans": \n}')
    with pytest.raises(ConfigError, match=r"segments\.json, line 2: is not JSON"):
        shop_rules(settings(text_), tmp_path, NOW)
    (tmp_path / "segments.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        shop_rules(settings(text_), tmp_path, NOW)


def test_profiles_are_named_by_the_shops_secret(settings, tmp_path, monkeypatch):
    push = "[push]\nprofiles = true\nrules = true\n"
    with pytest.raises(ConfigError, match=r"identity\.hash_key"):
        shop_rules(settings(push), tmp_path, NOW)
    assert shop_rules(settings(push), tmp_path, NOW, ("rules",)).ids is None
    monkeypatch.setenv("ALGOSYNC_IDENTITY__HASH_KEY", "sixteen letters!")
    first = shop_rules(settings(push), tmp_path, NOW).ids
    assert first.token("anna") == shop_rules(settings(push), tmp_path, NOW).ids.token("anna") != "anna"
    monkeypatch.setenv("ALGOSYNC_IDENTITY__HASH_KEY", "another sixteen!")
    assert shop_rules(settings(push), tmp_path, NOW).ids.token("anna") != first.token("anna")
    assert "sixteen" not in repr(shop_rules(settings(push), tmp_path, NOW).ids)


def test_products_from_files_and_from_a_database(settings, tmp_path):
    (tmp_path / "a.json").write_text('[{"objectID": "1"}]', encoding="utf-8")
    (tmp_path / "b.json").write_text('[{"objectID": "2"}]', encoding="utf-8")
    files = shop_rules(settings('[catalog]\ntype = "files"\npath = ["a.json", "b.json"]\n'), tmp_path, NOW).products
    for _ in range(2):  # read anew each time
        assert [record["objectID"] for batch in files() for record in batch] == ["1", "2"]
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE products (objectID TEXT)"))
        connection.execute(text("INSERT INTO products VALUES ('3')"))
    engine.dispose()
    sql = shop_rules(settings(f'[catalog]\ntype = "sql"\nurl = "{url}"\ntable = "products"\n'), tmp_path, NOW).products
    assert [dict(record) for batch in sql() for record in batch] == [{"objectID": "3"}]


def test_users_with_transformed_tokens(settings, tmp_path, monkeypatch):
    (tmp_path / "users.csv").write_text("mail,age\na@x.de,30\n", encoding="utf-8")
    users = '[[users]]\ntype = "files"\npath = "users.csv"\nuser_token = {{ from = "mail", transform = "{0}" }}\n'
    (source,) = shop_rules(settings(users.format("safe")), tmp_path, NOW).users
    assert (source.token, source.transform("a@x.de")) == ("mail", "==a=40x=2Ede")
    assert [dict(row) for batch in source.read() for row in batch] == [{"mail": "a@x.de", "age": "30"}]
    with pytest.raises(ConfigError, match=r'users: transform "hmac" needs a key'):
        shop_rules(settings(users.format("hmac")), tmp_path, NOW)
    monkeypatch.setenv("ALGOSYNC_IDENTITY__HASH_KEY", "sixteen letters!")
    (source,) = shop_rules(settings(users.format("hmac")), tmp_path, NOW).users
    assert len(source.transform("a@x.de")) == 22
    plain = '[[users]]\ntype = "files"\npath = "users.csv"\nuser_token = "mail"\nattributes = ["age"]\n'
    (source,) = shop_rules(settings(plain), tmp_path, NOW).users
    assert (source.transform("a@x.de"), source.attributes) == ("a@x.de", ("age",))
