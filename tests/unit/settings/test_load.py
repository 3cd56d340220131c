"""The settings file and the environment over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from algosync.errors import ConfigError
from algosync.settings.load import load

MINIMAL = """
[algolia]
app_id = "SHOP"
[[algolia.indices]]
name = "products"
"""


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        path = tmp_path / "algosync.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def test_the_sample_settings_load() -> None:
    settings = load(Path(__file__).parents[3] / "config" / "algosync.toml")
    assert settings.facets["brand"].weight == 100
    assert settings.facets["price_band"].edges == (10, 25, 50, 100, 500, 1000)
    assert settings.events.consent_missing == "deny"


def test_defaults_push_nothing_and_deny_consent(write) -> None:
    settings = load(write(MINIMAL))
    assert not any([settings.push.related, settings.push.segments, settings.push.profiles, settings.push.rules])
    assert settings.events.consent_missing == "deny"


def test_environment_overrides_the_file_and_keeps_its_neighbours(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_ALGOLIA__WRITE_API_KEY", "k3y")
    monkeypatch.setenv("ALGOSYNC_PROFILES__HALF_LIFE_DAYS", "7")
    settings = load(write(MINIMAL))
    assert settings.algolia.app_id == "SHOP"
    assert settings.algolia.write_api_key is not None
    assert settings.algolia.write_api_key.get_secret_value() == "k3y"
    assert settings.profiles.half_life_days == 7
    assert "k3y" not in repr(settings)


def test_every_bad_key_is_named_at_once(write) -> None:
    path = write(
        MINIMAL.replace("app_id", "appid")
        + """
[[sources]]
name = "a"
type = "files"
[[sources]]
name = "b"
type = "carrier-pigeon"
[catalog]
type = "index"
idd = "sku"
[facets]
brand = 0
[events]
consent_missing = "perhaps"
[profiles]
half_life_days = 0.5
"""
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert "algolia.appid: unknown key (did you mean 'app_id'?)" in message
    assert "algolia.app_id: is missing" in message
    assert "sources[0].path: is missing" in message
    assert "sources[1].type: 'carrier-pigeon' is not one of 'files', 'sql'" in message
    assert "catalog.idd: unknown key (did you mean 'id'?)" in message
    assert "facets.brand.weight: must be greater than or equal to 1" in message
    assert "events.consent_missing: must be 'deny' or 'allow'" in message
    assert "profiles.half_life_days: must be greater than or equal to 1" in message


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("[facets]\nprice_band = 40", "facets.price_band: needs edges"),
        ("[facets]\non_sale = 40", "facets.on_sale: needs catalog.list_price"),
        ('[segments]\naffinity_facet = "colour"', "'colour' is not among [facets]"),
        ('[facets]\nbrand = 1\nmaker = { weight = 1, attribute = "brand" }', "'brand' stands behind two"),
        ('[push]\nquiet = ["Friday"]', "push.quiet: 'Friday' must be a day"),
        (
            '[[sources]]\nname = "q"\ntype = "sql"\nurl = "sqlite://"\ncursor_column = "id"',
            "give either table or query",
        ),
    ],
)
def test_keys_that_disagree_are_explained(write, extra: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[").replace("]", r"\]")):
        load(write(f"{MINIMAL}\n{extra}\n"))


def test_a_secret_never_appears_in_an_error(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_IDENTITY__HASH_KEY", "short-secret")
    with pytest.raises(ConfigError) as caught:
        load(write(MINIMAL))
    assert "identity.hash_key" in str(caught.value)
    assert "short-secret" not in str(caught.value)


def test_unknown_environment_variables_are_errors(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_ALGOLA__APP_ID", "x")
    with pytest.raises(ConfigError, match="did you mean 'algolia'"):
        load(write(MINIMAL))


def test_a_list_in_the_environment_must_be_json(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGOSYNC_ALGOLIA", "{not json")
    with pytest.raises(ConfigError, match="environment"):
        load(write(MINIMAL))


def test_an_absent_or_broken_file_says_where(tmp_path: Path, write) -> None:
    with pytest.raises(ConfigError, match="no settings file there"):
        load(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 2"):
        load(write("[algolia]\napp_id = SHOP"))


def test_a_table_that_does_not_say_its_kind_is_told_the_kinds(write) -> None:
    path = write(MINIMAL + '[catalog]\ntext = ["name"]\n[[sources]]\nname = "web"\n[[users]]\npath = "u.csv"\n')
    with pytest.raises(ConfigError) as error:
        load(path)
    for line in (
        "catalog.type: is missing; allowed are index, files, sql, events",
        "sources[0].type: is missing; allowed are files, sql",
        "users[0].type: is missing; allowed are files, sql",
    ):
        assert line in str(error.value)


def test_row_ids_and_a_lookback_exclude_each_other(write) -> None:
    source = f'{MINIMAL}[[sources]]\nname = "q"\ntype = "sql"\nurl = "sqlite://"\ntable = "t"\ncursor_column = "at"\n'
    columns = '[sources.columns]\ntimestamp = "at"\nuser_token = "who"\nevent_type = "what"\n'
    assert load(write(f'{source}id = "row"\nlookback = "0 days"\n{columns}')).sources[0].id == "row"
    assert load(write(f'{source}lookback = "2 hours"\n{columns}')).sources[0].lookback == "2 hours"
    with pytest.raises(ConfigError, match='id = "row" and lookback exclude each other'):
        load(write(f'{source}id = "row"\nlookback = "2 hours"\n{columns}'))
