"""The keys of an application: found, checked and counted at each request; added, changed, deleted, restored.

Owns every refusal of a request for its key's sake, before its route is known. Knows no HTTP. No message holds a key's
value.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from algosync.errors import AlgoliaError
from algosync.mock.keys import Caller, Key, restrict
from algosync.mock.secured import Restrictions, fits_any, parent_of, parse_restrictions

HOUR_MS = 3_600_000
DELETED_KEPT = 1000
"""How many deleted keys can be restored; the oldest are forgotten first."""
FOREIGN = "The mock takes its admin key from programs and pages of this machine (localhost, *.localhost, *.test)"
"""Everybody knows that key: without this any page that its user visits could take the mock's data away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysState:
    """The keys of an application at one moment."""

    keys: Mapping[str, Key]
    deleted: Mapping[str, Key]


class KeyRing:
    """The keys of one application.

    Args:
        app_id: The application's id.
        keys: Its keys to begin with.
        now_ms: Tells the time, in epoch milliseconds.
    """

    def __init__(self, app_id: str, keys: Sequence[Key], now_ms: Callable[[], int]) -> None:
        self.app_id = app_id
        self._now_ms = now_ms
        self._keys = {key.value: self._dated(key, key.created_ms or now_ms()) for key in keys}
        self._deleted: dict[str, Key] = {}
        self._calls: dict[tuple[str, str], deque[int]] = {}
        self._made = 0

    def authenticate(self, caller: Caller) -> Key:
        """The key behind a request, with its restrictions; the call counts against the key's limit.

        Raises:
            AlgoliaError: 403 where the application or the key is missing or unknown, or where the key may not be used
                from there; 400 where a secured key has expired; 429 where the key's calls of the hour are used up.
        """
        self._expire()
        key = self._find(caller.key or "") if caller.app_id == self.app_id else None
        if key is None:
            raise AlgoliaError("Invalid Application-ID or API key", status=403)
        if key.is_admin and caller.is_foreign:
            raise AlgoliaError(f"{FOREIGN}, not of {caller.origin}", status=403)
        now_ms = self._now_ms()
        for restrictions in key.restrictions:
            if restrictions.valid_until is not None and restrictions.valid_until * 1000 < now_ms:
                raise AlgoliaError('"validUntil" parameter expired (less than current date)', status=400)
        referers = [pattern for pattern in key.referers if pattern.strip()]
        if referers and not fits_any(referers, caller.referer or ""):
            raise AlgoliaError("Method not allowed with this referer", status=403)
        _check_source(key, caller.address)
        self._count(key, caller.address, now_ms)
        return key

    def _find(self, value: str) -> Key | None:
        key = self._keys.get(value)
        if key is not None:
            return replace(key, restrictions=_own_restrictions(key))
        found = parent_of(value, (name for name, key in self._keys.items() if not key.is_admin)) if value else None
        if found is None:
            return None
        parent = self._keys[found[0]]
        # The parent's come last: what it forces cannot be lifted by a key made from it.
        return replace(parent, secured=True, restrictions=(parse_restrictions(found[1]), *_own_restrictions(parent)))

    def _count(self, key: Key, address: str, now_ms: int) -> None:
        limit = key.max_queries_per_ip_per_hour
        if not limit:
            return
        token = restrict(key, {}).get("userToken") if key.secured else None
        who = f"address {address}" if token is None else f"token {token}"
        calls = self._calls.setdefault((key.value, who), deque())
        while calls and calls[0] <= now_ms - HOUR_MS:
            calls.popleft()
        if len(calls) >= limit:
            raise AlgoliaError("Too many requests", status=429)
        calls.append(now_ms)

    def look_up(self, asked: str, by: Key) -> Key:
        """A key for itself, or any key for an admin key (404 when there is none)."""
        if not by.is_admin and (by.secured or asked != by.value):
            raise AlgoliaError("Method not allowed with this API key", status=403)
        return self._known(asked)

    def listed(self) -> list[Key]:
        """All keys but the admin key and those that are private, oldest first."""
        self._expire()
        return [key for key in self._keys.values() if not key.is_admin and not key.is_private]

    def add(self, key: Key, address: str) -> Key:
        """Add a key, with a value made here; refused (403) from an address where it could not be used."""
        self._expire()
        _check_source(replace(key, restrictions=_own_restrictions(key)), address)
        added = self._dated(replace(key, value=self._new_value()), self._now_ms())
        self._keys[added.value] = added
        return added

    def change(self, value: str, key: Key) -> None:
        """Give a key other rights and restrictions; what is not said goes back to its default."""
        before = self._changeable(value)
        _own_restrictions(key)
        changed = self._dated(replace(key, value=value), self._now_ms())
        self._keys[value] = replace(changed, created_ms=before.created_ms, is_private=before.is_private)

    def delete(self, value: str) -> None:
        """Delete a key; it can be restored."""
        self._drop(self._changeable(value))

    def restore(self, value: str) -> Key:
        """Bring a deleted or expired key back, without an end to its validity (404 where there is none)."""
        self._expire()
        key = self._deleted.pop(value, None)
        if key is None:
            raise AlgoliaError("Key does not exist", status=404)
        self._keys[value] = replace(key, validity=0, expires_ms=0)
        return self._keys[value]

    def state(self) -> KeysState:
        """All keys, safe from later changes."""
        return KeysState(keys=dict(self._keys), deleted=dict(self._deleted))

    def put_back(self, state: KeysState) -> None:
        """Put all keys back as they were; calls counted against limits are forgotten."""
        self._keys, self._deleted = dict(state.keys), dict(state.deleted)
        self._calls.clear()

    def _known(self, value: str) -> Key:
        self._expire()
        key = self._keys.get(value)
        if key is None:
            raise AlgoliaError("Key does not exist", status=404)
        return key

    def _changeable(self, value: str) -> Key:
        key = self._known(value)
        if key.is_admin:
            raise AlgoliaError("The admin API key cannot be changed or deleted", status=403)
        return key

    def _new_value(self) -> str:
        while True:
            self._made += 1
            made = hashlib.sha256(f"{self.app_id} {self._made}".encode()).hexdigest()[:32]
            if made not in self._keys and made not in self._deleted:
                return made

    def _drop(self, key: Key) -> None:
        del self._keys[key.value]
        self._deleted[key.value] = key
        if len(self._deleted) > DELETED_KEPT:
            del self._deleted[next(iter(self._deleted))]

    def _expire(self) -> None:
        now_ms = self._now_ms()
        for key in [key for key in self._keys.values() if 0 < key.expires_ms <= now_ms]:
            self._drop(key)

    @staticmethod
    def _dated(key: Key, now_ms: int) -> Key:
        return replace(key, created_ms=now_ms, expires_ms=now_ms + key.validity * 1000 if key.validity else 0)


def _own_restrictions(key: Key) -> tuple[Restrictions, ...]:
    return (parse_restrictions(key.query_parameters),) if key.query_parameters else ()


def _check_source(key: Key, address: str) -> None:
    if not all(restrictions.allows_source(address) for restrictions in key.restrictions):
        raise AlgoliaError("Method not allowed with this source", status=403)
