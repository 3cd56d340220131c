"""Looks at what is really at Algolia, all of it or a sample: the hash of what is there, and whose it looks like.

Must not write, and must not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from algosync.algolia.client import ReadClient
from algosync.algolia.reader import ATTRIBUTE
from algosync.errors import AlgoliaError
from algosync.operate.drift import Place, Thing
from algosync.payloads.encode import Family
from algosync.payloads.ours import (
    attribute_hash,
    attribute_standing,
    document_hash,
    is_our_rule,
    named_family,
    record_family,
)
from algosync.payloads.rules import PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where things of ours may be.

    Attributes:
        products: The product indices.
        payloads: The index of segments and profiles.
        families: Which of ours are looked at.
    """

    products: tuple[str, ...]
    payloads: str
    families: frozenset[Family]


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was seen.

    Attributes:
        things: Per place, by objectID what is there in our namespace.
        products: Per product index, every product that was seen and the hash of our attribute, None without it.
        absent: Per product index, the products that were looked for in vain.
        records: How many records and Rules were read.
    """

    things: dict[Place, dict[str, Thing]] = field(default_factory=dict)
    products: dict[str, dict[str, str | None]] = field(default_factory=dict)
    absent: dict[str, set[str]] = field(default_factory=dict)
    records: int = 0


class Eye:
    """One look at an application.

    Args:
        client: May browse and search the indices, and read Rules (settings).
        where: Where to look.
        published: Per place, the objectIDs that the ledger knows.
        advance: Called with how many more records were read.
    """

    def __init__(
        self,
        client: ReadClient,
        where: Where,
        published: Mapping[Place, Collection[str]],
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._where = where
        self._published = published
        self._advance = advance
        self._seen = Seen(products={index: {} for index in where.products})

    def everything(self) -> Seen:
        """Browse all of it.

        Raises:
            AlgoliaError: The client may not.
        """
        where = self._where
        if "related" in where.families:
            for index in where.products:
                for page in self._client.browse(index, [ATTRIBUTE]):
                    self._products(index, page)
        if self._has_payloads() and self._client.exists(where.payloads):
            for page in self._client.browse(where.payloads):
                self._payloads(page)
        return self._rules()

    def some(self, chosen: Iterable[tuple[str, Family, str]]) -> Seen:
        """Read these records, by index, family and objectID, and every Rule.

        Raises:
            AlgoliaError: The client may not.
        """
        asked: dict[str, list[str]] = {}
        for index, _, name in sorted(chosen):
            asked.setdefault(index, []).append(name)
        for index, names in asked.items():
            of_products = index in self._where.products
            found = self._read(index, names, [ATTRIBUTE] if of_products else None)
            here = [record for record in found if record is not None]
            if of_products:
                self._products(index, here)
                self._seen.absent[index] = set(names) - {record["objectID"] for record in here}
            else:
                self._payloads(here)
        return self._rules()

    def _read(self, index: str, names: list[str], attributes: list[str] | None) -> list[dict[str, Any] | None]:
        try:
            return self._client.get_objects(index, names, attributes)
        except AlgoliaError as error:
            if error.status != 404 or index in self._where.products:
                raise
            return [None] * len(names)

    def _products(self, index: str, records: list[dict[str, Any]]) -> None:
        for record in records:
            name, attribute = record["objectID"], record.get(ATTRIBUTE)
            digest = None if attribute is None else attribute_hash(attribute)
            self._seen.products[index][name] = digest
            if digest is not None:
                self._add((index, "related"), name, Thing(digest, attribute_standing(attribute)))
        self._count(len(records))

    def _payloads(self, records: list[dict[str, Any]]) -> None:
        index = self._where.payloads
        for record in records:
            name, family = record["objectID"], record_family(record)
            thing = Thing(document_hash(record), "foreign" if family is None else "ours")
            self._add((index, family or self._named(name)), name, thing)
        self._count(len(records))

    def _named(self, name: str) -> Family:
        """The family that a record of another shape is counted among: the ledger's, or that of such names."""
        index = self._where.payloads
        families: tuple[Family, ...] = ("segments", "profiles")
        known = [family for family in families if name in self._published.get((index, family), ())]
        return known[0] if known else named_family(name)

    def _rules(self) -> Seen:
        if "rules" in self._where.families:
            for index in self._where.products:
                rules = [rule for rule in self._client.browse_rules(index) if rule["objectID"].startswith(PREFIX)]
                for rule in rules:
                    standing = Thing(document_hash(rule), "ours" if is_our_rule(rule) else "foreign")
                    self._add((index, "rules"), rule["objectID"], standing)
                self._count(len(rules))
        return self._seen

    def _has_payloads(self) -> bool:
        return not self._where.families.isdisjoint(("segments", "profiles"))

    def _add(self, place: Place, name: str, thing: Thing) -> None:
        if place[1] in self._where.families:
            self._seen.things.setdefault(place, {})[name] = thing

    def _count(self, records: int) -> None:
        self._seen.records += records
        self._advance(records)
