"""A stand-in for Algolia: a mock in this process, filled by read-only browsing or from files.

Records, settings and Rules are taken over as they are, without judging them. Must not write anywhere but to the mock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError
from algosync.mock import files
from algosync.mock.algolia import MockAlgolia
from algosync.mock.engine.index import Index
from algosync.mock.server import DEFAULT_KEYS, MockServer


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A running mock and clients for it.

    Attributes:
        algolia: The application.
        target: Where it answers.
        reader: Reads it.
        writer: Also writes to it.
    """

    algolia: MockAlgolia
    target: Target
    reader: ReadClient
    writer: WriteClient

    def load(self, path: Path) -> None:
        """Fill it from an index file or a folder of them, see mock/files.py.

        Raises:
            AlgosyncError: A file cannot be read, or holds no index.
        """
        files.load(self.algolia, path)


@contextmanager
def stand_in(app_id: str) -> Iterator[StandIn]:
    """An empty mock of an application, on loopback for as long as the context lasts.

    Raises:
        ConfigError: The application id cannot be used.
    """
    algolia = MockAlgolia(app_id=app_id)
    key = DEFAULT_KEYS[0].value
    with MockServer(algolia) as server:
        target = Target(app_id=app_id, hosts=(server.url,))
        with ReadClient(target, key) as reader, WriteClient(target, key) as writer:
            yield StandIn(algolia=algolia, target=target, reader=reader, writer=writer)


def copy_indices(
    algolia: MockAlgolia,
    source: ReadClient,
    indices: Iterable[str],
    payload_index: str,
    progress: Callable[[int], None],
) -> tuple[str, ...]:
    """Copy the product indices, and the payload index as far as there is one and the key may read it.

    Args:
        algolia: The mock; the indices come to be in it.
        source: Needs the permissions browse and settings; nothing is written through it.
        indices: Product indices; each must exist.
        payload_index: Where segments and profiles are kept.
        progress: Called with the number of records of each page.

    Returns:
        What people should know of the copy.

    Raises:
        AlgoliaError: An index is not there, or the key may not read it.
    """
    notes: list[str] = []
    for index in indices:
        notes += _copy(algolia, source, index, progress)
    try:
        if source.exists(payload_index):
            notes += _copy(algolia, source, payload_index, progress)
    except AlgoliaError as error:
        if error.status != 403:
            raise
        notes.append(f"index '{payload_index}' may not be read with this key, and counts as empty")
    return tuple(notes)


def _copy(algolia: MockAlgolia, source: ReadClient, name: str, progress: Callable[[int], None]) -> list[str]:
    settings = source.get_settings(name)
    rules = {rule["objectID"]: rule for rule in source.browse_rules(name)}

    def furnish(index: Index) -> None:
        index.set_settings({key: value for key, value in settings.items() if key != "version"})
        index.rules = rules

    algolia.write(name, furnish)
    for page in source.browse(name):
        _add(algolia, name, page)
        progress(len(page))
    hidden = settings.get("unretrievableAttributes")
    if not hidden:
        return []
    return [f"index '{name}': {', '.join(hidden)} cannot be read with this key; searches in the mock do without"]


def _add(algolia: MockAlgolia, name: str, records: Iterable[dict[str, Any]]) -> None:
    with algolia.lock:
        stage = algolia.stage(name)
        for position, record in enumerate(records):
            stage.apply("addObject", record, position)
        algolia.commit(name, stage)
