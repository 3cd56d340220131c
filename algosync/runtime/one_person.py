"""One person's events: those of the log, and those of the inbox as the next run will take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources.collector import CollectorSource
from algosync.events.writer import ScratchWriter
from algosync.experience.arrivals import read
from algosync.experience.overlay import OverlayRules
from algosync.stores.inbox import KEPT, Inbox
from algosync.stores.view import View
from algosync.sync.explain import events_of, tokens_of
from algosync.sync.pull import EventSource, Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """Where events and what they are about lie.

    Attributes:
        backend: The analytics engine.
        writer: The log, and a scratch one on top of it.
        view: The snapshot.
        inbox: What storefronts sent.
        sources: The sources of events.
        overlay: How answers judge events of the inbox; None where they leave them to the next run.
        ordered: Names that the shop ordered something about.
    """

    backend: Backend
    writer: ScratchWriter
    view: View
    inbox: Inbox
    sources: tuple[EventSource, ...]
    overlay: OverlayRules | None
    ordered: frozenset[str]


class OnePerson:
    """The events of whoever is called so, and of whoever shares a token with her.

    Args:
        user: A customer id, or any token.
        held: Where events are.

    Attributes:
        hers: Her tokens, and whoever logged in there.
        names: All names that are needed, by their number in the log.
    """

    def __init__(self, user: str, held: Shelves) -> None:
        self._user = user
        self._held = held
        self.hers, self.names = self._read()

    def _read(self) -> tuple[frozenset[str], dict[int, str]]:
        """Reads the log with what the inbox holds of her.

        Returns:
            Her tokens and whoever logged in there; and all names that are needed, by their number.
        """
        held, user = self._held, self._user
        held.writer.log.view(held.backend.con)
        seeds = {user}
        stored = held.view.person(user)
        if stored is not None:
            seeds |= held.view.tokens_of(stored["person"]) | held.view.tokens_standing_with(stored["person"])
        ids = held.writer.log.ids("token")
        number = _number(ids, user)
        events = held.backend.table("events")
        if number is not None:
            seeds |= set(_called(ids, tokens_of(events, number)).values())
        if self._take_in(seeds):
            held.writer.log.view(held.backend.con)
            ids = held.writer.log.ids("token")
            number = _number(ids, user)
        named = held.ordered
        if number is None:
            return frozenset({user}), _called(ids, _numbers_of(ids, named))
        hers = events_of(held.backend.table("events"), number).select("token", "auth").distinct().to_pyarrow()
        wanted = {number, *(n for column in ("token", "auth") for n in hers[column].to_pylist() if n is not None)}
        return frozenset(_called(ids, wanted).values()), _called(ids, {*wanted, *_numbers_of(ids, named)})

    def _take_in(self, seeds: Iterable[str]) -> bool:
        """Takes the inbox's events of some tokens into the scratch log; whether there were any."""
        held = self._held
        intake = Intake(con=held.backend.con, writer=held.writer, products=_Products(held.view), advance=lambda _: None)
        taken = False
        if held.overlay is None:  # then answers leave the inbox to the next run
            return taken
        for one in held.sources:
            if isinstance(one.source, CollectorSource):
                cursor = held.writer.log.cursor(one.source.name)
                for batch in one.source.batches_of(seeds, cursor):
                    intake.take(batch, one, cursor=None)
                    taken = True
        return taken

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The log's number of each of these names."""
        return {name: number for number, name in self.names.items()}

    @cached_property
    def arrived(self) -> Mapping[int, bool]:
        """Keys of the inbox's events at her tokens, with whether the snapshot lacks them."""
        held, overlay = self._held, self._held.overlay
        if overlay is None:
            return {}
        identity, seq = held.view.inbox()
        contained = seq if held.inbox.identity() == identity else 0
        rows = held.inbox.of_tokens(self.hers, 0)
        return {one.key: row.seq > contained for row in rows for one in read(row, {}, overlay.arrivals)}

    def came(self, stored: datetime, moment: datetime) -> bool:
        """Whether anything came between a past run and the moment that is explained, or shortly before that run."""
        number = self.numbers.get(self._user)
        if number is None:
            return False
        events = events_of(self._held.backend.table("events"), number)
        since = min(stored, moment - KEPT)  # so far back a session can be seen
        sources = [one.source.name for one in self._held.sources if isinstance(one.source, CollectorSource)]
        lately = (events.ts > stored) | ((events.ts > since) & events.source.isin(sources or [""]))
        return bool(events.filter(lately & (events.ts <= moment)).count().to_pyarrow().as_py())


class _Products:
    """Products as the last run knew them, for events of the inbox: as answers count them."""

    def __init__(self, view: View) -> None:
        self._view = view

    def refs(self, accepted: pa.Table) -> pa.Table:
        """Of the products that these events name."""
        named = {name for name in accepted["object_id"].to_pylist() if name is not None}
        return pa.Table.from_pylist(list(self._rows(named)), schema=PRODUCT_REFS)

    def _rows(self, named: set[str]) -> Iterator[dict[str, Any]]:
        for name, product in self._view.products(named).items():
            pairs = sorted((facet, value) for facet, values in product["facets"].items() for value in values)
            facets = [{"facet": facet, "value": value} for facet, value in pairs]
            yield {"id": name, "price": product["price"], "digest": f"shelf {pairs!r}", "facets": facets}


def _number(ids: pa.Table, name: str) -> int | None:
    return next(iter(_numbers_of(ids, {name})), None)


def _numbers_of(ids: pa.Table, names: Iterable[str]) -> list[int]:
    wanted = pa.array(sorted(names), pa.string())
    found: list[int] = ids.filter(pc.is_in(ids["value"], value_set=wanted))["id"].to_pylist()
    return found


def _called(ids: pa.Table, numbers: Iterable[int]) -> dict[int, str]:
    hers = ids.filter(pc.is_in(ids["id"], value_set=pa.array(sorted(numbers), pa.int32())))
    return dict(zip(hers["id"].to_pylist(), hers["value"].to_pylist(), strict=True))
