"""The guided tour: a year of a real grocery chain, into a mock Algolia and back, then the story of user123.

Everything it shows it does for real: the files, the settings and the commands are those that a shop would use.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.catalog.files import read_files
from algosync.demo.data import Shop, lay_out
from algosync.demo.feed import feed
from algosync.demo.story import STEPS, Moment, play, search_books
from algosync.mock.server import MockServer
from algosync.runtime.commands import Runtime
from algosync.sync.report import SyncReport
from algosync.sync.stages import Progress, Silent

INDEX = "products"
SETTINGS = {
    "searchableAttributes": ["name", "unordered(category)"],
    "attributesForFaceting": ["department", "category", "type", "brand"],
    "customRanking": ["desc(algosync.popularity)"],
}
QUERIES = ("soup", "juice", "cheese", "bread", "coffee", "yogurt", "chips", "frozen")
HITS = 6


class Narrator(Protocol):
    """Whoever tells the tour."""

    @property
    def progress(self) -> Progress:
        """Shows long work."""
        ...

    def heading(self, text: str) -> None:
        """Begins a scene."""
        ...

    def say(self, text: str) -> None:
        """Explains."""
        ...

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Shows rows."""
        ...

    def report(self, report: SyncReport) -> None:
        """Shows what a sync did."""
        ...


def tour(directory: Path, narrator: Narrator, config: Path | None = None) -> dict[str, Any]:
    """Gives the tour.

    Args:
        directory: Where the demo's files are left, to go on with; state of an earlier tour is removed.
        narrator: Who tells it.
        config: Settings to use in place of the demo's own.

    Returns:
        What was shown, as a JSON document.
    """
    with MockServer() as server:
        target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
        shop = _open_shop(directory, target, narrator)
        runtime = _runtime(config or shop.settings, directory, target, narrator)
        first = _first_sync(runtime, narrator)
        household = _household(first)
        profile = _profile(runtime, household, narrator)
        searched = _search(target, first, household, narrator)
        related = _related(target, profile, narrator)
        second = _second_sync(runtime, narrator)
        story = _story(directory / "story", target, narrator)
    _farewell(directory, household, narrator)
    return {
        "directory": str(directory),
        "first_sync": first.document(),
        "household": profile,
        "search": searched,
        "related": related,
        "second_sync": second.document(),
        "story": story,
    }


def _open_shop(directory: Path, target: Target, narrator: Narrator) -> Shop:
    narrator.heading("1. The shop")
    narrator.say(
        "A year of a grocery chain (The Complete Journey, 84.51°): 1.47 million lines of real receipts of 2,469 "
        f"households, and 92,331 products. The files are laid out in {directory}/, and the products are loaded into "
        "a mock Algolia on this machine, through the official client, as the shop's own feed would."
    )
    with narrator.progress.stage("Laying out the shop's files") as _:
        shop = lay_out(directory)
    with (
        WriteClient(target, "mock-admin") as client,
        narrator.progress.stage("Loading the products into the mock", 92_331) as advance,
    ):
        feed(client, INDEX, read_files(str(shop.products)), settings=SETTINGS, progress=advance)
    return shop


def _runtime(config: Path, directory: Path, target: Target, narrator: Narrator) -> Runtime:
    """A shop's settings, but for the port that the mock found free and a state of the demo's own."""
    state = (directory / "state").absolute()
    shutil.rmtree(state, ignore_errors=True)
    given = Runtime.open(config, progress=narrator.progress).settings
    changed = {
        "algolia": given.algolia.model_copy(update={"hosts": target.hosts}),
        "state": given.state.model_copy(update={"directory": state}),
    }
    runtime = Runtime(given.model_copy(update=changed), config.absolute().parent, progress=narrator.progress)
    runtime.setup(confirm=lambda _: True)
    return runtime


def _first_sync(runtime: Runtime, narrator: Narrator) -> SyncReport:
    narrator.heading("2. The first sync")
    narrator.say(
        "`algosync sync` reads the receipts into the event log, builds a profile of every household, judges segments, "
        "finds what goes with what, plans what Algolia should hold, and pushes it: an attribute `algosync` on each "
        "product, a record per segment and per household, a Rule per segment."
    )
    report = runtime.sync()
    narrator.report(report)
    events = report.document()["events"]
    narrator.say(
        f"{events['read']:,} rows were read, and every one is accounted for: the {events['rejected']:,} rejected ones "
        f"are purchases of nothing (quantity 0); {events['waiting']:,} name products that the shop's product list does "
        "not have: they wait, and count as soon as it does."
    )
    return report


def _household(report: SyncReport) -> str:
    """A household worth looking at: ready, in several segments, with many events; the same on every run."""
    documents = report.computed.knowledge.documents
    ready = [name for name, doc in documents.items() if doc["ready"]]
    return min(ready, key=lambda name: (-len(documents[name]["segments"]), -documents[name]["events"], name))


def _profile(runtime: Runtime, household: str, narrator: Narrator) -> dict[str, Any]:
    narrator.heading(f"3. Who is household {household}?")
    found = runtime.explain(household)
    attributes = ", ".join(f"{key} {value}" for key, value in found["attributes"].items())
    narrator.say(
        f"A {found['visit']} {found['state']} with {found['events']:,} purchases in {found['sessions']:,} sessions "
        f"({attributes}). Segments: {', '.join(s['id'] for s in found['segments'] if s['member']) or 'none'}. "
        f"The profile is {'ready' if found['ready'] else 'not ready'}: {found['reason']}."
    )
    rows = [
        [f["facet"], f["value"], f["points"], f["integer"], f["filter"]["weight"], f["filter"]["score"]]
        for f in found["affinities"]
        if f["filter"]
    ]
    title = "Each boost: 20 · points / the facet's largest, times the facet's weight, in a few levels"
    narrator.table(title, ["facet", "value", "points", "score", "· weight", "boost"], rows)
    best = max((f for f in found["affinities"] if f["filter"]), key=lambda f: f["filter"]["score"])
    events = [
        [event["objectID"], event["at"][:10], event["weight"], event["age_days"], event["points"]]
        for event in best["events"][:5]
    ]
    more = best["event_count"] - len(events)
    if more > 0:
        rest = best["points"] - sum(event[-1] for event in events)
        events.append([f"and {more:,} more", None, None, None, rest])
    name, half_life = f"{best['facet']} {best['value']}", f"{found['half_life_days']:g} days"
    title = f"The {best['points']:,.2f} points of {name}: weight · 2^(-age / {half_life})"
    narrator.table(title, ["product", "bought", "weight", "age in days", "points"], events)
    return found


def _search(target: Target, report: SyncReport, household: str, narrator: Narrator) -> dict[str, Any]:
    narrator.heading("4. The same search, before and after")
    filters = report.computed.knowledge.documents[household]["optionalFilters"]
    with ReadClient(target, "mock-storefront") as client:
        for query in QUERIES:
            plain = client.search(INDEX, {"query": query, "hitsPerPage": HITS})["hits"]
            mine = client.search(INDEX, _parameters(query, filters))["hits"]
            if [hit["objectID"] for hit in plain] != [hit["objectID"] for hit in mine]:
                break
    rows = [
        [number, _title(before), _title(after), after["_rankingInfo"]["filters"]]
        for number, (before, after) in enumerate(zip(plain, mine, strict=True), start=1)
    ]
    title = f"“{query}” for anybody, and for household {household}"
    narrator.table(title, ["", "anybody", "this household", "filter score"], rows)
    narrator.say(f"The search carried optionalFilters: {filters}")
    return {
        "query": query,
        "optionalFilters": filters,
        "before": [hit["objectID"] for hit in plain],
        "after": [hit["objectID"] for hit in mine],
    }


def _parameters(query: str, filters: Any) -> dict[str, Any]:
    return {"query": query, "hitsPerPage": HITS, "optionalFilters": filters, "getRankingInfo": True}


def _title(hit: Mapping[str, Any]) -> str:
    return f"{hit['name']} ({hit['brand']})"


def _related(target: Target, profile: Mapping[str, Any], narrator: Narrator) -> dict[str, Any]:
    narrator.heading("5. What goes with a product?")
    favourites = [event["objectID"] for affinity in profile["affinities"] for event in affinity["events"]]
    with ReadClient(target, "mock-read") as client:
        products = [record for record in client.get_objects(INDEX, list(dict.fromkeys(favourites))) if record]
        lists = [_names(client, product, "bought_together") for product in products]
        # The product whose company is the most varied: a hundred sizes of one soup say little.
        number = max(range(len(products)), key=lambda n: (len(set(lists[n]) - {products[n]["name"]}), -n))
        product = products[number]
        own = product["algosync"]
        names = {"similar": _names(client, product, "similar"), "bought_together": lists[number]}
    rows = [[kind.replace("_", " "), ", ".join(found)] for kind, found in names.items()]
    narrator.say(
        f"{product['name']} ({product['department']}, popularity {own.get('popularity', 0)} of 10, price tier "
        f"{own.get('price_tier', 'unknown')}) now carries these lists, ready for the product page:"
    )
    narrator.table(product["name"], ["list", "products"], rows)
    return {"objectID": product["objectID"], "algosync": own}


def _names(client: ReadClient, product: Mapping[str, Any], kind: str) -> list[str]:
    """The names of the first products in one of a product's lists."""
    ids = product["algosync"].get(kind, [])[:5]
    return [record["name"] for record in client.get_objects(INDEX, ids, ["name"]) if record is not None]


def _second_sync(runtime: Runtime, narrator: Narrator) -> SyncReport:
    narrator.heading("6. What does a second sync cost?")
    report = runtime.sync()
    totals = report.plan.summary()
    narrator.say(
        f"{totals['operations']:,} operations: nothing has changed, and {totals['unchanged']:,} payloads that are "
        "there already are not paid for again."
    )
    return report


def _story(directory: Path, target: Target, narrator: Narrator) -> list[dict[str, Any]]:
    narrator.heading("7. user123: two visits to a small bookstore")
    narrator.say("Each step is one more event in the shop's file, and one more sync.")
    with narrator.progress.stage("Replaying the visits", len(STEPS)) as advance:
        moments = play(directory, target, Silent(), lambda _: advance(1))
    names = list(moments[0].actions)
    narrator.table(
        "Which action fires when",
        ["user123", "is", "segments", *names],
        [
            [
                m.step.text,
                f"{m.visit} {m.state}",
                ", ".join(m.segments),
                *("fires" if m.actions[n] else "" for n in names),
            ]
            for m in moments
        ],
    )
    with ReadClient(target, "mock-read") as client:
        segment = client.get_objects("algosync_payloads", ["segment-segment2"])[0] or {}
    filters = segment.get("optionalFilters", [])
    plain, boosted = search_books(target, []), search_books(target, filters)
    rows = [[_book(before), _book(after)] for before, after in zip(plain, boosted, strict=True)]
    narrator.table("“novel”, without and with the boost of books of $10-25", ["anybody", "user123"], rows)
    narrator.say(f"A filter cannot say “Books and $10-25”; a tag on the products that match can: {filters}")
    return [_document(moment) for moment in moments]


def _book(hit: Mapping[str, Any]) -> str:
    return f"{hit['title']}, ${hit['price']:.2f}"


def _document(moment: Moment) -> dict[str, Any]:
    return {
        "at": moment.step.at,
        "step": moment.step.text,
        "visit": moment.visit,
        "state": moment.state,
        "segments": list(moment.segments),
        "actions": moment.actions,
    }


def _farewell(directory: Path, household: str, narrator: Narrator) -> None:
    narrator.heading("Next")
    narrator.say(
        f"The shop is yours, in {directory}/: edit algosync.toml, segments.json or actions.json and run it again.\n\n"
        f"  algosync mock --load products={directory}/products.parquet \\\n"
        "    --facets products=department,category,type,brand\n"
        f"  algosync setup --config {directory}/algosync.toml     (in another terminal, as the rest)\n"
        f"  algosync plan --config {directory}/algosync.toml\n"
        f"  algosync explain {household} --config {directory}/algosync.toml\n\n"
        "For your own shop copy config/algosync.toml, name your events and your index, put your keys into the "
        "environment, and begin with `algosync plan`: it changes nothing."
    )
