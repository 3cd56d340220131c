"""What Algolia holds of ours: products as observed, everything else as the ledger remembers it.

An index that no longer exists holds nothing, whatever the ledger says, and a Rule that is gone is gone: a shop that
builds its index anew and moves it into place may lose Rules. Must not write anywhere, so that a dry run may call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from algosync.algolia.client import ReadClient
from algosync.payloads.encode import Family
from algosync.sync.ledger import Ledger
from algosync.sync.plan import FAMILIES, RULE_PREFIX, UNSURE, There


def there(
    client: ReadClient,
    ledger: Ledger,
    observed: Mapping[str, Mapping[str, str | None]],
    payload_index: str,
    families: Iterable[Family] = FAMILIES,
) -> There:
    """Put together what the plan compares with.

    Args:
        client: Asked whether the payload index exists (permission settings).
        ledger: Rows of the same application and hosts as the client's.
        observed: As read from each product index, see There.
        payload_index: Where segments and profiles are kept.
        families: The families that are switched on.

    Raises:
        AlgoliaError: The client may not ask.
        StoreError: The ledger failed.
    """
    on = [family for family in FAMILIES if family in set(families)]
    exists = client.exists(payload_index) if {"segments", "profiles"} & set(on) else False
    remembered: dict[tuple[str, Family], dict[str, str]] = {}
    for family in on:
        if family == "related":
            for index in observed:
                remembered[index, family] = ledger.hashes(index, family)
        elif family == "rules":
            for index in observed:
                remembered[index, family] = _rules(client, index, ledger.hashes(index, family))
        elif exists:
            remembered[payload_index, family] = ledger.hashes(payload_index, family)
    return There(observed=observed, ledger=remembered)


def _rules(client: ReadClient, index: str, published: Mapping[str, str]) -> dict[str, str]:
    """Our Rules that are there, with the hash that was published; unsure of those that the ledger does not know."""
    names = (rule["objectID"] for rule in client.browse_rules(index))
    return {name: published.get(name, UNSURE) for name in names if name.startswith(RULE_PREFIX)}
