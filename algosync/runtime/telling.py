"""Webhooks put together: who hears of what, and the sending of it, at the end of a command or beside the worker's jobs.

Sending shares nothing with the jobs but the outbox, so that a slow receiver delays none of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog

from algosync.errors import AlgosyncError, RequestError
from algosync.operate.permitted import Permits
from algosync.operate.webhooks import Hands, Receiver, Round, deliver_due, overview
from algosync.profiles.actions import Actions
from algosync.profiles.conditions import Segments
from algosync.settings import rules as made
from algosync.settings.answers import rollout
from algosync.settings.webhooks import listeners, receivers
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.orders import OrdersAtHand
from algosync.stores.outbox import Letter, Outbox, Status
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import State
from algosync.stores.tombstones import ForgottenAtHand
from algosync.sync.cycle import ShopRules
from algosync.sync.occurrences import SILENCE, Occurrence, Telling
from algosync.sync.telling import NOTES, TOLD, Announcer, Listener, Refusals

if TYPE_CHECKING:
    from algosync.runtime.opening import Opening

SHORTLY_S: Final = 5.0
"""How long a command sends at its end; what is left waits for the next one, or for the worker."""
LOOKS_EVERY_S: Final = 5.0
_GRACE_S: Final = 5.0


@contextmanager
def telling(opening: Opening, state: State, rules: ShopRules) -> Iterator[Telling]:
    """Whoever passes on what happens in a session.

    Raises:
        ConfigError: A webhook waits for something that there is not, or an action for a webhook.
    """
    heard = listeners(opening.settings, rules.people.segments, rules.actions)
    if not heard or not state.writable:
        yield SILENCE
        return
    with permits(opening) as may:
        definitions = (rules.people.segments, rules.actions)
        yield _announcer(opening, state, heard, may.refusals, definitions)


def _announcer(
    opening: Opening,
    state: State,
    heard: Sequence[Listener],
    refusals: Refusals,
    definitions: tuple[Segments, Actions],
) -> Announcer:
    realm = "\0".join([opening.target.app_id, *opening.target.hosts])
    return Announcer(Outbox(state), heard, refusals, definitions=definitions, clock=opening.clock, realm=realm)


@contextmanager
def permits(opening: Opening) -> Iterator[Permits]:
    """Says of people whether they may be named."""
    url, directory = opening.settings.state.url, opening.directory
    with ExitStack() as stack:
        orders = stack.enter_context(closing(OrdersAtHand(url, directory)))
        forgotten = stack.enter_context(closing(ForgottenAtHand(url, directory, made.hash_key(opening.settings))))
        inbox = Inbox(stack.enter_context(opening.state(create=False, book=INBOX)))
        yield Permits(
            rollout=rollout(opening.settings), orders=orders.of_any, forgotten=forgotten, choices=inbox.choices
        )


def tell(opening: Opening, state: State, occurrence: Occurrence) -> None:
    """Passes on what happened outside of any session; never raises."""
    heard = [Listener(name=webhook.name, on=webhook.on) for webhook in opening.settings.webhooks]
    if heard:
        _announcer(opening, state, heard, _naming_nobody, (Segments(), Actions())).tell(occurrence)


def deliver(opening: Opening, *, within_s: float = SHORTLY_S) -> dict[str, Round]:
    """Sends what is due, for about so long.

    Raises:
        StoreError: A database cannot be used.
        ConfigError: The key by which those are known who were forgotten is missing, or is another one.
    """
    to = receivers(opening.settings)
    if not to:
        with opening.state(create=False) as state:
            if not Outbox(state).counts():
                return {}  # nor has anybody been told before
    with opening.state(create=True) as state:
        return _delivered(opening, Outbox(state), to, within_s)


def _delivered(opening: Opening, outbox: Outbox, to: Sequence[Receiver], within_s: float) -> dict[str, Round]:
    with ExitStack() as stack:
        snapshot = Snapshot(stack.enter_context(opening.state(create=False, book=SNAPSHOT)))
        outbox.release(snapshot.about().get(TOLD))
        may = stack.enter_context(permits(opening))

        def refusals(people: Sequence[Sequence[str]]) -> list[str | None]:
            found = may.refusals(people)
            gone = "no longer in profiles"
            return [
                gone if refusal is None and snapshot.person(tokens[0]) is None else refusal
                for tokens, refusal in zip(people, found, strict=True)
            ]

        hands = Hands(outbox=outbox, refusals=refusals, clock=opening.clock, jitter=random.random)
        return deliver_due(to, hands, within_s=within_s)


@contextmanager
def delivering(opening: Opening) -> Iterator[list[str]]:
    """Sends what is due at the end of a command, also of one that failed; the list then says what to know of it."""
    notes: list[str] = []
    try:
        yield notes
    finally:
        notes += delivered_shortly(opening)


def delivered_shortly(opening: Opening) -> list[str]:
    """Sends what is due at the end of a command; what people should know of it. Never raises."""
    try:
        found = deliver(opening)
    except AlgosyncError as error:
        structlog.get_logger("algosync").warning("webhooks cannot be sent now", error=str(error))
        return [f"webhooks cannot be sent now: {error}"]
    return [
        f"webhook {name}: {done.error}; {done.failed} tried again later, {done.given_up} given up"
        for name, done in found.items()
        if done.error is not None
    ]


@contextmanager
def sending(opening: Opening) -> Iterator[None]:
    """Sends what is due for as long as the context lasts, in a thread of its own; it is not waited for long."""
    if not opening.settings.webhooks:
        yield
        return
    over = Event()
    thread = Thread(target=_keep_sending, args=(opening, over), name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_GRACE_S)


def _keep_sending(opening: Opening, over: Event) -> None:
    log = structlog.get_logger("algosync.webhooks")
    found: dict[str, Round] = {}
    while not over.wait(0 if any(done.delivered for done in found.values()) else LOOKS_EVERY_S):
        found = {}
        try:
            found = deliver(opening)
        except AlgosyncError as error:
            log.warning("webhooks cannot be sent now", error=str(error))
            continue
        except Exception as error:  # noqa: BLE001  # a thread that ends would let letters pile up unseen
            log.error("unexpected while sending webhooks", kind=type(error).__name__)  # noqa: TRY400
            continue
        for name, done in found.items():
            (log.info if done.error is None else log.warning)("webhooks sent", webhook=name, **asdict(done))


def without_notes(about: Mapping[str, str]) -> dict[str, str]:
    """What a snapshot says of itself, without what only webhooks are told by."""
    return {key: value for key, value in about.items() if key not in NOTES}


def standing(opening: Opening, state: State) -> list[dict[str, Any]]:
    """How it stands with each receiver, for `status`."""
    return overview(Outbox(state), [webhook.name for webhook in opening.settings.webhooks], opening.clock())


def listed(opening: Opening, *, webhook: str | None, status: Status | None, limit: int) -> dict[str, Any]:
    """How it stands with each receiver, and letters, the latest first: those that wait and those that were given up."""
    _check(opening, webhook)
    with opening.state(create=False) as state:
        wanted: tuple[Status, ...] = ("waiting", "given_up") if status is None else (status,)
        letters = Outbox(state).listed(statuses=wanted, target=webhook, limit=limit)
        return {"webhooks": standing(opening, state), "letters": [_document(letter) for letter in letters]}


def retried(opening: Opening, *, webhook: str | None, id: str | None) -> dict[str, Any]:  # noqa: A002
    """Has letters sent again that were given up, and leaves no receiver alone any more; sends for a short while."""
    _check(opening, webhook)
    with opening.state(create=True) as state:
        again = Outbox(state).retry(opening.clock(), target=webhook, id=id)
    return {"retried": again, **_sent(opening)}


def tested(opening: Opening, webhook: str) -> dict[str, Any]:
    """Sends a receiver something of the type `test`.

    Raises:
        RequestError: There is no such webhook.
    """
    _check(opening, webhook)
    now = opening.clock()
    doc = {"at": now.isoformat(), "data": {"webhook": webhook}}
    letter = Letter(occurrence=f"msg_{uuid4().hex}", target=webhook, kind="test", doc=doc, created_at=now, due_at=now)
    with opening.state(create=True) as state:
        outbox = Outbox(state)
        outbox.let_rest(webhook, None, now)
        outbox.put([letter])
        sent = _sent(opening)
        (found,) = [one for one in outbox.listed(target=webhook) if one.id == letter.id]
    return {"letter": _document(found), **sent}


def _naming_nobody(people: Sequence[Sequence[str]]) -> list[str | None]:
    return ["not asked" for _ in people]


def _sent(opening: Opening) -> dict[str, Any]:
    return {"sent": {name: asdict(done) for name, done in deliver(opening).items()}}


def _check(opening: Opening, webhook: str | None) -> None:
    names = [one.name for one in opening.settings.webhooks]
    if webhook is not None and webhook not in names:
        there = ", ".join(names) or "none"
        raise RequestError(f"no webhook is named '{webhook}'", where="webhook", hint=f"There are: {there}")


def _document(letter: Letter) -> dict[str, Any]:
    """A letter for people: what happened and what became of it, and nobody's name."""
    return {
        "id": letter.occurrence,
        "webhook": letter.target,
        "what": letter.kind,
        "status": letter.status,
        "tries": letter.tries,
        "created_at": letter.created_at.isoformat(),
        "due_at": letter.due_at.isoformat() if letter.status == "waiting" else None,
        "settled_at": None if letter.settled_at is None else letter.settled_at.isoformat(),
        "error": letter.error,
    }
