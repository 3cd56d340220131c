"""The HTTP API put together: settings in, an application over a shop's stores out.

Nothing is served here. What few ask for is loaded when somebody does: see `on_first_use`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from algosync.errors import AlgosyncError
from algosync.runtime.clock import system_clock
from algosync.runtime.forwarding import forwarding
from algosync.runtime.on_first_use import LazyReceipts, Open, lazy_preview
from algosync.serve import collect, explain, forward, segment
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate
from algosync.serve.collect import Collector
from algosync.serve.door import Door
from algosync.serve.health import Also
from algosync.serve.inbox_health import Room
from algosync.serve.stored import Place, Stored, open_inbox
from algosync.settings import rules, serving
from algosync.settings.answers import shop_answers
from algosync.settings.models import Settings
from algosync.settings.origins import CollectorSourceSettings
from algosync.stores.inbox import Inbox
from algosync.stores.tombstones import ForgottenAtHand


@contextmanager
def open_api(
    settings: Settings, base: Path, *, clock: Callable[[], datetime] = system_clock
) -> Iterator[tuple[ASGIApp, Stored]]:
    """The application over the stores of a shop, and the desk behind it.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        clock: Tells the time.

    Raises:
        ConfigError: The settings are wrong.
        StoreError: The snapshot is of another version, or the inbox cannot be opened.
    """
    serve = settings.serve
    place = Place(url=settings.state.url, directory=base / settings.state.directory)
    shop = shop_answers(settings, base)
    forgotten = ForgottenAtHand(place.url, place.directory, rules.hash_key(settings))
    with open_inbox(place) as inbox, closing(forgotten):
        desk = Stored(place, shop, inbox)
        try:
            desk.check()
            forgotten()
            gate = Gate(serving.keys(serve, settings.algolia.storefront_api_key), desk.person)
            door = Door(gate=gate, limits=serving.limits(serve), clock=clock)
            actions = frozenset(action.id for action in shop.actions.items)
            taken = Inbox(inbox, forgotten=forgotten)
            room = Room(taken, events_max=serve.inbox_max_events, bytes_max=serve.inbox_max_mb * 1_000_000)
            told = Collector(
                inbox=taken,
                gate=door,
                now=clock,
                actions=actions,
                tokens_of=lambda token: desk.tokens_of(token, now=clock()),
                room=room.need,
            )
            routes = tuple(_collecting(settings, told))
            also = Also(
                problems=lambda: (*room.problems(), *_unknown(forgotten)), forwarding=partial(_forwarded, taken)
            )
            explainer = LazyReceipts(settings, base, clock)
            opened = Open(place=place, desk=desk, inbox=taken, door=door, explainer=explainer)
            with forwarding(settings, taken, clock), lazy_preview(settings, base, opened) as pages:
                every = (*routes, *explain.routes(door, explainer), *pages)
                parts = Parts(door=door, desk=desk, routes=every, origins=serve.allow_origins, also=also)
                yield make_app(parts), desk
        finally:
            desk.close()


def _collecting(settings: Settings, collector: Collector) -> Iterator[BaseRoute]:
    """The collector's routes; events only where a source of the type `collector` takes them out of the inbox again."""
    sources = [source for source in settings.sources if isinstance(source, CollectorSourceSettings)]
    for route in collect.routes(collector):
        if sources or not route.path.endswith("/events"):
            yield route
    for source in sources:
        if source.segment is not None:
            index = source.segment.index or settings.algolia.indices[0].name
            secret, facet = source.segment.secret.get_secret_value(), source.segment.list_facet
            told = segment.Segment(secret=secret, index=index, list_facet=facet)
            hook = segment.Webhook(segment=told, inbox=collector.inbox, now=collector.now, room=collector.room)
            yield from segment.routes(hook)


def _unknown(forgotten: ForgottenAtHand) -> tuple[str, ...]:
    """That nobody can be kept away who was forgotten, for /readyz: then no event is taken."""
    try:
        forgotten()
    except AlgosyncError as error:
        structlog.get_logger("algosync.serve").error("no event is taken", error=str(error))
        return ("who was forgotten is not known, so that no event is taken; see the server's log",)
    return ()


def _forwarded(inbox: Inbox, now: datetime) -> Mapping[str, Any] | None:
    return forward.document(inbox.forwarding.backlog(), now)
