"""Puts the preview together: the pages for holders of the admin key, over the stores and Algolia."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from starlette.routing import Route

from algosync.algolia.client import ReadClient
from algosync.errors import ConfigError
from algosync.runtime.on_first_use import Open
from algosync.serve.preview.backstage import Backstage
from algosync.serve.preview.routes import Preview, routes
from algosync.serve.preview.search import AlgoliaSearcher
from algosync.serve.preview.session import Sessions, session_secret
from algosync.serve.preview.stage import Stage
from algosync.serve.stored import Snapshots
from algosync.settings import rules as made
from algosync.settings.answers import shop_answers
from algosync.settings.models import Settings


@contextmanager
def preview_routes(settings: Settings, base: Path, opened: Open, key: str) -> Iterator[tuple[Route, ...]]:
    """The routes of the preview.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        opened: What the API has open.
        key: The admin key, which opens the preview.
    """
    searcher = AlgoliaSearcher(partial(_client, settings))
    snapshots = Snapshots(opened.place)
    stage = Stage(
        backstage=Backstage(opened.desk, snapshots, opened.inbox, partial(shop_answers, settings, base)),
        searcher=searcher,
        explainer=opened.explainer,
        indices=tuple(index.name for index in settings.algolia.indices),
        title=next(iter(settings.catalog.text), "name"),
        category=made.category_facet(settings),
        currency=settings.algolia.indices[0].currency or "",
    )
    sessions = Sessions(session_secret(key, _own_secret(settings)))
    door = opened.door
    try:
        yield tuple(
            routes(Preview(gate=door.gate, limits=door.limits, clock=door.clock, sessions=sessions, stage=stage))
        )
    finally:
        searcher.close()
        snapshots.close()


def _client(settings: Settings) -> ReadClient:
    algolia = settings.algolia
    key = algolia.read_api_key or algolia.storefront_api_key or algolia.write_api_key
    if key is None:
        hint = "Set ALGOSYNC_ALGOLIA__READ_API_KEY for `algosync serve`"
        raise ConfigError("there is no key to search with", where="algolia.read_api_key", hint=hint)
    return ReadClient(made.target(settings), key.get_secret_value())


def _own_secret(settings: Settings) -> str:
    """Algosync's own secrets, none of which somebody who logs in has to know."""
    secrets = [secret.get_secret_value() for secret in settings.serve.visitor_secrets[:1]]
    hashed = made.hash_key(settings)
    return "\0".join([*secrets, "" if hashed is None else hashed.hex()])
