"""The section [[webhooks]]: who is told of what, and by which secret it is signed.

Secrets belong into the environment: ALGOSYNC_WEBHOOK_SECRETS__CRM for the webhook named `crm`. The shape of requests
and secrets is that of Standard Webhooks 1.0 (https://www.standardwebhooks.com). Also turns the section into what the
rooms below understand.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from algosync.errors import ConfigError
from algosync.settings.origins import Section

if TYPE_CHECKING:
    from algosync.operate.webhooks import Receiver
    from algosync.profiles.actions import Actions
    from algosync.profiles.conditions import Segments
    from algosync.settings.models import Settings
    from algosync.sync.telling import Listener

PREFIX: Final = "whsec_"
_KINDS: Final = ("failure", "brake", "entered", "left", "action")
_ABOUT: Final = {"entered": "segment", "left": "segment", "action": "action"}
_BYTES: Final = range(24, 65)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = ("webhook-", "content-", "host", "transfer-encoding", "connection", "accept-encoding")
_HOW: Final = f"{PREFIX} and base64 of 24 to 64 random bytes; `openssl rand -base64 32` makes them"


def _one_or_more(given: Any) -> Any:
    return given if given is None or isinstance(given, list | tuple) else (given,)


def _sound(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not secrets:
        raise ValueError(f"must be {_HOW}")
    for secret in secrets:
        try:
            key = b64decode(secret.get_secret_value().removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"must be {_HOW}") from None
        if len(key) not in _BYTES:
            raise ValueError(f"must be {_HOW}")
    return secrets


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_one_or_more)]
"""One, or several while one takes the place of another: each signs."""


class WebhookSettings(Section):
    """Somebody who is told what happens.

    Attributes:
        name: What it is called here, and in the name of the variable that holds its secret.
        url: Where to post; https, or http on this machine. It is shown nowhere: such addresses often are secrets.
        on: What it is told of: failure, brake, entered:<segment>, left:<segment>, action:<id>; `*` for any of a kind.
        secret: Signs what is sent; several while one takes the place of another.
        timeout_seconds: How long one request may take as a whole.
        headers: Further headers, such as Authorization.
        give_up_hours: What could not be delivered for so long is given up.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)
    url: SecretStr
    on: tuple[str, ...] = Field(min_length=1)
    secret: Secrets | None = None
    timeout_seconds: float = Field(default=15, gt=0, le=60)
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    give_up_hours: float = Field(default=72, gt=0, le=720)

    @field_validator("url")
    @classmethod
    def _safe(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        if not host or parts.scheme not in ("https", "http") or re.search(r"[\s\x00-\x1f\x7f]", url.get_secret_value()):
            raise ValueError("must be a URL such as https://crm.example/hooks/algosync")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold no user and password; set headers = { Authorization = … }")
        if parts.scheme == "http" and not _is_here(host):
            raise ValueError("must begin with https://; http:// is for receivers on this machine (127.0.0.1) alone")
        return url

    @field_validator("on")
    @classmethod
    def _known_kinds(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            kind, colon, subject = name.partition(":")
            if kind not in _KINDS or bool(colon) != (kind in _ABOUT) or (colon and not subject):
                allowed = [f"{kind}:<{_ABOUT[kind]}> or {kind}:*" if kind in _ABOUT else kind for kind in _KINDS]
                raise ValueError(f"'{name}' is none of {', '.join(allowed)}")
        return tuple(dict.fromkeys(names))

    @field_validator("secret")
    @classmethod
    def _whole(cls, secrets: tuple[SecretStr, ...] | None) -> tuple[SecretStr, ...] | None:
        return None if secrets is None else _sound(secrets)

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower().startswith(_OURS):
                raise ValueError(f"'{name}' is no header that may be set")
            if not value.get_secret_value().isascii() or re.search(r"[\x00-\x1f\x7f]", value.get_secret_value()):
                raise ValueError(f"the value of '{name}' cannot be sent as a header")
        return headers


def check(webhooks: Sequence[WebhookSettings], secrets: Mapping[str, tuple[SecretStr, ...]]) -> None:
    """Checks what only holds for all webhooks and the environment's secrets together.

    Raises:
        ValueError: Two have the same name, one has no secret, or a secret belongs to none.
    """
    names = [webhook.name for webhook in webhooks]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"webhook names must differ; repeated: {', '.join(repeated)}")
    if unknown := sorted(secrets.keys() - set(names)):
        raise ValueError(f"webhook_secrets.{unknown[0]}: no webhook has this name")
    for name, given in secrets.items():
        try:
            _sound(given)
        except ValueError as error:
            raise ValueError(f"webhook_secrets.{name}: {error}") from None
    for webhook in webhooks:
        if webhook.secret is None and webhook.name not in secrets:
            variable = f"ALGOSYNC_WEBHOOK_SECRETS__{webhook.name.upper()}"
            raise ValueError(f"webhooks.{webhook.name}.secret: is missing; set {variable} to {_HOW}")


def receivers(settings: Settings) -> tuple[Receiver, ...]:
    """Who is told, as those who send need it."""
    from algosync.operate.webhooks import Receiver

    return tuple(
        Receiver(
            name=webhook.name,
            url=webhook.url.get_secret_value(),
            keys=tuple(map(_key, settings.webhook_secrets.get(webhook.name) or webhook.secret or ())),
            timeout_s=webhook.timeout_seconds,
            headers={name: value.get_secret_value() for name, value in webhook.headers.items()},
            give_up_after=timedelta(hours=webhook.give_up_hours),
        )
        for webhook in settings.webhooks
    )


def listeners(settings: Settings, segments: Segments, actions: Actions) -> tuple[Listener, ...]:
    """Who is told of what.

    Raises:
        ConfigError: A webhook waits for a segment or action that there is not, or an action for a webhook.
    """
    from algosync.sync.telling import Listener

    by_webhook = [action.id for action in actions.items if action.effect == "webhook"]
    known = {"entered": segments.ids, "left": segments.ids, "action": by_webhook}
    found = tuple(Listener(name=webhook.name, on=webhook.on) for webhook in settings.webhooks)
    for listener in found:
        _check_subjects(listener.name, listener.on, known)
    for action in by_webhook:
        if not any(listener.hears(f"action:{action}") for listener in found):
            raise ConfigError(
                "no webhook is told of this action",
                where=f"{settings.actions.file}: {action}.effect.webhook",
                hint=f'Add "action:{action}" to `on` of one of [[webhooks]]',
            )
    return found


def _check_subjects(name: str, on: Iterable[str], known: Mapping[str, Sequence[str]]) -> None:
    for wanted in on:
        kind, _, subject = wanted.partition(":")
        if kind in known and subject not in ("*", *known[kind]):
            what = "segment" if kind != "action" else "action of the effect webhook"
            there = ", ".join(known[kind]) or "none"
            raise ConfigError(
                f"'{wanted}': there is no such {what}", where=f"webhooks.{name}.on", hint=f"There are: {there}"
            )


def _key(secret: SecretStr) -> bytes:
    return b64decode(secret.get_secret_value().removeprefix(PREFIX))


def _is_here(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
