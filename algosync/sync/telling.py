"""From what happens to letters in the outbox: who asked for it, whether it may be told, and under which id.

Changes of people are published in the snapshot's database and told from the state's. What they mean is written to the
outbox before they are published, and released afterwards: see `stores.outbox`. A run that was killed in between is
caught up by the next one, or by whoever sends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import structlog

from algosync.errors import StoreError
from algosync.profiles.actions import Actions
from algosync.profiles.conditions import Segments
from algosync.stores.outbox import Letter, Outbox
from algosync.stores.snapshot import Delta, Snapshot
from algosync.sync.occurrences import Judged, Occurrence, judged, moved, newly_met

TOLD: Final = "told"
"""The snapshot's note with the name of the batch that its last change of people made."""
_JUDGED: Final = "actions_judged"
NOTES: Final = (TOLD, _JUDGED)
_EVERY: Final = "*"

Refusals = Callable[[Sequence[Sequence[str]]], Sequence[str | None]]
"""For each of some people, given by their tokens: why she may not be named; None where she may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A receiver, and what it wants to hear of: names of occurrences, or `<kind>:*`."""

    name: str
    on: tuple[str, ...]

    def hears(self, name: str) -> bool:
        """Whether it wants to hear of occurrences of this name."""
        return name in self.on or f"{name.partition(':')[0]}:{_EVERY}" in self.on


class Announcer:
    """Writes letters for those who listen; the `Telling` of a real run.

    Args:
        outbox: Where letters go.
        listeners: Who wants to hear of what.
        refusals: Who may not be named.
        definitions: The shop's segments and actions.
        clock: Tells the time.
        realm: Tells what happens here from the same elsewhere, where a receiver hears of both.
    """

    def __init__(
        self,
        outbox: Outbox,
        listeners: Sequence[Listener],
        refusals: Refusals,
        *,
        definitions: tuple[Segments, Actions],
        clock: Callable[[], datetime],
        realm: str = "",
    ) -> None:
        self._outbox = outbox
        self._listeners = listeners
        self._refusals = refusals
        self._segments, self._actions = definitions
        self._by_webhook = tuple(action for action in self._actions.items if action.effect == "webhook")
        self._clock = clock
        self._realm = realm

    def tell(self, occurrence: Occurrence) -> None:
        """Passes on what has happened already; never raises."""
        named = f"{self._realm}\0{occurrence.name}\0{occurrence.key}" if occurrence.key is not None else uuid4().hex
        try:
            self._outbox.put(self._letters(occurrence, _id(named)))
        except StoreError as error:
            log = structlog.get_logger("algosync")
            log.warning("no webhook can be sent of this", kind=occurrence.name, error=str(error))

    def expect(self, delta: Delta, snapshot: Snapshot, at: datetime) -> Mapping[str, str]:
        """Makes ready what a snapshot's change will mean; see `sync.occurrences.Telling`."""
        about = snapshot.about()
        self._outbox.release(about.get(TOLD))
        heard = [occurrence for occurrence in self._found(delta, snapshot, about) if self._wanted(occurrence.name)]
        refused = self._refusals([occurrence.tokens for occurrence in heard])
        batch = uuid4().hex
        letters = [
            letter
            for occurrence, refusal in zip(heard, refused, strict=True)
            if refusal is None
            for letter in self._letters(occurrence, _id(f"{batch}\0{occurrence.name}\0{occurrence.tokens[0]}"))
        ]
        notes = {}
        if self._by_webhook or _JUDGED in about:
            notes[_JUDGED] = json.dumps(judged(self._by_webhook, _moment(delta)).document(), sort_keys=True)
        if letters or self._outbox.expects():
            self._outbox.expect(batch, letters, at)
            notes[TOLD] = batch
        return notes

    def published(self, notes: Mapping[str, str]) -> None:
        """Has what was made ready sent: the change and these notes of it are published."""
        self._outbox.release(notes.get(TOLD))

    def _found(self, delta: Delta, snapshot: Snapshot, about: Mapping[str, str]) -> Iterable[Occurrence]:
        at = _moment(delta)
        changes = {f"{kind}:{one.segment}" for kind in ("entered", "left") for one in getattr(delta, kind)}
        yield from moved(delta, self._segments, {name for name in changes if self._wanted(name)}, at)
        if self._by_webhook:
            last = Judged.restored(json.loads(about[_JUDGED])) if _JUDGED in about else None
            yield from newly_met(self._actions, delta, (last, snapshot.people()), self._told(), at)

    def _told(self) -> dict[str, dict[str, list[datetime]]]:
        """When each capped action was told of whom, by action and the token that she was known by."""
        kinds = {f"action:{action.id}" for action in self._by_webhook if action.cap is not None}
        found: dict[str, dict[str, list[datetime]]] = {}
        for letter in self._outbox.of_kinds(kinds) if kinds else ():
            person = letter.doc["data"]["userTokens"][0]
            found.setdefault(letter.kind.partition(":")[2], {}).setdefault(person, []).append(letter.created_at)
        return found

    def _wanted(self, name: str) -> bool:
        return any(listener.hears(name) for listener in self._listeners)

    def _letters(self, occurrence: Occurrence, number: str) -> list[Letter]:
        now = self._clock()
        doc = {"at": occurrence.at.isoformat(), "data": dict(occurrence.doc)}
        return [
            Letter(
                occurrence=number,
                target=listener.name,
                kind=occurrence.name,
                doc=doc,
                created_at=now,
                due_at=now,
            )
            for listener in self._listeners
            if listener.hears(occurrence.name)
        ]


def _id(named: str) -> str:
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def _moment(delta: Delta) -> datetime:
    return datetime.fromisoformat(delta.as_of)
