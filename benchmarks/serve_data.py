"""What the answers' benchmark asks about: 500,000 profiles in SQLite, a shelf, an inbox, and requests with their keys.

Visitors with recent events have the tallies that a run keeps of everybody; nobody else is asked for hers.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PEOPLE = 500_000
REGULARS = 2_000
NEW = 60_000
RECENT = 2_000
COLD = 20_000
EVENTS = 20
_AT_ONCE = 500
SECRET = "a secret for benchmarks, and for nothing else"
CATEGORIES = [f"Category {n}" for n in range(40)]
BRANDS = [f"Brand {n}" for n in range(300)]
BANDS = ["0-10", "10-25", "25-50", "50-100", "100-500"]
BODIES = (
    {"where": "home"},
    {"where": "category:Category 1"},
    {"where": "category:Category 7"},
    {"where": "search", "query": "phone case"},
    {"where": "product", "objectID": "product-77"},
)
SETTINGS = """
[algolia]
app_id = "BENCHMARK"
[[algolia.indices]]
name = "products"
[state]
directory = "state"
[[sources]]
name = "storefront"
type = "collector"
[facets]
brand = 100
categories = 60
price_band = {{ weight = 40, from = "price", edges = [10, 25, 50, 100, 500] }}
[segments]
file = "{config}/segments.json"
affinity_facet = "categories"
[actions]
file = "{config}/actions.json"
"""
SERVE = f"""
[serve]
visitor_secrets = ["{SECRET}"]
per_address = {{ per_second = 1000000, burst = 1000000 }}
per_visitor = {{ per_second = 1000000, burst = 1000000 }}
"""
LUA = """
local requests, place = {}, 0
for line in io.lines("FILE") do
  local key, body = line:match("^(%S+) (.*)$")
  requests[#requests + 1] = wrk.format("POST", "/v1/experience",
    {["authorization"] = "Bearer " .. key, ["content-type"] = "application/json"}, body)
end
function request()
  place = place % #requests + 1
  return requests[place]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("\\nOUT {\\"requests\\": %d, \\"us\\": %d, \\"p99_us\\": %d, \\"errors\\": %d}\\n",
    summary.requests, summary.duration, latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def write_settings(place: Path, serve: str) -> None:
    """A shop's settings, with the configuration's segments and actions.

    Args:
        place: The folder that they go into.
        serve: Its table [serve].
    """
    config = Path(__file__).parent.parent / "config"
    (place / "algosync.toml").write_text(SETTINGS.format(config=config) + serve)


def _person(number: int, dice: random.Random) -> dict[str, Any]:
    taste = {
        "brand": {name: dice.randint(1, 20) for name in sorted(dice.sample(BRANDS, 4))},
        "categories": {name: dice.randint(1, 20) for name in sorted(dice.sample(CATEGORIES, 3))},
        "algosync.price_band": {name: dice.randint(1, 20) for name in sorted(dice.sample(BANDS, 2))},
    }
    events = dice.randint(1, 60)
    return {
        "person": f"person-{number}",
        "visit": dice.choice(["new", "returning"]),
        "state": dice.choice(["visitor", "user", "buyer"]),
        "authenticated": number % 3 == 0,
        "first_seen": "2026-10-01T10:00:00+00:00",
        "last_seen": "2026-11-20T10:00:00+00:00",
        "sessions": dice.randint(1, 9),
        "events": events,
        "products": events // 2,
        "ready": events > 10,
        "reason": f"{events} events, 10 are wanted",
        "affinities": taste,
        "optionalFilters": [[f"{facet}:{value}<score=2000>" for value in values] for facet, values in taste.items()],
        "segments": sorted(dice.sample(["segment1", "segment2", "cheap-books", "staff"], dice.randint(0, 2))),
        "ruleContexts": [],
    }


def _shelf(dice: random.Random) -> Iterator[tuple[str, str, str]]:
    products = [f"product-{n}" for n in range(5_000)]
    for name in ("popular", "trending"):
        yield f"{name}:everywhere", "", json.dumps(dice.sample(products, 12))
        for category in CATEGORIES:
            yield f"{name}:category", category, json.dumps(dice.sample(products, 12))
    for segment in ("segment1", "segment2"):
        yield "popular:segment", segment, json.dumps(dice.sample(products, 12))
    for product in products:
        kinds = ("related", "similar", "bought_together")
        yield "related", product, json.dumps({kind: dice.sample(products, 12) for kind in kinds})
        facets = {"brand": [dice.choice(BRANDS)], "categories": [dice.choice(CATEGORIES)]}
        price = {"facets": {**facets, "algosync.price_band": [dice.choice(BANDS)]}, "price": dice.randint(1, 400)}
        yield "product", product, json.dumps(price)
    yield "count:products", "", "5000"
    yield from (("count:products", category, "125") for category in CATEGORIES)
    yield "declared", "products", json.dumps(["brand", "categories", "algosync.price_band", "algosync.boosts"])


def prepare(place: Path, scale: float) -> None:
    """The settings, the stores with their tables written directly, and the requests with their keys."""
    from algosync.stores.inbox import INBOX, Inbox
    from algosync.stores.snapshot import SNAPSHOT
    from algosync.stores.state import STATE, open_state

    dice, people, now = random.Random(4), max(6_000, int(PEOPLE * scale)), datetime.now(UTC)
    write_settings(place, SERVE)
    for book in (STATE, SNAPSHOT):
        open_state("sqlite", place / "state", create=True, book=book).close()
    plain = [number for number in dice.sample(range(people), people) if number % 3]  # nobody has logged in
    recent, cold = plain[:RECENT], plain[RECENT : RECENT + max(RECENT, int(COLD * scale))]
    with open_state("sqlite", place / "state", create=True, book=INBOX) as state:
        inbox = Inbox(state)
        numbers = [*recent, *cold]
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            inbox.append([event for number in some for event in _events(number, now, dice)], now)
        identity = inbox.identity() or ""
    database = sqlite3.connect(place / "state" / SNAPSHOT.file)
    with database:
        _fill(database, people, dice)
        tallies = ((f"person-{n}", "open", _tally(now, dice)) for n in (*recent, *cold))
        database.executemany("INSERT INTO tallies (name, kind, doc) VALUES (?, ?, ?)", tallies)
        notes = {"generation": "1", "as_of": now.isoformat(), "inbox": identity, "inbox_seq": "0", "tallies_mark": "1"}
        database.executemany("INSERT INTO snapshot_meta (key, value) VALUES (?, ?)", notes.items())
    database.close()
    regulars = dice.sample(range(people), min(REGULARS, people))
    _write_requests(place / "again.txt", regulars, pages=1)
    _write_requests(place / "pages.txt", regulars, pages=len(BODIES))
    _write_requests(place / "new.txt", dice.sample(range(people), min(NEW, people)), pages=1)
    _write_requests(place / "recent.txt", recent, pages=len(BODIES))
    _write_requests(place / "cold.txt", cold, pages=1)


def _fill(database: sqlite3.Connection, people: int, dice: random.Random) -> None:
    rows = ((f"person-{n}", json.dumps(_person(n, dice), sort_keys=True)) for n in range(people))
    database.executemany("INSERT INTO people (person, doc) VALUES (?, ?)", rows)
    links = ((f"anonymous-{n}", f"person-{n}") for n in range(0, people, 3))
    database.executemany("INSERT INTO tokens (token, person) VALUES (?, ?)", links)
    database.executemany("INSERT INTO shelf (kind, name, doc) VALUES (?, ?, ?)", _shelf(dice))


def _events(number: int, now: datetime, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Somebody's last twenty minutes."""
    for minute in range(EVENTS):
        at = now - timedelta(minutes=EVENTS - minute, seconds=dice.randint(0, 59))
        yield {
            "eventType": "view" if minute % 5 else "click",
            "eventName": "Product Viewed",
            "index": "products",
            "userToken": f"person-{number}",
            "objectIDs": [f"product-{dice.randrange(5_000)}"],
            "timestamp": int(at.timestamp() * 1000),
            "consent": "for_you",
        }


def _tally(now: datetime, dice: random.Random) -> str:
    """What a run keeps of somebody with some sixty events in eight sessions."""
    from algosync.profiles.tally import Tally
    from algosync.profiles.tally_document import dump

    chosen = [("brand", BRANDS, 12), ("categories", CATEGORIES, 8), ("algosync.price_band", BANDS, 4)]
    sums = {
        facet: {value: dice.uniform(1, 90) for value in dice.sample(values, some)} for facet, values, some in chosen
    }
    days = (int(now.timestamp()) - ago * 86_400 for ago in range(16, 0, -2))
    spans = tuple((first, first + 600) for first in days)
    return dump(
        Tally(
            landmark=(now.year - 1970) * 12 + now.month - 1,
            sums=sums,
            spans=spans,
            seen=(float(spans[0][0]), float(spans[-1][1])),
            events=60,
            products=frozenset(f"product-{n}" for n in dice.sample(range(5_000), 30)),
        )
    )


def _write_requests(path: Path, people: Sequence[int], *, pages: int) -> None:
    """Requests, a key and a body a line; every visitor sees the first page before anybody sees the second."""
    from algosync.experience.keys import sign

    now, lines = datetime.now(UTC), list[str]()
    keys = {number: sign(_token(number), secrets=[SECRET], valid_for=timedelta(days=1), now=now) for number in people}
    for page in range(pages):
        for n, number in enumerate(people):
            body = json.dumps({"userToken": _token(number), **BODIES[(n + page) % len(BODIES)]})
            lines.append(f"{keys[number]} {body}\n")
    path.write_text("".join(lines))
    path.with_suffix(".lua").write_text(LUA.replace("FILE", str(path)))


def _token(number: int) -> str:
    return f"anonymous-{number}" if number % 3 == 0 else f"person-{number}"
