"""A shop so small that a sync of it costs a second, and what is done in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from algosync.mock.server import MockServer
from tests.e2e.conftest import DECLARED, PRODUCTS, SEGMENTS, VISITS, Shop

from .driver import Ended

SOLD = [p for p in PRODUCTS if p["objectID"] in {"book-2", "book-4", "book-6", "lamp-2", "phone-3", "phone-5"}]
FOREIGN = {
    "records": [{"objectID": "theirs", "name": "not algosync's", "segment": "own"}],
    "rule": {"objectID": "their-rule", "conditions": [], "consequence": {"params": {"filters": "brand:Apple"}}},
}


Run = Callable[..., Ended]
"""Runs a command, undisturbed: its name, and with what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Something that is done in the shop.

    Attributes:
        title: For the table.
        before: What leads up to it; gives what the command is given besides `given`.
        do: The command that is disturbed, and repeated.
        given: With what.
        settings: Of the shop, besides those of every scenario.
        told: Whether somebody is told by webhook.
        ended: Whether a report says that nothing is left to do.
    """

    title: str
    before: Callable[[Shop, Run], Mapping[str, Any]]
    do: str = "sync"
    given: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: bool = False
    ended: Callable[[Mapping[str, Any]], bool] = field(default=lambda report: _pushed(report["pushed"]))


def _pushed(pushed: Mapping[str, Any] | None) -> bool:
    return pushed is None or not (pushed["waiting"] or pushed["deferred"] or pushed["stopped"])


def furnished(folder: Path, server: MockServer, **settings: object) -> Shop:
    """The shop as it stands before algosync comes: products, events, and things of its own where algosync writes."""
    shop = Shop(folder, server)
    shop.configure(
        push={"patience_s": 1},
        related={"kinds": ["similar"]},
        algolia={"forget_api_key": "mock-admin"},
    )
    shop.configure(**settings)
    shop.feed(SOLD, settings=DECLARED)
    shop.feed(FOREIGN["records"], index="algosync_payloads")
    _rule(shop, FOREIGN["rule"])
    shop.events([visit for visit in VISITS if visit["who"] in {"reader-1", "reader-2", "caller-1"}])
    shop.source("events.jsonl")
    shop.segments(SEGMENTS)
    shop.setup()
    return shop


def _write(shop: Shop, index: str, *requests: Mapping[str, Any]) -> None:
    """A batch of the shop's own."""
    with shop.client("mock-admin") as client:
        client.wait(index, client.batch(index, orjson.dumps({"requests": requests}), len(requests)))


def _rule(shop: Shop, rule: Mapping[str, Any]) -> None:
    with shop.client("mock-admin") as client:
        client.wait("products", client.save_rules("products", orjson.dumps([rule]), 1))


def first(_shop: Shop, _run: Run) -> Mapping[str, Any]:
    """Nothing was before."""
    return {}


def synced(_shop: Shop, run: Run) -> Mapping[str, Any]:
    """A first sync, and whatever it takes to tell of it."""
    assert run("sync").failed is None
    return {}


def changed(shop: Shop, run: Run) -> Mapping[str, Any]:
    """After a first sync, everything that can happen to a shop: the next sync adds, updates and deletes."""
    synced(shop, run)
    shop.events([{**visit, "who": "caller-2"} for visit in VISITS if visit["who"] == "caller-2"])
    fewer = {"segment2": {**SEGMENTS["segment2"], "priority": 30}}
    shop.segments(fewer)
    # The nightly feed replaces whole records, one product is gone, one is new.
    _write(shop, "products", {"action": "deleteObject", "body": {"objectID": "lamp-2"}})
    shop.feed([SOLD[0], {**SOLD[1], "name": "Another novel", "objectID": "book-new"}])
    return {}


def edited(shop: Shop, run: Run) -> Mapping[str, Any]:
    """After a first sync, somebody edits what algosync wrote, each kind of it in another way."""
    synced(shop, run)
    there = shop.content()
    ours = there["products"]["records"]["book-2"]["algosync"]
    _write(
        shop,
        "products",
        # Its mark stays as it was.
        {"action": "partialUpdateObject", "body": {"objectID": "book-2", "algosync": {**ours, "similar": ["lamp-2"]}}},
        {"action": "partialUpdateObject", "body": {"objectID": "book-4", "algosync": None}},
    )
    people = sorted(there["algosync_payloads"]["records"].keys() - {"theirs", "segment-phones", "segment-segment2"})
    boosts = {"objectID": "segment-phones", "optionalFilters": [["brand:Sony<score=9>"]]}
    _write(
        shop,
        "algosync_payloads",
        {"action": "deleteObject", "body": {"objectID": "segment-segment2"}},
        {"action": "deleteObject", "body": {"objectID": people[0]}},
        {"action": "partialUpdateObject", "body": boosts},
    )
    [ours_too] = [rule for name, rule in there["products"]["rules"].items() if name.endswith("-phones")]
    _rule(shop, {**ours_too, "enabled": False})
    _rule(shop, {**FOREIGN["rule"], "objectID": "algosync-5-not-algosyncs"})
    return {}


def moving(shop: Shop, run: Run) -> Mapping[str, Any]:
    """After a first sync, readers become buyers of phones: they enter segments, and one leaves hers."""
    synced(shop, run)
    calls = [visit for visit in VISITS if visit["who"] == "caller-2"]
    shop.events([{**visit, "who": who} for who in ("caller-2", "reader-1", "looker") for visit in calls])
    return {}


def held(shop: Shop, run: Run) -> Mapping[str, Any]:
    """A plan over the limit, which the brake stopped."""
    changed(shop, run)
    shop.configure(facets={"brand": 10}, push={"brake": {"at_least": 1, "change_share": 0.05, "delete_share": 0.05}})
    stopped = run("sync")
    assert stopped.hash is not None, stopped.failed
    return {"hash": stopped.hash}


SCENARIOS = {
    "first": Scenario(title="first sync", before=first),
    "next": Scenario(title="sync after changes", before=changed),
    "webhooks": Scenario(title="sync with webhooks", before=moving, settings={"related": {"kinds": []}}, told=True),
    "approve": Scenario(title="sync --approve", before=held, do="approve"),
    "worker": Scenario(
        title="worker --once",
        before=changed,
        do="work",
        given={"jobs": ["catalog", "pull", "related", "push"]},
    ),
    "repair": Scenario(
        title="verify --repair", before=edited, do="repair", ended=lambda r: not r["left"] and _pushed(r["pushed"])
    ),
    "forget": Scenario(
        title="forget",
        before=synced,
        do="forget",
        given={"user": "reader-1"},
        ended=lambda report: report["status"] in {"pending", "done"},
    ),
}
