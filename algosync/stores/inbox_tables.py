"""The tables of the inbox (SQLAlchemy Core), one set for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()
# SQLite counts by itself only in a column of the type INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

meta = Table("inbox_meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))
inbox = Table(
    "inbox",
    metadata,
    Column("seq", _Number, primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("token", String, nullable=False),
    Column("auth", String),
    Column("event", Text, nullable=False),
    Index("inbox_token", "token"),
    Index("inbox_auth", "auth"),
    sqlite_autoincrement=True,  # a number never comes back, not even when the inbox was emptied
)
choices = Table(
    "choices",
    metadata,
    Column("token", String, primary_key=True),
    Column("consent", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("source", String, nullable=False),
)
impressions = Table(
    "impressions",
    metadata,
    Column("seq", _Number, primary_key=True),
    Column("token", String, nullable=False),
    Column("action", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("impressions_token", "token", "action"),
)
# Made when forwarding is first switched on, so that an inbox of an earlier version need not be brought up to date.
of_forwarding = MetaData()
aside = Table(
    "forwarding_refused",
    of_forwarding,
    Column("seq", _Number, primary_key=True, autoincrement=False),
    Column("token", String, nullable=False),
    Column("auth", String),
    Column("reason", Text, nullable=False),
    Column("event", Text, nullable=False),
)
