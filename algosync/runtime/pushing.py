"""The sync command: the whole way, and what holds a push back: quiet times, the budget, an open payload index."""

from __future__ import annotations

from datetime import date, timedelta

from algosync.algolia.access import StorefrontAccess, storefront_can_read
from algosync.algolia.client import WriteClient
from algosync.payloads.encode import Family
from algosync.runtime.opening import Opening, Session
from algosync.settings import rules as made
from algosync.settings.models import Settings
from algosync.stores.runs import operations_since
from algosync.sync.batches import Limits
from algosync.sync.cycle import Computed, ShopRules, compute, keep
from algosync.sync.push import Pushed, push, refuse_unless_private
from algosync.sync.recover import recover
from algosync.sync.report import SyncReport
from algosync.sync.stages import steps


def show(opening: Opening, only: tuple[Family, ...]) -> SyncReport:
    """Goes the whole way and stops before anything is written; it holds nothing that could write."""
    with opening.session(only, writable=False) as session:
        return reported(opening.settings, session, compute(session.rules, session.hands), None)


def sync(opening: Opening, only: tuple[Family, ...]) -> SyncReport:
    """Goes the whole way and pushes, unless now is a quiet time."""
    with (
        opening.session(only, writable=True) as session,
        opening.noted("sync", session) as note,
        opening.writer() as client,
    ):
        recover(session.hands.client, session.ledger, now=opening.clock, tasks=client)
        computed = compute(session.rules, session.hands)
        found = computed.knowledge
        keep(session.hands, found, computed.observed)
        made_by = opening.keep_settings(session, computed.observed)
        quiet = quiet_time(opening.settings, session.hands.now.date())
        pushed = None if quiet else _send(opening, session, computed, client)
        notes = (f"nothing was pushed: {quiet} is a quiet time",) if quiet else ()
        report = reported(opening.settings, session, computed, pushed, notes)
        note({**report.document(), **made_by}, found.as_of.isoformat())
        return report


def quiet_time(settings: Settings, today: date) -> str | None:
    """The quiet time that a day lies in."""
    for span in settings.push.quiet:
        first, _, last = span.partition("/")
        if date.fromisoformat(first) <= today <= date.fromisoformat(last or first):
            return span
    return None


def budget(settings: Settings, session: Session) -> int | None:
    """How many operations are left of this hour's; None where there is no limit."""
    limit = settings.push.operations_per_hour
    if limit is None:
        return None
    return max(0, limit - operations_since(session.state, session.hands.now, timedelta(hours=1)))


def storefront(opening: Opening, rules: ShopRules) -> StorefrontAccess | None:
    """What the storefront's key can read; None without a key, or without profiles that it must not read."""
    key = opening.settings.algolia.storefront_api_key
    if key is None or "profiles" not in rules.families:
        return None
    return storefront_can_read(opening.target, key.get_secret_value(), rules.payload_index, rules.indices[0])


def reported(
    settings: Settings, session: Session, computed: Computed, pushed: Pushed | None, notes: tuple[str, ...] = ()
) -> SyncReport:
    """The report of a run."""
    return SyncReport(
        rules=session.rules,
        computed=computed,
        pushed=pushed,
        seconds=session.hands.stages.seconds,
        requests=session.hands.client.requests,
        dry_run=not session.writable,
        notes=(*notes, *(f"not heeded: {line}" for line in made.not_heeded(settings))),
    )


def _send(opening: Opening, session: Session, computed: Computed, client: WriteClient) -> Pushed:
    refuse_unless_private(computed.plan, storefront(opening, session.rules))
    with session.hands.stages.stage("push", "Pushing", len(computed.plan.operations)) as advance:
        return push(
            computed.plan,
            client,
            session.ledger,
            now=opening.clock,
            progress=steps(advance),
            limits=Limits(operations=budget(opening.settings, session)),
        )
