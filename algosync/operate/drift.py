"""Compares what is really at Algolia with what the ledger says and with what should be there.

Pure: findings from values, and from findings the plan that repairs. Must not read, write, or know who asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from algosync.payloads.encode import Family, Payload
from algosync.payloads.ours import Standing
from algosync.payloads.rules import PREFIX
from algosync.sync.adopt import Found
from algosync.sync.plan import FAMILIES, UNSURE, Plan, Prices, There, plan

Kind = Literal["missing", "changed", "stale", "unrecorded", "foreign"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WRONG: Final[frozenset[Kind]] = frozenset({"missing", "changed"})
"""What a visitor may notice; the others are between the ledger and other people."""

Place = tuple[str, Family]
"""An index and a family."""

_PUT_BACK: Final = "lost: it is no longer there"
_EDITED: Final = "lost: somebody else has edited it"
_NOT_OURS: Final = "not written by algosync, and bears the name of its Rules"


@dataclass(frozen=True, slots=True)
class Thing:
    """What was seen of one object.

    Attributes:
        hash: Of its content.
        standing: Whose it looks like.
    """

    hash: str
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object that is not as the ledger says.

    Attributes:
        kind: `missing`: published, wanted, and not there. `changed`: there, and not as it was published. `stale`: a row
            of the ledger whose object is gone and wanted by nobody. `unrecorded`: ours, and unknown to the ledger.
            `foreign`: in our namespace, and not ours.
        published: The hash in the ledger.
        there: The hash of what is there.
        wanted: The hash of what should be.
    """

    kind: Kind
    family: Family
    index: str
    object_id: str
    published: str | None
    there: str | None
    wanted: str | None

    @property
    def key(self) -> tuple[Family, str, str]:
        """What names the object."""
        return self.family, self.index, self.object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How much of a family was looked at, and what came of it.

    Attributes:
        known: Objects that the ledger says are published.
        looked: Of these, those that were looked at.
        wrong: Of those, the missing and the changed.
        found: Findings by kind, of objects too that the ledger does not know.
    """

    family: Family
    known: int
    looked: int
    wrong: int
    found: Mapping[Kind, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is compared.

    Attributes:
        published: Per place, hash by objectID, as the ledger says.
        wanted: Per place, hash by objectID of what should be there; None asks for nothing to be.
        seen: Per place, by objectID what is there.
        under_way: Per place, objects that a write is under way of: nothing is said about them.
        looked: Per place, the objectIDs that were looked at; None for all that there are.
    """

    published: Mapping[Place, Mapping[str, str]]
    wanted: Mapping[Place, Mapping[str, str | None]]
    seen: Mapping[Place, Mapping[str, Thing]]
    under_way: Mapping[Place, Collection[str]] = field(default_factory=dict)
    looked: Mapping[Place, Collection[str]] | None = None

    def places(self) -> list[Place]:
        """Every place of which anything is known."""
        return sorted(self.published.keys() | self.seen.keys())

    def names(self, place: Place) -> frozenset[str]:
        """The objects of a place that something can be said about."""
        names = self.published.get(place, {}).keys() | self.seen.get(place, {}).keys()
        if self.looked is not None:
            names &= frozenset(self.looked.get(place, ()))
        return frozenset(names - frozenset(self.under_way.get(place, ())))

    def recorded(self, place: Place) -> frozenset[str]:
        """The objects of a place of which the ledger says what is there."""
        rows = self.published.get(place, {})
        return frozenset(name for name, digest in rows.items() if digest != UNSURE) - frozenset(
            self.under_way.get(place, ())
        )


def compare(evidence: Evidence) -> tuple[Finding, ...]:
    """Every object that is not as the ledger says, by place and objectID."""
    return tuple(_findings(evidence))


def _findings(evidence: Evidence) -> Iterator[Finding]:
    for place in evidence.places():
        index, family = place
        rows, seen = evidence.published.get(place, {}), evidence.seen.get(place, {})
        wanted = evidence.wanted.get(place, {})
        for name in sorted(evidence.names(place)):
            row = rows.get(name)
            published = None if row == UNSURE else row
            thing, want = seen.get(name), wanted.get(name)
            kind = _gone(row, want) if thing is None else _kind(row, thing, want)
            if kind is not None:
                yield Finding(
                    kind=kind,
                    family=family,
                    index=index,
                    object_id=name,
                    published=published,
                    there=None if thing is None else thing.hash,
                    wanted=want,
                )


def _gone(row: str | None, wanted: str | None) -> Kind | None:
    """Of what is not there. What the ledger is unsure of may still arrive: sent again, it is there in either case."""
    if wanted is not None:
        return "missing"
    return None if row == UNSURE else "stale"


def _kind(row: str | None, thing: Thing, wanted: str | None) -> Kind | None:
    if row is not None and row != UNSURE:
        return None if thing.hash == row else "changed"
    if thing.hash == wanted or (row is None and thing.standing == "ours"):
        return "unrecorded"
    if row == UNSURE:
        return "changed"
    return "changed" if thing.standing == "altered" or wanted is not None else "foreign"


def looked_at(evidence: Evidence, findings: Iterable[Finding], families: Iterable[Family]) -> tuple[Looked, ...]:
    """How much of each family was looked at, and what came of it."""
    found = list(findings)
    made = []
    for family in families:
        known = {place: evidence.recorded(place) for place in evidence.places() if place[1] == family}
        mine = [one for one in found if one.family == family]
        made.append(
            Looked(
                family=family,
                known=sum(map(len, known.values())),
                looked=sum(len(names & evidence.names(place)) for place, names in known.items()),
                wrong=sum(one.kind in WRONG and one.published is not None for one in mine),
                found=Counter(one.kind for one in mine),
            )
        )
    return tuple(made)


def intruders(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Rules that are not ours and bear the name of ours: the only foreign things that a repair may take away."""
    return tuple(
        one for one in findings if one.kind == "foreign" and one.family == "rules" and one.object_id.startswith(PREFIX)
    )


def corrections(findings: Iterable[Finding], *, sending: bool) -> list[Found]:
    """What the ledger must be told.

    Args:
        findings: What was found.
        sending: The repair is sent next. Of what is not as it should be the ledger is unsure from then on, so that a
            sync goes on with a repair that breaks off; what is missing keeps its row, which says that it was there.
    """
    rows = []
    for one in findings:
        says: str | None = one.there
        if one.kind == "changed" and one.there != one.wanted:
            says = UNSURE
            if not sending:
                continue
        elif one.kind not in ("changed", "stale", "unrecorded"):
            continue
        rows.append(Found(index=one.index, family=one.family, object_id=one.object_id, hash=says))
    return rows


def repairing(
    findings: Iterable[Finding],
    desired: Iterable[Payload],
    there: There,
    *,
    prices: Prices,
    families: Iterable[Family] = FAMILIES,
    oversize: Iterable[tuple[Family, str, str]] = (),
) -> Plan:
    """Plan what puts right what was found, one operation an object at most, and nothing else.

    Args:
        findings: What was found; what is foreign stays, but for intruders, and what only the ledger must learn costs
            nothing.
        desired: Everything that Algolia should hold.
        there: What it holds, for what it has refused and what is under way.
        prices: For the summary.
        families: Those that are switched on.
        oversize: (family, index, objectID) of what would be desired, were it not too large.
    """
    found = tuple(findings)
    todo = {one.key: one for one in (*(one for one in found if one.kind in WRONG), *intruders(found))}
    observed: dict[str, dict[str, str | None]] = {index: {} for index in there.observed}
    ledger: dict[Place, dict[str, str]] = {}
    for one in todo.values():
        if one.family == "related" and one.object_id in there.observed.get(one.index, {}):
            observed[one.index][one.object_id] = one.there
        elif one.there is not None:
            ledger.setdefault((one.index, one.family), {})[one.object_id] = one.there
    drafted = plan(
        [payload for payload in desired if (payload.family, payload.index, payload.object_id) in todo],
        replace(there, observed=observed, ledger=ledger),
        prices=prices,
        families=families,
        oversize=oversize,
    )
    operations = []
    for op in drafted.operations:
        kind = todo[op.family, op.index, op.object_id].kind
        if kind == "foreign":
            operations.append(replace(op, reason=_NOT_OURS))
        elif op.kind == "delete":
            operations.append(op)
        else:
            operations.append(replace(op, kind="update", reason=_PUT_BACK if kind == "missing" else _EDITED))
    return replace(drafted, operations=tuple(operations), unchanged={})
