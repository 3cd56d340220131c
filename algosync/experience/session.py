"""Recent events laid over what is stored of a visitor: who she is now, and what all her events add up to.

What is stored comes as tallies and standings of its last run; what has come since as arrivals. Both together are what a
run over all events would find, at every moment: events keep their order, and none is in both. The weight that a
session has besides is no part of it. Reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from algosync.profiles.affinity import AffinityRules
from algosync.profiles.conditions import Segments
from algosync.profiles.streams import NOBODY, Sign, Standing, follow
from algosync.profiles.tally import Step, Tally, add, tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event that came after what is stored.

    Args:
        sign: What it says of who is there.
        step: What it counts; None where it must not count, for want of consent.
    """

    sign: Sign
    step: Step | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token: how it stood, and what came since.

    Args:
        name: The token.
        standing: After its last stored event.
        open: The tally of its last epoch, where that is anonymous: the next login may take it. It is in no person's.
        arrivals: In the order of their time, after all that is stored.
    """

    name: str
    standing: Standing = NOBODY
    open: Tally | None = None
    arrivals: Sequence[Arrival] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How events are counted.

    Args:
        rules: What counts towards affinities.
        segments: Whose facts are kept.
        landmark: The epoch month that sums are carried to.
    """

    rules: AffinityRules
    segments: Segments
    landmark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What of a token belongs to whom.

    Args:
        present: Who is there now: an authenticated token, or the token itself.
        tallies: By person, of the open epoch and of what came since.
    """

    present: str
    tallies: Mapping[str, Tally] = field(default_factory=dict)


def share(token: Token, counting: Counting) -> Share:
    """Place what came to a token, and say whose it is."""
    places, standing = follow(token.standing, (arrival.sign for arrival in token.arrivals))
    owners: dict[int, str] = {token.standing.epoch: token.standing.owner or token.name}
    for place in places:
        owners[place.epoch] = place.owner or token.name
        if place.takes_over:
            owners[place.epoch - 1] = owners[place.epoch]
    steps: dict[str, list[Step]] = {}
    for place, arrival in zip(places, token.arrivals, strict=True):
        if arrival.step is not None:
            steps.setdefault(owners[place.epoch], []).append(arrival.step)
    found = {
        person: tally(some, counting.rules, counting.segments, landmark=counting.landmark)
        for person, some in steps.items()
    }
    if token.open is not None:
        heir = owners[token.standing.epoch]
        found[heir] = add(token.open, found[heir], counting.rules) if heir in found else token.open
    return Share(present=standing.owner or token.name, tallies=found)


def present(person: str, settled: Tally | None, tokens: Iterable[Token], counting: Counting) -> Tally:
    """All that a person's events add up to.

    Args:
        person: As `share` names her.
        settled: What is stored of her, without any token's open epoch.
        tokens: Her own, and all that she was ever logged in at, or is now.
        counting: How events are counted.
    """
    shares = (share(token, counting).tallies.get(person) for token in tokens)
    parts = [part for part in (settled, *shares) if part is not None]
    nothing = Tally(landmark=counting.landmark)
    return reduce(lambda one, other: add(one, other, counting.rules), parts, nothing)
