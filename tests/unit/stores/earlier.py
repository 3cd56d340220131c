"""The tables of earlier versions, as those made them: each version with what it added, frozen.

In the words of SQLite, but for the few that differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine

from algosync.stores.state import Book

_WORDS = {
    "sqlite": {
        "COUNTED": "INTEGER",
        "NEVER_AGAIN": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
        "LONG_COUNTED": "INTEGER",
        "LONG_NEVER_AGAIN": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
        "WITHOUT_ROWID": " WITHOUT ROWID",
        "BYTES": "BLOB",
    },
    "postgresql": {
        "COUNTED": "SERIAL",
        "NEVER_AGAIN": "SERIAL NOT NULL PRIMARY KEY",
        "LONG_COUNTED": "BIGSERIAL",
        "LONG_NEVER_AGAIN": "BIGSERIAL NOT NULL PRIMARY KEY",
        "WITHOUT_ROWID": "",
        "BYTES": "BYTEA",
    },
}

_STATE_1 = """
CREATE TABLE cursors (
    source VARCHAR NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (source)
);
CREATE TABLE ids (
    kind VARCHAR NOT NULL,
    id INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id),
    UNIQUE (kind, value)
);
CREATE TABLE ledger (
    app VARCHAR NOT NULL,
    hosts VARCHAR NOT NULL,
    "index" VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    object_id VARCHAR NOT NULL,
    hash VARCHAR,
    wanted VARCHAR,
    status VARCHAR NOT NULL,
    task_id BIGINT,
    updated_at VARCHAR NOT NULL,
    PRIMARY KEY (app, hosts, "index", family, object_id)
);
CREATE INDEX ledger_unfinished ON ledger (app, hosts, status);
CREATE TABLE meta (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE quarantine (
    id {COUNTED} NOT NULL,
    source VARCHAR NOT NULL,
    position VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    field VARCHAR,
    reason TEXT NOT NULL,
    "row" TEXT NOT NULL,
    status VARCHAR NOT NULL,
    seen_at VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (source, position, content_hash)
);
CREATE INDEX quarantine_status ON quarantine (status, source);
CREATE TABLE resolutions (
    object INTEGER NOT NULL,
    item INTEGER NOT NULL,
    price FLOAT,
    PRIMARY KEY (object)
);
CREATE TABLE runs (
    id {COUNTED} NOT NULL,
    command VARCHAR NOT NULL,
    started_at VARCHAR NOT NULL,
    as_of VARCHAR,
    outcome VARCHAR NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE segments (
    id {COUNTED} NOT NULL,
    kind VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    source VARCHAR,
    rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    first_ts VARCHAR,
    last_ts VARCHAR,
    PRIMARY KEY (id),
    UNIQUE (path)
);
"""

_STATE_2 = """
CREATE TABLE orders (
    seq {NEVER_AGAIN},
    person VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    at VARCHAR NOT NULL
);
CREATE INDEX orders_name ON orders (name);
CREATE TABLE settings (
    digest VARCHAR NOT NULL,
    first_at VARCHAR NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE settings_used (
    seq {COUNTED} NOT NULL,
    digest VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY (seq)
);
"""

_SNAPSHOT_1 = """
CREATE TABLE memberships (
    person VARCHAR NOT NULL,
    segment VARCHAR NOT NULL,
    entered_at VARCHAR NOT NULL,
    left_at VARCHAR,
    why TEXT NOT NULL,
    left_why TEXT,
    PRIMARY KEY (person, segment, entered_at)
);
CREATE INDEX memberships_segment ON memberships (segment, left_at);
CREATE TABLE people (
    person VARCHAR NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (person)
);
CREATE TABLE snapshot_meta (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE tokens (
    token VARCHAR NOT NULL,
    person VARCHAR NOT NULL,
    PRIMARY KEY (token)
);
CREATE INDEX tokens_person ON tokens (person);
"""

_SNAPSHOT_2 = """
CREATE TABLE shelf (
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (kind, name)
){WITHOUT_ROWID};
"""

_SNAPSHOT_3 = """
CREATE TABLE entered (
    person VARCHAR NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (person)
);
CREATE TABLE standings (
    token VARCHAR NOT NULL,
    owner VARCHAR,
    doc TEXT NOT NULL,
    PRIMARY KEY (token)
);
CREATE INDEX standings_owner ON standings (owner);
CREATE TABLE tallies (
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    doc {BYTES} NOT NULL,
    PRIMARY KEY (name, kind)
);
"""

_INBOX_1 = """
CREATE TABLE choices (
    token VARCHAR NOT NULL,
    consent VARCHAR NOT NULL,
    at_ms BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    PRIMARY KEY (token)
);
CREATE TABLE impressions (
    seq {LONG_COUNTED} NOT NULL,
    token VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (seq)
);
CREATE INDEX impressions_token ON impressions (token, action);
CREATE TABLE inbox (
    seq {LONG_NEVER_AGAIN},
    received_ms BIGINT NOT NULL,
    token VARCHAR NOT NULL,
    auth VARCHAR,
    event TEXT NOT NULL
);
CREATE INDEX inbox_auth ON inbox (auth);
CREATE INDEX inbox_token ON inbox (token);
CREATE TABLE inbox_meta (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
"""

ADDED = {
    "state": (_STATE_1, _STATE_2),
    "snapshot": (_SNAPSHOT_1, _SNAPSHOT_2, _SNAPSHOT_3),
    "inbox": (_INBOX_1,),
}


@contextmanager
def unopened(url: str, directory: Path, book: Book) -> Iterator[Connection]:
    """A book's database, without any of our own ways to open it."""
    directory.mkdir(exist_ok=True)
    engine = create_engine(f"sqlite:///{directory / book.file}" if url == "sqlite" else url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def make(connection: Connection, book: Book, version: int) -> None:
    """Makes the tables as a version of a book made them."""
    for added in ADDED[book.name][:version]:
        for statement in added.format(**_WORDS[connection.dialect.name]).split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement.strip())
    connection.exec_driver_sql(f"INSERT INTO {book.meta.name} VALUES ('schema', '{version}')")
