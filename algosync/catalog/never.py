"""Which facet values are sensitive and must reach no profile, filter or segment.

In doubt a value is withheld: an array is also read as a path, so that "Health/*" takes ["Health", "Vitamins"] whole.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence


def withheld(patterns: Sequence[str]) -> Callable[[Sequence[str]], list[bool]]:
    """Return a function that says for each of a record's values of one facet whether it is sensitive.

    A pattern is a glob over the whole value, without regard to case. One that ends in "/*" takes the parent itself
    too. "/" in a pattern also stands for " > " in values, and for the steps of an array whose values have neither.

    Args:
        patterns: For example ("Health/*",).
    """
    globs = [p.casefold() for p in patterns] + [p.casefold()[:-2] for p in patterns if p.endswith("/*")]
    match, match_path = _any_of(globs), _any_of([glob for glob in globs if "/" in glob])
    known: dict[tuple[str, ...], list[bool]] = {}

    def verdicts(values: Sequence[str]) -> list[bool]:
        key = tuple(values)
        if key not in known:
            plain = [re.sub(r"\s*>\s*", "/", value.casefold()) for value in key]
            steps = not any("/" in value for value in plain)
            paths = ["/".join(plain[: i + 1]) if steps else "" for i in range(len(plain))]
            known[key] = [match(a) or match_path(b) for a, b in zip(plain, paths, strict=True)]
        return known[key]

    return verdicts


def _any_of(globs: Sequence[str]) -> Callable[[str], bool]:
    if not globs:
        return lambda _value: False
    matches = re.compile("|".join(fnmatch.translate(glob) for glob in globs)).match
    return lambda value: matches(value) is not None
