"""Puts the forwarding of events to Insights together: settings in, a thread at work out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from uuid import uuid4

from pydantic import SecretStr

from algosync.errors import ConfigError
from algosync.serve.forward import Forwarder, ForwardRules, running
from algosync.settings.models import Settings
from algosync.settings.origins import CollectorSourceSettings
from algosync.stores.inbox import Inbox


@contextmanager
def forwarding(settings: Settings, inbox: Inbox, clock: Callable[[], datetime]) -> Iterator[None]:
    """Forwards events as long as the context lasts, where the settings say so; else lets go of what was kept for it.

    Args:
        settings: The settings.
        inbox: The collector's own, so that both wait in one line.
        clock: Tells the time.

    Raises:
        ConfigError: There is no collector or no key, or Algolia cannot be addressed.
        StoreError: The inbox cannot be written.
    """
    forward = settings.serve.forward
    if not forward.enabled:
        inbox.forwarding.end(clock())
        yield
        return
    if not any(isinstance(source, CollectorSourceSettings) for source in settings.sources):
        hint = 'Add a source with type = "collector", or switch forwarding off'
        raise ConfigError("there is nothing to forward: no events are collected", where="serve.forward", hint=hint)
    from algosync.algolia.insights import InsightsClient
    from algosync.algolia.target import Target

    algolia = settings.algolia
    target = Target(app_id=algolia.app_id, hosts=algolia.hosts)
    with closing(InsightsClient(target, _key(settings).get_secret_value(), algolia.region)) as insights:
        inbox.forwarding.begin()
        rules = ForwardRules(
            segment=forward.segment,
            consent_missing=settings.events.consent_missing,
            backlog_max=forward.backlog_max,
        )
        forwarder = Forwarder(
            inbox=inbox, insights=insights, rules=rules, clock=clock, holder=uuid4().hex, jitter=random.random
        )
        with running(forwarder):
            yield


def _key(settings: Settings) -> SecretStr:
    """Insights takes a search key; the one that may do least comes first."""
    found = settings.algolia.storefront_api_key or settings.algolia.read_api_key
    if found is None:
        raise ConfigError(
            "is missing: Insights takes events with a search key",
            where="algolia.storefront_api_key",
            hint="Set ALGOSYNC_ALGOLIA__STOREFRONT_API_KEY",
        )
    return found
