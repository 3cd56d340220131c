"""Looks for somebody in everything that is kept: every table, every Parquet file, every file as bytes.

A name that says much, as an e-mail address or a long id does, is looked for everywhere. One that says little, as 42
or a word does, or that is a product's id too, would be found where it means something else: it is looked for wherever
people are named, by whole values.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    cast,
    exists,
    func,
    inspect,
    literal,
    or_,
    select,
    text,
)

from algosync.errors import StoreError
from algosync.stores import inbox_tables, snapshot_tables, tables, tombstones
from algosync.stores.state import State

_LENGTH_MIN: Final = 5
_DIGITS_MIN: Final = 8
_LETTERS_MIN: Final = 12
_AT_ONCE: Final = 10_000
_CHUNK: Final = 1 << 20
_OF_TOKENS: Final = r"[A-Za-z0-9_=/+-]"

BOOKS: Final[dict[str, tuple[MetaData, ...]]] = {
    "state": (tables.metadata,),
    "snapshot": (snapshot_tables.metadata,),
    "inbox": (inbox_tables.metadata, inbox_tables.of_forwarding),
    "tombstones": (tombstones.metadata,),
}
"""The tables of each database."""

PEOPLE: Final[dict[str, tuple[str, ...]]] = {
    "ids": ("value",),
    "orders": ("person", "name"),
    "people": ("person",),
    "tokens": ("token", "person"),
    "memberships": ("person",),
    "tallies": ("name",),
    "standings": ("token", "owner", "doc"),
    "entered": ("person",),
    "inbox": ("token", "auth"),
    "choices": ("token",),
    "impressions": ("token",),
    "forwarding_refused": ("token", "auth"),
    "deliveries": ("doc",),
}
"""Columns that name people, by table; `ids` names products too."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """Whom to look for.

    Attributes:
        every: All names.
        product: Those of them that a product has too.
    """

    every: tuple[str, ...]
    product: frozenset[str] = frozenset()

    @cached_property
    def telling(self) -> tuple[str, ...]:
        """Those that can be looked for everywhere."""
        return tuple(name for name in self.every if name not in self.product and _tells(name))

    @cached_property
    def _boundary(self) -> re.Pattern[str] | None:
        if not self.telling:
            return None
        either = "|".join(re.escape(name) for name in sorted(self.telling, key=len, reverse=True))
        return re.compile(f"(?<!{_OF_TOKENS})(?:{either})(?!{_OF_TOKENS})")

    def mentioned(self, text: str) -> bool:
        """Whether a text names her, by a name that tells."""
        return self._boundary is not None and self._boundary.search(text) is not None

    def without(self, text: str, instead: str) -> str:
        """A text with something else in the place of her names."""
        return text if self._boundary is None else self._boundary.sub(instead, text)

    def is_value(self, text: str) -> bool:
        """Whether a text is one of her names, or JSON with one as a whole value or key."""
        if text in self._set:
            return True
        if not any(name in text for name in self.every):
            return False
        return text[:1] in "[{" and any(value in self._set for value in _leaves(text))

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.every)


@dataclass(slots=True, kw_only=True)
class Sought:
    """What a search went through, and what it found: places, with how often."""

    found: Counter[str] = field(default_factory=Counter)
    part_of: set[str] = field(default_factory=set)
    tables: int = 0
    rows: int = 0
    parquet: int = 0
    files: int = 0
    bytes: int = 0

    def document(self, names: Names) -> dict[str, Any]:
        """For a receipt."""
        return {
            "clean": not self.found,
            "found": [{"where": where, "times": times} for where, times in sorted(self.found.items())],
            "tables": self.tables,
            "rows": self.rows,
            "parquet_files": self.parquet,
            "files": self.files,
            "bytes": self.bytes,
            "names": len(names.every),
            "names_sought_everywhere": len(names.telling),
            "names_sought_as_bytes": len([name for name in names.telling if name not in self.part_of]),
        }


def tables_of(state: State, metadata: Sequence[MetaData]) -> list[Table]:
    """The tables that are there, of some sets."""
    with state.read() as connection:
        there = set(inspect(connection).get_table_names())
    return [table for some in metadata for table in some.sorted_tables if table.name in there]


def search_tables(
    state: State, metadata: Sequence[MetaData], names: Names, sought: Sought, *, leave_out: Collection[str] = ()
) -> None:
    """Looks into every table of a database, row by row where a name may be."""
    if state.dialect == "sqlite":
        with state.read() as connection:
            made = connection.execute(text("SELECT type || name || tbl_name || coalesce(sql, '') FROM sqlite_master"))
            for words in made.scalars():  # which stand in the file too, without anything between them
                sought.part_of.update(name for name in names.telling if name in words)
    for table in tables_of(state, metadata):
        if table.name in leave_out:
            continue
        columns = [column for column in table.columns if isinstance(column.type, String | LargeBinary)]
        sought.tables += 1
        with state.read() as connection:
            for row in _rows(connection, columns, names):
                sought.rows += 1
                for column, value in zip(columns, row, strict=True):
                    if value is not None and _is_hers(table, column, value, row, names, sought):
                        sought.found[f"table {table.name}, column {column.name}"] += 1


def _rows(connection: Connection, columns: Sequence[Column[Any]], names: Names) -> Iterator[Any]:
    """The rows that may name her: those with a part of a text that is a name, and all that are compressed."""
    if not columns:
        return
    held = select(*columns)
    if not any(isinstance(column.type, LargeBinary) for column in columns):
        held = held.where(_with_a_part(connection, columns, names.every))
    yield from connection.execute(held.execution_options(yield_per=_AT_ONCE))


def _with_a_part(connection: Connection, columns: Sequence[Column[Any]], names: Collection[str]) -> ColumnElement[bool]:
    """That one of some texts holds one of some names; these as one value, since a condition may not be long."""
    told = literal(list(names), JSON)
    if connection.dialect.name == "postgresql":
        every, place = func.json_array_elements_text(cast(told, JSON)).table_valued("value"), func.strpos
    else:
        every, place = func.json_each(told).table_valued("value"), func.instr
    return exists().where(or_(*(place(column, every.c.value) > 0 for column in columns)))


def _is_hers(table: Table, column: Column[Any], value: Any, row: Any, names: Names, sought: Sought) -> bool:
    said = value
    if isinstance(value, bytes):
        try:
            said = zlib.decompress(value).decode()
        except (zlib.error, UnicodeDecodeError):
            said = value.decode("utf-8", "replace")
    if table.name == "ids" and row.kind != "token":
        return False
    named = column.name in PEOPLE.get(table.name, ()) and names.is_value(said)
    hers = named or names.mentioned(said)
    if not hers:
        sought.part_of.update(name for name in names.telling if name in said)
    return hers


def search_parquet(directory: Path, names: Names, sought: Sought) -> None:
    """Looks into every text of every Parquet file of a folder and those below it.

    Raises:
        StoreError: A file cannot be read.
    """
    for path in sorted(directory.rglob("*.parquet")):
        sought.parquet += 1
        where = str(path.relative_to(directory))
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_AT_ONCE * 10):
                    for column, name in zip(batch.columns, batch.schema.names, strict=True):
                        for text in _suspects(column, names):
                            if names.mentioned(text):
                                sought.found[f"file {where}, column {name}"] += 1
                            else:
                                sought.part_of.update(one for one in names.telling if one in text)
        except (OSError, pa.ArrowInvalid) as error:
            hint = "Remove or restore it, and run again"
            raise StoreError(f"cannot be read ({type(error).__name__})", where=str(path), hint=hint) from None


def search_bytes(directory: Path, names: Names, sought: Sought, *, leave_out: Collection[str] = ()) -> None:
    """Looks for names as bytes in every file of a folder and those below it; run the other searches before.

    Names that are part of somebody else's are left out: the bytes do not tell them apart, the tables did.
    """
    wanted = [name.encode() for name in names.telling if name not in sought.part_of]
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        if path.name in leave_out:
            continue
        sought.files += 1
        sought.bytes += path.stat().st_size
        if wanted and _holds(path, wanted):
            sought.found[f"file {path.relative_to(directory)}, as bytes"] += 1


def _holds(path: Path, wanted: Sequence[bytes]) -> bool:
    overlap = max(map(len, wanted)) - 1
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            block = before + chunk
            if any(name in block for name in wanted):
                return True
            before = block[-overlap:] if overlap else b""
    return False


def _suspects(column: Any, names: Names) -> Iterator[str]:
    """The texts in a column, however nested, that hold a telling name."""
    if not names.telling:
        return
    for texts in _texts(column):
        distinct = pc.unique(texts.cast(pa.string()))
        masks = [pc.match_substring(distinct, name) for name in names.telling]
        hit = masks[0]
        for mask in masks[1:]:
            hit = pc.or_(hit, mask)
        yield from distinct.filter(hit).to_pylist()


def _texts(column: Any) -> Iterator[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield column
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(column.flatten())


def _leaves(text: str) -> Iterator[str]:
    try:
        waiting = [orjson.loads(text)]
    except orjson.JSONDecodeError:
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one


def _tells(name: str) -> bool:
    return len(name) >= (_DIGITS_MIN if name.isdigit() else _LETTERS_MIN if name.isalpha() else _LENGTH_MIN)


def rows_naming(connection: Connection, table: Table, names: Names) -> list[dict[str, Any]]:
    """The rows of a table of which a text names her."""
    texts = [column for column in table.columns if isinstance(column.type, String)]
    wanted = names.every if table.name in PEOPLE else names.telling
    if not texts or not wanted:
        return []
    found = connection.execute(select(table).where(_with_a_part(connection, texts, wanted))).mappings()
    people = PEOPLE.get(table.name, ())
    return [
        dict(row)
        for row in found
        if any(
            row[c.name] is not None
            and (names.mentioned(row[c.name]) or (c.name in people and names.is_value(row[c.name])))
            for c in texts
        )
    ]


def same_row(table: Table, row: dict[str, Any]) -> Any:
    """The condition that picks a row by its key."""
    return and_(*(column == row[column.name] for column in table.primary_key.columns))
