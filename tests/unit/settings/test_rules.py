"""What each section of the settings means to the rooms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from algosync.catalog.rules import DiscountBand, OnSale, PriceBand, PriceTier
from algosync.errors import ConfigError
from algosync.events.mapping import ColumnRef
from algosync.settings import rules as made
from algosync.settings.event_sources import event_source
from algosync.settings.shop import related_rules

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BASE = Path("/shop/config")
FILES = '[[sources]]\nname = "web"\ntype = "files"\n'
FACETS = """
[facets]
brand = 100
categories = { weight = 60, never = ["Health/*"] }
colour = { weight = 5, attribute = "details.colour" }
price_band = { weight = 40, from = "price", edges = [10, 25] }
price_tier = { weight = 30, from = "price", within = "categories", tiers = ["low", "high"] }
on_sale = 10
discount_band = { weight = 10, edges = [0.1, 0.5] }
[catalog]
type = "index"
list_price = "was"
"""


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("../events/*.csv", "/shop/config/../events/*.csv"),
        ("/data/e.csv", "/data/e.csv"),
        ("s3://bucket/e.csv", "s3://bucket/e.csv"),
    ],
)
def test_paths_are_relative_to_the_settings_file(path, whole):
    assert made.resolved(path, BASE) == whole
    assert made.resolved_all(path, BASE) == (whole,)
    assert made.resolved_all((path, path), BASE) == (whole, whole)


def test_a_source_of_files(settings):
    text = FILES + 'path = ["a.csv", "b.csv"]\npreset = "rees46"\ntimezone = "UTC"\ndelimiter = ";"\nbatch_rows = 7\n'
    loaded = settings(
        text + 'columns = { user_token = { from = "mail", transform = "safe" } }\n[events]\nmax_age_days = 3'
    )
    source = event_source(loaded, loaded.sources[0], base=BASE, now=NOW)
    assert source.source.path == ("/shop/config/a.csv", "/shop/config/b.csv")
    assert (source.source.delimiter, source.source.batch_rows) == (";", 7)
    assert source.mapping.columns["user_token"] == ColumnRef(column="mail", transform="safe")
    assert source.mapping.columns["object_id"] == "product_id"  # of the preset
    assert (source.rules.source, source.rules.timezone, source.rules.max_age) == ("web", "UTC", timedelta(days=3))
    assert source.rules.consent_missing == "deny"
    assert source.max_share == 0.2


def test_ancient_is_judged_by_the_clock_unless_the_data_are_of_the_past(settings):
    text = FILES + 'path = "a.csv"\npreset = "rees46"\n'
    loaded = settings(text)
    assert event_source(loaded, loaded.sources[0], base=BASE, now=NOW).rules.as_of == NOW
    past = settings(text + '[state]\nas_of = "last_event"\n')
    assert event_source(past, past.sources[0], base=BASE, now=NOW).rules.as_of is None


def test_a_source_of_rows_and_one_of_a_database(settings):
    loaded = settings(
        FILES
        + 'path = "a.csv"\npreset = "rees46"\nid = "row"\n'
        + '[[sources]]\nname = "db"\ntype = "sql"\nurl = "sqlite:///x"\ntable = "sold"\ncursor_column = "id"\n'
        + 'lookback = "2 days"\ncolumns = { timestamp = "at", user_token = "who" }\n'
        + 'constants = { event_type = "purchase" }\n'
    )
    rows, sold = (event_source(loaded, source, base=BASE, now=NOW) for source in loaded.sources)
    assert rows.mapping.columns["event_id"] == "row"
    assert rows.rules.identity == "row"
    assert (sold.source.table, sold.source.cursor_column, sold.source.lookback) == ("sold", "id", timedelta(days=2))
    assert sold.mapping.constants == {"event_type": "purchase"}


def test_a_field_that_does_not_exist_is_named_with_its_source(settings):
    loaded = settings(FILES + 'path = "a.csv"\ncolumns = { user = "u" }\n')
    with pytest.raises(ConfigError, match=r"sources\.web\.columns: unknown field user") as error:
        event_source(loaded, loaded.sources[0], base=BASE, now=NOW)
    assert "Did you mean user_token?" in str(error.value)
    loaded = settings(FILES + 'path = "a.csv"\ncolumns = { user_token = { from = "mail", transform = "hmac" } }\n')
    with pytest.raises(ConfigError, match=r'sources\.web\.columns: transform "hmac" needs a key'):
        event_source(loaded, loaded.sources[0], base=BASE, now=NOW)


def test_facets_of_products_and_derived_ones(settings):
    loaded = settings(FACETS)
    rules = made.catalog_rules(loaded)
    assert rules.facets["colour"].attribute == "details.colour"
    assert rules.facets["categories"].never == ("Health/*",)
    assert rules.facets["price_band"].derived == PriceBand(edges=(10, 25))
    assert rules.facets["price_tier"].derived == PriceTier(within="categories", cuts=(0.5,), labels=("low", "high"))
    assert rules.facets["on_sale"].derived == OnSale()
    assert rules.facets["discount_band"].derived == DiscountBand(edges=(0.1, 0.5))
    names = made.facet_names(loaded)
    assert (names["colour"], names["price_band"]) == ("details.colour", "algosync.price_band")
    assert set(made.needed_facets(loaded)) == {*names.values(), "algosync.boosts"}
    affinity = made.affinity_rules(loaded)
    assert set(affinity.facets) == set(names.values())
    assert dict(affinity.never) == {"categories": ("Health/*",)}
    policy = made.filter_policy(loaded, None)
    assert policy.weights["details.colour"] == 5
    assert dict(policy.never) == {"categories": ("Health/*",)}


def test_weights_budgets_and_readiness(settings):
    loaded = settings(
        "[events]\nview = 0\npurchase = 50\n[profiles]\nhalf_life_days = 7\nready = { min_sessions = 5 }\n"
        "[filters]\nmax = 4\nlevels = 2\n"
    )
    assert made.kind_weights(loaded) == {
        "view": 0,
        "click": 3,
        "add_to_cart": 10,
        "purchase": 50,
        "conversion": 30,
    }
    assert made.affinity_rules(loaded).half_life_days == 7
    assert made.readiness_rules(loaded).min_sessions == 5
    assert (made.filter_policy(loaded, None).max, made.filter_policy(loaded, None).levels) == (4, 2)
    assert made.prices(loaded).per_1000_records == 0.4


def test_related_items_go_by_the_facet_of_the_segments(settings):
    loaded = settings(
        FACETS + '[segments]\naffinity_facet = "colour"\n[related]\nfacets = ["brand", "price_band"]\nper_product = 5\n'
    )
    rules = related_rules(loaded)
    assert (rules.category, rules.facets, rules.per_product) == ("details.colour", ("brand", "algosync.price_band"), 5)
    assert related_rules(settings()).category is None


def test_every_key_that_nothing_acts_on_is_said(settings):
    assert made.not_heeded(settings()) == []
    said = made.not_heeded(
        settings('[rollout]\nusers = "5%"\n[push]\nprofiles = true\n[catalog]\ntype = "index"\nvector = "v"\n')
    )
    assert [line.split(":")[0] for line in said] == ["rollout.users", "catalog.vector"]
