"""What one run leaves to the next beside the log: integers and lists, which change only for a good reason.

Parquet files in the state directory, each replaced as a whole.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from algosync.catalog.table import Catalog
from algosync.errors import StoreError
from algosync.sync.lists import Previous, RelatedItems

_LISTS = pa.schema([("kind", pa.string()), ("group", pa.string()), ("related", pa.list_(pa.string()))])
_NUMBERS = pa.schema([("group", pa.string()), ("popularity", pa.int8()), ("trending", pa.int8())])


class Kept:
    """The files of earlier results.

    Args:
        directory: Their folder; made when something is first saved.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def integers(self) -> pa.Table | None:
        """Scores as integers, as the last run published them: (person, facet, value, integer); None before it."""
        return self._load("integers")

    def previous(self) -> Previous:
        """Lists, popularity and trends as the last run published them."""
        lists, numbers = self._load("lists"), self._load("numbers")
        if lists is None or numbers is None:
            return Previous()
        by_kind: dict[str, dict[str, list[str]]] = {}
        columns = (lists[name].to_pylist() for name in _LISTS.names)
        for kind, group, related in zip(*columns, strict=True):
            by_kind.setdefault(kind, {})[group] = related
        groups = numbers["group"].to_pylist()
        return Previous(
            lists=by_kind,
            popularity=dict(zip(groups, numbers["popularity"].to_pylist(), strict=True)),
            trending=dict(zip(groups, numbers["trending"].to_pylist(), strict=True)),
        )

    def tops(self) -> pa.Table | None:
        """What is popular and trending: (scope, bucket, group, score, rank); None before the first run."""
        return self._load("tops")

    def save(self, integers: pa.Table, found: RelatedItems, catalog: Catalog) -> None:
        """Replaces every file.

        Raises:
            StoreError: A file cannot be written.
        """
        self._store("integers", integers)
        parts = []
        for kind, lists in found.lists.items():
            related = pa.ListArray.from_arrays(
                pa.array(lists.indptr, pa.int32()), catalog.groups.take(pa.array(lists.related))
            )
            parts.append(pa.table([pa.array([kind] * len(lists), pa.string()), catalog.groups, related], schema=_LISTS))
        self._store("lists", pa.concat_tables(parts) if parts else _LISTS.empty_table())
        numbers = [catalog.groups, pa.array(found.popularity, pa.int8()), pa.array(found.trending, pa.int8())]
        self._store("numbers", pa.table(numbers, schema=_NUMBERS))
        groups = catalog.groups.take(found.tops["item"].combine_chunks())
        self._store("tops", found.tops.drop_columns("item").add_column(2, "group", groups))

    def _load(self, name: str) -> pa.Table | None:
        path = self._directory / f"{name}.parquet"
        if not path.exists():
            return None
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(
                f"cannot be read ({type(error).__name__})",
                where=str(path),
                hint="Remove it; the next run makes it anew.",
            ) from None

    def _store(self, name: str, table: pa.Table) -> None:
        path = self._directory / f"{name}.parquet"
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_suffix(".new")
            pq.write_table(table, fresh, compression="zstd")
            fresh.chmod(0o600)
            fresh.replace(path)
        except OSError as error:
            raise StoreError(f"cannot be written ({error.strerror})", where=str(path)) from None
