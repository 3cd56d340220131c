"""The text of one optional filter: `facet:value<score=N>`, what can be said in it and what cannot.

Owns escaping, limits and the way back from text to parts. Knows nothing of weights, profiles or boosts. Sources: the
API reference of optionalFilters, and the in-depth pages on filter scoring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from algosync.errors import ConfigError

SCORE_MAX: Final = 65_535
"""The largest score Algolia takes, and so the largest sum of scores that is known to be safe."""

VALUE_BYTES_MAX: Final = 500
"""Longest facet or value in UTF-8 bytes. Algolia states no figure; nothing worth a boost is longer."""

NO_VALUE: Final = frozenset({"not-set", "{}", "unknown", "***", "empty", "none", "n/a", "null"})
"""Stand-ins for "no value", in lower case, which Algolia's own profiles leave out."""

_SCORE_MARK: Final = "<score="
_FILTER: Final = re.compile(r"([^:]+):(-?)(.*?)(?:<score=([0-9]{1,5})>)?", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that was asked for and is not sent, with the reason; reasons that begin with "cut:" are limits."""

    facet: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalFilter:
    """The parts of one optional filter. A negated one scores the records that do not match."""

    facet: str
    value: str
    score: int = 1
    negated: bool = False


@lru_cache(maxsize=4096)
def facet_problem(facet: str) -> str | None:
    """Say why no filter can name this attribute, or None where one can."""
    if problem := _text_problem(facet, "attribute name"):
        return problem
    if ":" in facet:
        return "an attribute name with a colon cannot be told from its value"
    if _CONTROL.search(facet):
        return "an attribute name holds control characters"
    if facet.startswith("-") or facet != facet.strip():
        return "an attribute name begins with a minus, or begins or ends with white space"
    return None


@lru_cache(maxsize=65_536)
def value_problem(value: str) -> str | None:
    """Say why no filter can name this value exactly, or None where one can."""
    if problem := _text_problem(value, "value"):
        return problem
    if value.startswith("\\-"):
        return "a value that begins with a backslash and a minus reads as an escaped minus"
    return None


@lru_cache(maxsize=65_536)
def stands_for_nothing(value: str) -> bool:
    """Whether a value is one of the usual stand-ins for "no value", in any case (NO_VALUE)."""
    return value.strip().lower() in NO_VALUE


def render(facet: str, value: str, score: int) -> str:
    """Write one optional filter.

    Args:
        facet: Attribute name, in full.
        value: Exact facet value.
        score: 0 to SCORE_MAX.

    Raises:
        ConfigError: It cannot be said; the message is the reason.
    """
    problem = facet_problem(facet) or value_problem(value)
    if problem is None and (type(score) is not int or not 0 <= score <= SCORE_MAX):
        problem = f"a score is an integer of 0 to {SCORE_MAX}, not {score!r}"
    if problem:
        raise ConfigError(problem, where=f"optional filter on {facet!r}")
    escaped = f"\\{value}" if value.startswith("-") else value
    return f"{facet}:{escaped}{_SCORE_MARK}{score}>"


def parse(text: str) -> OptionalFilter:
    """Read one optional filter, ours or another's; without `<score=N>` the score is 1.

    Raises:
        ConfigError: The text is no filter, or could be read in two ways.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ConfigError("not of the form facet:value<score=N>", where=f"optional filter {text!r}")
    facet, minus, raw, digits = match.groups()
    value = raw[1:] if raw.startswith("\\-") else raw
    score = int(digits or 1)
    if problem := facet_problem(facet) or value_problem(value):
        raise ConfigError(problem, where=f"optional filter {text!r}")
    if score > SCORE_MAX:
        raise ConfigError(f"score {score} is above {SCORE_MAX}", where=f"optional filter {text!r}")
    return OptionalFilter(facet=facet, value=value, score=score, negated=bool(minus))


def _text_problem(text: str, what: str) -> str | None:
    if not text.strip():
        return f"the {what} is empty or only white space"
    if _SCORE_MARK in text.lower():
        return f"the {what} contains {_SCORE_MARK}, which Algolia reads as a score"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"the {what} is not valid Unicode"
    if size > VALUE_BYTES_MAX:
        return f"the {what} is {size} bytes long, more than {VALUE_BYTES_MAX}"
    return None
