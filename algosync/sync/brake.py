"""The brake: how much of what exists a plan would change or take away, and which part of it one run may send.

Pure arithmetic on a plan. Putting back what the shop's feed removed is neither a change nor an addition. Must not know
who approves, nor what is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from algosync.payloads.encode import Family
from algosync.sync.plan import CHANGED, DELETE, FAMILIES, WRITE, Operation, Plan, There

MARK_BYTES: Final = 8
"""Length of the digest by which an approved operation is known again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeLimits:
    """What a plan may do without approval.

    Attributes:
        change_share: Share of a family's objects that may change, 0 to 1.
        delete_share: Share of them that may go, 0 to 1.
        at_least: Fewer objects than this are never too many.
    """

    change_share: float = 0.3
    delete_share: float = 0.1
    at_least: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a plan does to one family.

    Attributes:
        there: Objects of ours that are there, or were until the shop's feed replaced them.
        changes: Of these, those that become something else.
        deletes: Of these, those that go.
        restores: Operations that put back what was lost, or send again what broke off.
        adds: Objects that are there for the first time.
    """

    family: Family
    there: int
    changes: int
    deletes: int
    restores: int
    adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One reason to stop.

    Attributes:
        objects: How many would change or go.
        there: Of how many.
        limit: The share that may, 0 to 1.
    """

    family: Family
    kind: Literal["change", "delete"]
    objects: int
    there: int
    limit: float

    def __str__(self) -> str:
        does = "change" if self.kind == "change" else "go"
        return f"{_of(self.objects, self.there)} {self.family} would {does}, where {self.limit:.0%} may"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the brake says of a plan.

    Attributes:
        hash: Of the plan.
        shares: What it does, family by family.
        stops: Why it must not be sent without approval; none where it may be.
        settings_changed: It comes of other settings than the run before.
    """

    hash: str
    shares: tuple[Share, ...]
    stops: tuple[Stop, ...]
    settings_changed: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "hash": self.hash,
            "settings_changed": self.settings_changed,
            "families": {share.family: asdict(share) for share in self.shares},
            "stops": [{**asdict(stop), "says": str(stop)} for stop in self.stops],
        }

    def announced(self) -> list[str]:
        """What other settings than the run before's move, for people; nothing where they are the same."""
        if not self.settings_changed:
            return []
        moved = [share for share in self.shares if share.changes or share.deletes]
        if not moved:
            return ["the settings have changed since the last run; nothing that is there changes"]
        told = [f"{_of(s.changes, s.there)} {s.family} change and {_of(s.deletes, s.there)} go" for s in moved]
        return [f"the settings have changed since the last run: {'; '.join(told)}"]


def shares(plan: Plan, there: There, approved: AbstractSet[bytes] = frozenset()) -> tuple[Share, ...]:
    """What the plan does, family by family; those that are switched off are left out.

    Args:
        plan: The plan.
        there: What it was made from.
        approved: Marks of operations that were approved, which count as nothing.
    """
    todo = [op for op in plan.operations if not approved or mark(op) not in approved]
    return tuple(_share(family, todo, there) for family in FAMILIES if family not in plan.off)


def judge(
    plan: Plan, there: There, limits: BrakeLimits, approved: AbstractSet[bytes] = frozenset()
) -> tuple[Stop, ...]:
    """Every reason to stop before the plan is sent; none where it may be. The arguments are those of `shares`."""
    stops = []
    for share in shares(plan, there, approved):
        pairs: tuple[tuple[Literal["change", "delete"], int, float], ...] = (
            ("change", share.changes, limits.change_share),
            ("delete", share.deletes, limits.delete_share),
        )
        stops += [
            Stop(family=share.family, kind=kind, objects=count, there=share.there, limit=most)
            for kind, count, most in pairs
            if count >= max(limits.at_least, 1) and count > most * share.there
        ]
    return tuple(stops)


def bounded(operations: Iterable[Operation], adds: int | None) -> tuple[Operation, ...]:
    """The operations in their order, with no more than so many that add something; the first of these are kept."""
    if adds is None:
        return tuple(operations)
    kept, left = [], adds
    for op in operations:
        if op.kind == "add":
            left -= 1
            if left < 0:
                continue
        kept.append(op)
    return tuple(kept)


def mark(op: Operation) -> bytes:
    """What an operation is known again by: what it makes of which object."""
    return _mark(op.family, op.index, op.object_id, op.action, op.hash or "")


def awaited_marks(there: There) -> frozenset[bytes]:
    """What those operations are known by that a plan leaves out for now, and a later one may hold again.

    Writes that Algolia has taken and may lose before they are published; writes that it has refused so far.
    """
    sent = (
        _mark(family, index, object_id, WRITE[family] if digest is not None else DELETE[family], digest or "")
        for (index, family), writes in there.under_way.items()
        for object_id, digest in writes.items()
    )
    turned_away = (
        _mark(family, index, object_id, WRITE[family], digest)
        for (index, family), known in there.refused.items()
        for object_id, (digest, _) in known.items()
    )
    return frozenset({*sent, *turned_away})


def _mark(*parts: str) -> bytes:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=MARK_BYTES).digest()


def _of(count: int, there: int) -> str:
    return f"{count:,} of {there:,} ({count / max(there, 1):.0%})"


def _share(family: Family, operations: Iterable[Operation], there: There) -> Share:
    mine = [op for op in operations if op.family == family]
    changes = sum(op.kind == "update" and op.reason == CHANGED for op in mine)
    return Share(
        family=family,
        there=_existing(family, there),
        changes=changes,
        deletes=sum(op.kind == "delete" for op in mine),
        restores=sum(op.kind == "update" for op in mine) - changes,
        adds=sum(op.kind == "add" for op in mine),
    )


def _existing(family: Family, there: There) -> int:
    known = {(index, name) for (index, one), held in there.ledger.items() if one == family for name in held}
    if family == "related":
        # A product that has left the index takes our attribute along: the ledger alone still names it.
        known = {(index, name) for index, name in known if name in there.observed.get(index, {})}
        known |= {(index, name) for index, seen in there.observed.items() for name, v in seen.items() if v is not None}
    return len(known)
