"""Certificates: the last one is known, old ones are forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from algosync.stores import certificates
from algosync.stores.certificates import keep_certificate, last_certificate
from algosync.stores.state import open_state
from algosync.stores.tables import certificates as table

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_last_one_is_known_and_old_ones_are_forgotten(state_url, tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "KEPT", 3)
    with open_state(state_url, tmp_path, create=True) as state:
        assert last_certificate(state) is None

        for number in range(1, 6):
            assert keep_certificate(state, AT, {"found": {"missing": number}}) == number

        assert last_certificate(state) == {"found": {"missing": 5}}
        with state.read() as connection:
            assert connection.scalar(select(func.count()).select_from(table)) == 3
