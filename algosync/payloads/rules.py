"""Rules of an index: one per segment, set off by its context, carrying its optionalFilters.

Their objectIDs begin with `algosync-`, so that the merchandisers' own Rules can be told apart and are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from algosync.payloads.contexts import Segment, context_name, is_context
from algosync.payloads.encode import Payload, Target, Unsent, canonical
from algosync.payloads.filters import Compiled, FilterPolicy, compile_boosts
from algosync.payloads.records import Records, gather, seal, sorted_segments

PREFIX: Final = "algosync-"
"""How the objectID of every Rule of ours begins."""

CONDITIONS_MAX: Final = 25
USER_DATA_BYTES_MAX: Final = 1_000
PRIORITY_MAX: Final = 999_999


def segment_rules(segments: Iterable[Segment], policy: FilterPolicy, target: Target) -> Records:
    """Make the Rule of every segment that has something to say; the others are in `unsent` with the reason.

    Args:
        segments: The segments.
        policy: For the filters of their boosts.
        target: The product index that the Rules belong to.

    Raises:
        ConfigError: Two segments share a slug, or a slug is no context.
    """
    made: list[Payload | Unsent] = []
    refused = []
    for segment in sorted_segments(segments):
        compiled = compile_boosts(segment.boosts, policy)
        refused += [(segment.slug, refusal) for refusal in compiled.refused]
        rule = _rule(segment, compiled)
        if reason := _segment_problem(segment) or rule_problem(rule):
            made.append(Unsent(family="rules", index=target.index, object_id=rule["objectID"], reason=reason))
        else:
            says = f"{segment.name}: {len(compiled.receipts)} filters"
            made.append(seal("rules", rule, says, target, rank=segment.priority))
    return gather(made, refused)


def rule_id(segment: Segment) -> str:
    """Name a segment's Rule: its priority and its slug."""
    return f"{PREFIX}{segment.priority}-{segment.slug}"


def rule_problem(rule: Mapping[str, Any]) -> str | None:
    """Say why Algolia would refuse a Rule, or why it would do nothing; None where it is fine."""
    conditions = rule.get("conditions", ())
    if len(conditions) > CONDITIONS_MAX:
        return f"{len(conditions)} conditions, more than {CONDITIONS_MAX}"
    for condition in conditions:
        if "context" in condition and not is_context(condition["context"]):
            return f"the context {condition['context']!r} holds more than letters, digits, - and _"
    consequence = rule["consequence"]
    if not consequence:
        return "no filter and no user data: nothing for a Rule to do"
    size = len(canonical(consequence.get("userData", {})))
    if size > USER_DATA_BYTES_MAX:
        return f"{size} bytes of user data, more than {USER_DATA_BYTES_MAX}"
    return None


def _rule(segment: Segment, compiled: Compiled) -> dict[str, Any]:
    consequence: dict[str, Any] = {}
    if compiled.optional_filters:
        consequence["params"] = {"optionalFilters": compiled.optional_filters}
    if segment.user_data:
        consequence["userData"] = dict(segment.user_data)
    return {
        "objectID": rule_id(segment),
        "conditions": [{"context": context_name(segment.slug)}],
        "consequence": consequence,
        "description": f"algosync: {segment.name}",
        "enabled": segment.enabled,
        "tags": ["algosync"],
    }


def _segment_problem(segment: Segment) -> str | None:
    if not 0 <= segment.priority <= PRIORITY_MAX:
        return f"priority {segment.priority} is not within 0 to {PRIORITY_MAX}"
    return None
