"""The names and shapes of events: what a source may say, what the log keeps, why a row is turned away.

Two shapes follow each other. A **canonical** batch has text ids and any of FIELDS, as a mapping made it from a
source's own columns. A **log** row (LOG) has passed `clean`; its ids are integers of the id dictionary.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

FIELDS: Final = (
    "event_id",
    "timestamp",
    "user_token",
    "authenticated_user_token",
    "session_id",
    "event_type",
    "event_subtype",
    "event_name",
    "object_id",
    "facet_filters",
    "order_id",
    "price",
    "quantity",
    "discount",
    "currency",
    "query_id",
    "position",
    "index",
    "consent",
    "context",
    "product",
)
"""The event fields a mapping may fill. `context` and `product` are maps: declared context keys (country, device) and
the product's own columns, for a shop whose catalog lives nowhere else."""

FACET_VALUES: Final = pa.list_(pa.struct([("facet", pa.string()), ("value", pa.string())]))
"""Facet values of one product or filter event, sorted by facet, then value, without repeats."""

_SAID: Final = (
    ("order_id", pa.string()),
    ("price", pa.float64()),
    ("quantity", pa.int32()),
    ("discount", pa.float64()),
    ("currency", pa.string()),
    ("query_id", pa.string()),
    ("position", pa.int32()),
    ("index", pa.string()),
    ("consent", pa.string()),
    ("excluded", pa.string()),
    ("context", pa.map_(pa.string(), pa.string())),
)

CLEAN: Final = pa.schema(
    [
        ("key_hi", pa.uint64()),
        ("key_lo", pa.uint64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("user_token", pa.string()),
        ("authenticated_user_token", pa.string()),
        ("session_id", pa.string()),
        ("kind", pa.string()),
        ("event_name", pa.string()),
        ("object_id", pa.string()),
        ("facet_filters", FACET_VALUES),
        *_SAID,
        ("product", pa.string()),
        ("source", pa.string()),
    ]
)
"""An accepted event before its ids become integers. `key_hi`, `key_lo` are the halves of a 128-bit digest of source
and event_id (or of source and content) by which duplicates are known. `excluded` says why an accepted event is kept
out of profiles (`ignored:user_token`, `no_consent:missing` or `no_consent:denied`), else null. `product` is a JSON
object of the product's own columns, or null."""

LOG: Final = pa.schema(
    [
        ("key_hi", pa.uint64()),
        ("key_lo", pa.uint64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("token", pa.int32()),
        ("auth", pa.int32()),
        ("session_id", pa.string()),
        ("kind", pa.string()),
        ("event_name", pa.string()),
        ("object", pa.int32()),
        ("item", pa.int32()),
        *_SAID,
        ("source", pa.string()),
    ]
)
"""One event of the log. `token` and `auth` are ids of kind "token", `object` of kind "object". `item` is the product
version (ITEMS) whose facet values the event took with it; null with an `object` means: it waits for its product.
`price` is the event's own, else the product's at that moment, per unit."""

ITEMS: Final = pa.schema(
    [
        ("item", pa.int32()),
        ("object", pa.int32()),
        ("digest", pa.string()),
        ("facets", FACET_VALUES),
    ]
)
"""A product as it was when events first took it with them: immutable. `object` is null for the pseudo-products that
carry the filters of Insights' filter events."""

PRODUCT_REFS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("price", pa.float64()),
        ("digest", pa.string()),
        ("facets", FACET_VALUES),
    ]
)
"""What the log must know of the catalog to accept an event: for every id by which an event may name a product, its
present price, facet values and their digest."""
