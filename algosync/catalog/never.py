"""Which facet values are sensitive and must reach no profile, filter or segment.

The one meaning of the settings' `never` patterns, for records, events, conditions and filters alike. In doubt a value
is withheld: an array is also read as a path, so that "Health/*" takes ["Health", "Vitamins"] whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

_STEP = r"\s*[/>]\s*"
_NOTHING = r"[^\s\S]"


@lru_cache(maxsize=256)
def expression(patterns: tuple[str, ...]) -> str:
    """Return a regular expression, for Python, RE2 and Java alike, that finds exactly the sensitive values.

    A pattern is a glob over the whole value, without regard to case: `*` is any text, `?` any character. "/" also
    stands for ">" between the steps of a path, with or without spaces. A pattern that ends in "/*" takes the parent
    itself too.

    Args:
        patterns: For example ("Health/*",).
    """
    return f"(?is)^(?:{'|'.join(map(_translated, patterns)) or _NOTHING})$"


def _translated(pattern: str) -> str:
    below = pattern.endswith("/*")
    parts = {"*": ".*", "?": ".", "/": _STEP}
    text = "".join(parts.get(c, re.escape(c)) for c in (pattern[:-2] if below else pattern))
    return f"{text}(?:{_STEP}.*)?" if below else text


def is_sensitive(value: str, patterns: Sequence[str]) -> bool:
    """Whether one value by itself is sensitive."""
    return bool(patterns) and re.search(expression(tuple(patterns)), value) is not None


def withheld(patterns: Sequence[str]) -> Callable[[Sequence[str]], list[bool]]:
    """Return a function that says for each of a record's values of one facet whether it is sensitive.

    Args:
        patterns: See `expression`; those with a "/" are also held against the steps of an array.
    """
    match = re.compile(expression(tuple(patterns))).search
    match_path = re.compile(expression(tuple(p for p in patterns if "/" in p))).search
    known: dict[tuple[str, ...], list[bool]] = {}

    def verdicts(values: Sequence[str]) -> list[bool]:
        key = tuple(values)
        if key not in known:
            steps = not any(re.search("[/>]", value) for value in key)
            paths = ["/".join(key[: i + 1]) if steps else "" for i in range(len(key))]
            known[key] = [bool(match(a) or (b and match_path(b))) for a, b in zip(key, paths, strict=True)]
        return known[key]

    return verdicts
