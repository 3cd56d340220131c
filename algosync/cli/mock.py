"""Runs the mock in the foreground, with records to start with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algosync.algolia.client import Target, WriteClient
from algosync.catalog.files import read_files
from algosync.demo.feed import feed
from algosync.errors import ConfigError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.keys import DEFAULT_KEYS, Key
from algosync.mock.server import MockServer
from algosync.settings.load import load as load_settings
from algosync.settings.models import Settings


def run_mock(
    port: int,
    load: Sequence[str],
    facets: Sequence[str],
    *,
    config: Path | None,
    ready: Callable[[Mapping[str, Any]], None],
) -> None:
    """Serves until interrupted.

    Args:
        port: On 127.0.0.1; 0 for a free one.
        load: INDEX=FILE pairs.
        facets: INDEX=A,B,C: what each index declares for faceting.
        config: Settings whose application and keys the mock takes on, beside its own keys.
        ready: Called with where it listens and what it holds.

    Raises:
        ConfigError: A pair is no pair, or the settings are wrong.
        SourceError: A file cannot be read.
        AlgosyncError: The port is taken.
    """
    records = dict(_pair(text, "--load", "products=products.jsonl") for text in load)
    declared = dict(_pair(text, "--facets", "products=brand,categories") for text in facets)
    server = MockServer(MockAlgolia() if config is None else _like(load_settings(config)), port=port)
    # Never those of the settings: they may be real.
    keys = [{"key": key.value, "acl": sorted(key.acl), "indexes": list(key.indexes)} for key in DEFAULT_KEYS]

    def furnish() -> None:
        held = _fill(server, records, declared)
        ready({"url": server.url, "app_id": server.algolia.app_id, "keys": keys, "indices": held})

    server.serve_forever(furnish)


def _fill(server: MockServer, records: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, int]:
    """Loads files and declares facets through the official client; says how many records each index got."""
    held = {}
    target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
    with WriteClient(target, DEFAULT_KEYS[0].value) as client:
        for index in {**records, **declared}:
            names = [name.strip() for name in declared.get(index, "").split(",") if name.strip()]
            settings = {"attributesForFaceting": names} if names else None
            batches = read_files(records[index]) if index in records else ()
            held[index] = feed(client, index, batches, settings=settings)
    return held


def _like(settings: Settings) -> MockAlgolia:
    """A mock of the shop's own application: its keys may do what such keys may, the storefront's on products alone."""
    own = settings.algolia
    known = {key.value: key for key in DEFAULT_KEYS}
    indices = tuple(index.name for index in own.indices)
    roles = ((own.read_api_key, "mock-read", ()), (own.write_api_key, "mock-write", ()))
    keys = dict(known)
    for secret, role, reach in (*roles, (own.storefront_api_key, "mock-storefront", indices)):
        if secret is not None and secret.get_secret_value() not in keys:
            value = secret.get_secret_value()
            keys[value] = Key(value=value, acl=known[role].acl, indexes=reach)
    return MockAlgolia(app_id=own.app_id, keys=tuple(keys.values()))


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    index, found, rest = text.partition("=")
    if not (index and found and rest):
        raise ConfigError(f"'{text}' is no pair", where=option, hint=f"Write {option} {example}")
    return index, rest
