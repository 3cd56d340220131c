"""Visitor attributes from their sources, as (token, key, value) with tokens of the log's dictionary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from algosync.catalog.paths import text
from algosync.errors import SourceError

USERS = pa.schema([("token", pa.int32()), ("key", pa.string()), ("value", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersSource:
    """One source of visitor attributes.

    Attributes:
        read: Yields batches of records; called once a run.
        token: The column that names the visitor.
        transform: What makes a userToken of it.
        attributes: The columns to take; None for all others.
        where: The source's name, for errors.
    """

    read: Callable[[], Iterator[list[dict[str, Any]]]]
    token: str
    transform: Callable[[str], str]
    attributes: tuple[str, ...] | None
    where: str


def read_users(sources: Iterable[UsersSource], ids: Mapping[str, int]) -> tuple[pa.Table, int]:
    """Reads all attributes of visitors that the log knows.

    Args:
        sources: Where attributes are; of one key in several sources the first wins.
        ids: Token to its id in the log.

    Returns:
        The table (USERS) and how many rows were of visitors without events.

    Raises:
        SourceError: A source cannot be read, or lacks the token's column.
    """
    found: dict[tuple[int, str], str] = {}
    unknown = 0
    for source in sources:
        for batch in source.read():
            for record in batch:
                token = ids.get(_token(record, source))
                if token is None:
                    unknown += 1
                    continue
                for key, value in _attributes(record, source):
                    found.setdefault((token, key), value)
    tokens, keys = [token for token, _ in found], [key for _, key in found]
    return pa.table([tokens, keys, list(found.values())], schema=USERS), unknown


def _token(record: Mapping[str, Any], source: UsersSource) -> str:
    if source.token not in record:
        raise SourceError(
            f"no column '{source.token}'",
            where=source.where,
            hint=f"There are {', '.join(map(str, record))}; name the token's column with user_token",
        )
    return source.transform(_text(record[source.token]) or "")


def _attributes(record: Mapping[str, Any], source: UsersSource) -> Iterator[tuple[str, str]]:
    for key in source.attributes if source.attributes is not None else record:
        said = _text(record.get(key))
        if key != source.token and said is not None:
            yield key, said


def _text(value: Any) -> str | None:
    return None if value is None or value != value else text(value)  # noqa: PLR0124  # NaN
