"""The section [serve]: what is refused where, and that no secret is ever shown."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from algosync.errors import ConfigError, TooManyRequestsError
from algosync.settings import serving
from algosync.settings.load import load
from algosync.settings.serving import ServeSettings

SECRET = "a secret of the shop's, long enough"
MINIMAL = '[algolia]\napp_id = "SHOP"\nindices = [{name = "products"}]\n[serve]\n'


def test_keys_reach_the_gate_as_they_are() -> None:
    made = serving.keys(
        ServeSettings(
            public_keys=("public-storefront",),
            admin_key=SecretStr(SECRET),
            visitor_secrets=(SecretStr(SECRET + "1"), SecretStr(SECRET + "2")),
            secured_parent_key=SecretStr("a-search-key-made-for-this"),
        ),
        SecretStr("storefront"),
    )
    assert (made.public, made.admin) == (("public-storefront",), SECRET)
    assert list(made.visitor_secrets) == [SECRET + "1", SECRET + "2"]
    assert (made.secured_parent, made.storefront) == ("a-search-key-made-for-this", "storefront")


def test_nothing_is_open_by_default() -> None:
    made = serving.keys(ServeSettings(), None)
    assert (made.public, made.admin, made.visitor_secrets, made.secured_parent) == ((), None, (), None)
    assert ServeSettings().host == "127.0.0.1"
    assert ServeSettings().allow_origins == ()


def test_limits_count_as_configured() -> None:
    limits = serving.limits(
        ServeSettings.model_validate({"per_address": {"per_second": 1, "burst": 1}, "backends": ["10.0.0.0/8"]})
    )
    assert ip_network("10.0.0.0/8")
    for _ in range(3):
        limits.by_address("10.0.0.1", 0)
    limits.by_address("192.0.2.1", 0)
    with pytest.raises(TooManyRequestsError):
        limits.by_address("192.0.2.1", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"allow_origins": ["https://shop.example/"]},
        {"allow_origins": ["*"]},
        {"allow_origins": ["shop.example"]},
        {"allow_origins": ["https://shop.example https://evil.example"]},
        {"backends": ["ten"]},
        {"trusted_proxies": ["10.0.0.0/99"]},
        {"port": 70_000},
        {"public_keys": ["short"]},
        {"admin_key": "short"},
        {"visitor_secrets": ["short"]},
        {"per_visitor": {"per_second": 0, "burst": 1}},
        {"unknown": 1},
    ],
)
def test_what_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServeSettings.model_validate(wrong)


@pytest.mark.parametrize("origin", ["https://shop.example", "http://localhost:3000", "http://[::1]:3000"])
def test_origins(origin: str) -> None:
    assert ServeSettings(allow_origins=(origin,)).allow_origins == (origin,)


def test_secrets_come_from_the_environment_and_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "algosync.toml"
    path.write_text(MINIMAL + 'allow_origins = ["https://shop.example"]\n')
    monkeypatch.setenv("ALGOSYNC_SERVE__VISITOR_SECRETS", f'["{SECRET}"]')
    settings = load(path)
    assert settings.serve.visitor_secrets[0].get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    monkeypatch.setenv("ALGOSYNC_SERVE__VISITOR_SECRETS", '["hush"]')
    with pytest.raises(ConfigError, match=r"serve\.visitor_secrets") as caught:
        load(path)
    assert "hush" not in str(caught.value)


def test_forwarding_is_off_until_asked_for() -> None:
    assert ServeSettings().forward.enabled is False
    assert ServeSettings.model_validate({"forward": {"enabled": True}}).forward.segment is False


def test_what_waits_for_insights_leaves_room_for_what_comes() -> None:
    forward = {"enabled": True, "backlog_max": 3000}
    with pytest.raises(ValidationError, match="half of inbox_max_events"):
        ServeSettings.model_validate({"inbox_max_events": 5000, "forward": forward})
    ServeSettings.model_validate({"inbox_max_events": 6000, "forward": forward})
    ServeSettings.model_validate({"inbox_max_events": 5000, "forward": {**forward, "enabled": False}})
