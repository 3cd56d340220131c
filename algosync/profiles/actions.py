"""What a shop does for whom, by visit, state, segment, place and date: messages, boosts, data, webhooks.

Owns the grammar of actions.json and the decision whether an action fires. Counts no impressions itself. An action of
the effect `webhook` never fires in an answer: a run tells it once somebody newly meets its conditions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from algosync.profiles.conditions import Boost, Segments
from algosync.profiles.definitions import Reader
from algosync.profiles.moments import epoch_day
from algosync.profiles.reading import Problems, check_slugs
from algosync.profiles.visitors import STATES, VISITS

Effect = Literal["message", "boost", "data", "webhook"]

_ACTION: Final = ("name", "description", "when", "where", "effect", "cap", "from", "until")
_MESSAGE: Final = ("title", "text", "link", "image")
_EFFECTS: Final = ("message", "boost", "data", "webhook")
_BY_WEBHOOK: Final = "it is told by webhook, once a run finds somebody who newly meets the rest, and never in an answer"
_PLACES: Final = ("any", "home", "category", "product", "search", "cart", "checkout", "account")
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `per_visitor` impressions within the last whole UTC days plus today, or ever where None."""

    per_visitor: int
    within_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action; an empty tuple of visits, states or segments takes any, and dates are included.

    Args:
        id: Its key in the document.
        name: For people.
        effect: What it does: a message, a boost, data that the frontend understands, or a webhook.
        message: Title, text, link, image.
        boosts: Products to lift.
        data: Handed on as it stands, to the frontend or in the webhook.
        visit: new, returning.
        state: visitor, user, buyer.
        segments: Membership in any of them.
        places: Where it applies: any, a place, or `category:<value>`; `category` alone takes every category.
    """

    id: str
    name: str
    effect: Effect
    message: Mapping[str, str] = field(default_factory=dict)
    boosts: tuple[Boost, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    visit: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    places: tuple[str, ...] = ("any",)
    cap: Cap | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """All actions, by id in order."""

    items: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """Whether an action fires for a visitor, and the reason in words."""

    action: Action
    fired: bool
    reason: str


def parse_actions(
    document: Mapping[str, Any],
    *,
    segments: Segments,
    where: str = "actions.json",
) -> Actions:
    """Actions from a document as people write it.

    Args:
        document: Actions by id.
        segments: Those that actions may name; boosts may name the facets known to them.
        where: The document's name, for errors.

    Raises:
        ConfigError: Something is wrong; all of it is named, each with its path in the document.
    """
    problems = Problems(where)
    reader = _ActionReader(problems, segments, Reader(problems, None, segments.facets, segments.never))
    raws = problems.mapping(where, document)
    found = [reader.action(str(name), raw) for name, raw in sorted(raws.items())]
    check_slugs([action.id for action in found], problems)
    problems.raise_any()
    return Actions(items=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where and when a visitor is, and what she is.

    Args:
        visit: new or returning.
        state: visitor, user or buyer.
        segments: Ids of her segments.
        place: home, product, search, `category:Books` …
        at: Now, aware.
        impressions: When each action was shown to her before, by action id.
    """

    visit: str
    state: str
    segments: Collection[str]
    place: str
    at: datetime
    impressions: Mapping[str, Sequence[datetime]] = field(default_factory=dict)


def fires(actions: Actions, situation: Situation) -> tuple[Firing, ...]:
    """For each action, by id: whether it fires, with every reason why not."""
    return tuple(_firing(action, situation) for action in actions.items)


def fires_now(action: Action, situation: Situation) -> bool:
    """Whether an action fires, as `fires` says, without the reasons."""
    return (
        action.effect != "webhook"
        and meets(action, situation)
        and _here(action.places, situation.place)
        and not capped(action, situation)
    )


def meets(action: Action, situation: Situation) -> bool:
    """Whether a visitor meets an action's conditions on a day, wherever she is and however often it was shown."""
    return not (
        (action.segments and not set(situation.segments).intersection(action.segments))
        or (action.visit and situation.visit not in action.visit)
        or (action.state and situation.state not in action.state)
        or _out_of_date(action, situation.at)
    )


def _firing(action: Action, now: Situation) -> Firing:
    against = [
        reason
        for reason in (
            _unmet("visit", action.visit, {now.visit}),
            _unmet("state", action.state, {now.state}),
            _unmet("segments", action.segments, set(now.segments)),
            None if _here(action.places, now.place) else f"place is {now.place}, not {_either(action.places)}",
            _out_of_date(action, now.at),
            capped(action, now),
            _BY_WEBHOOK if action.effect == "webhook" else None,
        )
        if reason
    ]
    return Firing(action=action, fired=not against, reason="; ".join(against) or _met(action, now))


def _met(action: Action, now: Situation) -> str:
    parts = [f"visit is {now.visit}"] if action.visit else []
    parts += [f"state is {now.state}"] if action.state else []
    parts += [f"in segment {_either(sorted(set(action.segments) & set(now.segments)))}"] if action.segments else []
    return ", ".join([*parts, f"place is {now.place}"])


def _unmet(name: str, wanted: tuple[str, ...], held: set[str]) -> str | None:
    if not wanted or held & set(wanted):
        return None
    if name == "segments":
        return f"not in segment {_either(wanted)}"
    return f"{name} is {_either(sorted(held))}, not {_either(wanted)}"


def _here(places: tuple[str, ...], place: str) -> bool:
    return bool({"any", place, place.partition(":")[0]} & set(places))


def _out_of_date(action: Action, at: datetime) -> str | None:
    today = date.fromordinal(epoch_day(at) + _EPOCH)
    if action.first_day and today < action.first_day:
        return f"starts on {action.first_day}"
    if action.last_day and today > action.last_day:
        return f"ended on {action.last_day}"
    return None


def capped(action: Action, now: Situation) -> str | None:
    """Why an action's cap keeps it from firing once more; None where it does not."""
    cap = action.cap
    if cap is None:
        return None
    since = None if cap.within_days is None else epoch_day(now.at) - cap.within_days
    shown = [at for at in now.impressions.get(action.id, ()) if since is None or epoch_day(at) >= since]
    if len(shown) < cap.per_visitor:
        return None
    span = "" if since is None else f" in the last {cap.within_days} days and today"
    return f"shown {len(shown)} of {cap.per_visitor} times{span}"


def _either(texts: Collection[str]) -> str:
    return " or ".join(texts)


@dataclass(frozen=True, slots=True)
class _ActionReader:
    problems: Problems
    segments: Segments
    reader: Reader

    def action(self, name: str, raw: Any) -> Action:
        data = self.problems.mapping(name, raw, _ACTION)
        when = self.problems.mapping(f"{name}.when", data.get("when", {}), ("visit", "state", "segments"))
        effect, parts = self._effect(f"{name}.effect", data.get("effect"))
        first, last = (self._day(f"{name}.{key}", data[key]) if key in data else None for key in ("from", "until"))
        if first and last and first > last:
            self.problems.add(name, f"from {first} is after until {last}")
        if effect == "webhook" and "where" in data:
            nowhere = "a webhook is told by a run, which finds nobody at a place"
            self.problems.add(f"{name}.where", nowhere, "no `where`")
        return Action(
            id=name,
            name=self.problems.text(f"{name}.name", data.get("name", name)),
            effect=effect,
            visit=self._when(name, when, "visit", VISITS),
            state=self._when(name, when, "state", STATES),
            segments=self._when(name, when, "segments", self.segments.ids),
            places=self._places(f"{name}.where", data.get("where", "any")),
            cap=self._cap(f"{name}.cap", data["cap"]) if "cap" in data else None,
            first_day=first,
            last_day=last,
            **parts,
        )

    def _when(self, name: str, when: Mapping[str, Any], key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        return self.problems.choices(f"{name}.when.{key}", when[key], allowed) if key in when else ()

    def _effect(self, path: str, raw: Any) -> tuple[Effect, dict[str, Any]]:
        data = self.problems.mapping(path, raw, _EFFECTS)
        if len(data) != 1 and isinstance(raw, Mapping):
            self.problems.add(path, f"{len(data)} effects", f"exactly one of {', '.join(_EFFECTS)}")
        if "boost" in data:
            return "boost", {"boosts": self.reader.boosts(f"{path}.boost", data["boost"])}
        for kind in ("data", "webhook"):
            if kind in data:
                return kind, {"data": self.problems.mapping(f"{path}.{kind}", data[kind])}
        return "message", {"message": self._message(f"{path}.message", data["message"]) if "message" in data else {}}

    def _message(self, path: str, raw: Any) -> dict[str, str]:
        data = self.problems.mapping(path, raw, _MESSAGE)
        if not isinstance(raw, Mapping):
            return {}
        if "title" not in data:
            self.problems.add(path, "`title` is missing", "a text")
        return {key: self.problems.text(f"{path}.{key}", value) for key, value in data.items()}

    def _places(self, path: str, raw: Any) -> tuple[str, ...]:
        places = self.problems.texts(path, raw)
        for place in places:
            if place not in _PLACES and not (place.startswith("category:") and place != "category:"):
                self.problems.add(path, f'the place "{place}" is unknown', ", ".join(_PLACES) + ", category:<value>")
        return places

    def _cap(self, path: str, raw: Any) -> Cap | None:
        data = self.problems.mapping(path, raw, ("per_visitor", "within_days"))
        most = self.problems.whole(f"{path}.per_visitor", data.get("per_visitor"), 1)
        days = self.problems.whole(f"{path}.within_days", data["within_days"], 0) if "within_days" in data else None
        return Cap(per_visitor=most, within_days=days) if most else None

    def _day(self, path: str, raw: Any) -> date | None:
        try:
            return date.fromisoformat(raw)
        except (TypeError, ValueError):
            self.problems.add(path, f"{raw!r} is no date", "YYYY-MM-DD")
            return None
