"""State 2: the settings that made past runs, and orders about single visitors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision: str | None = None  # version 1 is what Alembic calls the base


def upgrade() -> None:
    """Makes what version 1 lacks."""
    op.create_table(
        "settings",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("first_at", sa.String, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_table(
        "settings_used",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("orders_name", "orders", ["name"])
