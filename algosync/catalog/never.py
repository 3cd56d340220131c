"""Which facet values are sensitive and must reach no profile, filter or segment.

The one meaning of the settings' `never` patterns, for records, events, conditions and filters alike. In doubt a value
is withheld: an array is also read as a path, so that "Health/*" takes ["Health", "Vitamins"] whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

# Spelt out: what \s and $ mean differs between the engines.
_SPACE = "[ \t\n\r\f\v\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
_STEP = f"{_SPACE}[/>]{_SPACE}"
_NOTHING = r"[^\s\S]"


@lru_cache(maxsize=256)
def expression(patterns: tuple[str, ...]) -> str:
    """Return a regular expression, for Python, RE2 and Java alike, that finds exactly the sensitive values.

    A pattern is a glob over the whole value, without regard to case and outer spaces: `*` is any text, `?` any
    character. "/" and ">" between the steps of a path are one, with or without spaces. A pattern that ends in "/*"
    takes the parent itself too.

    Args:
        patterns: For example ("Health/*",).
    """
    every = dict.fromkeys(written for pattern in patterns for written in (pattern, pattern.casefold()))
    return f"(?is)^{_SPACE}(?:{'|'.join(map(_translated, every)) or _NOTHING}){_SPACE}$"


def _translated(pattern: str) -> str:
    pattern = re.sub(_STEP, "/", pattern).strip()
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
        patterns: See `expression`; those with a step are also held against the array read as a path.
    """
    match = re.compile(expression(tuple(patterns))).search
    match_path = re.compile(expression(tuple(p for p in patterns if re.search("[/>]", p)))).search
    known: dict[tuple[str, ...], list[bool]] = {}

    def verdicts(values: Sequence[str]) -> list[bool]:
        key = tuple(values)
        if key not in known:
            steps = not any(re.search("[/>]", value) for value in key)
            paths = ["/".join(key[: i + 1]) if steps else "" for i in range(len(key))]
            known[key] = [bool(match(a) or match_path(b)) for a, b in zip(key, paths, strict=True)]
        return known[key]

    return verdicts
