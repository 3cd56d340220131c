"""`[push]`: what is pushed, when, how much of it at once, and what needs somebody's approval first."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from algosync.settings.origins import Section
from algosync.sync.quiet import quiet_at

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class BrakeSettings(Section):
    """What a push may do to what is there without approval, per family."""

    change_share: float = Field(default=0.3, ge=0, le=1)
    delete_share: float = Field(default=0.1, ge=0, le=1)
    at_least: int = Field(default=100, ge=1)


class PushSettings(Section):
    """Which families of payloads are pushed, when, and how much of them at once."""

    related: bool = False
    segments: bool = False
    profiles: bool = False
    rules: bool = False
    operations_per_hour: int | None = Field(default=None, ge=1)
    operations_per_day: int | None = Field(default=None, ge=1)
    adds_per_run: int | None = Field(default=100_000, ge=1)
    patience_s: float = Field(default=300.0, ge=1)
    timezone: str = "UTC"
    quiet: tuple[str, ...] = ()
    brake: BrakeSettings = BrakeSettings()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone '{name}'; write it like Europe/Berlin") from None
        return name

    @field_validator("quiet")
    @classmethod
    def _spans(cls, spans: tuple[str, ...]) -> tuple[str, ...]:
        for span in spans:
            try:
                quiet_at((span,), "UTC", _ANY_DAY)
            except ValueError:
                raise ValueError(
                    f"'{span}' must be a day or a span such as 2026-11-27/2026-11-30, or times such as 22:00/06:00"
                ) from None
        return spans
