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
        token: At which it came.
        consent: What it says of consent.
        micros: Its moment, in microseconds since 1970.
        key: By which the log knows it again, and orders those of one moment.
        seq: Its number in the inbox.
        ignored: Whether it counts nowhere, and only keeps others of its key out.
    """

    sign: Sign
    step: Step | None
    token: str = ""
    consent: str | None = None
    micros: int = 0
    key: int = 0
    seq: int = 0
    ignored: bool = False


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
        present: Who is there now: an authenticated token, or the token itself. After a logout it is the token, although
            the logout itself belongs to who left.
        heir: Whose the epoch is, or has become, in which the token stood.
        tallies: By person, of the open epoch and of what came since.
        arrivals: By person, what came since, in order.
    """

    present: str
    heir: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    arrivals: Mapping[str, Sequence[Arrival]] = field(default_factory=dict)


def share(token: Token, counting: Counting, before: Share | None = None) -> Share:
    """Place what came to a token, and say whose it is.

    Args:
        token: The token.
        counting: How events are counted.
        before: What this gave when only the first of the arrivals were there, and all else was the same.
    """
    if not token.standing.logged_in_before and not any(
        arrival.sign.login is not None or arrival.sign.is_logout for arrival in token.arrivals
    ):
        return _of_stranger(token, counting, before)
    places, standing = follow(token.standing, (arrival.sign for arrival in token.arrivals))
    owners: dict[int, str] = {token.standing.epoch: token.standing.owner or token.name}
    for place in places:
        owners[place.epoch] = place.owner or token.name
        if place.takes_over:
            owners[place.epoch - 1] = owners[place.epoch]
    came: dict[str, list[Arrival]] = {}
    for place, arrival in zip(places, token.arrivals, strict=True):
        came.setdefault(owners[place.epoch], []).append(arrival)
    found: dict[str, Tally] = {}
    for person, some in came.items():
        if steps := [arrival.step for arrival in some if arrival.step is not None]:
            found[person] = tally(steps, counting.rules, counting.segments, landmark=counting.landmark)
    heir = owners[token.standing.epoch]
    if token.open is not None:
        found[heir] = add(token.open, found[heir], counting.rules) if heir in found else token.open
    return Share(present=standing.login or token.name, heir=heir, tallies=found, arrivals=came)


def _of_stranger(token: Token, counting: Counting, before: Share | None) -> Share:
    """Where nobody ever logged in, all is the token's own, and what is new is added to what was counted."""
    name, found, counted = token.name, token.open, 0
    if before is not None:
        found, counted = before.tallies.get(name), len(before.arrivals.get(name, ()))
    if steps := [arrival.step for arrival in token.arrivals[counted:] if arrival.step is not None]:
        came = tally(steps, counting.rules, counting.segments, landmark=counting.landmark)
        found = came if found is None else add(found, came, counting.rules)
    return Share(
        present=name,
        heir=name,
        tallies={} if found is None else {name: found},
        arrivals={name: token.arrivals} if token.arrivals else {},
    )


def together(person: str, settled: Tally | None, shares: Iterable[Share], counting: Counting) -> Tally:
    """All that a person's events add up to.

    Args:
        person: As `share` names her.
        settled: What is stored of her, without any token's open epoch.
        shares: Of her own tokens, and of all that she was ever logged in at, or is now.
        counting: How events are counted.
    """
    found = [settled, *(share.tallies.get(person) for share in shares)]
    parts = [part for part in found if part is not None] or [Tally(landmark=counting.landmark)]
    return reduce(lambda one, other: add(one, other, counting.rules), parts)
