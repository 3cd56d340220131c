"""The presets by name."""

from __future__ import annotations

from typing import Final

from algosync.errors import ConfigError
from algosync.events.mapping import EventMapping
from algosync.events.presets import insights, rees46

PRESETS: Final = {"insights": insights.MAPPING, "rees46": rees46.MAPPING}


def load(name: str) -> EventMapping:
    """Return a preset.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}", where="preset", hint=f"There are {', '.join(sorted(PRESETS))}")
    return PRESETS[name]
