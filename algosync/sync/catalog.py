"""The catalog stage of a run: products from wherever the shop keeps them, and what is there of ours, observed.

Whatever the products come from, objectIDs and `algosync.v` are read from the indices themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import duckdb
import orjson
import pyarrow as pa
import structlog

from algosync.algolia import reader
from algosync.algolia.client import ReadClient
from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.catalog.table import Catalog
from algosync.errors import AlgoliaError
from algosync.events.log import EventLog
from algosync.sync.digests import digest

_logger = structlog.get_logger(__name__)

Records = list[dict[str, Any]]
Versions = dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One full read of the indices.

    Attributes:
        asked: Digest of what was asked of them.
        state: Digest of how they were before; None where the key may not tell when an index last changed. While it
            stays, another read would find the same.
        at: When it began.
    """

    asked: str
    state: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is on the products of the indices.

    Attributes:
        versions: Per index, every objectID and the hash of what algosync wrote there, or None.
        settings: Per index, its settings.
        reading: The read that found it; None where the last one was taken, with what was written since.
    """

    versions: Mapping[str, Versions]
    settings: Mapping[str, Mapping[str, Any]]
    reading: Reading | None = None


class Stock(Protocol):
    """A catalog that can be asked at any time of a run."""

    def catalog(self) -> Catalog:
        """The products as known now."""
        ...

    def refs(self, accepted: pa.Table) -> pa.Table:
        """The products (schema PRODUCT_REFS) at the moment these events are taken in."""
        ...


class FixedStock:
    """A catalog that was read before the events.

    Args:
        products: The catalog.
    """

    def __init__(self, products: Catalog) -> None:
        self._products = products
        self._refs = products.product_refs()

    def catalog(self) -> Catalog:
        """The products."""
        return self._products

    def refs(self, accepted: pa.Table) -> pa.Table:  # noqa: ARG002
        """The products, whatever the events."""
        return self._refs


class EventStock:
    """A catalog known from the events' own product columns alone; it grows while they are taken in.

    Args:
        log: Where product columns are kept.
        con: DuckDB.
        rules: Where a product keeps what.
    """

    def __init__(self, log: EventLog, con: duckdb.DuckDBPyConnection, rules: CatalogRules) -> None:
        self._log = log
        self._con = con
        self._rules = rules

    def catalog(self) -> Catalog:
        """The products that the log's events brought along."""
        return self._build(None)

    def refs(self, accepted: pa.Table) -> pa.Table:
        """The products of the log and of these events."""
        return self._build(accepted).product_refs()

    def _build(self, accepted: pa.Table | None) -> Catalog:
        table = self._log.products(self._con, accepted)
        rows = zip(table["object_id"].to_pylist(), table["attributes"].to_pylist(), strict=True)
        return build([[{"objectID": name, **orjson.loads(attributes)} for name, attributes in rows]], self._rules)


def state_of(client: ReadClient, indices: Sequence[str]) -> str | None:
    """Digest of when the indices last changed; None where the key may not know."""
    try:
        updated = {item.get("name"): item.get("updatedAt") for item in client.list_indices()}
    except AlgoliaError as error:
        if error.status != 403:
            raise
        _logger.info("the key lacks listIndexes: the whole index is read every time")
        return None
    moments = [updated.get(index) for index in indices]
    return None if None in moments else digest(tuple(indices), moments)


def read_indices(
    client: ReadClient, indices: Sequence[str], attributes: Sequence[str], *, progress: Callable[[int], None]
) -> tuple[dict[str, Versions], Iterator[Records]]:
    """Reads every index once: what of ours is on its products, and the products themselves.

    Args:
        client: May browse the indices.
        indices: The product indices.
        attributes: What is needed of a product; none for its objectID alone.
        progress: Called with how many more products were read.

    Returns:
        The versions per index, which fill while the products are taken; and the products.
    """
    versions: dict[str, Versions] = {index: {} for index in indices}

    def batches() -> Iterator[Records]:
        for index in indices:
            for batch in reader.products(client, index, attributes):
                versions[index].update(batch.versions)
                progress(len(batch.records))
                yield batch.records

    return versions, batches()


def needed_attributes(rules: CatalogRules) -> list[str]:
    """The attributes of a product that the rules read, nested ones by dotted path."""
    conditions = re.findall(r"(?:^|\sAND\s)\s*([^:\s]+):", rules.available or "")
    plain = [facet.attribute for facet in rules.facets.values() if facet.derived is None]
    names = [rules.id, rules.group, rules.price, rules.list_price, *rules.text, *plain, *conditions]
    return sorted({name for name in names if name is not None and name != "objectID"})


def counted(batches: Iterable[Records], progress: Callable[[int], None]) -> Iterator[Records]:
    """The same batches, each reported."""
    for batch in batches:
        progress(len(batch))
        yield batch
