"""Records: the seven batch actions, and what a reader gets to see.

Records are kept as minified JSON. A `Stage` holds what a request wants to change until all of it is known to be good,
so that a refused batch leaves nothing behind. Knows nothing of indices, settings or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.partial import StaleUpdateError, merge

Record = dict[str, Any]

TOO_BIG = (
    "Record at the position {position} objectID={object_id} is too big size={size}/{limit} bytes. Please have a look "
    "at https://www.algolia.com/doc/guides/sending-and-managing-data/prepare-your-data/in-depth/"
    "index-and-records-size-and-usage-limitations/#record-size-limits"
)


@dataclass(slots=True)
class Stage:
    """Changes not yet made to an index's records.

    Attributes:
        base: The records as they are.
        bytes_max: Largest record allowed, in bytes of minified JSON.
        next_id: Makes an objectID for a record without one.
        changes: New content by objectID, None for a deletion.
        touched: Top-level attributes that a change is limited to; None where anything may have changed.
        cleared: Whether everything in `base` goes first.
        dropped: Whether the index itself goes.
    """

    base: Mapping[str, bytes]
    bytes_max: int
    next_id: Callable[[], str]
    changes: dict[str, bytes | None] = field(default_factory=dict)
    touched: dict[str, frozenset[str] | None] = field(default_factory=dict)
    cleared: bool = False
    dropped: bool = False

    def apply(self, action: Any, body: Any, position: int) -> str | None:
        """Stage one action of a batch.

        Returns:
            The objectID, or None for `clear` and `delete`.

        Raises:
            AlgoliaError: 400, with the position, for an unknown action or a body that does not fit.
        """
        step = _ACTIONS.get(action) if isinstance(action, str) else None
        if step is None:
            raise AlgoliaError(f"Invalid action: {action}", status=400, position=position)
        if not isinstance(body, dict):
            raise AlgoliaError("Invalid batch body, expected a JSON object", status=400, position=position)
        return step(self, body, position)

    def _current(self, object_id: str) -> bytes | None:
        if object_id in self.changes:
            return self.changes[object_id]
        return None if self.cleared else self.base.get(object_id)

    def _put(self, object_id: str, record: Record, touched: frozenset[str] | None, position: int) -> None:
        try:
            # A copy: orjson leaves the buffer that it wrote into as large as it grew.
            data = bytes(memoryview(orjson.dumps(record)))
        except TypeError as error:  # an Increment left the 64 bits, or more than 250 levels of nesting
            what = "Number out of range" if "64-bit" in str(error) else f"Invalid record: {error}"
            raise AlgoliaError(what, status=400, position=position, object_id=object_id) from None
        if len(data) > self.bytes_max:
            what = TOO_BIG.format(position=position, object_id=object_id, size=len(data), limit=self.bytes_max)
            raise AlgoliaError(what, status=400, position=position, object_id=object_id)
        before = self.touched.get(object_id, frozenset())
        self.touched[object_id] = None if before is None or touched is None else before | touched
        self.changes[object_id] = data

    def _add(self, body: Record, position: int) -> str:
        object_id = self.next_id() if body.get("objectID") is None else _object_id("addObject", body, position)
        self._put(object_id, body | {"objectID": object_id}, None, position)
        return object_id

    def _update(self, body: Record, position: int) -> str:
        object_id = _object_id("updateObject", body, position)
        self._put(object_id, body | {"objectID": object_id}, None, position)
        return object_id

    def _merge(self, body: Record, position: int) -> str:
        return self._partial(body, position, create=True)

    def _merge_existing(self, body: Record, position: int) -> str:
        return self._partial(body, position, create=False)

    def _partial(self, body: Record, position: int, *, create: bool) -> str:
        action = "partialUpdateObject" if create else "partialUpdateObjectNoCreate"
        object_id = _object_id(action, body, position)
        current = self._current(object_id)
        if current is None and not create:
            return object_id
        record: Record = orjson.loads(current) if current is not None else {}
        try:
            merged = {name: merge(record.get(name), value) for name, value in body.items()}
        except StaleUpdateError:
            return object_id
        except AlgoliaError as refusal:
            raise AlgoliaError(refusal.what, status=400, position=position, object_id=object_id) from None
        touched = frozenset(body) if current is not None else None
        self._put(object_id, record | merged | {"objectID": object_id}, touched, position)
        return object_id

    def _delete(self, body: Record, position: int) -> str:
        object_id = _object_id("deleteObject", body, position)
        self.changes[object_id] = None
        self.touched[object_id] = None
        return object_id

    def _clear(self, body: Record, position: int) -> None:  # noqa: ARG002  # the signature of every action
        self.cleared = True
        self.changes.clear()
        self.touched.clear()

    def _drop(self, body: Record, position: int) -> None:
        self._clear(body, position)
        self.dropped = True


_ACTIONS: dict[str, Callable[[Stage, Record, int], str | None]] = {
    "addObject": Stage._add,  # noqa: SLF001
    "updateObject": Stage._update,  # noqa: SLF001
    "partialUpdateObject": Stage._merge,  # noqa: SLF001
    "partialUpdateObjectNoCreate": Stage._merge_existing,  # noqa: SLF001
    "deleteObject": Stage._delete,  # noqa: SLF001
    "clear": Stage._clear,  # noqa: SLF001
    "delete": Stage._drop,  # noqa: SLF001
}


def _object_id(action: str, body: Record, position: int) -> str:
    """The objectID as a string; Algolia documents no limit of its length but the record's."""
    value = body.get("objectID")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or value == "":
        what = f"The 'objectID' attribute is required to use action={action}"
        raise AlgoliaError(what, status=400, position=position)
    if not isinstance(value, str):
        raise AlgoliaError("The 'objectID' attribute must be a string or an integer", status=400, position=position)
    return value


def project(record: Record, wanted: Sequence[str] | None, hidden: Iterable[str] = ()) -> Record:
    """The part of a record that a reader asked for, objectID always.

    Args:
        record: The whole record; not changed.
        wanted: attributesToRetrieve: names, dotted paths, `*`, and `-name` to leave out; None for everything.
        hidden: unretrievableAttributes.
    """
    if wanted is None or "*" in wanted:
        out = [name[1:] for name in wanted or () if name.startswith("-")]
        shown = record
    else:
        out = []
        shown = {}
        for path in wanted:
            if not any(path.startswith(f"{other}.") and other in record for other in wanted):
                _copy_path(record, path, shown)
    for path in (*out, *hidden):
        shown = _without(shown, path)
    return {"objectID": record["objectID"]} | shown if shown is not record else record


def _copy_path(source: Record, path: str, target: Record) -> None:
    if path in source:
        target[path] = source[path]
        return
    head, dot, tail = path.partition(".")
    inner = source.get(head)
    if not dot:
        return
    if isinstance(inner, dict):
        kept = target.get(head)
        part: Record = dict(kept) if isinstance(kept, dict) else {}
        _copy_path(inner, tail, part)
        if part:
            target[head] = part
    elif isinstance(inner, list):
        kept_items = target.get(head)
        dicts = [item for item in inner if isinstance(item, dict)]
        parts = [dict(p) for p in kept_items] if isinstance(kept_items, list) else [{} for _ in dicts]
        for item, part in zip(dicts, parts, strict=False):
            _copy_path(item, tail, part)
        if any(parts):
            target[head] = parts


def _without(record: Record, path: str) -> Record:
    if path in record:
        record = {name: value for name, value in record.items() if name != path}
    head, dot, tail = path.partition(".")
    return record | {head: _inside_without(record[head], tail)} if dot and head in record else record


def _inside_without(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_inside_without(item, path) for item in value]
    return _without(value, path) if isinstance(value, dict) else value
