"""user123's two visits, moment by moment: which segments and actions they bring, through the real pipeline.

The story is that of the article on personalization for new and returning users: on the first visit the sign-up offer
and the books, on the second free shipping and the books.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.demo.feed import feed
from algosync.profiles.actions import Situation, fires
from algosync.runtime.commands import Runtime
from algosync.sync.report import SyncReport
from algosync.sync.stages import Progress

INDEX = "products_story"
USER = "user123"
ACCOUNT = "account-of-user123"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something user123 does.

    Attributes:
        at: When, ISO 8601.
        text: In words.
        events: The Insights events that it sends.
    """

    at: str
    text: str
    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How things stand after a step."""

    step: Step
    visit: str
    state: str
    segments: tuple[str, ...]
    actions: dict[str, bool]


def _event(at: str, kind: str, name: str, product: str | None = None, **more: Any) -> dict[str, Any]:
    moment = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
    event = {"eventType": kind, "eventName": name, "index": INDEX, "userToken": USER, "timestamp": moment, **more}
    return event if product is None else event | {"objectIDs": [product]}


def _bought(at: str, product: str, price: float) -> dict[str, Any]:
    more = {"eventSubtype": "purchase", "currency": "USD", "objectData": [{"price": price, "quantity": 1}]}
    return _event(at, "conversion", "Purchased", product, authenticatedUserToken=ACCOUNT, **more)


STEPS = (
    Step(
        at="2023-07-24T13:45:00",
        text="views Novel Z, $14.99",
        events=(_event("2023-07-24T13:45:00", "view", "Viewed", "product234"),),
    ),
    Step(
        at="2023-07-24T15:00:00",
        text="views and clicks Smartphone X, $999.99, and clicks Sports Watch Y",
        events=(
            _event("2023-07-24T14:15:00", "view", "Viewed", "product567"),
            _event("2023-07-24T14:30:00", "click", "Clicked", "product567"),
            _event("2023-07-24T15:00:00", "click", "Clicked", "product891"),
        ),
    ),
    Step(
        at="2023-07-24T15:20:00",
        text="signs up and logs in",
        events=(_event("2023-07-24T15:20:00", "login", "login", authenticatedUserToken=ACCOUNT),),
    ),
    Step(
        at="2023-07-24T15:30:00",
        text="buys Sports Watch Y",
        events=(_bought("2023-07-24T15:30:00", "product891", 199.99),),
    ),
    Step(
        at="2023-07-28T10:00:00",
        text="is back, and looks at the home page",
        events=(_event("2023-07-28T10:00:00", "pageview", "pageview", authenticatedUserToken=ACCOUNT),),
    ),
)


def play(directory: Path, target: Target, progress: Progress, tell: Callable[[Moment], None]) -> list[Moment]:
    """Replays the visits: each step is appended to the events file, synced, and looked at.

    Args:
        directory: Where the story's files go; an earlier telling is removed.
        target: The mock.
        progress: Whoever watches the syncs.
        tell: Called with every moment.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    source = files("algosync.demo") / "article"
    for name in ("algosync.toml", "segments.json", "actions.json", "products.json"):
        (directory / name).write_bytes((source / name).read_bytes())
    settings = directory / "algosync.toml"
    text = settings.read_text(encoding="utf-8").replace("http://127.0.0.1:8108", target.hosts[0])
    settings.write_text(text, encoding="utf-8")
    with WriteClient(target, "mock-admin") as client:
        declared = {"attributesForFaceting": ["category"], "searchableAttributes": ["title"]}
        feed(client, INDEX, [json.loads((directory / "products.json").read_bytes())], settings=declared)
    runtime = Runtime.open(settings, progress=progress)
    runtime.setup(confirm=lambda _: True)
    moments = []
    for step in STEPS:
        with (directory / "events.jsonl").open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(event) + "\n" for event in step.events)
        moments.append(_look(runtime.sync(), step))
        tell(moments[-1])
    return moments


def _look(report: SyncReport, step: Step) -> Moment:
    """What the sync now knows of user123, by whatever name she goes."""
    found = report.computed.knowledge
    doc = found.documents[found.tokens.get(USER, USER)]
    here = Situation(visit=doc["visit"], state=doc["state"], segments=doc["segments"], place="home", at=found.as_of)
    return Moment(
        step=step,
        visit=doc["visit"],
        state=doc["state"],
        segments=tuple(doc["segments"]),
        actions={firing.action.name: firing.fired for firing in fires(report.rules.actions, here)},
    )


def search_books(target: Target, filters: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """What a search for `novel` finds, first to last."""
    params = {"query": "novel", "optionalFilters": [list(group) for group in filters], "getRankingInfo": True}
    with ReadClient(target, "mock-read") as client:
        return list(client.search(INDEX, params)["hits"])
