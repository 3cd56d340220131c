"""Personalizers from a settings file: the snapshot read where it lies, without the HTTP API between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from algosync import AsyncPersonalizer, Personalizer
from algosync.errors import ConfigError
from algosync.experience import keys
from algosync.personalizer.api import wall_clock
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import open_state

SECRET = "a secret of the shop's, long enough"


class Finds:
    """A client that waits, and answers nothing."""

    def search_single_index(self, index, params, request_options=None):
        return {"hits": [], "params": params}


class FindsLater:
    """The same for asyncio."""

    async def search_single_index(self, index, params, request_options=None):
        return {"hits": [], "params": params}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "algosync.toml"
    path.write_text(
        '[algolia]\napp_id = "SHOP"\nindices = [{name = "products"}]\n[facets]\nbrand = 100\n'
        f'[state]\ndirectory = "state"\n[consent]\ndefault = "for_you"\n[serve]\nvisitor_secrets = ["{SECRET}"]\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def publish(tmp_path):
    def published(**people):
        with open_state("sqlite", tmp_path / "state", create=True, book=SNAPSHOT) as state:
            Snapshot(state).publish(Delta(people=people, tokens={}, as_of="2026-11-23T11:00:00+00:00"))

    return published


def test_the_snapshot_is_read_where_it_lies(config, publish, anna):
    publish(anna=anna)
    with Personalizer.from_config(config, Finds(), budget_s=9.0) as personalizer:
        heard = personalizer.experience("anna", where="category")
        assert heard.document["strategy"] == "one-to-one", heard
        assert personalizer.search_params("anna").personalization.generation == 1
        publish(anna={**anna, "ready": False})
        assert personalizer.experience("anna", where="category").document["strategy"] != "one-to-one"
        key = personalizer.visitor_key("anna", timedelta(minutes=1))
    assert keys.verify(key, secrets=[SECRET], now=wall_clock()).user_token == "anna"


def test_awaited_too(config, publish, anna):
    publish(anna=anna)

    async def ask():
        async with AsyncPersonalizer.from_config(config, FindsLater(), budget_s=9.0) as personalizer:
            return await personalizer.search("products", "", user_token="anna", where="category")

    result = asyncio.run(ask())
    assert result.personalization.strategy == "one-to-one"


def test_without_a_snapshot_searches_go_plain_until_there_is_one(config, publish, anna):
    with Personalizer.from_config(config, Finds(), budget_s=9.0) as personalizer:
        result = personalizer.search("products", "lamp", user_token="anna")
        assert "there is no snapshot yet" in result.personalization.reason
        assert result.to_dict()["params"] == {"query": "lamp"}
        publish(anna=anna)
        assert personalizer.experience("anna").document["generation"] == 1


def test_stores_that_cannot_be_opened_cost_no_search(config, tmp_path):
    (tmp_path / "state").write_text("no directory", encoding="utf-8")
    with Personalizer.from_config(config, Finds(), budget_s=9.0) as personalizer:
        result = personalizer.search("products", "lamp", user_token="anna")
    assert result.personalization.applied is False
    assert result.personalization.reason.startswith("no answer: the state")


def test_wrong_settings_are_told_at_once(tmp_path):
    with pytest.raises(ConfigError):
        Personalizer.from_config(tmp_path / "nowhere.toml", Finds())
