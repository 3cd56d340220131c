"""Records of the payload index: one per segment, and one per token of each ready person.

Segment records hold no personal data. Profile records hold no token, no name and no person: their objectID and the
segments in them are keyed hashes, so only a backend that holds the key finds the record of its visitor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from algosync.errors import ConfigError
from algosync.payloads.contexts import Segment, context_name
from algosync.payloads.encode import (
    Family,
    OpaqueIds,
    Payload,
    Target,
    Unsent,
    canonical,
    content_hash,
    size_problem,
)
from algosync.payloads.filters import FilterPolicy, compile_boosts
from algosync.payloads.syntax import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is pushed of one ready, recently active person.

    Args:
        tokens: Every token she is known by.
        optional_filters: As compiled.
        contexts: The contexts of her segments, highest first.
        segments: Slugs of her segments.
        rank: Who is more likely to come back soon is worth more.
    """

    tokens: tuple[str, ...]
    optional_filters: tuple[tuple[str, ...], ...]
    contexts: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Payloads by objectID, what was made and is not sent, and filters that could not be said.

    `refused` has the segment's slug and the refusal.
    """

    payloads: tuple[Payload, ...]
    unsent: tuple[Unsent, ...]
    refused: tuple[tuple[str, Refusal], ...] = ()


def segment_records(segments: Iterable[Segment], policy: FilterPolicy, target: Target) -> Records:
    """Make the record of every segment: `{objectID: "segment-<slug>", optionalFilters, ruleContext}`.

    A segment without boosts has a record too: its context may be all that a backend needs.

    Raises:
        ConfigError: Two segments share a slug, or a slug is no context.
    """
    made, refused = [], []
    for segment in sorted_segments(segments):
        compiled = compile_boosts(segment.boosts, policy)
        refused += [(segment.slug, refusal) for refusal in compiled.refused]
        record = {
            "objectID": f"segment-{segment.slug}",
            "optionalFilters": compiled.optional_filters,
            "ruleContext": context_name(segment.slug),
        }
        says = f"{segment.name}: {len(compiled.receipts)} filters"
        made.append(seal("segments", record, says, target, rank=segment.priority))
    return gather(made, refused)


def profile_records(profiles: Iterable[Profile], ids: OpaqueIds, target: Target) -> Records:
    """Make one record per token: `{objectID, optionalFilters, ruleContexts, segments}`.

    A person with neither filters nor segments has no record. A token that more than one person uses has none
    either, since nobody can tell whose visit it is: both are told apart in `unsent`, by the opaque objectID.
    """
    people = list(profiles)
    shared = {t for t, n in Counter(t for p in people for t in set(p.tokens)).items() if n > 1}
    made: list[Payload | Unsent] = []
    for person in people:
        record = {
            "optionalFilters": person.optional_filters,
            "ruleContexts": person.contexts,
            "segments": sorted(ids.segment(slug) for slug in person.segments),
        }
        summary = f"{sum(map(len, person.optional_filters))} filters, {len(person.segments)} segments"
        empty = None if person.optional_filters or person.segments else "no filters and no segments"
        for token in sorted(set(person.tokens)):
            object_id = ids.token(token)
            if reason := "the token is used by more than one person" if token in shared else empty:
                made.append(_unsent("profiles", object_id, reason, target))
            else:
                made.append(seal("profiles", {"objectID": object_id, **record}, summary, target, rank=person.rank))
    return gather(made)


def sorted_segments(segments: Iterable[Segment]) -> Sequence[Segment]:
    """Sort segments by slug.

    Raises:
        ConfigError: Two share a slug.
    """
    ordered = sorted(segments, key=lambda segment: segment.slug)
    for slug, count in Counter(segment.slug for segment in ordered).items():
        if count > 1:
            raise ConfigError(f"{count} segments share this name", where=f"segment {slug!r}")
    return ordered


def seal(family: Family, record: Mapping[str, Any], summary: str, target: Target, *, rank: int = 0) -> Payload | Unsent:
    """Encode and hash a record; too large a one is turned away."""
    body = canonical(record)
    object_id: str = record["objectID"]
    if problem := size_problem(body, target):
        return replace(_unsent(family, object_id, problem, target), hash=content_hash(body))
    return Payload(
        family=family,
        index=target.index,
        object_id=object_id,
        hash=content_hash(body),
        body=body,
        summary=summary,
        rank=rank,
    )


def gather(made: Iterable[Payload | Unsent], refused: Iterable[tuple[str, Refusal]] = ()) -> Records:
    """Sort what was made by objectID into what is sent and what is not."""
    ordered = sorted(made, key=lambda one: one.object_id)
    return Records(
        payloads=tuple(one for one in ordered if isinstance(one, Payload)),
        unsent=tuple(dict.fromkeys(one for one in ordered if isinstance(one, Unsent))),
        refused=tuple(refused),
    )


def _unsent(family: Family, object_id: str, reason: str, target: Target) -> Unsent:
    return Unsent(family=family, index=target.index, object_id=object_id, reason=reason)
