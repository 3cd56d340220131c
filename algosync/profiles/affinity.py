"""What counts towards affinities, and the numbers that scores are made with; `batch_affinity` makes them.

Sums are forward-decayed (Cormode, Shkapenyuk, Srivastava, Xu: "Forward decay", ICDE 2009): an event weighs
`weight * 2 ** ((its time - landmark) / half-life)`, so that sums of any parts add up in any order and time passing
rewrites nothing. Rounding to integers and hysteresis belong to the payloads, not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from algosync.catalog.never import expression
from algosync.errors import ConfigError
from algosync.profiles.moments import epoch_month

SCORE_MAX: Final = 20
SCORE_DIGITS: Final = 9
VALUES_KEPT: Final = 10
"""Values per facet that a profile keeps, of which the filters take the first few."""
# A number times this, less what that adds, keeps its upper 36 bits (Veltkamp's splitting): 11 digits, which
# the order of a parallel sum does not reach.
SPLIT: Final = float(2**17 + 1)


@dataclass(frozen=True, kw_only=True)
class AffinityRules:
    """What counts towards affinities.

    Args:
        weights: Weight by kind of event; a kind without one counts nothing.
        facets: The facets that affinities are kept for (a mapping gives its keys).
        half_life_days: Days after which an event counts half, at least 1: a float overflows 1,023 half-lives away.
        never: Patterns of sensitive values by facet, see `catalog.never`; in no sum.
    """

    weights: Mapping[str, float]
    facets: tuple[str, ...]
    half_life_days: float = 30.0
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facets", tuple(self.facets))
        if not self.half_life_days >= 1:
            raise ConfigError(
                f"half_life_days is {self.half_life_days}, at least 1 is allowed",
                where="profiles.half_life_days",
                hint="Use 1 or more",
            )
        bad = sorted(kind for kind, weight in self.weights.items() if not weight >= 0)
        if bad:
            raise ConfigError(f"the weight of {bad[0]} is below 0", where=f"events.{bad[0]}", hint="Use 0 to 100")

    def withholds(self, facet: str, value: str) -> bool:
        """Whether a value is sensitive."""
        found = self._sensitive.get(facet)
        return found is not None and found(value) is not None

    @cached_property
    def _sensitive(self) -> Mapping[str, Callable[[str], re.Match[str] | None]]:
        return {facet: re.compile(expression(tuple(patterns))).search for facet, patterns in self.never.items()}


def landmark_of(as_of: datetime) -> int:
    """The landmark for a run: the epoch month of `as_of`."""
    return epoch_month(as_of)
