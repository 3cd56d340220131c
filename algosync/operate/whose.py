"""Who is meant by a customer id or a token: all names that are hers alone, and all events of hers.

A token at which nobody but her ever logged in is hers, with all that happened there; at one that others use too, only
what `identify` says is hers. Reads the log, the inbox, the snapshot and the orders; changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend
from sqlalchemy import or_, select

from algosync.errors import RequestError
from algosync.events.cut import KEYS, all_of, keys_of
from algosync.events.log import EventLog
from algosync.profiles.identity import identify
from algosync.stores.inbox_tables import inbox as inbox_table
from algosync.stores.orders import given
from algosync.stores.snapshot import Snapshot
from algosync.stores.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What is somebody's.

    Attributes:
        person: The customer id, or the token of somebody who never logged in.
        names: All names that are hers alone, her own first, the others sorted.
        shared: Tokens at which others logged in too.
        events: All events of hers (KEYS).
        apart: Those of them at shared tokens (KEYS).
        numbers: Of her names in the log's dictionary.
        product: Those of her names that are a product's id too.
        arrived: Numbers of events in the inbox that are hers and do not say so; see `operate.arrived`.
    """

    person: str
    names: tuple[str, ...]
    shared: tuple[str, ...] = ()
    events: pa.Table
    apart: pa.Table
    numbers: tuple[int, ...] = ()
    product: frozenset[str] = frozenset()
    arrived: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """Where people are named.

    Attributes:
        backend: The analytics engine.
        log: The event log.
        snapshot: What the last run knew.
        inbox: The inbox's database.
    """

    backend: Backend
    log: EventLog
    snapshot: Snapshot
    inbox: State


def whose(user: str, shelves: Shelves, aliases: Sequence[str] = (), known: Collection[str] = ()) -> Whose:
    """What is of whoever is called so.

    Args:
        user: A customer id, or any of her tokens.
        shelves: Where people are named.
        aliases: What the shop's sources make of such a name.
        known: Names that were found to be hers before.

    Raises:
        RequestError: Several customers use this token.
        StoreError: Something cannot be read.
    """
    shelves.log.view(shelves.backend.con)
    ids = shelves.log.ids("token")
    numbers = dict(zip(ids["value"].to_pylist(), ids["id"].to_pylist(), strict=True))
    events = shelves.backend.table("events")
    called = next((name for name in (user, *aliases) if name in numbers), user)
    person = _person(called, shelves, events, numbers)
    mine = {called, person, *known} | _linked(person, shelves)
    logins = _logins(events, mine, numbers)
    for token, login in _waiting(shelves.inbox, mine):
        logins.setdefault(token, set()).update(() if login is None else (login,))
    shared = {token for token, who in logins.items() if who - {person, called} and token != person} - {user}
    names = (mine | logins.keys() | {user, *aliases}) - shared
    hers, apart = _events(events, person, names, shared, numbers)
    objects = shelves.log.ids("object")["value"]
    also = pc.is_in(pa.array(sorted(names), pa.string()), value_set=objects.combine_chunks())
    return Whose(
        person=person,
        names=(person, *sorted(names - {person})),
        shared=tuple(sorted(shared)),
        events=hers,
        apart=apart,
        numbers=tuple(sorted(numbers[name] for name in names if name in numbers)),
        product=frozenset(name for name, it_is in zip(sorted(names), also.to_pylist(), strict=True) if it_is),
    )


def _person(called: str, shelves: Shelves, events: ir.Table, numbers: Mapping[str, int]) -> str:
    """The customer who uses a token, if any does; who is a customer is meant herself."""
    names = {number: name for name, number in numbers.items()}
    number = numbers.get(called)
    found: set[str] = set()
    if number is not None:
        if events.filter(events.auth == number).limit(1).count().to_pyarrow().as_py():
            return called
        rows = events.filter((events.token == number) & events.auth.notnull()).select("auth").distinct().to_pyarrow()
        found = {names[login] for login in rows["auth"].to_pylist()}
    waiting = _waiting(shelves.inbox, {called})
    if any(login == called for _, login in waiting):
        return called
    found |= {login for token, login in waiting if token == called and login is not None}
    if len(found) > 1:
        hint = "Name the customer; what is hers at this token goes with her"
        raise RequestError(f"{len(found)} customers use this token", where="user", hint=hint)
    if found:
        return found.pop()
    stored = shelves.snapshot.person(called)
    if stored is not None:
        return str(stored["person"])
    ordered = [one.person for one in given(shelves.log.states[0]) if one.name == called]
    return ordered[-1] if ordered else called


def _linked(person: str, shelves: Shelves) -> set[str]:
    """The tokens that a snapshot or an order says are hers."""
    ordered = {one.name for one in given(shelves.log.states[0]) if one.person == person}
    return {*shelves.snapshot.tokens_of(person), *ordered}


def _logins(events: ir.Table, mine: Collection[str], numbers: Mapping[str, int]) -> dict[str, set[str]]:
    """Tokens with which any of these names was seen, and who logged in there."""
    names = {number: name for name, number in numbers.items()}
    wanted = [numbers[name] for name in mine if name in numbers]
    if not wanted:
        return {}
    tokens = events.filter(events.auth.isin(wanted) | events.token.isin(wanted)).select("token").distinct()
    rows = events.semi_join(tokens, "token").select("token", "auth").distinct().to_pyarrow()
    found: dict[str, set[str]] = {}
    for token, login in zip(rows["token"].to_pylist(), rows["auth"].to_pylist(), strict=True):
        found.setdefault(names[token], set()).update(() if login is None else (names[login],))
    return found


def _waiting(opened: State, names: Collection[str]) -> list[tuple[str, str | None]]:
    """(token, login) of events in the inbox that name somebody, or came from a token that did."""
    c = inbox_table.c
    with opened.read() as connection:
        some = sorted(names)
        near = select(c.token).where(or_(c.token.in_(some), c.auth.in_(some))).distinct()
        tokens = sorted(connection.scalars(near))
        rows = connection.execute(select(c.token, c.auth).where(c.token.in_(tokens)).distinct())
        return [(token, login) for token, login in rows]


def _events(
    events: ir.Table, person: str, names: Collection[str], shared: Collection[str], numbers: Mapping[str, int]
) -> tuple[pa.Table, pa.Table]:
    """All events of hers, and those of them at shared tokens."""
    wanted = [numbers[name] for name in names if name in numbers]
    both = [numbers[name] for name in shared if name in numbers]
    if not wanted:
        return KEYS.empty_table(), KEYS.empty_table()
    columns = ("key_hi", "key_lo")
    alone = events.filter(events.token.isin(wanted) | events.auth.isin(wanted)).select(*columns).to_pyarrow()
    if not both or person not in numbers:
        return keys_of(alone), KEYS.empty_table()
    identified = identify(events.filter(events.token.isin(both)))
    here = identified.filter((identified.person == numbers[person]) | identified.auth.isin(wanted))
    apart = keys_of(here.select(*columns).to_pyarrow())
    return all_of(keys_of(alone), apart), apart
