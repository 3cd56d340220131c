"""The sections [schedule] and [worker]: when the service does what, and how it behaves as a process."""

from __future__ import annotations

import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator

from algosync.settings.origins import Section

OFF: Final = "off"
_EVERY: Final = re.compile(r"every ([1-9]\d{0,4}) (second|minute|hour|day)s?")
_CRON_FIELD: Final = re.compile(r"[0-9A-Za-z*/,-]+")


def _times(text: str) -> str:
    fields = text.split()
    is_cron = len(fields) == 5 and all(map(_CRON_FIELD.fullmatch, fields))
    if text != OFF and not is_cron and _EVERY.fullmatch(text) is None:
        raise ValueError(
            f"'{text}' must be 'every 5 minutes' (or seconds, hours, days), a cron line such as '30 3 * * *', or off"
        )
    return text


Times = Annotated[str, AfterValidator(_times)]


class ScheduleSettings(Section):
    """When the service does what: `every N seconds|minutes|hours|days`, a cron line, or `off`.

    Attributes:
        pull: What is new in the sources is taken into the log.
        catalog: The product indices are read in full, and what of ours is on them.
        related: Related items are found anew.
        push: Profiles, segments and payloads are made, and what has changed is pushed.
        verify: What is at Algolia is compared with the ledger.
        retention: What has become too old is removed.
        timezone: Of cron lines.
        jitter_seconds: Each run begins up to so much later, so that the services of many shops do not begin at once.
    """

    pull: Times = "every 5 minutes"
    catalog: Times = "every 6 hours"
    related: Times = "30 3 * * *"
    push: Times = "every 5 minutes"
    verify: Times = "0 4 * * 0"
    retention: Times = "0 5 * * *"
    timezone: str = "UTC"
    jitter_seconds: int = Field(default=10, ge=0, le=3600)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{name}' must be a time zone such as Europe/Berlin") from None
        return name

    def of(self, job: str) -> str:
        """When a job is due, as it was written."""
        times: str = getattr(self, job)
        return times


class WorkerSettings(Section):
    """`algosync worker` as a process.

    Attributes:
        host, port: Where /healthz, /readyz and /metrics are served; port 0 takes a free one.
        grace_seconds: After SIGTERM the current step may take so long; then it is rolled back.
        retry_seconds, retry_max_seconds: The first pause before a failed job is tried again, and the longest; each is
            twice the one before.
        stale_minutes: Something is later than that, or has waited longer to be pushed: /readyz says so.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8301, ge=0, le=65535)
    grace_seconds: float = Field(default=20, gt=0, le=3600)
    retry_seconds: float = Field(default=30, gt=0, le=3600)
    retry_max_seconds: float = Field(default=600, gt=0, le=86400)
    stale_minutes: float = Field(default=60, gt=0)


def every(times: str) -> tuple[int, str] | None:
    """The number and the unit (second, minute, hour, day) of `every N units`; None for anything else."""
    found = _EVERY.fullmatch(times)
    return None if found is None else (int(found[1]), found[2])
