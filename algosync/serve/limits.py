"""How often anybody may ask: token buckets per address and per caller, in a bounded memory.

Knows no HTTP and reads no clock: `now` comes with each question. A process counts for itself; several behind one
address allow as many times more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import Lock

from algosync.errors import TooManyRequestsError

KEPT = 100_000
"""Buckets kept at most. The one unused longest goes first; whoever it was for begins with a full one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many a second on average, and so many at once."""

    per_second: float
    burst: int


class Buckets:
    """One token bucket per name.

    Args:
        rate: How fast a bucket fills and how much it holds; None for no limit.
        kept: Buckets kept at most.
    """

    def __init__(self, rate: Rate | None, *, kept: int = KEPT) -> None:
        self._rate = rate
        self._kept = kept
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float, cost: int = 1) -> float:
        """Takes some from a bucket.

        Args:
            name: Whose.
            now: Seconds; a clock set back fills no bucket and empties none.
            cost: How many; all of a full bucket at most.

        Returns:
            0 where there were as many, else the seconds until there are; then nothing was taken.
        """
        if self._rate is None:
            return 0.0
        full, per_second = self._rate.burst, self._rate.per_second
        asked = min(cost, full)
        with self._lock:
            left, then = self._buckets.pop(name, (full, now))
            if now > then:
                left = min(left + (now - then) * per_second, full)
            wait = 0.0 if left >= asked else (asked - left) / per_second
            self._buckets[name] = (left if wait else left - asked, now)
            if len(self._buckets) > self._kept:
                self._buckets.popitem(last=False)
        return wait


class Limits:
    """The limits of one process.

    Args:
        address: Of one address; an IPv6 network of 64 bits counts as one.
        caller: Of one visitor.
        exempt: Networks of the shop's own backends, whose addresses are not counted.
    """

    def __init__(
        self, *, address: Rate | None, caller: Rate | None, exempt: Iterable[IPv4Network | IPv6Network] = ()
    ) -> None:
        self._addresses = Buckets(address)
        self._callers = Buckets(caller)
        self._exempt = tuple(exempt)

    def by_address(self, address: str, now: float, cost: int = 1) -> None:
        """Counts a request of an address; a large one may count for several.

        Raises:
            TooManyRequestsError: It has had its share.
        """
        if not (self._exempt and self._is_exempt(address)):
            _refuse(self._addresses.take(_place(address), now, cost), "address")

    def by_caller(self, name: str, now: float) -> None:
        """Counts a request of a visitor.

        Raises:
            TooManyRequestsError: She has had her share.
        """
        _refuse(self._callers.take(name, now), "key")

    def _is_exempt(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._exempt)


def _place(address: str) -> str:
    """What an address is counted as: a subscriber is given a whole IPv6 /64, to draw addresses from at will."""
    if ":" not in address:
        return address
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else found.packed[:8].hex()


def _refuse(wait: float, where: str) -> None:
    if wait:
        raise TooManyRequestsError(
            "too many requests", where=where, hint="Wait as long as Retry-After says", retry_after_s=wait, status=429
        )
