"""A shop so small that a sync of it costs a second, and what is done in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from algosync.mock.server import MockServer
from tests.e2e.conftest import DECLARED, PRODUCTS, SEGMENTS, VISITS, Shop

SOLD = [p for p in PRODUCTS if p["objectID"] in {"book-2", "book-4", "book-6", "lamp-2", "phone-3", "phone-5"}]
FOREIGN = {
    "records": [{"objectID": "theirs", "name": "not algosync's", "segment": "own"}],
    "rule": {"objectID": "their-rule", "conditions": [], "consequence": {"params": {"filters": "brand:Apple"}}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Something that is done in the shop.

    Attributes:
        title: For the table.
        before: What leads up to it; syncs here are undisturbed.
        do: The command that is disturbed, and repeated.
        given: With what.
    """

    title: str
    before: Callable[[Shop, Callable[[], None]], None]
    do: str = "sync"
    given: tuple[tuple[str, str], ...] = ()


def furnished(folder: Path, server: MockServer, **settings: object) -> Shop:
    """The shop as it stands before algosync comes: products, events, and things of its own where algosync writes."""
    shop = Shop(folder, server)
    shop.configure(
        push={"patience_s": 1},
        related={"kinds": ["similar"]},
        algolia={"forget_api_key": "mock-admin"},
        **settings,
    )
    shop.feed(SOLD, settings=DECLARED)
    shop.feed(FOREIGN["records"], index="algosync_payloads")
    with shop.client("mock-admin") as client:
        from orjson import dumps

        client.wait("products", client.save_rules("products", dumps([FOREIGN["rule"]]), 1))
    shop.events([visit for visit in VISITS if visit["who"] in {"reader-1", "reader-2", "caller-1"}])
    shop.source("events.jsonl")
    shop.segments(SEGMENTS)
    shop.setup()
    return shop


def changed(shop: Shop, sync: Callable[[], None]) -> None:
    """After a first sync, everything that can happen to a shop: the next sync adds, updates and deletes."""
    sync()
    shop.events([{**visit, "who": "caller-2"} for visit in VISITS if visit["who"] == "caller-2"])
    fewer = {"segment2": {**SEGMENTS["segment2"], "priority": 30}}
    shop.segments(fewer)
    # The nightly feed replaces whole records, one product is gone, one is new.
    with shop.client("mock-admin") as client:
        client.wait("products", client.batch("products", b'{"requests":[{"action":"deleteObject","body":'
                                             b'{"objectID":"lamp-2"}}]}', 1))  # fmt: skip
    shop.feed([SOLD[0], {**SOLD[1], "name": "Another novel", "objectID": "book-new"}])


SCENARIOS = {
    "first": Scenario(title="first sync", before=lambda shop, sync: None),
    "next": Scenario(title="sync after changes", before=changed),
    "forget": Scenario(title="forget", before=lambda shop, sync: sync(), do="forget", given=(("user", "reader-1"),)),
}
