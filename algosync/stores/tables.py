"""The tables of the state database (SQLAlchemy Core), one set for SQLite and PostgreSQL.

One transaction commits a log segment's manifest row, the source's cursor, its quarantine rows and the new ids, so
that a crash leaves either all of a batch or nothing of it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 3
"""Whoever changes a table raises it, and adds the revision of that number to migrations/of_state."""

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),  # events | items | products
    Column("path", String, nullable=False, unique=True),  # relative to the state directory
    Column("source", String),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("first_ts", String),
    Column("last_ts", String),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", String, primary_key=True),
    Column("cursor", Text, nullable=False),
)

ids = Table(
    "ids",
    metadata,
    Column("kind", String, primary_key=True),  # token | object
    Column("id", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    UniqueConstraint("kind", "value"),
)

resolutions = Table(
    "resolutions",
    metadata,
    Column("object", Integer, primary_key=True, autoincrement=False),
    Column("item", Integer, nullable=False),
    Column("price", Float),  # the product's price when it appeared, for events that name none
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("position", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("field", String),
    Column("reason", Text, nullable=False),
    Column("row", Text, nullable=False),  # the row as it came, as JSON
    Column("status", String, nullable=False),  # open | resolved
    Column("seen_at", String, nullable=False),
    UniqueConstraint("source", "position", "content_hash"),
    Index("quarantine_status", "status", "source"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("app", String, primary_key=True),
    Column("hosts", String, primary_key=True),
    Column("index", String, primary_key=True),
    Column("family", String, primary_key=True),
    Column("object_id", String, primary_key=True),
    Column("hash", String),  # what is published; null once deleted
    Column("wanted", String),  # what an operation under way will make it; null deletes
    Column("status", String, nullable=False),  # intended | sent | published
    Column("task_id", BigInteger),
    Column("updated_at", String, nullable=False),
    Index("ledger_unfinished", "app", "hosts", "status"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("command", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("as_of", String),
    Column("outcome", String, nullable=False),
    Column("report", Text, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("digest", String, primary_key=True),
    Column("first_at", String, nullable=False),  # of the first run that they made
    Column("doc", Text, nullable=False),  # JSON, without any secret
)

settings_used = Table(
    "settings_used",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("at", String, nullable=False),  # of the first run that they made after others had made the one before
)

orders = Table(
    "orders",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("person", String, nullable=False),  # whom the order is about
    Column("name", String, nullable=False),  # she herself, or a token that was hers alone when it was given
    Column("kind", String, nullable=False),  # reset | suppress | lift
    Column("at", String, nullable=False),
    Index("orders_name", "name"),
    sqlite_autoincrement=True,
)

control = Table(
    "control",
    metadata,
    Column("key", String, primary_key=True),  # paused | approved | ...
    Column("value", Text, nullable=False),  # JSON
    Column("at", String, nullable=False),
)

spent = Table(
    "spent",
    metadata,
    Column("app", String, primary_key=True),
    Column("hosts", String, primary_key=True),
    Column("minute", String, primary_key=True),  # ISO 8601, to the minute, in UTC
    Column("operations", Integer, nullable=False),  # that Algolia took
)

refused = Table(
    "refused",
    metadata,
    Column("app", String, primary_key=True),
    Column("hosts", String, primary_key=True),
    Column("index", String, primary_key=True),
    Column("family", String, primary_key=True),
    Column("object_id", String, primary_key=True),
    Column("hash", String, nullable=False),  # of the payload that was refused; another one is tried again
    Column("reason", Text, nullable=False),
    Column("at", String, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("target", String, nullable=False),
    Column("doc", Text, nullable=False),  # JSON
    Column("status", String, nullable=False),  # pending | waiting | delivered | given_up | withheld
    Column("tries", Integer, nullable=False),
    Column("due_at", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("settled_at", String),
    Column("error", Text),
    Index("deliveries_due", "status", "due_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", String, primary_key=True),
    Column("started_at", String, nullable=False),
    Column("finished_at", String),  # null while it runs
    Column("outcome", String),
    Column("error", Text),
    Column("run", Integer),  # the row of `runs`, where it left one
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("doc", Text, nullable=False),  # JSON
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", String, nullable=False),
    Column("finished_at", String),
    Column("status", String, nullable=False),
    Column("doc", Text, nullable=False),  # JSON: the steps; who it is about by keyed hash alone once finished
)
