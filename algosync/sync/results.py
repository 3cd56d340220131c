"""What one run leaves to the next beside the log: integers and lists, which change only for a good reason.

Parquet files in the state directory, each replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algosync.catalog.table import Catalog
from algosync.errors import StoreError
from algosync.related.topk import Lists
from algosync.sync.catalog import Reading
from algosync.sync.related import RelatedItems
from algosync.sync.tallies import Counted

_LISTS = pa.schema([("kind", pa.string()), ("group", pa.string()), ("related", pa.list_(pa.string()))])
_NUMBERS = pa.schema(
    [("group", pa.string()), ("popular", pa.float64()), ("popularity", pa.int8()), ("trending", pa.int8())]
)
_VERSIONS = pa.schema([("index", pa.string()), ("object_id", pa.string()), ("v", pa.string())])
_INPUTS = b"algosync.inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRead:
    """The last full read of the indices.

    Attributes:
        catalog: The products.
        versions: Per index, every objectID and the hash of what algosync had written there, or None.
        reading: Which read it was.
    """

    catalog: Catalog
    versions: Mapping[str, dict[str, str | None]]
    reading: Reading

    def versions_now(
        self, indices: Iterable[str], since: Callable[[str, datetime], Mapping[str, str | None]]
    ) -> dict[str, dict[str, str | None]]:
        """What is on the products that were read, with what was published there `since`, by index and moment."""
        found = {}
        for index in indices:
            before = self.versions.get(index, {})
            fresh = {name: made for name, made in since(index, self.reading.at).items() if name in before}
            found[index] = {**before, **fresh}
        return found


class Results:
    """The files of earlier results.

    Args:
        directory: Their folder; made when something is first saved.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def integers(self) -> pa.Table | None:
        """Scores as integers, as the last run published them: (person, facet, value, integer); None before it."""
        return self._load("integers")

    def related(self, catalog: Catalog) -> RelatedItems | None:
        """Related items as the last run published them, over today's groups; None before the first run.

        A related group that has left is -1. The scores of lists are not kept.
        """
        lists, numbers, tops = (self._load(name) for name in ("lists", "numbers", "tops"))
        if lists is None or numbers is None or tops is None:
            return None
        place = pc.index_in(catalog.groups, value_set=numbers["group"].combine_chunks())
        found = numbers.take(place)
        item = _index(tops["group"], catalog)
        here = pc.greater_equal(item, 0)
        kinds = sorted(set(lists["kind"].to_pylist()))
        return RelatedItems(
            inputs=_mark(lists.schema, numbers.schema, tops.schema),
            lists={kind: _lists(lists.filter(pc.equal(lists["kind"], kind)), catalog) for kind in kinds},
            popular=found["popular"].fill_null(0.0).to_numpy(),
            popularity=found["popularity"].fill_null(-1).to_numpy(),
            trending=found["trending"].fill_null(-1).to_numpy(),
            tops=tops.drop_columns("group").add_column(2, "item", item).filter(here),
        )

    def related_inputs(self) -> str:
        """Digest of all that the kept related items were computed from; empty where there are none, or half of them."""
        files = [self._directory / f"{name}.parquet" for name in ("lists", "numbers", "tops")]
        return _mark(*map(pq.read_schema, files)) if all(path.exists() for path in files) else ""

    def last_read(self, asked: str, until: datetime) -> LastRead | None:
        """The last full read of the indices, if this was asked of them (`Reading.asked`).

        One of later than `until` is none: the clock was put back, and nobody can tell what was published since.
        """
        products, versions = self._load("catalog"), self._load("versions")
        if products is None or versions is None:
            return None
        reading = _reading(_mark(products.schema, versions.schema))
        if reading is None or reading.asked != asked or reading.at > until:
            return None
        found: dict[str, dict[str, str | None]] = {}
        for index, object_id, version in zip(*(versions[name].to_pylist() for name in _VERSIONS.names), strict=True):
            found.setdefault(index, {})[object_id] = version
        return LastRead(catalog=Catalog.from_table(products), versions=found, reading=reading)

    def save_read(self, catalog: Catalog, versions: Mapping[str, Mapping[str, str | None]], reading: Reading) -> None:
        """Keeps a full read of the indices.

        Raises:
            StoreError: A file cannot be written.
        """
        about = orjson.dumps({"asked": reading.asked, "state": reading.state, "at": reading.at.isoformat()}).decode()
        self._store("catalog", catalog.to_table(), about)
        rows = [(index, object_id, v) for index, found in versions.items() for object_id, v in found.items()]
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        self._store("versions", pa.table(columns, schema=_VERSIONS), about)

    def counted(self) -> Counted | None:
        """What the tallies of the last run were made from; None before it."""
        held = {name: self._load(f"tally_{name}") for name in ("parts", "standings", "entered")}
        found = {name: table for name, table in held.items() if table is not None}
        mark = _mark(*(table.schema for table in found.values())) if len(found) == len(held) else ""
        return Counted(**{**orjson.loads(mark), **found}) if mark else None

    def save_counted(self, counted: Counted) -> None:
        """Keeps what the tallies of a published snapshot were made from.

        Raises:
            StoreError: A file cannot be written.
        """
        about = orjson.dumps({"mark": counted.mark, "rules": counted.rules, "anchor": counted.anchor}).decode()
        for name in ("parts", "standings", "entered"):
            self._store(f"tally_{name}", getattr(counted, name), about)

    def forget(self, numbers: Collection[int]) -> int:
        """Takes people's integers away, and what tallies were made from: the next run counts everybody anew.

        Args:
            numbers: Of the log's dictionary.

        Returns:
            How many integers went.

        Raises:
            StoreError: A file cannot be read or written.
        """
        gone = 0
        integers = self._load("integers")
        if integers is not None:
            hers = pc.is_in(integers["person"], value_set=pa.array(sorted(numbers), pa.int64()))
            gone = int(pc.sum(hers).as_py() or 0)
            if gone:
                self._store("integers", integers.filter(pc.invert(hers)))
        for path in [*self._directory.glob("tally_*.parquet"), *self._directory.glob("*.new")]:
            path.unlink(missing_ok=True)
        return gone

    def save_integers(self, integers: pa.Table) -> None:
        """Keeps scores as integers.

        Raises:
            StoreError: A file cannot be written.
        """
        self._store("integers", integers)

    def save_related(self, found: RelatedItems, catalog: Catalog) -> None:
        """Keeps related items.

        Raises:
            StoreError: A file cannot be written.
        """
        parts = []
        for kind, lists in found.lists.items():
            related = pa.ListArray.from_arrays(
                pa.array(lists.indptr, pa.int32()), catalog.groups.take(pa.array(lists.related))
            )
            parts.append(pa.table([pa.array([kind] * len(lists), pa.string()), catalog.groups, related], schema=_LISTS))
        self._store("lists", pa.concat_tables(parts) if parts else _LISTS.empty_table(), found.inputs)
        numbers = [
            catalog.groups,
            pa.array(found.popular, pa.float64()),
            pa.array(found.popularity, pa.int8()),
            pa.array(found.trending, pa.int8()),
        ]
        self._store("numbers", pa.table(numbers, schema=_NUMBERS), found.inputs)
        groups = catalog.groups.take(found.tops["item"].combine_chunks())
        self._store("tops", found.tops.drop_columns("item").add_column(2, "group", groups), found.inputs)

    def _load(self, name: str) -> pa.Table | None:
        path = self._directory / f"{name}.parquet"
        if not path.exists():
            return None
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            hint = "Remove it; the next run makes it anew"
            raise StoreError(f"cannot be read ({type(error).__name__})", where=str(path), hint=hint) from None

    def _store(self, name: str, table: pa.Table, inputs: str = "") -> None:
        path = self._directory / f"{name}.parquet"
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_suffix(".new")
            marked = {**(table.schema.metadata or {}), _INPUTS: inputs.encode()}
            pq.write_table(table.replace_schema_metadata(marked), fresh, compression="zstd")
            fresh.chmod(0o600)
            fresh.replace(path)
        except OSError as error:
            raise StoreError(f"cannot be written ({error.strerror})", where=str(path)) from None


def _mark(*schemas: pa.Schema) -> str:
    """What all of these files were made from; empty where a run broke off between two of them."""
    marks = {(schema.metadata or {}).get(_INPUTS, b"") for schema in schemas}
    return marks.pop().decode() if len(marks) == 1 else ""


def _reading(mark: str) -> Reading | None:
    try:
        about = orjson.loads(mark)
        return Reading(asked=about["asked"], state=about["state"], at=datetime.fromisoformat(about["at"]))
    except (ValueError, KeyError, TypeError):  # of an earlier version, or broken off
        return None


def _index(groups: pa.ChunkedArray | pa.Array, catalog: Catalog) -> pa.Array:
    """Index of each group in the catalog, -1 for one that has left."""
    whole = groups.combine_chunks() if isinstance(groups, pa.ChunkedArray) else groups
    return pc.index_in(whole, value_set=catalog.groups).fill_null(-1).cast(pa.int32())


def _lists(table: pa.Table, catalog: Catalog) -> Lists:
    """One kind of list, over today's groups."""
    place = pc.index_in(catalog.groups, value_set=table["group"].combine_chunks())
    column = table["related"].combine_chunks().take(place)
    related = _index(column.flatten(), catalog).to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return Lists(indptr=indptr, related=related.astype(np.int32), score=np.zeros(len(related)))
