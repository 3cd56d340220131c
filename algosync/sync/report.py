"""What a run says: one document for programs, from which the tables for people are made too."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from algosync.payloads.boosts import TAG_FACET
from algosync.payloads.declared import declared_facets
from algosync.sync.brake import Verdict
from algosync.sync.catalog import Observed
from algosync.sync.comparison import Comparison
from algosync.sync.cycle import Computed, Knowledge, ShopRules
from algosync.sync.plan import Plan
from algosync.sync.pull import Pulled
from algosync.sync.push import Pushed
from algosync.sync.served import Served
from algosync.sync.show import document as plan_document


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """A run's result.

    Attributes:
        rules: What it was run with.
        computed: What it found.
        pushed: What was sent; None for a dry run or on a quiet day.
        dry_run: Nothing was to be written.
        seconds: Wall seconds by stage.
        requests: Requests made to read Algolia: search, browse and settings.
        notes: What people should know.
        verdict: What the brake says of the plan; None where it was not asked.
        served: How old what is served is now; None for a dry run.
    """

    rules: ShopRules
    computed: Computed
    pushed: Pushed | None
    seconds: dict[str, float]
    requests: int
    dry_run: bool
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    served: Served | None = None

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.computed.plan

    def document(self) -> dict[str, Any]:
        """The report as a JSON document."""
        found = self.computed.knowledge
        indices = {index: len(there) for index, there in self.computed.observed.versions.items()}
        return {
            "dry_run": self.dry_run,
            **pulled_document(self.computed.pulled),
            **knowledge_document(found, self.computed.users_unknown),
            "indices": indices,
            "refused_filters": [
                {"segment": slug, "facet": r.facet, "value": r.value, "reason": r.reason}
                for slug, r in self.computed.desired.refused
            ],
            "undeclared_facets": _undeclared(self.rules, self.computed.observed),
            "unsent": [asdict(unsent) for unsent in self.computed.desired.unsent],
            "plan": plan_document(self.plan),
            "brake": None if self.verdict is None else self.verdict.document(),
            "pushed": pushed_document(self.pushed),
            "served": None if self.served is None else self.served.document(),
            "requests": self.requests,
            "requests_money": round(self.requests / 1000 * self.rules.prices.per_1000_requests, 4),
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReport:
    """A run against a mock: what it did there, and the same searches before and after.

    Attributes:
        run: The run, whose push went to the mock.
        comparisons: The searches.
    """

    run: SyncReport
    comparisons: tuple[Comparison, ...]

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.run.plan

    def document(self) -> dict[str, Any]:
        """The report as a JSON document."""
        searches = [asdict(compared) | {"moved": compared.moved} for compared in self.comparisons]
        return {**self.run.document(), "target": "mock", "searches": searches}


def knowledge_document(found: Knowledge, users_unknown: int) -> dict[str, Any]:
    """What was found out about products and people."""
    catalog = found.catalog
    members = Counter(found.people.members["segment"].to_pylist())
    entered = Counter(change.segment for change in found.delta.entered)
    left = Counter(change.segment for change in found.delta.left)
    return {
        "as_of": found.as_of.isoformat(),
        "catalog": {
            "products": len(catalog),
            "groups": len(catalog.groups),
            "available": int(catalog.available.sum()),
            "dropped": [asdict(dropped) for dropped in catalog.dropped],
            "warnings": list(catalog.warnings),
        },
        "profiles": found.people.profiles,
        "people": found.people.visitors.num_rows,
        "ready": sum(found.people.visitors["ready"].to_pylist()),
        "left_out_of_profiles": dict(found.people.left_out),
        "users_without_events": users_unknown,
        "segments": {
            segment.id: {"members": members[segment.id], "entered": entered[segment.id], "left": left[segment.id]}
            for segment in found.rules.segments.items
        },
        "related": found.related.counts(),
    }


def pulled_document(pulled: Pulled) -> dict[str, Any]:
    """Counts of events in all and by source."""
    return {
        "events": {**asdict(pulled.total), "resolved": pulled.resolved},
        "sources": {name: asdict(counts) for name, counts in pulled.sources.items()},
    }


def pushed_document(pushed: Pushed | None) -> dict[str, Any]:
    """What was sent; zeros where nothing was to be sent."""
    nothing = Pushed(operations=0, families={}, batches=0, bytes=0, deferred=0, failed=())
    return (pushed or nothing).document()


def _undeclared(rules: ShopRules, observed: Observed) -> list[str]:
    """Facets that filters name and an index does not declare, with the index."""
    wanted = {*rules.people.policy.weights, TAG_FACET}
    return [
        f"{index}: {facet}"
        for index, settings in sorted(observed.settings.items())
        for facet in sorted(wanted - declared_facets(settings.get("attributesForFaceting")))
    ]
