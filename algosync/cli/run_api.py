"""Runs the HTTP API in the foreground: settings in, an application out, served until it is told to stop."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from algosync.serve import collect, segment
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate
from algosync.serve.collect import Collector
from algosync.serve.experience import Door
from algosync.serve.server import Address, run
from algosync.serve.stored import Place, Stored, open_inbox
from algosync.settings import serving
from algosync.settings.answers import shop_answers
from algosync.settings.load import load
from algosync.settings.models import Settings
from algosync.settings.origins import CollectorSourceSettings
from algosync.stores.inbox import Inbox


def system_clock() -> datetime:
    """Now, in UTC; runtime.py has one too, and analytics engines that a server has no use for."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How the API runs.

    Attributes:
        config: The settings file.
        host: In place of serve.host.
        port: In place of serve.port.
        verbose: Whether every request is logged.
    """

    config: Path
    host: str | None = None
    port: int | None = None
    verbose: bool = False


def run_api(options: ServeOptions, ready: Callable[[Mapping[str, Any]], None]) -> None:
    """Serves until interrupted.

    Args:
        options: How.
        ready: Called with where it listens, and what it serves from.

    Raises:
        ConfigError: The settings are wrong.
        StoreError: The snapshot is of another version, or the inbox cannot be opened.
        AlgosyncError: The port is taken.
    """
    log_json(verbose=options.verbose)
    settings = load(options.config)
    serve = settings.serve
    host, port = options.host or serve.host, serve.port if options.port is None else options.port
    with open_api(settings, options.config.absolute().parent) as (app, desk):

        def listening(url: str) -> None:
            has_keys = bool(serve.public_keys or serve.visitor_secrets or serve.admin_key or serve.secured_parent_key)
            ready({"url": url, "keys": has_keys, **asdict(desk.condition())})

        run(app, Address(host=host, port=port, proxies=serve.trusted_proxies), listening)


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
    with open_inbox(place) as inbox:
        desk = Stored(place, shop, inbox)
        try:
            desk.check()
            gate = Gate(serving.keys(serve, settings.algolia.storefront_api_key), desk.person)
            door = Door(gate=gate, limits=serving.limits(serve), clock=clock)
            actions = frozenset(action.id for action in shop.actions.items)
            told = Collector(inbox=Inbox(inbox), gate=door, now=clock, actions=actions, tokens_of=desk.tokens_of)
            routes = tuple(_collecting(settings, told))
            yield make_app(Parts(door=door, desk=desk, routes=routes, origins=serve.allow_origins)), desk
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
            yield from segment.routes(segment.Webhook(segment=told, inbox=collector.inbox, now=collector.now))


def log_json(*, verbose: bool) -> None:
    """Log lines as JSON on stderr: warnings and worse, or every request; never a key, a token or a traceback."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
