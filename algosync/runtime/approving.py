"""The brake as the sync command pulls it: verdicts, and what somebody has approved."""

from __future__ import annotations

import base64

from algosync.errors import BrakeError
from algosync.runtime.opening import Opening, Session
from algosync.stores import control
from algosync.stores.settings_kept import digest_of, last_used
from algosync.sync.brake import MARK_BYTES, BrakeLimits, Verdict, awaited_marks, judge, mark, shares
from algosync.sync.cycle import Computed


def verdict(opening: Opening, session: Session, computed: Computed) -> Verdict:
    """What the brake says of a plan, before anything is done about it; call it before the settings are kept."""
    brake = opening.settings.push.brake
    limits = BrakeLimits(change_share=brake.change_share, delete_share=brake.delete_share, at_least=brake.at_least)
    approved = _marks(opening, session)
    before = last_used(session.state)
    now = digest_of(opening.settings_document(computed.observed))
    return Verdict(
        hash=computed.plan.hash,
        shares=shares(computed.plan, computed.held),
        stops=judge(computed.plan, computed.held, limits, approved),
        settings_changed=before is not None and before != now,
    )


def let_through(opening: Opening, session: Session, computed: Computed, said: Verdict, approve: str | None) -> None:
    """Lets a plan pass, or stops it; what was approved passes in later runs too, until it is done.

    What Algolia has refused, or taken and not published, is not done: it passes once it is tried again. Nor is what
    this run leaves out, since it is of some families alone, or goes to another application or server.

    Raises:
        BrakeError: The plan is over the limit, or is another one than the one that was approved.
    """
    plan = computed.plan
    if approve is not None and approve != plan.hash:
        raise BrakeError(
            f"the plan that was approved, {approve}, is no more: by now it is {plan.hash}; nothing was pushed",
            hash=plan.hash,
            hint="See `algosync plan` for what it would do now",
        )
    if approve is not None:
        marks = b"".join(mark(op) for op in plan.operations)
        approved = {"hash": plan.hash, "operations": base64.b64encode(marks).decode(), **_place(opening)}
        control.tell(session.state, control.APPROVED, approved, session.hands.now)
    elif said.stops:
        raise BrakeError(
            f"the plan changes more than it may: {'; '.join(map(str, said.stops))}; nothing was pushed",
            hash=plan.hash,
            where="push.brake",
            hint=f"See `algosync plan`; if this is what you want, run `algosync sync --approve {plan.hash}`",
        )
    elif session.whole and _is_done(opening, session, computed):
        control.forget(session.state, control.APPROVED)


def _is_done(opening: Opening, session: Session, computed: Computed) -> bool:
    """Whether nothing of what was approved here is left to do; what was approved elsewhere is not judged here."""
    marks = _marks(opening, session)
    return bool(marks) and marks.isdisjoint({*map(mark, computed.plan.operations), *awaited_marks(computed.held)})


def _marks(opening: Opening, session: Session) -> frozenset[bytes]:
    """The operations that were approved here and may be left to do."""
    approved = control.told(session.state, control.APPROVED)
    if approved is None or _place(opening).items() - approved.items():
        return frozenset()
    marks = base64.b64decode(approved["operations"])
    return frozenset(marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES))


def _place(opening: Opening) -> dict[str, str]:
    """Where an approval counts: a plan of the mock, or of staging, may read like one of production."""
    return {"app": opening.target.app_id, "hosts": opening.target.key}
