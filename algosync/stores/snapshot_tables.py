"""The tables of the snapshot's database (SQLAlchemy Core), one set for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

meta = Table("snapshot_meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))
people = Table(
    "people",
    metadata,
    Column("person", String, primary_key=True),
    Column("doc", Text, nullable=False),
)
tokens = Table(
    "tokens",
    metadata,
    Column("token", String, primary_key=True),
    Column("person", String, nullable=False),
    Index("tokens_person", "person"),
)
memberships = Table(
    "memberships",
    metadata,
    Column("person", String, primary_key=True),
    Column("segment", String, primary_key=True),
    Column("entered_at", String, primary_key=True),
    Column("left_at", String),
    Column("why", Text, nullable=False),
    Column("left_why", Text),
    Index("memberships_segment", "segment", "left_at"),
)

shelf = Table(
    "shelf",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("doc", Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
)

tallies = Table(
    "tallies",
    metadata,
    Column("name", String, primary_key=True),  # of a person, or of a token
    Column("kind", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),  # compressed
)
standings = Table(
    "standings",
    metadata,
    Column("token", String, primary_key=True),
    Column("owner", String),  # who is logged in now
    Column("doc", Text, nullable=False),
    Index("standings_owner", "owner"),
)
entered = Table(
    "entered",
    metadata,
    Column("person", String, primary_key=True),
    Column("doc", Text, nullable=False),  # JSON
)
