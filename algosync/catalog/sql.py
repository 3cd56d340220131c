"""Products out of a database: any SQLAlchemy URL, a table or a query, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from algosync.errors import SourceError


def read_sql(
    url: str, *, query: str | None = None, table: str | None = None, rows: int = 5000
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a query, or of a whole table, as records in batches.

    Args:
        url: Where the database is; it is never named in an error, as it may hold a password.
        query: A SELECT, or None for a table.
        table: A table's name, with its schema where it needs one ("shop.products").
        rows: Records per batch.

    Raises:
        SourceError: The database cannot be reached or refuses.
    """
    from sqlalchemy import column, create_engine, select, text
    from sqlalchemy import table as named
    from sqlalchemy.exc import SQLAlchemyError

    where = "the products' database"
    if (query is None) == (table is None):
        raise SourceError("either a query or a table is needed", where=where)
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise SourceError(f"cannot be opened ({type(error).__name__})", where=where, hint="Check the URL") from None
    schema, _, name = (table or "").rpartition(".")
    statement: Any = (
        text(query)
        if query is not None
        else select(column("*", is_literal=True)).select_from(named(name, schema=schema or None))
    )
    try:
        with engine.connect() as connection:
            result = connection.execution_options(stream_results=True).execute(statement)
            for part in result.mappings().partitions(rows):
                yield [dict(row) for row in part]
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise SourceError(f"cannot be read: {reason}", where=where) from None
    finally:
        engine.dispose()
