"""Reading of documents that people write: every problem is collected with its path, then told at once.

Owns the checks of single values. Knows no segments and no actions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from algosync.catalog.paths import text as text_of
from algosync.errors import ConfigError

Range = tuple[float, float]

SLUG_MAX = 48
"""Characters of an id: a boost of an action on a segment is named by both, and a tag has at most 100."""


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong in one document.

    Args:
        where: The document's name.
    """

    where: str
    found: list[str] = field(default_factory=list)

    def add(self, path: str, what: str, allowed: str | None = None) -> None:
        """Note that `what` is wrong at `path`, and what is allowed instead."""
        self.found.append(f"{path}: {what}" + (f"; allowed: {allowed}" if allowed else ""))

    def raise_any(self) -> None:
        """Raise what was found as one error.

        Raises:
            ConfigError: Something was.
        """
        if self.found:
            count = f"{len(self.found)} problems" if len(self.found) > 1 else "1 problem"
            lines = "\n  ".join([count, *self.found])
            raise ConfigError(lines, where=self.where, hint=f"Correct {self.where} and try again")

    def mapping(self, path: str, raw: Any, allowed: Iterable[str] | None = None) -> Mapping[str, Any]:
        """An object, {} where it is none; keys that are not allowed are noted."""
        if not isinstance(raw, Mapping):
            self.add(path, f"{shown(raw)} is no object", "an object {…}")
            return {}
        if allowed is not None:
            names = sorted(allowed)
            for key in raw:
                if key not in names:
                    self.add(f"{path}.{key}", "unknown key", ", ".join(names))
        return raw

    def text(self, path: str, raw: Any) -> str:
        """A text that is not empty, "" where it is none."""
        if isinstance(raw, str) and raw:
            return raw
        self.add(path, f"{shown(raw)} is no text", "a text that is not empty")
        return ""

    def texts(self, path: str, raw: Any) -> tuple[str, ...]:
        """A scalar or a list of scalars as texts, in order, without repeats."""
        values = raw if isinstance(raw, list | tuple) else [raw]
        if not values:
            self.add(path, "an empty list matches nothing", "a value or a list of values")
        texts = []
        for value in values:
            if isinstance(value, str | int | float) and value != "":
                texts.append(text_of(value))
            else:
                self.add(path, f"{shown(value)} is no value", "texts, numbers, true or false")
        return tuple(dict.fromkeys(texts))

    def choices(self, path: str, raw: Any, allowed: Sequence[str]) -> tuple[str, ...]:
        """Texts of which each must be one of `allowed`."""
        texts = self.texts(path, raw)
        for text in texts:
            if text not in allowed:
                self.add(path, f'"{text}" is unknown', ", ".join(allowed) or "none")
        return tuple(text for text in texts if text in allowed)

    def number(self, path: str, raw: Any, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A finite number within bounds, None where it is none."""
        if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
            if least <= raw <= most:
                return float(raw)
            self.add(path, f"{raw} is out of bounds", _bounds(least, most))
        else:
            self.add(path, f"{shown(raw)} is no number", "a number" + _bounds(least, most, prefix=", "))
        return None

    def whole(self, path: str, raw: Any, least: int, most: int = 10**9) -> int | None:
        """A whole number within bounds, None where it is none."""
        value = self.number(path, raw, least, most)
        if value is not None and value != int(value):
            self.add(path, f"{raw} is no whole number", _bounds(least, most))
            return None
        return None if value is None else int(value)

    def range(self, path: str, raw: Any, least: float = 0.0) -> Range | None:
        """A pair [low, high], both included, None where it is none."""
        if not isinstance(raw, list | tuple) or len(raw) != 2:
            self.add(path, f"{shown(raw)} is no range", "[low, high], both included")
            return None
        low, high = (self.number(f"{path}[{i}]", bound, least) for i, bound in enumerate(raw))
        if low is None or high is None:
            return None
        if low > high:
            self.add(path, f"{text_of(raw[0])} is above {text_of(raw[1])}", "[low, high]")
            return None
        return low, high

    def ordered(self, path: str, low: float | None, high: float | None, names: tuple[str, str]) -> None:
        """Note a lower bound above its upper one."""
        if low is not None and high is not None and low > high:
            self.add(path, f"{names[0]} {text_of(low)} is above {names[1]} {text_of(high)}")


@lru_cache(maxsize=4096)
def slug(identifier: str) -> str:
    """The identifier in the alphabet of contexts and objectIDs, `A-Za-z0-9_-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", identifier).strip("-")


def check_slugs(names: Sequence[str], problems: Problems) -> None:
    """Note ids without a slug, ids whose slug is too long for a tag, and ids that share one."""
    owners: dict[str, str] = {}
    for name in names:
        made = slug(name)
        if not made:
            problems.add(name or '""', "the id holds no usable character", "letters, digits, _ and -")
        elif len(made) > SLUG_MAX:
            problems.add(name, f"the id has {len(made)} characters", f"at most {SLUG_MAX}")
        elif owners.setdefault(made, name) != name:
            problems.add(name, f'its slug "{made}" is that of "{owners[made]}" too', "ids that differ in A-Za-z0-9_-")


def shown(raw: Any) -> str:
    """A value as an error shows it, cut to a readable length."""
    text = f'"{raw}"' if isinstance(raw, str) else repr(raw)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _bounds(least: float, most: float, prefix: str = "") -> str:
    parts = [
        f"at least {text_of(least)}" if least > -math.inf else "",
        f"at most {text_of(most)}" if most < math.inf else "",
    ]
    text = " and ".join(part for part in parts if part)
    return f"{prefix}{text}" if text else ""
