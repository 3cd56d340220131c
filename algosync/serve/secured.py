"""Algolia's secured API keys as a way to ask: derived by the shop's backend from a parent key, each for one userToken.

A secured key is base64(hex HMAC-SHA256 of the parameters, with the parent as secret, then the parameters). The parent
must be a key made for this and sent to no browser: whoever holds it can sign for anybody. So a request that carries
the parent itself ends the scheme for this process, and so does a storefront key that is the same key.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import parse_qs

import structlog

from algosync.errors import AccessError

_SIGNATURE: Final = 64
_LONGEST: Final = 4096
_HINT: Final = "Ask the shop's backend for a new one"


class SecuredKeys:
    """The scheme with one parent.

    Args:
        parent: The key whose derived keys are taken; None where the shop does not use the scheme.
        storefront: The key that the shop's pages use, which everybody can read.
    """

    def __init__(self, parent: str | None, storefront: str | None = None) -> None:
        self._parent = parent
        self._log = structlog.get_logger("algosync.serve")
        self.on = parent is not None
        if parent is not None and storefront is not None and _same(parent, storefront):
            self._disable("serve.secured_parent_key is the storefront's key, which every visitor can read")

    def watch(self, key: str) -> None:
        """Looks whether somebody holds the parent, and ends the scheme if so.

        Raises:
            AccessError: The key is the parent.
        """
        if self._parent is not None and _same(key, self._parent):
            if self.on:
                self._disable("a request carried the parent key itself: it is known to others, replace it")
            raise AccessError("the key opens nothing here", hint="Send a key derived from it, never the key itself")

    def opens(self, key: str, *, now: datetime, address: str) -> str:
        """The userToken that a secured key is restricted to.

        Raises:
            AccessError: The scheme is off, or the key is no key of the parent's, has run out, is held from elsewhere,
                or is restricted to no single userToken.
        """
        parameters = self._parameters(key)
        until = _single(parameters, "validUntil")
        if until is not None and not (until.isdecimal() and len(until) < 19 and int(until) >= now.timestamp()):
            raise AccessError("the secured API key has expired", hint=_HINT)
        source = _single(parameters, "restrictSources")
        if source and not _within(address, source):
            raise AccessError("the secured API key is not valid from this address", hint=_HINT)
        token = _single(parameters, "userToken")
        if not token:
            raise AccessError(
                "the secured API key opens no userToken", hint="Restrict it to one: generate it with userToken"
            )
        return token

    def _parameters(self, key: str) -> dict[str, list[str]]:
        if not self.on or self._parent is None or len(key) > _LONGEST:
            raise AccessError("the key is unknown", hint=_HINT)
        try:
            text = b64decode(key, validate=True).decode()[_SIGNATURE:]
        except ValueError:
            raise AccessError("the key is unknown", hint=_HINT) from None
        # Signing anew and comparing the whole also refuses other spellings of the same base64.
        if not text or not _same(key, _signed(self._parent, text)):
            raise AccessError("the key is unknown", hint=_HINT)
        return parse_qs(text, keep_blank_values=True)

    def _disable(self, why: str) -> None:
        self.on = False
        self._log.error("secured API keys are switched off", why=why)


def _signed(parent: str, parameters: str) -> str:
    signature = hmac.digest(parent.encode(), parameters.encode(), "sha256").hex()
    return b64encode(f"{signature}{parameters}".encode()).decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _single(parameters: dict[str, list[str]], name: str) -> str | None:
    """A parameter that is there once; one that is there twice could be read in two ways."""
    values = parameters.get(name, [])
    if len(values) > 1:
        raise AccessError(f"the secured API key says {name} more than once", hint=_HINT)
    return values[0] if values else None


def _within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False
