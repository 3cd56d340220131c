"""Who asks, and for whom: visitor keys, the shop's admin key, the public key with an unguessable token, secured keys.

A key is compared in constant time and is never part of an error or a log line. What a key opens is decided here; what
the snapshot says of the token is asked of `known`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from algosync.errors import AccessError, ConfigError, ForbiddenError, RequestError
from algosync.experience import keys as visitor_keys
from algosync.serve.anonymous import refuse_guessable, refuse_known
from algosync.serve.secured import SecuredKeys

Way = Literal["visitor", "admin", "anonymous"]
VERIFIED_KEPT: Final = 10_000
_HINT: Final = "Send it as `Authorization: Bearer KEY`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that the shop configured.

    Attributes:
        public: Keys of storefronts without a backend; everybody can read them.
        admin: The shop's own key, which opens every token.
        visitor_secrets: The first signs visitor keys, all verify them.
        secured_parent: The parent of secured API keys.
        storefront: The key that the shop's pages search with.
    """

    public: Sequence[str] = ()
    admin: str | None = field(default=None, repr=False)
    visitor_secrets: Sequence[str] = field(default=(), repr=False)
    secured_parent: str | None = field(default=None, repr=False)
    storefront: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks.

    Attributes:
        user_token: The one token that the key opens; None where the request names it.
        way: By which kind of key.
    """

    user_token: str | None
    way: Way

    @property
    def authenticated(self) -> bool:
        """Whether the shop vouches for the token, so that it may belong to somebody who logged in."""
        return self.way != "anonymous"


class Verified:
    """Visitor keys that were verified, so that a page's next request costs no signature.

    Args:
        secrets: The secrets.
        kept: Keys kept at most; the one verified longest ago goes first.
    """

    def __init__(self, secrets: Sequence[str], *, kept: int = VERIFIED_KEPT) -> None:
        self._secrets = secrets
        self._kept = kept
        # By the key itself: a look-up compares hashes that hold a secret of this process, and texts that have the same
        # one, so its time tells nobody how much of a key is right. Secrets themselves are compared in constant time.
        self._held: OrderedDict[str, tuple[datetime, datetime, Visitor]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def held(self, key: str, now: datetime) -> Visitor | None:
        """Who holds a key that was verified before; None for any other."""
        held = self._held.get(key)
        return held[2] if held is not None and held[0] <= now < held[1] else None

    def holder(self, key: str, now: datetime) -> Visitor:
        """Who holds a key. A held one counts from when it was verified until it runs out, and never longer.

        Raises:
            AccessError: It is none, or has run out.
        """
        held = self.held(key, now)
        if held is not None:
            return held
        claims = visitor_keys.verify(key, secrets=self._secrets, now=now)
        while len(self._held) >= self._kept:
            self._held.pop(next(iter(self._held), ""), None)
        visitor = Visitor(user_token=claims.user_token, way="visitor")
        self._held[key] = (now, claims.expires + visitor_keys.SKEW, visitor)
        return visitor


class Gate:
    """Opens for keys.

    Args:
        keys: The keys that the shop configured.
        known: Reads the document of the person that a token belongs to; None if there is none.

    Raises:
        ConfigError: A secret is too short, or one key is both public and something else.
    """

    def __init__(self, keys: Keys, known: Callable[[str], Mapping[str, Any] | None]) -> None:
        if keys.visitor_secrets:
            visitor_keys.checked(keys.visitor_secrets)
        secret = {key for key in (keys.admin, keys.secured_parent, *keys.visitor_secrets) if key}
        if secret & set(keys.public):
            raise ConfigError("a secret key is among the public ones", where="serve.public_keys")
        if keys.storefront is not None and keys.storefront in (keys.admin, *keys.visitor_secrets):
            raise ConfigError("a secret key is the storefront's, which everybody can read", where="serve")
        self._keys = keys
        self._known = known
        self._public = [_digest(key) for key in keys.public]
        self._admin = None if keys.admin is None else _digest(keys.admin)
        self._verified = Verified(keys.visitor_secrets)
        self.secured = SecuredKeys(keys.secured_parent, keys.storefront)

    def opens(self, key: str | None, *, now: datetime, address: str = "") -> Visitor:
        """Who holds a key.

        Raises:
            AccessError: There is none, or it is forged, expired or unknown.
        """
        if not key:
            raise AccessError("a key is missing", where="authorization", hint=_HINT)
        # A key that was verified is none of those that are looked at below.
        if (visitor := self._verified.held(key, now)) is not None:
            return visitor
        self.secured.watch(key)
        digest = _digest(key)
        if self._admin is not None and hmac.compare_digest(digest, self._admin):
            return Visitor(user_token=None, way="admin")
        if any([hmac.compare_digest(digest, public) for public in self._public]):  # noqa: C419  # in constant time
            return Visitor(user_token=None, way="anonymous")
        try:
            return self._holder(key, now, address)
        except AccessError as error:
            raise AccessError(error.what, where="authorization", hint=error.hint) from None

    def _holder(self, key: str, now: datetime, address: str) -> Visitor:
        if key.count(".") != 2:
            return Visitor(user_token=self.secured.opens(key, now=now, address=address), way="visitor")
        if not self._keys.visitor_secrets:
            raise AccessError("visitor keys are not in use here", hint="Set serve.visitor_secrets")
        return self._verified.holder(key, now)

    def token_for(self, visitor: Visitor, asked: str | None) -> str:
        """The token that a request is about.

        Args:
            visitor: Who asks.
            asked: The token that the request names, if it does.

        Raises:
            ForbiddenError: It is another's.
            RequestError: No token is named, or one that others could guess by a public key.
        """
        if visitor.user_token is not None:
            if asked is not None and not hmac.compare_digest(asked.encode(), visitor.user_token.encode()):
                raise ForbiddenError(
                    "the key does not open this token", where="userToken", hint="Leave it out, or send its own key"
                )
            return visitor.user_token
        if asked is None:
            raise RequestError("is missing", where="userToken", hint="Name the visitor's token")
        if visitor.way == "anonymous":
            refuse_guessable(asked)
        return asked

    def allow(self, visitor: Visitor, token: str, person: Mapping[str, Any] | None) -> None:
        """Lets the answer be about a person.

        Raises:
            ForbiddenError: An anonymous token would open somebody who logged in.
        """
        if not visitor.authenticated:
            refuse_known(token, person)

    def may_write(self, visitor: Visitor, claims: Iterable[tuple[str, str | None]]) -> None:
        """Lets somebody leave events, a choice or an impression under some tokens.

        A visitor key stands for its userToken wherever an event names it: as userToken, or as authenticatedUserToken
        beside the anonymous token of the same browser.

        Args:
            visitor: Who writes.
            claims: (userToken, authenticatedUserToken or None) of each.

        Raises:
            ForbiddenError: Not under these.
            RequestError: A token could be guessed.
        """
        if visitor.way == "admin":
            return
        for token, authenticated in set(claims):
            if authenticated is not None and authenticated != visitor.user_token:
                raise ForbiddenError(
                    "the key does not open this token",
                    where="authenticatedUserToken",
                    hint="Send a visitor key from the shop's backend",
                )
            if token == visitor.user_token:
                continue
            if authenticated is None and visitor.user_token is not None:
                raise ForbiddenError("the key does not open this token", where="userToken")
            self._refuse_somebody(token)

    def _refuse_somebody(self, token: str) -> None:
        """The token of a browser in which somebody logged in goes on; the id of somebody who logs in does not."""
        refuse_guessable(token)
        person = self._known(token)
        if person is not None and person["person"] == token:
            refuse_known(token, person)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
