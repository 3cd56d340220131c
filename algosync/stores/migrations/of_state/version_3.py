"""State 3: what a service needs that runs by itself: control, budgets, refusals, deliveries, jobs, proofs, erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision: str | None = "2"


def upgrade() -> None:
    """Makes what version 2 lacks."""
    _about_pushing()
    _about_working()


def _about_pushing() -> None:
    op.create_table(
        "control",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_table(
        "spent",
        sa.Column("app", sa.String, primary_key=True),
        sa.Column("hosts", sa.String, primary_key=True),
        sa.Column("minute", sa.String, primary_key=True),
        sa.Column("operations", sa.Integer, nullable=False),
    )
    op.create_table(
        "refused",
        sa.Column("app", sa.String, primary_key=True),
        sa.Column("hosts", sa.String, primary_key=True),
        sa.Column("index", sa.String, primary_key=True),
        sa.Column("family", sa.String, primary_key=True),
        sa.Column("object_id", sa.String, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )


def _about_working() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("settled_at", sa.String),
        sa.Column("error", sa.Text),
    )
    op.create_index("deliveries_due", "deliveries", ["status", "due_at"])
    op.create_table(
        "jobs",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("started_at", sa.String, nullable=False),
        sa.Column("finished_at", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("error", sa.Text),
        sa.Column("run", sa.Integer),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("started_at", sa.String, nullable=False),
        sa.Column("finished_at", sa.String),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
    )
