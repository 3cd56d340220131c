"""Runs the mock in the foreground, with records to start with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from algosync.algolia.client import WriteClient
from algosync.algolia.target import Target
from algosync.catalog.files import read_files
from algosync.demo.feed import feed
from algosync.errors import ConfigError, SourceError
from algosync.mock import files
from algosync.mock.algolia import MockAlgolia
from algosync.mock.fault_plan import FaultPlan, check_names, read_plan, read_short
from algosync.mock.keys import ADMIN, DEFAULT_KEYS, Key
from algosync.mock.routes.table import OPERATIONS
from algosync.mock.server import HOST, MockServer
from algosync.settings.load import load as load_settings
from algosync.settings.models import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MockOptions:
    """How the mock runs.

    Attributes:
        port: Where it listens; 0 for a free one.
        host: The address it listens on.
        config: Settings whose application and keys the mock takes on, beside its own keys.
        data: An index file, or a directory of them, to start with.
        save: Whether all indices are written back to `data` at the end.
        load: INDEX=FILE pairs.
        facets: INDEX=A,B,C: what each index declares for faceting.
        plan: The plan whose limits hold.
        publish_after_ms: How long after a write it can be read.
        rules_merge: How parameters of several Rules combine.
        faults: Faults in short.
        faults_file: A plan of faults as JSON.
        seed: Of the faults' draws, in place of the plan's.
    """

    port: int = 0
    host: str = HOST
    config: Path | None = None
    data: Path | None = None
    save: bool = False
    load: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    plan: str = "unlimited"
    publish_after_ms: int = 0
    rules_merge: Literal["first", "merge"] = "first"
    faults: tuple[str, ...] = ()
    faults_file: Path | None = None
    seed: int | None = None


def run_mock(
    options: MockOptions, ready: Callable[[Mapping[str, Any]], None], saved: Callable[[Path, Mapping[str, int]], None]
) -> None:
    """Serves until interrupted.

    Args:
        options: How.
        ready: Called with where it listens and what it holds.
        saved: Called with the directory and the number of records by index, once they were written back.

    Raises:
        ConfigError: A pair is no pair, a fault is none, or the settings are wrong.
        SourceError: A file cannot be read or written.
        AlgosyncError: The port is taken.
    """
    if options.save and (options.data is None or options.data.is_file()):
        raise ConfigError("there is no folder to save to", where="--save", hint="Name one with --data")
    records = dict(_pair(text, "--load", "products=products.jsonl") for text in options.load)
    declared = dict(_pair(text, "--facets", "products=brand,categories") for text in options.facets)
    plan = _fault_plan(options)
    algolia = _application(options)
    loaded = files.load(algolia, options.data) if options.data and (options.data.exists() or not options.save) else {}
    server = MockServer(algolia, port=options.port, host=options.host)

    def furnish() -> None:
        held = {**loaded, **_fill(server, records, declared)}
        _start(algolia, options, plan)
        ready(_report(server, held))

    def save() -> None:
        if options.save and options.data is not None:
            saved(options.data, files.dump(algolia, options.data, replaces=loaded))

    server.serve_forever(furnish, save)


def _application(options: MockOptions) -> MockAlgolia:
    if options.config is None:
        return MockAlgolia(plan=options.plan, rules_merge=options.rules_merge)
    own = load_settings(options.config)
    return MockAlgolia(
        app_id=own.algolia.app_id, keys=_keys_of(own), plan=options.plan, rules_merge=options.rules_merge
    )


def _start(algolia: MockAlgolia, options: MockOptions, plan: FaultPlan) -> None:
    """From here on requests are the users' own: faults and delays begin, counters begin at nothing."""
    with algolia.lock:
        algolia.requests.clear()
        algolia.operations.clear()
        algolia.tasks.delay_ms = options.publish_after_ms
        algolia.faults.put(plan)


def _report(server: MockServer, held: Mapping[str, int]) -> dict[str, Any]:
    # Never the keys of the settings: they may be real.
    keys = [{"key": key.value, "acl": sorted(key.acl - {ADMIN}), "indexes": list(key.indexes)} for key in DEFAULT_KEYS]
    plan = server.algolia.limits.plan.name
    faults = server.algolia.faults.describe()["faults"]
    there: dict[str, Any] = {"url": server.url, "app_id": server.algolia.app_id, "plan": plan}
    there["publish_after_ms"] = server.algolia.tasks.delay_ms
    return {**there, "keys": keys, "indices": dict(held), "faults": faults}


def _fault_plan(options: MockOptions) -> FaultPlan:
    plan = FaultPlan() if options.faults_file is None else _read_faults(options.faults_file)
    faults = [check_names(fault, OPERATIONS) for fault in (*plan.faults, *map(read_short, options.faults))]
    return FaultPlan(seed=plan.seed if options.seed is None else options.seed, faults=tuple(faults))


def _read_faults(path: Path) -> FaultPlan:
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(f"Cannot read the file: {error.strerror}", where=str(path)) from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"Invalid JSON: {error}", where=str(path)) from error
    return read_plan(content, where=str(path))


def _fill(server: MockServer, records: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, int]:
    """Loads files and declares facets through the official client; says how many records each index got."""
    held = {}
    target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
    with WriteClient(target, DEFAULT_KEYS[0].value) as client:
        for index in {**records, **declared}:
            names = [name.strip() for name in declared.get(index, "").split(",") if name.strip()]
            settings = {"attributesForFaceting": names} if names else None
            batches = read_files(records[index]) if index in records else ()
            feed(client, index, batches, settings=settings)
            made = server.algolia.tasks.head.get(index)
            held[index] = len(made.records) if made else 0
    return held


def _keys_of(settings: Settings) -> tuple[Key, ...]:
    """The mock's keys and the shop's: they may do what such keys may, the storefront's on products alone.

    The shop's may be those of the real application, so the mock shows them to nobody.
    """
    own = settings.algolia
    known = {key.value: key for key in DEFAULT_KEYS}
    indices = tuple(index.name for index in own.indices)
    roles = ((own.read_api_key, "mock-read", ()), (own.write_api_key, "mock-write", ()))
    keys = dict(known)
    for secret, role, reach in (*roles, (own.storefront_api_key, "mock-storefront", indices)):
        if secret is not None and secret.get_secret_value() not in keys:
            value = secret.get_secret_value()
            keys[value] = Key(value=value, acl=known[role].acl, indexes=reach, is_private=True)
    return tuple(keys.values())


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    index, found, rest = text.partition("=")
    if not (index and found and rest):
        raise ConfigError(f"'{text}' is no pair", where=option, hint=f"Write {option} {example}")
    return index, rest
