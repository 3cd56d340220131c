"""A visitor's document as it is now: what is stored of her, with the events laid over it that no run has seen.

But for the session's weight, which comes last and by itself, it is the document that a run over all events would make
at this moment. That is exact where events arrive in the order of their moments, as they do within a visit. What cannot
be known from what is stored waits for the next run, which finds it in the log: which purchase a return takes back, an
event that arrives later than one that its token's account already has (it counts, but at the end), whose sender is a
robot by what she did before, and what had counted for nobody since she had refused, and now allows.

Owns how the parts are put together; what they are is judged in profiles/, payloads/ and `session`. Reads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from algosync.experience.arrivals import ArrivalRules
from algosync.experience.session import Arrival, Counting, Share, Token, share, together
from algosync.experience.session_weight import Blend, SessionRules, blended, leanings, running
from algosync.payloads.hysteresis import integers
from algosync.profiles.affinity import SCORE_MAX, AffinityRules
from algosync.profiles.conditions import Segments
from algosync.profiles.moments import DAY_S, SESSION_GAP_S, epoch_month
from algosync.profiles.readiness import ReadinessRules, visitor_readiness
from algosync.profiles.streams import NOBODY, Standing, follow
from algosync.profiles.tally import Scores, Step, Tally, evidence, leading, person
from algosync.profiles.verdicts import evaluate

EVENTS_MAX: Final = 1_000
"""Of one visitor, laid over what is stored; what comes after them waits for the next run."""

_ALL_BUT: Final = 1 - 1e-6
"""Scores that are further apart are different once rounded."""

_PLAIN: Final = Standing(epoch=0)
"""A token that never saw a login or a logout: all of its events are one epoch."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayRules:
    """Everything that a run would judge by.

    Args:
        arrivals: How events are judged.
        affinity: What counts towards affinities.
        readiness: When a profile may be used.
        segments: The groups people may be in.
        session: How much the running session weighs.
        values_kept: Values per facet that a profile keeps.
        by_clock: Whether runs go by the clock, and not by their last event.
        counted_by: What the snapshot must say of the rules by which its tallies were made; None asks nothing of it.
    """

    arrivals: ArrivalRules
    affinity: AffinityRules
    readiness: ReadinessRules
    segments: Segments = field(default_factory=Segments)
    session: SessionRules = field(default_factory=SessionRules)
    values_kept: int = 10
    by_clock: bool = True
    counted_by: str | None = None

    def counting(self, now: datetime) -> Counting:
        """How events are counted at a moment."""
        return Counting(rules=self.affinity, segments=self.segments, landmark=epoch_month(now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What came to one token.

    Args:
        token: The token.
        standing: After its last stored event; None where it is plain, or unknown.
        open: The stored tally of its open epoch.
        contained: Events that the snapshot contains and the inbox still has, in order: the session may have them.
        fresh: Those that the snapshot does not contain, in order.
    """

    token: str
    standing: Standing | None = None
    open: Tally | None = None
    contained: Sequence[Arrival] = ()
    fresh: Sequence[Arrival] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is stored of a person.

    Args:
        person: Who she is.
        settled: What her settled events add up to.
        entered: Her attributes from users sources.
        document: Her document.
        refused: Whether the latest that she said of consent is a refusal.
    """

    person: str
    settled: Tally | None = None
    refused: bool = False
    entered: Mapping[str, str] = field(default_factory=dict)
    document: Document | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """What an answer is made from.

    Args:
        document: Her document; None where nothing of her may be used.
        events: How many events were laid over.
        logged_in: Whether she is somebody who logged in, as far as anything says.
        until: The first moment at which it is another without any event.
    """

    document: dict[str, Any] | None
    events: int
    logged_in: bool
    until: datetime


def placed(recent: Recent, counting: Counting, before: tuple[Recent, Share] | None = None) -> Share:
    """Whose the events of a token are.

    Args:
        recent: What came.
        counting: How events are counted.
        before: What had come earlier by the same snapshot and rules, and what this gave then.
    """
    standing = recent.standing or (NOBODY if recent.open is None else _PLAIN)
    fresh, known = recent.fresh, None
    if before is not None and recent.standing is None and before[0].open is recent.open:
        known = before[1] if fresh[: len(before[0].fresh)] == before[0].fresh else None
    if fresh and fresh[0].sign.second < standing.second:
        # Came late: where it belongs is for the next run, and no silence may be read from it.
        fresh = [replace(one, sign=replace(one.sign, second=max(one.sign.second, standing.second))) for one in fresh]
    return share(Token(name=recent.token, standing=standing, open=recent.open, arrivals=fresh), counting, known)


def overlaid(stored: Stored, tokens: Sequence[tuple[Recent, Share]], rules: OverlayRules, *, now: datetime) -> Overlaid:
    """The document of a person at a moment.

    Args:
        stored: What is stored of her.
        tokens: What came to her tokens, and whose it is.
        rules: What a run would judge by.
        now: This moment.
    """
    counting, name = rules.counting(now), stored.person
    hers = [arrival for _, shared in tokens for arrival in shared.arrivals.get(name, ())]
    logged_in = any(arrival.sign.login == name for arrival in hers)
    session = running(_steps(name, tokens, hers), now.timestamp())
    found = together(name, stored.settled, (shared for _, shared in tokens), counting)
    until = _until(found, session, now)
    if not found.events or _refused(hers, stored.refused):
        return Overlaid(document=None, events=len(hers), logged_in=logged_in, until=until)
    made = document(stored, found, rules, now=now)
    leaning = leanings(found.sums, session, rules.affinity, rules.session)
    for facet, (blend, own) in leaning.items():
        before = made["affinities"].get(facet, {})
        made["affinities"][facet] = _blended(found.sums[facet], own, blend.share, before, rules.values_kept)
    made["recent"] = {"events": len(hers), "session": _told(session, leaning)}
    return Overlaid(document=made, events=len(hers), logged_in=logged_in or found.authenticated, until=until)


def document(stored: Stored, found: Tally, rules: OverlayRules, *, now: datetime) -> dict[str, Any]:
    """The document that a run makes of a person whose events add up to a tally, without the session's weight.

    Args:
        stored: Whose it is, and the integers of her last document, which stay while the scores hardly move.
        found: Of one event or more.
        rules: What a run would judge by.
        now: The moment of the run.
    """
    judged = person(found, as_of=now, entered=stored.entered)
    previous = (stored.document or {}).get("affinities", {})
    ready, reason = visitor_readiness(evidence(found, values_kept=rules.values_kept), rules.readiness)
    first, last = found.seen or (0.0, 0.0)
    return {
        "person": stored.person,
        "visit": judged.visit,
        "state": judged.state,
        "authenticated": found.authenticated,
        "first_seen": datetime.fromtimestamp(first, UTC).isoformat(),
        "last_seen": datetime.fromtimestamp(last, UTC).isoformat(),
        "sessions": len(found.spans),
        "events": found.events,
        "products": len(found.products),
        "ready": ready,
        "reason": reason,
        "affinities": _affinities(found, previous, rules.values_kept),
        "segments": [name for name, held in evaluate(judged, rules.segments, as_of=now).items() if held],
    }


def ranked_integers(
    scored: Mapping[tuple[str, str], float],
    by: Mapping[tuple[str, str], float],
    previous: Mapping[str, Mapping[str, int]],
    kept: int,
) -> dict[str, dict[str, int]]:
    """The first values of each facet as integers: by sum, compared as the batch does, then by value."""
    facets: dict[str, list[tuple[float, str, float]]] = {}
    for (facet, value), score in scored.items():
        facets.setdefault(facet, []).append((-leading(by[facet, value]), value, score))
    found = {facet: _settled(ranked, previous.get(facet, {}), kept) for facet, ranked in sorted(facets.items())}
    return {facet: settled for facet, settled in found.items() if settled}


def leaders(sums: Mapping[str, float], kept: int) -> Collection[str]:
    """The values of a facet that may be among the first `kept`: those, and the ones that are all but equal."""
    if len(sums) <= kept:
        return sums.keys()
    edge = sorted(sums.values())[-kept] * _ALL_BUT
    return [value for value, total in sums.items() if total >= edge]


def _affinities(found: Tally, previous: Mapping[str, Mapping[str, int]], kept: int) -> dict[str, dict[str, int]]:
    scored, made = Scores(found.sums), dict[str, dict[str, int]]()
    for facet, held in sorted(found.sums.items()):
        of_facet = scored.of(facet, leaders(held, kept))
        ranked = [(-leading(held[value]), value, score) for value, score in of_facet.items()]
        if settled := _settled(ranked, previous.get(facet, {}), kept):
            made[facet] = settled
    return made


def _blended(
    sums: Mapping[str, float], own: Mapping[str, float], share: float, previous: Mapping[str, int], kept: int
) -> dict[str, int]:
    """The first values of a facet as integers, with a session's own scores in them."""
    largest = max(sums.values())
    held = {value: SCORE_MAX * (sums[value] / largest) for value in {*leaders(sums, kept), *own} if value in sums}
    mixed = blended(held, own, share)
    return _settled([(-leading(mixed[value]), value, mixed[value]) for value in leaders(mixed, kept)], previous, kept)


def _settled(ranked: list[tuple[float, str, float]], previous: Mapping[str, int], kept: int) -> dict[str, int]:
    """The first of (less is earlier, value, score) as integers, by value."""
    chosen = ranked if len(ranked) <= kept else sorted(ranked)[:kept]
    return integers(sorted([(value, score) for _, value, score in chosen]), previous)


def _refused(hers: Iterable[Arrival], before: bool) -> bool:  # noqa: FBT001
    """Whether the latest that she said of consent is a refusal: then nothing of hers counts."""
    said = [(one.micros, one.key, one.consent) for one in hers if one.consent is not None]
    return max(said)[2] == "not_personalized" if said else before


def _steps(name: str, tokens: Iterable[tuple[Recent, Share]], hers: Iterable[Arrival]) -> Iterator[Step]:
    """What counts of hers, as far as the inbox still has it."""
    yield from (arrival.step for arrival in hers if arrival.step is not None)
    for recent, shared in tokens:
        for arrival, owner in zip(recent.contained, _owners(recent, shared.heir), strict=True):
            if owner == name and arrival.step is not None:
                yield arrival.step


def _owners(recent: Recent, heir: str) -> Iterator[str | None]:
    """Whose each contained event is, where that is certain: None where it hangs on what the inbox has no longer."""
    signs = [arrival.sign for arrival in recent.contained]
    if not any(sign.login is not None or sign.is_logout for sign in signs):
        yield from (heir for _ in signs)
        return
    places, standing = follow(NOBODY, signs)
    if standing == recent.standing:  # nobody had come or gone before
        owners: dict[int, str] = {}
        for place in places:
            owners[place.epoch] = place.owner or recent.token
            if place.takes_over:
                owners[place.epoch - 1] = owners[place.epoch]
        owners[standing.epoch] = heir
        yield from (owners[place.epoch] for place in places)
        return
    login: str | None = None
    known = False
    for sign in signs:
        if sign.login is not None:
            login, known = sign.login, True
        yield (login or recent.token) if known else None
        if sign.is_logout:
            login, known = None, True


def _told(session: Sequence[Step], leaning: Mapping[str, tuple[Blend, Mapping[str, float]]]) -> dict[str, Any]:
    """The session in numbers, for whoever explains the answer."""
    facets = {
        facet: {"events": blend.events, "distance": round(blend.distance, 6), "weight": blend.share}
        for facet, (blend, _) in sorted(leaning.items())
    }
    return {"events": len(session), "facets": facets}


def _until(found: Tally, session: Sequence[Step], now: datetime) -> datetime:
    """The end of the UTC day, by which segments count; of the first session, and of the one that is on."""
    ends = [(math.floor(now.timestamp()) // DAY_S + 1) * DAY_S]
    lasts = [step.second for step in session[-1:]] + [last for _, last in found.spans[-1:]]
    # A second is over when the next one begins.
    ends += [last + SESSION_GAP_S + 1 for last in lasts if last + SESSION_GAP_S + 1 > now.timestamp()]
    return datetime.fromtimestamp(min(ends), UTC)
