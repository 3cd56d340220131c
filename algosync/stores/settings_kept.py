"""The settings that made past runs, each kept once: so that what was answered then can be recomputed.

What they hold and how rules come of them is for settings/kept.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from algosync.stores.state import State
from algosync.stores.tables import settings, settings_used


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSettings:
    """Settings of a past run.

    Attributes:
        digest: Of their content.
        first_at: The first run that they made.
        since: The first of the runs that they made without others in between.
        document: What they say.
    """

    digest: str
    first_at: datetime
    since: datetime
    document: Mapping[str, Any]


def keep_settings(state: State, document: Mapping[str, Any], at: datetime) -> str:
    """Keeps the settings of a run.

    Returns:
        Their digest.

    Raises:
        StoreError: They cannot be kept.
    """
    text, digest = _text(document), digest_of(document)
    with state.write() as connection:
        if connection.scalar(select(settings.c.digest).where(settings.c.digest == digest)) is None:
            connection.execute(insert(settings).values(digest=digest, first_at=at.isoformat(), doc=text))
        last = connection.scalar(select(settings_used.c.digest).order_by(settings_used.c.seq.desc()).limit(1))
        if last != digest:
            connection.execute(insert(settings_used).values(digest=digest, at=at.isoformat()))
    return digest


def digest_of(document: Mapping[str, Any]) -> str:
    """The digest of settings."""
    return hashlib.blake2b(_text(document).encode(), digest_size=16).hexdigest()


def last_used(state: State) -> str | None:
    """The digest of the settings of the last run; None where none were kept."""
    with state.read() as connection:
        return connection.scalar(select(settings_used.c.digest).order_by(settings_used.c.seq.desc()).limit(1))


def settings_at(state: State, moment: datetime) -> KeptSettings | None:
    """The settings of the last run at or before a moment; None before the first whose settings were kept."""
    used = select(settings_used.c.at, settings.c.digest, settings.c.first_at, settings.c.doc)
    used = used.join(settings, settings.c.digest == settings_used.c.digest).order_by(settings_used.c.seq.desc())
    with state.read() as connection:
        for row in connection.execute(used):
            since = datetime.fromisoformat(row.at)
            if since <= moment:
                first_at = datetime.fromisoformat(row.first_at)
                document = json.loads(row.doc)
                return KeptSettings(digest=row.digest, first_at=first_at, since=since, document=document)
    return None


def kept_since(state: State) -> datetime | None:
    """Since when settings are kept; None where no run has kept any."""
    with state.read() as connection:
        first = connection.scalar(select(settings_used.c.at).order_by(settings_used.c.seq).limit(1))
    return None if first is None else datetime.fromisoformat(first)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)  # the order of facets breaks ties
