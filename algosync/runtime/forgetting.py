"""`forget`, `export` and `retention`: the stores opened for them, and Algolia with the keys that they take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final

import structlog
from pydantic import SecretStr

from algosync.algolia.insights import InsightsClient
from algosync.algolia.personalization import PersonalizationClient
from algosync.errors import ConfigError
from algosync.events.commit import lock
from algosync.events.reading import reading
from algosync.events.transforms import hashed, safe
from algosync.operate.erasing import AtAlgolia, Held, unfinished
from algosync.operate.export import export as exported
from algosync.operate.forget import Confirm, Forgetting, Order
from algosync.operate.retention import Ages
from algosync.operate.retention import retain as retained
from algosync.payloads.encode import OpaqueIds
from algosync.runtime.opening import Opening
from algosync.settings import rules as made
from algosync.settings.event_sources import event_source
from algosync.stores.inbox import INBOX
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import State
from algosync.stores.tombstones import TOMBSTONES, open_history
from algosync.stores.witness import needed, witness
from algosync.sync.ledger import Ledger
from algosync.sync.results import Results
from algosync.sync.returned import returned

_WHY: Final = (
    "whoever is forgotten is remembered by a keyed hash, so that neither late events nor a rebuild bring her back"
)

_NO_KEY: Final = bytes(16)
"""Without a key there are no records whose names it makes."""


def forget(opening: Opening, user: str, confirm: Confirm, *, insights: bool = True) -> dict[str, Any]:
    """Forgets somebody; see `operate.forget`.

    Args:
        opening: Opens the stores.
        user: A customer id, or any of her tokens.
        confirm: Shown whom it concerns, says whether to do it.
        insights: Whether the shop sends events to Algolia, so that they are to be deleted there.

    Raises:
        ConfigError: A key is missing.
        RequestError: Several customers use this token.
        StoreError: Another process writes to the state, or it cannot be used.
    """
    with _forgetting(opening, insights=insights) as forgetting:
        return forgetting.forget(_order(opening, user), confirm)


def resume(opening: Opening, *, insights: bool | None = True) -> dict[str, Any]:
    """Goes on with every erasure that is not at its end, and asks Algolia once more where 48 hours are over.

    Args:
        opening: Opens the stores.
        insights: Whether the shop sends events to Algolia; None as far as there is a key for it, whatever waits for
            another who has it.
    """
    with _forgetting(opening, insights=insights) as forgetting:
        return {"erasures": forgetting.resume()}


def accept_loss(opening: Opening, confirm: Confirm) -> dict[str, Any]:
    """Goes on with the tombstones as they are; whoever is missing from them may come back.

    Args:
        opening: Opens the stores.
        confirm: Shown what is wrong with them, says whether to go on so; not asked where nothing is.

    Returns:
        `lacks`, what was wrong with them or None; `accepted`, whether it was confirmed.

    Raises:
        ConfigError: They were made by another key than that at hand.
        StoreError: Another process writes to the state, or it cannot be used.
    """
    with ExitStack() as stack:
        state = stack.enter_context(opening.state(create=True))
        stack.callback(os.close, lock(opening.directory))
        history = open_history(opening.settings.state.url, opening.directory, made.hash_key(opening.settings))
        lacks = needed(state).lacks(history)
        accepted = lacks is not None and confirm({"lacks": lacks})
        if accepted:
            witness(state, history, opening.clock())
        return {"lacks": lacks, "accepted": accepted}


def lift(opening: Opening, user: str) -> dict[str, Any]:
    """Lets in what comes of somebody from now on; what was before stays away."""
    with _forgetting(opening, insights=False) as forgetting:
        return forgetting.lift(_order(opening, user))


def export(opening: Opening, user: str) -> dict[str, Any]:
    """All that is held of somebody; see `operate.export`.

    Raises:
        RequestError: Several customers use this token.
    """
    settings = opening.settings
    key = made.hash_key(settings)
    with ExitStack() as stack:
        opened = stack.enter_context(held(opening, writable=False))
        algolia = _at_algolia(opening, stack, key or _NO_KEY, opened.state, insights=None)
        aliases = _order(opening, user).aliases
        return exported(user, opened, algolia, aliases=aliases, now=opening.clock(), key=key)


def retain(opening: Opening, *, dry_run: bool = False) -> dict[str, Any]:
    """Takes away what is too old, and goes on with erasures that are not at their end.

    Raises:
        StoreError: Another process writes to the state, or it cannot be used.
    """
    days = opening.settings.retention
    ages = Ages(
        **{
            name.removesuffix("_days"): None if number is None else timedelta(days=number)
            for name, number in days.model_dump().items()
        }
    )
    with held(opening, writable=not dry_run) as opened:
        pace = opening.settings.events.ignore.events_per_hour_max
        gone = retained(opened, ages, opening.clock(), events_per_hour_max=pace, dry_run=dry_run)
        waiting = [number for number, _ in unfinished(opened.state)]
        back = returned(opened.state, opening.forgotten(opened.state))
    report: dict[str, Any] = {"dry_run": dry_run, "gone": gone, "erasures": []}
    if (waiting or back) and not dry_run:
        for one in resume(opening, insights=None)["erasures"]:
            report["erasures"].append({"erasure": one["erasure"], "status": one["status"]})
            if one["status"] == "unfinished":
                failed = [step["step"] for step in one["steps"] if step["status"] == "failed"]
                log = structlog.get_logger("algosync")
                log.warning("an erasure is not finished", erasure=one["erasure"], failed=failed)
    elif waiting:
        report["erasures"] = [{"erasure": number, "status": "not looked at"} for number in waiting]
    return report


@contextmanager
def held(opening: Opening, *, writable: bool) -> Iterator[Held]:
    """The stores; for writing with every other writer kept out, and with nobody who was forgotten lost.

    For reading, the log's files stay, whatever a writer merges meanwhile.
    """
    settings, now = opening.settings, opening.clock()
    with ExitStack() as stack:
        state = stack.enter_context(opening.state(create=writable))
        if writable:
            stack.callback(os.close, lock(opening.directory))
            opening.forgotten(state)  # before an empty book is made in the place of one that is lost
        else:
            stack.enter_context(reading(opening.directory))
        books = [
            stack.enter_context(opening.state(create=writable, book=book)) for book in (SNAPSHOT, INBOX, TOMBSTONES)
        ]
        snapshot, inbox, tombstones = books
        yield Held(
            state=state,
            snapshot=snapshot,
            inbox=inbox,
            tombstones=tombstones,
            directory=opening.directory,
            results=Results(opening.directory / "results"),
            backend=stack.enter_context(opening.backend()),
            sources=tuple(event_source(settings, one, base=opening.base, now=now) for one in made.sources(settings)),
        )


@contextmanager
def _forgetting(opening: Opening, *, insights: bool | None) -> Iterator[Forgetting]:
    settings = opening.settings
    key = made.hash_key(settings)
    if key is None:
        hint = "Set ALGOSYNC_IDENTITY__HASH_KEY to a secret of at least 16 characters, and keep it"
        raise ConfigError(f"is missing: {_WHY}", where="identity.hash_key", hint=hint)
    with ExitStack() as stack:
        opened = stack.enter_context(held(opening, writable=True))
        yield Forgetting(opened, _at_algolia(opening, stack, key, opened.state, insights=insights), opening.clock)


def _at_algolia(opening: Opening, stack: ExitStack, key: bytes, state: State, *, insights: bool | None) -> AtAlgolia:
    algolia = opening.settings.algolia
    reachable = algolia.forget_api_key is not None and (algolia.region is not None or bool(algolia.hosts))
    asks = reachable if insights is None else insights
    asked = _at_insights(opening, stack) if asks else (None, None)
    return AtAlgolia(
        target=opening.target,
        ledger=Ledger(state.engine, opening.target),
        payload_index=algolia.payload_index,
        ids=OpaqueIds(key=key),
        reader=stack.enter_context(opening.reader()),
        writer=opening.writer,
        insights=asked[0],
        profiles=asked[1],
        declined=insights is False,
    )


def _at_insights(opening: Opening, stack: ExitStack) -> tuple[InsightsClient, PersonalizationClient]:
    algolia = opening.settings.algolia
    key = _forget_key(algolia.forget_api_key)
    profiles = PersonalizationClient(opening.target, key, algolia.region)
    stack.callback(profiles.close)
    insights = InsightsClient(opening.target, key, algolia.region)
    stack.callback(insights.close)
    return insights, profiles


def _forget_key(key: SecretStr | None) -> str:
    if key is None:
        raise ConfigError(
            "is missing: her events and her profile at Algolia are to be deleted too",
            where="algolia.forget_api_key",
            hint="Set ALGOSYNC_ALGOLIA__FORGET_API_KEY to a key with the permissions deleteObject and recommendation;"
            " or say --no-insights, where the shop sends no events to Algolia",
        )
    return key.get_secret_value()


def _order(opening: Opening, user: str) -> Order:
    """Whom to forget, also by what sources make of such a name: a customer may be known by her e-mail address alone."""
    settings = opening.settings
    key = made.hash_key(settings)
    names = [safe(user)]
    if key is not None and any(getattr(ref, "transform", None) == "hmac" for ref in _references(settings)):
        names.append(hashed(user, key))
    return Order(user=user, aliases=tuple(dict.fromkeys(name for name in names if name and name != user)))


def _references(settings: Any) -> Iterator[Any]:
    for source in settings.sources:
        columns: Mapping[str, Any] = source.columns
        yield from (columns.get(name) for name in ("user_token", "authenticated_user_token"))
    yield from (source.user_token for source in settings.users)
