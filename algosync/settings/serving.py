"""The section [serve]: where the API listens, its keys, whose pages may call it and how often.

Secrets belong into the environment: ALGOSYNC_SERVE__VISITOR_SECRETS='["…"]', ALGOSYNC_SERVE__ADMIN_KEY. Also turns
the section into what the room `serve` understands.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr, field_validator, model_validator

from algosync.settings.origins import Section

if TYPE_CHECKING:
    from algosync.serve.auth import Keys
    from algosync.serve.limits import Limits

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")


class RateSettings(Section):
    """So many requests a second on average, and so many at once."""

    per_second: float = Field(gt=0)
    burst: int = Field(ge=1)


class ForwardSettings(Section):
    """Sending on to Algolia Insights what the collector takes in its place.

    Attributes:
        enabled: Whether; with a storefront that sends to Algolia too, each event would count twice there.
        segment: Whether also what comes by Segment's webhook.
        backlog_max: Events that may wait for Insights; beyond, the oldest are given up, and counted.
    """

    enabled: bool = False
    segment: bool = False
    backlog_max: int = Field(default=1_000_000, ge=1000)


class ServeSettings(Section):
    """The HTTP API.

    Attributes:
        host, port: Where it listens; port 0 takes a free one.
        public_keys: For storefronts without a backend; everybody can read them.
        admin_key: The shop's own, which opens every visitor.
        visitor_secrets: Sign and verify visitor keys: the first signs, all verify.
        secured_parent_key: The Algolia search key whose secured keys are taken; made for this, sent to no browser.
        allow_origins: Whose pages may call from a browser.
        trusted_proxies: Addresses whose X-Forwarded-For is believed.
        backends: Networks of the shop's own servers, whose requests are not counted by address.
        per_address, per_visitor: How often each may ask.
        inbox_max_events, inbox_max_mb: What may wait for the worker; beyond, events are refused (503) until it has run.
        forward: Sending events on to Algolia Insights.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8300, ge=0, le=65535)
    public_keys: tuple[Annotated[str, Field(min_length=16)], ...] = ()
    admin_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    visitor_secrets: tuple[Annotated[SecretStr, Field(min_length=32)], ...] = ()
    secured_parent_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    allow_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    per_address: RateSettings = RateSettings(per_second=50, burst=100)
    per_visitor: RateSettings = RateSettings(per_second=10, burst=50)
    inbox_max_events: int = Field(default=5_000_000, ge=1000)
    inbox_max_mb: int = Field(default=10_000, ge=10)
    forward: ForwardSettings = ForwardSettings()

    @model_validator(mode="after")
    def _backlog_fits(self) -> ServeSettings:
        if self.forward.enabled and self.forward.backlog_max * 2 > self.inbox_max_events:
            raise ValueError(
                "forward.backlog_max must be half of inbox_max_events at most:"
                " what waits for Insights must not keep the collector from taking events"
            )
        return self

    @field_validator("allow_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"'{origin}' must be an origin such as https://shop.example, without a path")
        return origins

    @field_validator("trusted_proxies", "backends")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            _network(network)
        return networks


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' must be an address or a network such as 10.0.0.0/8") from None


def keys(serve: ServeSettings, storefront: SecretStr | None) -> Keys:
    """The keys, as the gate takes them.

    Args:
        serve: The section.
        storefront: The key that the shop's pages search with.
    """
    from algosync.serve.auth import Keys

    return Keys(
        public=serve.public_keys,
        admin=_plain(serve.admin_key),
        visitor_secrets=tuple(secret.get_secret_value() for secret in serve.visitor_secrets),
        secured_parent=_plain(serve.secured_parent_key),
        storefront=_plain(storefront),
    )


def limits(serve: ServeSettings) -> Limits:
    """How often anybody may ask."""
    from algosync.serve.limits import Limits, Rate

    return Limits(
        address=Rate(per_second=serve.per_address.per_second, burst=serve.per_address.burst),
        caller=Rate(per_second=serve.per_visitor.per_second, burst=serve.per_visitor.burst),
        exempt=map(_network, serve.backends),
    )


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
