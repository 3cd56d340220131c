"""Snapshot 2: what answers look up besides people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision: str | None = None  # version 1 is what Alembic calls the base


def upgrade() -> None:
    """Makes what version 1 lacks."""
    op.create_table(
        "shelf",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("doc", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
