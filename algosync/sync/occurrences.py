"""What somebody outside may want to hear of: a failure, a brake, a membership that began or ended, an action.

Says what happened and which it is; who hears of it, and how, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal, Protocol

from algosync.errors import AlgosyncError, BrakeError, BusyError
from algosync.profiles.actions import Action, Actions, Situation, capped, meets
from algosync.profiles.conditions import Segments
from algosync.stores.snapshot import Delta, Snapshot

Kind = Literal["failure", "brake", "entered", "left", "action"]

TOKENS_MAX: Final = 100
"""Tokens of one person that an occurrence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened.

    Attributes:
        kind: What.
        at: When.
        doc: What is told of it, as JSON; `userTokens` where it is about somebody, her own first.
        subject: The segment or action it is about; "" otherwise.
        key: What tells it from others of its kind; occurrences with the same key are one. None: like no other.
    """

    kind: Kind
    at: datetime
    doc: Mapping[str, Any]
    subject: str = ""
    key: str | None = None

    @property
    def name(self) -> str:
        """What receivers ask for: `failure`, `brake`, `entered:<segment>`, `left:<segment>`, `action:<id>`."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind

    @property
    def tokens(self) -> tuple[str, ...]:
        """Whom it names."""
        return tuple(self.doc.get("userTokens", ()))


class Telling(Protocol):
    """Whoever passes on what happens."""

    def tell(self, occurrence: Occurrence) -> None:
        """Passes on what has happened already; never raises."""

    def expect(self, delta: Delta, snapshot: Snapshot, at: datetime) -> Mapping[str, str]:
        """Makes ready what a snapshot's change will mean.

        Args:
            delta: The change, which is not published yet.
            snapshot: What it will change.
            at: Now.

        Returns:
            Notes to publish in the same transaction as the change.
        """

    def published(self, notes: Mapping[str, str]) -> None:
        """Passes on what `expect` made ready: the change and these notes of it are published."""


class Silence:
    """Nobody listens."""

    def tell(self, occurrence: Occurrence) -> None:
        """Does nothing."""

    def expect(self, delta: Delta, snapshot: Snapshot, at: datetime) -> Mapping[str, str]:  # noqa: ARG002
        """Makes nothing ready."""
        return {}

    def published(self, notes: Mapping[str, str]) -> None:
        """Does nothing."""


SILENCE: Final = Silence()


def published(delta: Delta, snapshot: Snapshot, telling: Telling, at: datetime) -> int:
    """Publishes a snapshot's change, so that whatever it means is told: wherever this breaks off, none or all of it.

    Args:
        delta: The change.
        snapshot: What it changes.
        telling: Passes on what it means.
        at: Now.

    Returns:
        How many people's documents changed.
    """
    notes = telling.expect(delta, snapshot, at)
    documents = snapshot.publish(replace(delta, extra={**delta.extra, **notes}))
    telling.published(notes)
    return documents


def is_failure(error: BaseException) -> bool:
    """Whether somebody must know of an error: not that another process is at work, or that this one was stopped."""
    if isinstance(error, AlgosyncError):
        return error.action != "skip" and not isinstance(error, BusyError)
    return isinstance(error, Exception)


def failed(what: str, error: BaseException, at: datetime) -> Occurrence:
    """That a command or job failed, or that the brake stopped a plan.

    The same failure is one occurrence for an hour, and so is a brake, whose plan is another one with every new event:
    what goes on is told again in the next hour, and nobody is told every few minutes.

    Args:
        what: The name of the command or job.
        error: What it failed of; of an error that is not ours only its kind is told.
        at: Now.
    """
    hour = f"{at:%Y-%m-%dT%H}"
    if isinstance(error, BrakeError):
        doc = {"command": what, "hash": error.hash, "error": error.what, "hint": error.hint}
        return Occurrence(kind="brake", at=at, doc=doc, key=hour)
    name, where = type(error).__name__, None
    if isinstance(error, AlgosyncError):
        doc, where = {"command": what, "error": str(error), "advice": error.action}, error.where
    else:
        doc = {"command": what, "error": f"unexpected: {name}", "advice": "stop"}
    # Texts hold counts and times, and a job's name may be another than that of the command it is.
    return Occurrence(kind="failure", at=at, doc=doc, key=f"{name} {where} {hour}")


def moved(delta: Delta, segments: Segments, heard: Collection[str], at: datetime) -> Iterator[Occurrence]:
    """Memberships that begin and end by a change, of people who still have a profile after it.

    Args:
        delta: The change.
        segments: What segments are called.
        heard: `entered:<segment>` and `left:<segment>` that anybody asked for; others are left out.
        at: The moment that the change describes.
    """
    names = {segment.id: segment.name for segment in segments.items}
    both: tuple[tuple[Literal["entered", "left"], Any], ...] = (("entered", delta.entered), ("left", delta.left))
    tokens = _tokens(delta, {change.person for _, changes in both for change in changes})
    for kind, changes in both:
        for change in changes:
            if f"{kind}:{change.segment}" in heard and change.person in delta.people:
                doc = {
                    "segment": change.segment,
                    "name": names.get(change.segment, change.segment),
                    "userTokens": tokens[change.person],
                }
                yield Occurrence(kind=kind, at=at, doc=doc, subject=change.segment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """By what the last run judged who meets the conditions of actions, so that the next one knows who is new to them.

    Attributes:
        at: The moment that it described.
        conditions: The conditions by the action's id, as JSON.
    """

    at: datetime
    conditions: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON. The moment to the day: nothing else of it counts."""
        return {"day": self.at.date().isoformat(), "conditions": dict(self.conditions)}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Judged:
        """What `document` gave."""
        at = datetime.fromisoformat(f"{document['day']}T00:00:00+00:00")
        return cls(at=at, conditions=document["conditions"])


def judged(actions: Iterable[Action], at: datetime) -> Judged:
    """What to keep of actions for the next run."""
    return Judged(at=at, conditions={action.id: _conditions(action) for action in actions})


def newly_met(
    actions: Actions,
    delta: Delta,
    before: tuple[Judged | None, Mapping[str, Mapping[str, Any]]],
    told: Mapping[str, Mapping[str, Sequence[datetime]]],
    at: datetime,
) -> Iterator[Occurrence]:
    """Actions of the effect `webhook` whose conditions somebody meets after a change and did not meet before it.

    A new action, or one whose conditions are others now, finds everybody new who did not meet the old ones.

    Args:
        actions: The shop's actions.
        delta: The change.
        before: By what the last run judged, if one did, and the people's documents that it left.
        told: When each action was told of whom before, by action and token; caps are counted by it.
        at: The moment that the change describes.
    """
    last, people = before
    for action in actions.items:
        if action.effect != "webhook":
            continue
        conditions = None if last is None else last.conditions.get(action.id)
        old = None if last is None or conditions is None else (_restored(action.id, conditions), last.at)
        meeting = [person for person, doc in sorted(delta.people.items()) if meets(action, _situation(doc, at))]
        for person, tokens in _tokens(delta, meeting).items():
            earlier = [people[token] for token in tokens if token in people]
            if old is not None and any(meets(old[0], _situation(doc, old[1])) for doc in earlier):
                continue
            times = [moment for token in tokens for moment in told.get(action.id, {}).get(token, ())]
            if capped(action, _situation(delta.people[person], at, {action.id: times})):
                continue
            doc = {"action": action.id, "name": action.name, "webhook": dict(action.data), "userTokens": tokens}
            yield Occurrence(kind="action", at=at, doc=doc, subject=action.id)


def _situation(doc: Mapping[str, Any], at: datetime, told: Mapping[str, Sequence[datetime]] | None = None) -> Situation:
    return Situation(
        visit=doc.get("visit", ""),
        state=doc.get("state", ""),
        segments=doc.get("segments", ()),
        place="any",
        at=at,
        impressions=told or {},
    )


def _conditions(action: Action) -> dict[str, Any]:
    return {
        "visit": list(action.visit),
        "state": list(action.state),
        "segments": list(action.segments),
        "from": None if action.first_day is None else action.first_day.isoformat(),
        "until": None if action.last_day is None else action.last_day.isoformat(),
    }


def _restored(name: str, conditions: Mapping[str, Any]) -> Action:
    first, last = (conditions[end] and date.fromisoformat(conditions[end]) for end in ("from", "until"))
    return Action(
        id=name,
        name=name,
        effect="webhook",
        visit=tuple(conditions["visit"]),
        state=tuple(conditions["state"]),
        segments=tuple(conditions["segments"]),
        first_day=first,
        last_day=last,
    )


def _tokens(delta: Delta, persons: Collection[str]) -> dict[str, list[str]]:
    """The tokens of some people, their own first; no more than TOKENS_MAX of each."""
    found: dict[str, list[str]] = {person: [person] for person in persons}
    for token, person in sorted(delta.tokens.items()):
        if person in found and token != person and len(found[person]) < TOKENS_MAX:
            found[person].append(token)
    return found
