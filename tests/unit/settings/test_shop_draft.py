"""Drafts of segments and actions, laid over the shop's own for one look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from algosync.errors import ConfigError
from algosync.settings.answers import shop_answers
from algosync.settings.definitions import load_actions, load_segments
from algosync.settings.models import Settings

OWN = {"fans": {"name": "Fans", "when": {"affinity": {"facet": "brand", "value": "A"}}}}
ACTION = {"hello": {"when": {"segments": ["fans"]}, "effect": {"message": {"title": "Hello"}}}}
NEW = {"new": {"when": {"segment": "fans"}}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A shop with one segment and one action."""
    (tmp_path / "segments.json").write_bytes(orjson.dumps(OWN))
    (tmp_path / "actions.json").write_bytes(orjson.dumps(ACTION))
    given: dict[str, Any] = {
        "algolia": {"app_id": "SHOP", "indices": [{"name": "products"}]},
        "facets": {"brand": 100},
        "events": {"consent_missing": "deny"},
        "segments": {"file": "segments.json"},
        "actions": {"file": "actions.json"},
    }
    return Settings.model_validate(given)


def test_a_draft_adds_to_the_shops_own_and_replaces_what_has_its_id(settings: Settings, tmp_path: Path) -> None:
    renamed = {"fans": {**OWN["fans"], "name": "Renamed"}, **NEW}
    found = load_segments(settings, tmp_path, {"segments": renamed})
    assert {segment.id: segment.name for segment in found.items} == {"fans": "Renamed", "new": "new"}
    assert load_segments(settings, tmp_path).ids == ("fans",)
    shop = shop_answers(settings, tmp_path, {"segments": NEW, "actions": {"bye": ACTION["hello"]}})
    assert [action.id for action in shop.actions.items] == ["bye", "hello"]
    assert shop.segments.ids == ("fans", "new")


def test_a_shop_without_files_can_be_drafted(settings: Settings, tmp_path: Path) -> None:
    bare = settings.model_copy(
        update={
            "segments": settings.segments.model_copy(update={"file": None}),
            "actions": settings.actions.model_copy(update={"file": None}),
        }
    )
    segments = load_segments(bare, tmp_path, {"segments": OWN})
    assert segments.ids == ("fans",)
    assert [action.id for action in load_actions(bare, tmp_path, segments, {"actions": ACTION}).items] == ["hello"]
    assert load_segments(bare, tmp_path, {}).items == ()
    assert load_actions(bare, tmp_path, segments).items == ()


@pytest.mark.parametrize(
    ("draft", "path"),
    [({"segments": {"new": {"when": {"segment": "gone"}}}}, "new.when"), ({"actions": {"bye": {}}}, "bye")],
    ids=["segment", "action"],
)
def test_mistakes_are_the_drafts(settings: Settings, tmp_path: Path, draft: Any, path: str) -> None:
    with pytest.raises(ConfigError, match=path) as refused:
        shop_answers(settings, tmp_path, draft)
    assert refused.value.where == "the draft"
