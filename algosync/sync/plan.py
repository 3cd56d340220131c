"""The plan: what must be sent so that Algolia holds what it should.

Pure arithmetic on values: desired minus there, as a frozen list of operations with reasons, sizes and price. Must not
read, send, ask for the time, or know who will consume the plan.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import orjson

from algosync.errors import ConfigError
from algosync.payloads.encode import Family, Payload
from algosync.payloads.rules import PREFIX

Action = Literal["partialUpdateObjectNoCreate", "updateObject", "deleteObject", "saveRule", "deleteRule"]
Kind = Literal["add", "update", "delete"]

FAMILIES: Final[tuple[Family, ...]] = get_args(Family)

UNSURE: Final = "?"
"""The hash of an object of which nobody knows what Algolia holds: no payload has it, so the next plan settles it."""

WRITE: Final[Mapping[Family, Action]] = {
    "related": "partialUpdateObjectNoCreate",
    "segments": "updateObject",
    "profiles": "updateObject",
    "rules": "saveRule",
}
DELETE: Final[Mapping[Family, Action]] = {
    "related": "partialUpdateObjectNoCreate",
    "segments": "deleteObject",
    "profiles": "deleteObject",
    "rules": "deleteRule",
}
_GONE: Final[Mapping[Family, str]] = {
    "related": "nothing to say about this product any more",
    "segments": "the segment is gone",
    "profiles": "no longer a ready, recently active person",
    "rules": "the segment has no rule any more",
}
CHANGED: Final = "changed"
"""The reason of an update that is none of putting back what was lost."""
_LOST: Final = "lost: the shop's feed replaced the record"
_OTHER: Final = "lost: the index holds another version than was published"
_AGAIN: Final = "sent again: a run broke off while it was under way"
_TURNED_AWAY: Final = (
    "Algolia refused it: {reason}; it is tried again once it changes, or after `algosync quarantine retry`"
)
_TURN: Final[Mapping[Family, int]] = {"profiles": 1, "segments": 2, "rules": 3, "related": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What Algolia charges, in the shop's currency.

    Attributes:
        per_1000_records: For holding 1,000 records a month.
        per_1000_operations: For 1,000 indexing operations, once.
        per_1000_requests: For 1,000 requests that read: search, browse, settings.
    """

    per_1000_records: float = 0.0
    per_1000_operations: float = 0.0
    per_1000_requests: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What Algolia holds of ours.

    Attributes:
        observed: index -> objectID -> what was read on that product: the hash of our attribute, or None. Every
            product of the index is listed; one that is not listed is absent.
        ledger: (index, family) -> objectID -> hash, as published earlier.
        under_way: (index, family) -> objectID -> hash that a write makes it (None: takes it away) which Algolia has
            taken and not published yet.
        refused: (index, family) -> objectID -> hash and reason of a payload that Algolia refused to hold.
    """

    observed: Mapping[str, Mapping[str, str | None]]
    ledger: Mapping[tuple[str, Family], Mapping[str, str]] = field(default_factory=dict)
    under_way: Mapping[tuple[str, Family], Mapping[str, str | None]] = field(default_factory=dict)
    refused: Mapping[tuple[str, Family], Mapping[str, tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, as Algolia bills it.

    Attributes:
        body: The JSON to send; None for deletions by objectID.
        hash: What will be there; None for nothing.
        previous: The hash that is there now, as far as known.
        reason: Why, for people.
        summary: What the payload says, for people.
        rank: What it is worth to be sent early, see Payload.
    """

    family: Family
    index: str
    object_id: str
    action: Action
    kind: Kind
    body: bytes | None
    hash: str | None
    previous: str | None
    reason: str
    summary: str = ""
    rank: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return 0 if self.body is None else len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A payload that was left out of the plan."""

    family: Family
    index: str
    object_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send, in order, and what need not be.

    Attributes:
        operations: At most one per object: erasures of profiles first, then profiles, segments, rules, related items;
            within an index deletions first, then what is worth most.
        unchanged: Payloads per family that are there already, and so saved operations.
        under_way: Objects that Algolia has taken a write of already, which is not published yet.
        refused: Payloads left out, with reasons.
        absent: Per index the number of products that have a payload and are not in the index.
        off: Families that are switched off: whatever is there of them stays.
        prices: What the summary's money is computed with.
        hash: Digest of the operations; two plans with the same digest do the same.
    """

    operations: tuple[Operation, ...]
    unchanged: Mapping[Family, int]
    under_way: int = 0
    refused: tuple[Refused, ...] = ()
    absent: Mapping[str, int] = field(default_factory=dict)
    off: tuple[Family, ...] = ()
    prices: Prices = Prices()
    hash: str = ""

    def summary(self) -> dict[str, Any]:
        """Totals as a JSON document, with the same per family under `families`.

        `records_added` is the net change of the number of records; `money` is `{"operations": once, "records":
        a month}` in the shop's currency.
        """
        families = {name: self._totals((name,)) for name in FAMILIES if name not in self.off}
        return {
            **self._totals(FAMILIES),
            "under_way": self.under_way,
            "refused": len(self.refused),
            "absent": dict(sorted(self.absent.items())),
            "off": list(self.off),
            "hash": self.hash,
            "families": families,
        }

    def _totals(self, families: tuple[Family, ...]) -> dict[str, Any]:
        mine = [op for op in self.operations if op.family in families]
        kinds = Counter(op.kind for op in mine)
        records = sum(_record_change(op) for op in mine)
        return {
            "add": kinds["add"],
            "update": kinds["update"],
            "delete": kinds["delete"],
            "unchanged": sum(self.unchanged.get(name, 0) for name in families),
            "operations": len(mine),
            "records_added": records,
            "bytes": sum(op.size for op in mine),
            "money": {
                "operations": round(len(mine) / 1000 * self.prices.per_1000_operations, 4),
                "records": round(records / 1000 * self.prices.per_1000_records, 4),
            },
        }


def plan(
    desired: Iterable[Payload],
    there: There,
    *,
    prices: Prices | None = None,
    families: Iterable[Family] = FAMILIES,
    oversize: Iterable[tuple[Family, str, str]] = (),
) -> Plan:
    """Compute what must be sent.

    Args:
        desired: Everything that Algolia should hold, of the families that are switched on; payloads of others are
            left out. A hash of None asks for nothing to be there.
        there: What it holds.
        prices: For the summary.
        families: The families that are switched on. Those that are off are neither written nor deleted.
        oversize: (family, index, objectID) of what would be desired, were it not too large: what is there stays.

    Raises:
        ConfigError: Records of the payload index would go into a product index.
    """
    on = frozenset(families)
    wanted, refused = _wanted((payload for payload in desired if payload.family in on), there)
    draft = _Draft(there=there, refused=refused)
    for key in sorted(wanted):
        draft.write(wanted[key])
    spared = wanted.keys() | set(oversize)
    for family, index, object_id, previous in _present(there, on):
        if (family, index, object_id) not in spared:
            draft.delete(family, index, object_id, previous)
    operations = tuple(sorted(draft.operations, key=_turn))
    return Plan(
        operations=operations,
        unchanged={name: draft.unchanged[name] for name in FAMILIES if name in on},
        under_way=draft.under_way,
        refused=tuple(sorted(refused, key=lambda r: (r.family, r.index, r.object_id, r.reason))),
        absent={index: count for index, count in sorted(draft.absent.items()) if count},
        off=tuple(name for name in FAMILIES if name not in on),
        prices=prices or Prices(),
        hash=_digest(operations),
    )


_Key = tuple[Family, str, str]


@dataclass(slots=True, kw_only=True)
class _Draft:
    there: There
    refused: list[Refused]
    operations: list[Operation] = field(default_factory=list)
    unchanged: Counter[Family] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    under_way: int = 0

    def write(self, payload: Payload) -> None:
        family, index, object_id = payload.family, payload.index, payload.object_id
        if self._is_refused(payload) or self._is_under_way(family, index, object_id, payload.hash):
            return
        published = self.there.ledger.get((index, family), {}).get(object_id)
        previous = published
        if family == "related":
            products = self.there.observed.get(index, {})
            if object_id not in products:
                self.absent[index] += payload.hash is not None
                return
            previous = products[object_id]
        if payload.hash is None:
            if previous is not None:
                self.delete(family, index, object_id, previous)
        elif previous == payload.hash and published != UNSURE:
            self.unchanged[family] += 1
        else:
            self.operations.append(_written(payload, previous, published))

    def _is_refused(self, payload: Payload) -> bool:
        family, index, object_id = payload.family, payload.index, payload.object_id
        known = self.there.refused.get((index, family), {}).get(object_id)
        if known is None or known[0] != payload.hash:
            return False
        reason = _TURNED_AWAY.format(reason=known[1])
        self.refused.append(Refused(family=family, index=index, object_id=object_id, reason=reason))
        return True

    def _is_under_way(self, family: Family, index: str, object_id: str, wanted: str | None) -> bool:
        sent = self.there.under_way.get((index, family), {})
        if object_id not in sent or sent[object_id] != wanted:
            return False
        self.under_way += 1
        return True

    def delete(self, family: Family, index: str, object_id: str, previous: str) -> None:
        if self._is_under_way(family, index, object_id, None):
            return
        self.operations.append(
            Operation(
                family=family,
                index=index,
                object_id=object_id,
                action=DELETE[family],
                kind="delete",
                body=orjson.dumps({"objectID": object_id, "algosync": None}) if family == "related" else None,
                hash=None,
                previous=previous,
                reason=_GONE[family],
            )
        )


def _written(payload: Payload, previous: str | None, published: str | None) -> Operation:
    kind, reason = _why(previous, published, payload.hash)
    return Operation(
        family=payload.family,
        index=payload.index,
        object_id=payload.object_id,
        action=WRITE[payload.family],
        kind=kind,
        body=payload.body,
        hash=payload.hash,
        previous=previous,
        reason=reason,
        summary=payload.summary,
        rank=payload.rank,
    )


def _turn(op: Operation) -> tuple[int, str, bool, int, str]:
    """What comes first: whoever shall be forgotten is, before anybody is remembered better."""
    turn = 0 if op.family == "profiles" and op.kind == "delete" else _TURN[op.family]
    return turn, op.index, op.kind != "delete", -op.rank, op.object_id


def _why(previous: str | None, published: str | None, desired: str | None) -> tuple[Kind, str]:
    if published == UNSURE:
        return "update", _AGAIN
    if previous is None:
        return ("add", "new") if published is None else ("update", _LOST)
    return "update", _OTHER if published == desired else CHANGED


def _wanted(desired: Iterable[Payload], there: There) -> tuple[dict[_Key, Payload], list[Refused]]:
    wanted: dict[_Key, Payload] = {}
    refused: list[Refused] = []
    for payload in desired:
        key = (payload.family, payload.index, payload.object_id)
        reason = _problem(payload, there, again=key in wanted)
        if reason is None:
            wanted[key] = payload
        else:
            refused.append(Refused(family=key[0], index=key[1], object_id=key[2], reason=reason))
    return wanted, refused


def _problem(payload: Payload, there: There, *, again: bool) -> str | None:
    if payload.family in ("segments", "profiles") and payload.index in there.observed:
        raise ConfigError(
            f"{payload.index!r} is a product index and cannot hold {payload.family}",
            where="algolia.payload_index",
            hint="Name an index of its own",
        )
    if not payload.object_id:
        return "it has no objectID"
    if payload.family == "rules" and not payload.object_id.startswith(PREFIX):
        return f"rules of ours have an objectID that begins with {PREFIX!r}"
    return "given twice" if again else None


def _present(there: There, on: frozenset[Family]) -> Iterator[tuple[Family, str, str, str]]:
    if "related" in on:
        for index, products in there.observed.items():
            for object_id, version in products.items():
                if version is not None:
                    yield "related", index, object_id, version
    for (index, family), hashes in there.ledger.items():
        if family != "related" and family in on:
            for object_id, published in hashes.items():
                if family != "rules" or object_id.startswith(PREFIX):
                    yield family, index, object_id, published


def _record_change(op: Operation) -> int:
    if op.action not in ("updateObject", "deleteObject"):
        return 0
    return {"add": 1, "update": 0, "delete": -1}[op.kind]


def _digest(operations: tuple[Operation, ...]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for op in sorted(operations, key=lambda op: (op.family, op.index, op.object_id)):  # ranks move, and change nothing
        digest.update("\x00".join((op.family, op.index, op.object_id, op.action, op.hash or "")).encode())
        digest.update(b"\x01")
    return digest.hexdigest()
