"""The extra weight of the running session: the last step before scores become integers, and a separate one.

An account may be shared: the profile says the father's brands and this session the child's. So for each facet the
scores P of the profile, which the session's events are part of already, are blended with the scores S of the session
alone, in which an event counts half after minutes and not weeks:

    score = (1 - share) P + share S, then scaled so that the facet's largest is 20 again
    share = weight * n / (n + 2) * (0.1 + 0.9 d),    d = 1 - cos(P, S)

n is how many events of the session weigh anything and carry the facet; d is 0 where session and profile lean alike,
and 1 where they have no value in common. With the default weight of 0.8 the session's best value passes the profile's
from the fourth event on where they disagree entirely, and where they agree the share never reaches a tenth.

S decays from the session's last event backwards, so that between two events nothing moves; the session ends, and its
weight with it, after 30 minutes of silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from algosync.profiles.affinity import SCORE_DIGITS, SCORE_MAX, AffinityRules
from algosync.profiles.moments import SESSION_GAP_S
from algosync.profiles.tally import Step, Sums

AGREEING: Final = 0.1
"""What a session weighs of its share where it says what the profile says."""
HALFWAY: Final = 2
"""After so many events it has half of it."""

_MINUTE_S: Final = 60
_SHARE_DIGITS: Final = 6

Scores = Mapping[tuple[str, str], float]
"""Score, 0 to 20, by (facet, value)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """How much a session weighs.

    Args:
        weight: The most that its share of a score can be, 0 to 1; 0 switches it off.
        half_life_minutes: After which an event of the session counts half within it.
    """

    weight: float = 0.8
    half_life_minutes: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """What a session did to one facet.

    Args:
        events: Its events that count for the facet: n.
        distance: How far it is from the profile: d, 0 to 1.
        share: Its share of each score.
    """

    events: int
    distance: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Scores with a session's weight in them.

    Args:
        scores: Of every facet.
        blends: By facet, of those that the session has anything to say of.
        session: Scores of the session alone, of those facets.
    """

    scores: Scores
    blends: Mapping[str, Blend] = field(default_factory=dict)
    session: Scores = field(default_factory=dict)


def running(steps: Iterable[Step], now: float) -> list[Step]:
    """The events of the session that is still on, in order: back from now, none further from the next than 30 minutes.

    Args:
        steps: In any order.
        now: Seconds since 1970; later steps are not seen.
    """
    found: list[Step] = []
    edge = math.floor(now)
    for step in sorted((step for step in steps if step.at <= now), key=_moment, reverse=True):
        if edge - step.second > SESSION_GAP_S:
            break
        edge = step.second
        found.append(step)
    return found[::-1]


def weigh(profile: Scores, session: Sequence[Step], affinity: AffinityRules, rules: SessionRules) -> Weighed:
    """Blend a session into a profile's scores.

    Args:
        profile: Unrounded scores of all her events, the session's among them.
        session: Its events.
        affinity: What counts towards affinities; its half-life is the profile's, not the session's.
        rules: How much it weighs.
    """
    of_profile: dict[str, dict[str, float]] = {}
    for (facet, value), score in profile.items():
        of_profile.setdefault(facet, {})[value] = score
    scores, blends, alone = dict(profile), dict[str, Blend](), dict[tuple[str, str], float]()
    for facet, (blend, own) in leanings(of_profile, session, affinity, rules).items():
        blends[facet] = blend
        alone |= {(facet, value): score for value, score in own.items()}
        for value, score in blended(of_profile[facet], own, blend.share).items():
            scores[facet, value] = round(score, SCORE_DIGITS)
    return Weighed(scores=scores, blends=blends, session=alone)


def leanings(
    profile: Sums, session: Sequence[Step], affinity: AffinityRules, rules: SessionRules
) -> dict[str, tuple[Blend, dict[str, float]]]:
    """How far a session leans from a profile, and its own scores, by facet, of those that both have.

    Args:
        profile: Scores by facet and value, or the sums that they are relative to: only their direction counts.
        session: Its events.
        affinity: What counts towards affinities.
        rules: How much a session weighs.
    """
    if not session or not rules.weight > 0:
        return {}
    sums, counts = _sums(session, affinity, rules.half_life_minutes * _MINUTE_S)
    found = {}
    for facet in profile:
        if facet in sums:
            largest = max(sums[facet].values())
            own = {value: SCORE_MAX * total / largest for value, total in sums[facet].items()}
            distance = 1.0 - _cosine(profile[facet], own)
            share = share_of(counts[facet], distance, rules)
            found[facet] = Blend(events=counts[facet], distance=distance, share=share), own
    return found


def share_of(events: int, distance: float, rules: SessionRules) -> float:
    """The session's share of a facet's scores, 0 to `weight`."""
    share = rules.weight * events / (events + HALFWAY) * (AGREEING + (1.0 - AGREEING) * distance)
    return round(share, _SHARE_DIGITS)


def _sums(
    session: Sequence[Step], affinity: AffinityRules, half_life_s: float
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Points of the session by facet and value, and by facet how many of its events count."""
    last = max([step.at for step in session])
    sums: dict[str, dict[str, float]] = {facet: {} for facet in affinity.facets}
    counts = dict.fromkeys(affinity.facets, 0)
    for step in session:
        weight, facets = affinity.weights.get(step.kind or "", 0.0), step.facets
        if not weight > 0 or not facets or not step.keeps:
            continue
        points = weight * 2.0 ** ((step.at - last) / half_life_s)
        for facet, held in sums.items():
            values: Sequence[str] = facets.get(facet, ())
            if facet in affinity.never:
                values = [value for value in values if not affinity.withholds(facet, value)]
            for value in values:
                held[value] = held.get(value, 0.0) + points
            counts[facet] += bool(values)
    return {facet: held for facet, held in sums.items() if held and max(held.values()) > 0}, counts


def blended(profile: Mapping[str, float], session: Mapping[str, float], share: float) -> dict[str, float]:
    """The scores of a facet with a session's in them, scaled so that the largest is 20.

    Args:
        profile: Scores by value; those that are less than a few of them may be left out.
        session: Scores by value.
        share: The session's.
    """
    rest = 1.0 - share
    mixed = {value: rest * score for value, score in profile.items()}
    for value, score in session.items():
        mixed[value] = mixed.get(value, 0.0) + share * score
    largest = max(mixed.values())
    return {value: SCORE_MAX * (score / largest) for value, score in mixed.items()}


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    common = sum(score * other[value] for value, score in one.items() if value in other)
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return min(1.0, common / lengths) if lengths > 0 else 0.0


def _moment(step: Step) -> float:
    return step.at
