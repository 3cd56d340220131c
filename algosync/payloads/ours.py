"""Knows our own records and Rules again when nobody remembers having written them: by their hash and by their shape.

A hash says what is there whatever `algosync.v` claims. A shape is told by names and parts that nobody else makes: what
has another one is other people's, even under a name that could be ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from algosync.payloads.contexts import context_name, is_context
from algosync.payloads.encode import HASH_BYTES, Family, content_hash, dump
from algosync.payloads.rules import PREFIX

Standing = Literal["ours", "altered", "foreign"]
"""Of what is there: written by us as it is; written by us and edited since; not written by us."""

_SEGMENT: Final = "segment-"
_SEGMENT_PARTS: Final = frozenset({"objectID", "optionalFilters", "ruleContext"})
_PROFILE_PARTS: Final = frozenset({"objectID", "optionalFilters", "ruleContexts", "segments"})
_RULE_PARTS: Final = frozenset({"objectID", "conditions", "consequence", "description", "enabled", "tags"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # URL-safe base64 of 32 bytes
_ID: Final = re.compile(r"[0-9a-f]{12}")
_RULE_ID: Final = re.compile(re.escape(PREFIX) + r"\d+-(.+)")
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{2 * HASH_BYTES}}}")
_CONTENT: Final = frozenset({"_tags", "_geoloc"})


def document_hash(document: Mapping[str, Any]) -> str:
    """Hash a record or a Rule as Algolia returns it, without what Algolia adds (`_metadata`, `_highlightResult` …)."""
    return content_hash(dump(_own_parts(document)))


def attribute_hash(attribute: Any) -> str:
    """Hash what a product holds in our attribute: equals its `v` where it is as we wrote it, and never otherwise."""
    if isinstance(attribute, dict):
        rest = content_hash(dump({key: part for key, part in attribute.items() if key != "v"}))
        if attribute.get("v") == rest:
            return rest
    return content_hash(dump([attribute]))


def attribute_standing(attribute: Any) -> Standing:
    """Tell whose our attribute is on a product; only we write a `v`."""
    version = attribute.get("v") if isinstance(attribute, dict) else None
    if version == attribute_hash(attribute):
        return "ours"
    return "altered" if isinstance(version, str) and _DIGEST.fullmatch(version) else "foreign"


def record_family(record: Mapping[str, Any]) -> Family | None:
    """The family of a record of the payload index by its shape; None for other people's."""
    parts, name = _own_parts(record), record["objectID"]
    if not isinstance(parts.get("optionalFilters"), list):
        return None
    if parts.keys() == _SEGMENT_PARTS and name.startswith(_SEGMENT):
        slug = name.removeprefix(_SEGMENT)
        return "segments" if is_context(slug) and parts["ruleContext"] == context_name(slug) else None
    if parts.keys() == _PROFILE_PARTS and _TOKEN.fullmatch(name):
        segments = parts["segments"]
        known = isinstance(segments, list) and all(isinstance(one, str) and _ID.fullmatch(one) for one in segments)
        return "profiles" if known else None
    return None


def named_family(object_id: str) -> Family:
    """The family that a record of the payload index would be of by its name alone."""
    return "profiles" if _TOKEN.fullmatch(object_id) and not object_id.startswith(_SEGMENT) else "segments"


def is_our_rule(rule: Mapping[str, Any]) -> bool:
    """Whether a Rule is of the shape that we give them; the prefix of its name alone says nothing."""
    parts = _own_parts(rule)
    named = _RULE_ID.fullmatch(rule["objectID"])
    if named is None or not is_context(named[1]) or parts.keys() != _RULE_PARTS:
        return False
    return bool(parts["tags"] == ["algosync"] and parts["conditions"] == [{"context": context_name(named[1])}])


def _own_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in document.items() if not key.startswith("_") or key in _CONTENT}
