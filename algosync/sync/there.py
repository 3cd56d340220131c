"""What Algolia holds of ours: products as observed, everything else as the ledger remembers it.

What is no longer there is not there, whatever the ledger says: a payload index may be deleted and come back with a
part of its records, and a shop that builds its index anew and moves it into place may lose Rules. Must not write
anywhere, so that a dry run may call it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from algosync.algolia.client import ReadClient
from algosync.errors import AlgoliaError
from algosync.payloads.encode import Family
from algosync.payloads.ours import document_hash, is_our_rule, record_family
from algosync.payloads.rules import PREFIX
from algosync.sync.ledger import Ledger
from algosync.sync.plan import FAMILIES, UNSURE, There


def there(
    client: ReadClient,
    ledger: Ledger,
    observed: Mapping[str, Mapping[str, str | None]],
    payload_index: str,
    families: Iterable[Family] = FAMILIES,
) -> There:
    """Put together what the plan compares with.

    Args:
        client: Asked whether the payload index exists (permission settings) and which of our records it holds (search;
            browse where the ledger knows none).
        ledger: Rows of the same application and hosts as the client's.
        observed: As read from each product index, see There.
        payload_index: Where segments and profiles are kept.
        families: The families that are switched on.

    Raises:
        AlgoliaError: The client may not ask.
        StoreError: The ledger failed.
    """
    on = [family for family in FAMILIES if family in set(families)]
    payloads = [family for family in on if family in ("segments", "profiles")]
    remembered: dict[tuple[str, Family], dict[str, str]] = {}
    for family in on:
        if family == "related":
            for index in observed:
                remembered[index, family] = ledger.hashes(index, family)
        elif family == "rules":
            for index in observed:
                remembered[index, family] = _rules(client, index, ledger.hashes(index, family))
    if payloads and client.exists(payload_index):
        remembered |= _held(client, ledger, payload_index, payloads)
    return There(observed=observed, ledger=remembered, under_way=ledger.under_way(), refused=ledger.refusals.known())


def _held(
    client: ReadClient, ledger: Ledger, index: str, families: Iterable[Family]
) -> dict[tuple[str, Family], dict[str, str]]:
    """What is there of the families that are kept in the payload index.

    Of what was published that which is there; what nobody knows of stays: its write may still arrive. Where the ledger
    has no row of a family it has lost it, or has never had it: then ours are known by their shape.
    """
    published = {family: ledger.hashes(index, family) for family in families}
    names = _names(client, index, published)
    held = {
        family: {name: digest for name, digest in hashes.items() if name in names or digest == UNSURE}
        for family, hashes in published.items()
    }
    lost = [family for family in published if not ledger.knows(index, family)]
    if lost:
        held |= _recognised(client, index, lost, len(names))
    return {(index, family): hashes for family, hashes in held.items()}


def _names(client: ReadClient, index: str, published: Mapping[Family, Collection[str]]) -> set[str]:
    """Of what was published the objectIDs that are there; all of them for a key that may not read them."""
    asked = sorted(set().union(*published.values()))
    try:
        records = client.get_objects(index, asked, ["objectID"])
    except AlgoliaError as error:
        if error.status != 403:
            raise
        return set(asked)
    return {name for name, record in zip(asked, records, strict=True) if record is not None}


def _recognised(
    client: ReadClient, index: str, families: Collection[Family], known: int
) -> dict[Family, dict[str, str]]:
    """What is there of families that the ledger does not know; looked for where more is there than is known."""
    found: dict[Family, dict[str, str]] = {family: {} for family in families}
    try:
        if known and client.count(index) <= known:
            return found
        for page in client.browse(index):
            for record in page:
                family = record_family(record)
                if family is not None and family in families:
                    found[family][record["objectID"]] = document_hash(record)
    except AlgoliaError as error:
        if error.status != 403:
            raise
    return found


def _rules(client: ReadClient, index: str, published: Mapping[str, str]) -> dict[str, str]:
    """Our Rules that are there, with the hash that was published; of those that the ledger does not know, their own.

    What only bears a name like ours is another's.
    """
    found = {}
    for rule in client.browse_rules(index):
        name = rule["objectID"]
        if name in published and name.startswith(PREFIX):
            found[name] = published[name]
        elif is_our_rule(rule):
            found[name] = document_hash(rule)
    return found
