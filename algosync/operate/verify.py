"""A certificate: what a look at Algolia found, how much was looked at, what that says about the rest, and the repair.

Values only. Must not look, send or keep anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from algosync.operate.confidence import CONFIDENCE, drawn, wrong_at_most
from algosync.operate.drift import (
    KINDS,
    Evidence,
    Finding,
    Kind,
    Looked,
    Place,
    compare,
    intruders,
    looked_at,
    repairing,
)
from algosync.operate.looking import Seen
from algosync.payloads.encode import Family, Payload
from algosync.sync.plan import UNSURE, Plan, Prices, There
from algosync.sync.push import Pushed
from algosync.sync.report import pushed_document

SHOWN: Final = 20
"""Findings of each kind that a certificate names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A random sample of what the ledger says is published.

    Attributes:
        seed: Of the draw.
        chosen: Index, family and objectID of each.
    """

    seed: str
    chosen: frozenset[tuple[str, Family, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What should be there, as far as plans are made from it.

    Attributes:
        payloads: All of it.
        there: What a plan is made from, with every product of the indices as it is.
        prices: For the plan's summary.
        families: Those that are switched on.
        oversize: (family, index, objectID) of what is too large to be there.
    """

    payloads: tuple[Payload, ...]
    there: There
    prices: Prices
    families: frozenset[Family]
    oversize: frozenset[tuple[Family, str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was found, and what was done about it.

    Attributes:
        at: When it was looked.
        draw: What was looked at besides Rules; None for everything.
        looked: Family by family.
        findings: All that is not as the ledger says.
        under_way: Objects of which nothing was said, since a write is under way.
        plan: What puts right what is missing or changed, and takes away Rules that are not ours and are named so.
        intruders: How many of the plan's operations take such Rules away.
        pushed: What was sent of the plan; None where that was not asked for, or not confirmed.
        corrected: Rows of the ledger that were put right.
        requests: Requests that reading took.
        notes: What people should know.
    """

    at: datetime
    draw: Draw | None
    looked: tuple[Looked, ...]
    findings: tuple[Finding, ...]
    under_way: int
    plan: Plan
    intruders: int
    pushed: Pushed | None = None
    corrected: int = 0
    requests: int = 0
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> dict[Kind, int]:
        """Findings by kind, zeros too."""
        return {kind: sum(one.found.get(kind, 0) for one in self.looked) for kind in KINDS}

    @property
    def left(self) -> int:
        """Operations that are left to do."""
        return len(self.plan.operations) - (0 if self.pushed is None else self.pushed.operations)

    def document(self) -> dict[str, Any]:
        """The certificate as a JSON document; records of people are counted and not named."""
        return {
            "at": self.at.isoformat(),
            "mode": "full" if self.draw is None else "sample",
            "seed": None if self.draw is None else self.draw.seed,
            "confidence": CONFIDENCE,
            **self._certainty(self.looked),
            "found": self.found,
            "families": {
                one.family: {**self._certainty([one]), "found": {kind: one.found.get(kind, 0) for kind in KINDS}}
                for one in self.looked
            },
            "under_way": self.under_way,
            "findings": self._named(),
            "repair": {**self.plan.summary(), "foreign_rules": self.intruders},
            "repaired": self.pushed is not None,
            "left": self.left,
            "pushed": pushed_document(self.pushed),
            "corrected": self.corrected,
            "requests": self.requests,
            "notes": list(self.notes),
        }

    def _certainty(self, looked: Iterable[Looked]) -> dict[str, Any]:
        """What was looked at of these families, and what that says about all of them; shares from 0 to 1.

        Rules are always looked at whole, so they are no part of a sample.
        """
        every = list(looked)
        drawn_from = [one for one in every if one.family != "rules"]
        known, seen, wrong = _sums(every)
        most = wrong_at_most(*_sums(drawn_from)) + sum(one.wrong for one in every if one.family == "rules")
        return {
            "known": known,
            "looked": seen,
            "share": round(seen / known, 6) if known else 1.0,
            "wrong": wrong,
            "wrong_at_most": most,
            "wrong_share_at_most": round(most / known, 6) if known else 0.0,
        }

    def _named(self) -> list[dict[str, Any]]:
        named: list[dict[str, Any]] = []
        for kind in KINDS:
            mine = [one for one in self.findings if one.kind == kind and one.family != "profiles"]
            named += [
                {
                    "kind": kind,
                    "family": one.family,
                    "index": one.index,
                    "objectID": one.object_id,
                    "published": one.published,
                    "there": one.there,
                    "wanted": one.wanted,
                }
                for one in mine[:SHOWN]
            ]
        return named


def draw(
    published: Mapping[Place, Mapping[str, str]], under_way: Mapping[Place, Iterable[str]], n: int, seed: str
) -> Draw:
    """Draw so many of the records that the ledger says are published; Rules are no part of it."""
    names = [
        (index, family, name)
        for (index, family), rows in published.items()
        if family != "rules"
        for name in rows.keys() - set(under_way.get((index, family), ()))
        if rows[name] != UNSURE
    ]
    return Draw(seed=seed, chosen=frozenset(drawn(names, n, seed)))


def judged(
    at: datetime,
    published: Mapping[Place, Mapping[str, str]],
    seen: Seen,
    desired: Desired,
    draw: Draw | None,
) -> Certificate:
    """Compare, and plan the repair.

    Args:
        at: When it was looked.
        published: The ledger, per place.
        seen: What was seen.
        desired: What should be there, over the products that are.
        draw: The sample that was looked at; None for everything.
    """
    wanted: dict[Place, dict[str, str | None]] = {}
    for payload in desired.payloads:
        wanted.setdefault((payload.index, payload.family), {})[payload.object_id] = payload.hash
    evidence = Evidence(
        published=published,
        wanted=wanted,
        seen=seen.things,
        under_way=desired.there.under_way,
        looked=None if draw is None else _chosen(draw, published, seen),
    )
    findings = compare(evidence)
    plan = repairing(
        findings,
        desired.payloads,
        desired.there,
        prices=desired.prices,
        families=desired.families,
        oversize=desired.oversize,
    )
    return Certificate(
        at=at,
        draw=draw,
        looked=looked_at(evidence, findings, sorted(desired.families)),
        findings=findings,
        under_way=sum(map(len, desired.there.under_way.values())),
        plan=plan,
        intruders=len(intruders(findings)),
    )


def _chosen(draw: Draw, published: Mapping[Place, Mapping[str, str]], seen: Seen) -> dict[Place, set[str]]:
    names: dict[Place, set[str]] = {}
    for index, family, name in draw.chosen:
        names.setdefault((index, family), set()).add(name)
    for place in published.keys() | seen.things.keys():
        if place[1] == "rules":
            names[place] = {*published.get(place, ()), *seen.things.get(place, ())}
    return names


def _sums(looked: Iterable[Looked]) -> tuple[int, int, int]:
    every = list(looked)
    return sum(one.known for one in every), sum(one.looked for one in every), sum(one.wrong for one in every)
