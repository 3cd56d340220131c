"""Which boosts segments and actions ask for, and what they are called; no two of them share a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from algosync.errors import ConfigError
from algosync.payloads.boosts import Boost
from algosync.payloads.contexts import Segment
from algosync.profiles.actions import Action, Actions
from algosync.profiles.conditions import Boost as Lift
from algosync.profiles.conditions import Segment as Definition
from algosync.profiles.conditions import Segments
from algosync.profiles.reading import slug


def segment_payloads(segments: Segments, actions: Actions) -> tuple[Segment, ...]:
    """Segments with every boost that membership alone sets off: their own, and those of such actions.

    Raises:
        ConfigError: Two different boosts would get one name, and so one tag.
    """
    _check_names(segments, actions)
    made = []
    for segment in segments.items:
        mine = list(own_boosts(segment))
        for action in actions.items:
            if not action.visit and not action.state and segment.id in action.segments:
                mine += action_boosts(action, segments).get(segment.id, ())
        made.append(
            Segment(slug=segment.slug, name=segment.name, priority=max(segment.priority, 0), boosts=tuple(mine))
        )
    return tuple(made)


def own_boosts(segment: Definition) -> tuple[Boost, ...]:
    """The boosts that a segment itself asks for."""
    return tuple(_named(segment.slug, segment.boosts))


def action_boosts(action: Action, segments: Segments) -> dict[str, tuple[Boost, ...]]:
    """An action's boosts by the id of the segment that sets it off, "" where it asks for none.

    What is popular in one segment is not what is popular in another, so such boosts have a name for each.
    """
    if not action.boosts:
        return {}
    several = len(action.segments) > 1 and any(lift.popular is not None for lift in action.boosts)
    name = slug(action.id)
    return {
        segment: tuple(_named(f"{name}-{segments[segment].slug}" if several else name, action.boosts))
        for segment in action.segments or ("",)
    }


def loose_boosts(segments: Segments, actions: Actions) -> tuple[tuple[str, Boost], ...]:
    """Boosts that membership alone does not set off, each with the segment it is for, "" for none.

    They are in no Rule and no record, but products need their tags.
    """
    return tuple(
        (segment, boost)
        for action in actions.items
        if action.visit or action.state or not action.segments
        for segment, boosts in action_boosts(action, segments).items()
        for boost in boosts
    )


def _check_names(segments: Segments, actions: Actions) -> None:
    owned = [(segment.id, boost) for segment in segments.items for boost in own_boosts(segment)]
    for action in actions.items:
        owned += [(action.id, boost) for boosts in action_boosts(action, segments).values() for boost in boosts]
    named: dict[str, tuple[str, Boost]] = {}
    for owner, boost in owned:
        first, known = named.setdefault(boost.slug, (owner, boost))
        if known != boost:
            what = f"a boost of '{owner}' and one of '{first}' would share the name '{boost.slug}'"
            raise ConfigError(what, where="segments and actions", hint="Give one of the two another id")


def _named(name: str, lifts: Sequence[Lift]) -> Iterator[Boost]:
    for number, lift in enumerate(lifts, start=1):
        yield Boost(
            slug=name if len(lifts) == 1 else f"{name}-{number}",
            conditions=dict(lift.facets),
            price=lift.price,
            popular=lift.popular,
            score=lift.score,
        )
