"""Certificates: what each comparison of Algolia with the ledger found, when, and how much of it was looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select

from algosync.stores.state import State
from algosync.stores.tables import certificates

KEPT: Final = 200
"""Older ones are forgotten."""


def keep_certificate(state: State, at: datetime, document: Mapping[str, Any]) -> int:
    """Keeps a certificate.

    Returns:
        Its number.

    Raises:
        StoreError: The state cannot be written.
    """
    row = {"at": at.isoformat(), "doc": json.dumps(document, sort_keys=True)}
    with state.write() as connection:
        number = connection.scalar(insert(certificates).values(row).returning(certificates.c.id)) or 0
        connection.execute(delete(certificates).where(certificates.c.id <= number - KEPT))
    return int(number)


def last_certificate(state: State) -> dict[str, Any] | None:
    """The latest certificate, or None before the first.

    Raises:
        StoreError: The state cannot be read.
    """
    with state.read() as connection:
        found = connection.scalar(select(certificates.c.doc).order_by(certificates.c.id.desc()).limit(1))
    return None if found is None else dict(json.loads(found))
