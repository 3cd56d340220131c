"""By what the tallies of a run are known to be made as those of another: asked by runs, and by answers of theirs."""

from __future__ import annotations

from typing import Final

from algosync.profiles.affinity import AffinityRules
from algosync.profiles.conditions import Segments
from algosync.sync.digests import digest

FORM: Final = 2
"""Grows with every change of what a stored tally holds, so that all are made anew."""


def rules_digest(affinity: AffinityRules, segments: Segments) -> str:
    """Of all that decides what a tally holds, but for the events: facts are known by their place among others."""
    return digest(FORM, affinity, segments.facts, sorted(segments.windows.items()))
