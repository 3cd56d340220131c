"""The sync command: the whole way, and what holds a push back: a pause, quiet times, budgets, the brake, a leak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from algosync.algolia.access import StorefrontAccess, storefront_can_read
from algosync.algolia.client import WriteClient
from algosync.payloads.encode import Family
from algosync.runtime import approving
from algosync.runtime.opening import Opening, Session
from algosync.settings import rules as made
from algosync.settings.models import Settings
from algosync.stores import control
from algosync.sync import served
from algosync.sync.adopt import adopt
from algosync.sync.batches import Limits
from algosync.sync.cycle import EVERYTHING, Computed, Fresh, ShopRules, compute, keep
from algosync.sync.ledger import Ledger
from algosync.sync.plan import Plan, There
from algosync.sync.push import EARLIER, Pushed, push, refuse_unless_private
from algosync.sync.quiet import quiet_at
from algosync.sync.recover import recover
from algosync.sync.report import SyncReport
from algosync.sync.sending import Manner
from algosync.sync.stages import steps

_MINUTE = timedelta(minutes=1)


def show(opening: Opening, only: tuple[Family, ...], *, fresh: Fresh = EVERYTHING) -> SyncReport:
    """Goes the whole way and stops before anything is written; it holds nothing that could write."""
    with opening.session(only, writable=False) as session:
        computed = compute(session.rules, session.hands, fresh)
        verdict = approving.verdict(opening, session, computed)
        why = held_back(opening, session)
        notes = () if why is None else (f"a sync would push nothing: {why}",)
        report = reported(opening.settings, session, computed, None, (*notes, *verdict.announced()))
        return replace(report, verdict=verdict)


def sync(
    opening: Opening, only: tuple[Family, ...], *, fresh: Fresh = EVERYTHING, approve: str | None = None
) -> SyncReport:
    """Goes the whole way and pushes, unless that is paused or now is a quiet time.

    Args:
        opening: What to work with.
        only: Families; none for all that are switched on.
        fresh: What must be computed anew.
        approve: The hash of a plan that may do more than a plan may without approval.

    Raises:
        BrakeError: The plan is over the limit and not the one that was approved; nothing was pushed.
        AlgosyncError: What any step may fail for.
    """
    with (
        opening.session(only, writable=True) as session,
        opening.noted("sync", session) as note,
        opening.writer() as client,
    ):
        recover(session.hands.client, session.ledger, now=opening.clock, tasks=client)
        computed = compute(session.rules, session.hands, fresh)
        adopted = adopt(session.ledger, computed.held, opening.clock())
        found = computed.knowledge
        keep(session.hands, found, computed.observed)
        verdict = approving.verdict(opening, session, computed)
        made_by = opening.keep_settings(session, computed.observed)
        wanted = computed.desired
        session.ledger.refusals.settle(session.rules.families, wanted.payloads, wanted.unsent, session.hands.now)
        why = held_back(opening, session)
        pushed = None
        try:
            if why is None:
                approving.let_through(opening, session, computed, verdict, approve)
                pushed = send(opening, session, computed.plan, computed.held, client)
        finally:
            standing = served.noted(session.state, session.ledger, computed, pushed, opening.clock())
        notes = [] if why is None else [f"nothing was pushed: {why}"]
        if adopted:
            notes.append(f"{adopted:,} objects of ours that the ledger did not know were found at Algolia and taken in")
        report = reported(opening.settings, session, computed, pushed, (*notes, *verdict.announced()))
        report = replace(report, verdict=verdict, served=standing)
        note({**report.document(), **made_by}, found.as_of.isoformat())
        return report


def held_back(opening: Opening, session: Session) -> str | None:
    """Why nothing may be pushed now: a pause, or a quiet time."""
    paused = control.told(session.state, control.PAUSED)
    if paused is not None:
        said = f": {paused['reason']}" if paused.get("reason") else ""
        return f"paused since {paused['at']}{said}; `algosync resume` ends it"
    span = quiet_time(opening.settings, opening.clock())
    return None if span is None else f"{span} is a quiet time"


def quiet_time(settings: Settings, now: datetime) -> str | None:
    """The quiet time that a moment lies in."""
    return quiet_at(settings.push.quiet, settings.push.timezone, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the budgets leave.

    Attributes:
        operations: How many; None for no limit.
        again: When there will be more.
        of: The setting that bounds it.
    """

    operations: int | None = None
    again: datetime | None = None
    of: str = ""


def allowance(settings: Settings, ledger: Ledger, now: datetime) -> Allowance:
    """How many operations the budgets of an hour and of a day leave."""
    budgets = (
        ("operations_per_hour", settings.push.operations_per_hour, timedelta(hours=1)),
        ("operations_per_day", settings.push.operations_per_day, timedelta(days=1)),
    )
    found = Allowance()
    for name, limit, span in budgets:
        if limit is None:
            continue
        # A minute that began within the span counts whole: too much rather than too little. One that is still to come
        # was noted before the clock was put back; if it is further away than that, the clock was wrong.
        spent = [minute for minute in ledger.spent_since(now - span) if minute.minute < now + span]
        left = max(0, limit - sum(minute.operations for minute in spent))
        if found.operations is None or left < found.operations:
            again = spent[0].minute + span + _MINUTE if spent else None
            found = Allowance(operations=left, again=again, of=f"push.{name}")
    return found


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


def send(
    opening: Opening, session: Session, plan: Plan, held: There, client: WriteClient, *, paused: bool = False
) -> Pushed:
    """Sends a plan as far as the budgets let it.

    Args:
        opening: What to work with.
        session: Of this run.
        plan: What to send.
        held: What it was made from.
        client: Where to.
        paused: Even while pushing is paused or the time is quiet.

    Raises:
        PushRefusedError: Profiles are to be written, and it is not proven that visitors cannot read them.
        AlgoliaError: Algolia refuses the key or the index.
        StoreError: The ledger failed.
    """
    refuse_unless_private(plan, storefront(opening, session.rules))
    settings = opening.settings.push
    allowed = allowance(opening.settings, session.ledger, opening.clock())
    manner = Manner(
        limits=Limits(operations=allowed.operations),
        adds=settings.adds_per_run,
        busy={index for index, _ in held.under_way},
        halt=lambda: None if paused else held_back(opening, session),
        patience_s=settings.patience_s,
        reader=session.hands.client,
    )
    with session.hands.stages.stage("push", "Pushing", len(plan.operations)) as advance:
        done = push(plan, client, session.ledger, now=opening.clock, progress=steps(advance), manner=manner)
    left = allowance(opening.settings, session.ledger, opening.clock())
    done = replace(done, budget=allowed.of, earlier=sum(map(len, held.under_way.values())))
    return replace(done, again=come_again(done, left, opening.clock()))


def come_again(done: Pushed, left: Allowance, now: datetime) -> datetime | None:
    """When another run can do more; None where there is nothing to wait for but the next run's turn."""
    if done.stopped is not None:
        return now + timedelta(seconds=done.stopped.come_again_s)
    if "budget" in done.deferred_for:
        return left.again or now + _MINUTE
    return now + _MINUTE if done.waiting or EARLIER in done.deferred_for else None
