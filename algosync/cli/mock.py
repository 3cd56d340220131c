"""Runs the mock in the foreground, with records to start with."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from algosync.algolia.client import Target, WriteClient
from algosync.catalog.files import read_files
from algosync.demo.feed import feed
from algosync.errors import ConfigError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.keys import DEFAULT_KEYS
from algosync.mock.server import MockServer


def run_mock(
    port: int, load: Sequence[str], facets: Sequence[str], *, ready: Callable[[Mapping[str, Any]], None]
) -> None:
    """Serves until interrupted.

    Args:
        port: On 127.0.0.1; 0 for a free one.
        load: INDEX=FILE pairs.
        facets: INDEX=A,B,C: what each index declares for faceting.
        ready: Called with where it listens and what it holds.

    Raises:
        ConfigError: A pair is no pair.
        SourceError: A file cannot be read.
        AlgosyncError: The port is taken.
    """
    records = dict(_pair(text, "--load", "products=products.jsonl") for text in load)
    declared = dict(_pair(text, "--facets", "products=brand,categories") for text in facets)
    with MockServer(MockAlgolia(), port=port) as server:
        target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
        held = {}
        with WriteClient(target, DEFAULT_KEYS[0].value) as client:
            for index in {**records, **declared}:
                names = [name.strip() for name in declared.get(index, "").split(",") if name.strip()]
                settings = {"attributesForFaceting": names} if names else None
                held[index] = feed(
                    client, index, read_files(records[index]) if index in records else (), settings=settings
                )
        keys = [{"key": key.value, "acl": sorted(key.acl), "indexes": list(key.indexes)} for key in DEFAULT_KEYS]
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        ready({"url": server.url, "app_id": server.algolia.app_id, "keys": keys, "indices": held})
        stopped.wait()


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    index, found, rest = text.partition("=")
    if not (index and found and rest):
        raise ConfigError(f"'{text}' is no pair", where=option, hint=f"Write {option} {example}")
    return index, rest
