"""Reads whole indices for the catalog, and with each product the hash of what algosync wrote on it.

So what is there is observed, not remembered. Must not interpret the products' own attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from algosync.algolia.client import ReadClient

ATTRIBUTE: Final = "algosync"
"""The one attribute that algosync owns on a product."""

_VERSION: Final = f"{ATTRIBUTE}.v"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductBatch:
    """Up to 1,000 products.

    Attributes:
        records: The products as read, without algosync's attribute.
        versions: For every objectID of the batch the hash of what algosync wrote there, or None.
    """

    records: list[dict[str, Any]]
    versions: dict[str, str | None]


def products(
    client: ReadClient,
    index: str,
    attributes: Sequence[str] | None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ProductBatch]:
    """All products of an index, a batch at a time.

    Args:
        client: A client that may browse the index.
        index: The product index.
        attributes: The attributes to read (nested ones by dotted path); None for all.
        progress: Called with the number of products read so far.

    Raises:
        AlgoliaError: The index does not exist or must not be browsed.
        AlgoliaUnavailableError: Algolia stopped answering.
    """
    wanted = None if attributes is None else [*(a for a in attributes if a != ATTRIBUTE), _VERSION]
    count = 0
    for page in client.browse(index, wanted):
        versions = {record["objectID"]: version(record) for record in page}
        for record in page:
            record.pop(ATTRIBUTE, None)
        count += len(page)
        if progress is not None:
            progress(count)
        yield ProductBatch(records=page, versions=versions)


def versions(client: ReadClient, index: str, *, progress: Callable[[int], None] | None = None) -> dict[str, str | None]:
    """Every objectID of an index and the hash of what algosync wrote there, or None."""
    found: dict[str, str | None] = {}
    for batch in products(client, index, [], progress=progress):
        found.update(batch.versions)
    return found


def version(record: Mapping[str, Any]) -> str | None:
    """The hash of what algosync wrote on a product, or None if there is nothing of ours."""
    ours = record.get(ATTRIBUTE)
    found = ours.get("v") if isinstance(ours, dict) else None
    return found if isinstance(found, str) else None
