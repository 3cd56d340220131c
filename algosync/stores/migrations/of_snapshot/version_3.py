"""Snapshot 3: what recent events are laid over: tallies, standings, entered attributes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision: str | None = "2"


def upgrade() -> None:
    """Makes what version 2 lacks."""
    op.create_table(
        "tallies",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("doc", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "standings",
        sa.Column("token", sa.String, primary_key=True),
        sa.Column("owner", sa.String),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_index("standings_owner", "standings", ["owner"])
    op.create_table(
        "entered",
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("doc", sa.Text, nullable=False),
    )
