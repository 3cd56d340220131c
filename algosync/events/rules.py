"""How a source's rows are judged: the rules that `clean` follows, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from algosync.events.keys import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRules:
    """How a source's rows are judged.

    Args:
        source: The source's name; part of every key.
        now: The clock. Nothing may lie further in the future than `future_tolerance` beyond it.
        timezone: What naive timestamps mean, as an IANA name; None turns them away.
        as_of: What `max_age` counts back from. None: from the newest event known, `newest` or the batch's own.
        newest: The newest event of the log, where `as_of` is None.
        future_tolerance: How far clocks of visitors may be ahead.
        max_age: How old an event may be.
        consent_missing: What it means that consent was neither given nor refused.
        ignore_tokens: Globs of user tokens (and authenticated ones) that count nowhere, for example `staff-*`.
        identity: Whether equal content is one event, or each row its own.
    """

    source: str
    now: datetime
    timezone: str | None = None
    as_of: datetime | None = None
    newest: datetime | None = None
    future_tolerance: timedelta = timedelta(hours=1)
    max_age: timedelta = timedelta(days=730)
    consent_missing: Literal["deny", "allow"] = "deny"
    ignore_tokens: tuple[str, ...] = ()
    identity: Identity = "content"
