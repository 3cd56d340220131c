"""The tally stage of a run: what overlays are made from, of those people only whose events changed since the last run.

A sum over the keys of a person's events tells whether anything of hers changed; a digest of the rules, whether all must
be counted anew. Chooses who is counted, and how many at a time; how anything is counted is `profiles.batch_tallies`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import ibis
import ibis.expr.types as ir
import orjson
import pyarrow as pa
from ibis.backends.duckdb import Backend

from algosync.events.duck import run
from algosync.profiles.attributes import entered
from algosync.profiles.batch_moments import whole_division
from algosync.profiles.batch_tallies import Counts, documents, marks, parted
from algosync.profiles.identity import denied_persons, standings
from algosync.profiles.streams import Standing
from algosync.profiles.tally_document import dump_standing, pack
from algosync.stores.tallies import Renewal, Tallies
from algosync.stores.view import OPEN, REFUSED, SETTLED
from algosync.sync.digests import digest
from algosync.sync.profiles import Census, PeopleRules, lent
from algosync.sync.tally_rules import rules_digest

PARTS: Final = pa.schema([("part", pa.int64()), ("mark", pa.int64())])
STANDINGS: Final = pa.schema(
    [
        *[(name, pa.int32()) for name in ("token", "epoch", "login", "owner")],
        *[(name, pa.bool_()) for name in ("logged_in_before", "epoch_after_login")],
        *[("second", pa.int64()), ("session_id", pa.string())],
    ]
)
_DOCUMENTS: Final = ibis.schema({"part": "int64", "doc": "string"})
ENTERED: Final = pa.schema([("person", pa.int64()), ("key", pa.string()), ("value", pa.string())])
_SHARES: Final = ("people_turn_events", "people_turn_net")
_AT_ONCE: Final = 10_000

EVENTS_AT_ONCE: Final = 250_000
"""More are counted in turns: a text cannot leave memory while it grows, and they grow by some 600 bytes an event."""

Anchor = tuple[int, int, str]
"""The last id of a dictionary, how many there are up to it, and what it stands for: an older one still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the tallies of a run were made from, for the next run. Persons and tokens are ids of the dictionary.

    Attributes:
        mark: The snapshot that holds these tallies bears it.
        rules: Digest of all that decides what a tally holds, but for the events.
        anchor: How the token dictionary ended.
        parts: (part, mark): see `profiles.batch_tallies.marks`.
        standings: Of every token that ever saw a login or logout.
        entered: (person, key, value) of users sources.
    """

    mark: str
    rules: str
    anchor: Anchor
    parts: pa.Table
    standings: pa.Table
    entered: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What tallies are made from.

    Attributes:
        backend: Holds the tables.
        tables: Of the run's census.
        rules: What makes a profile.
        tokens: The token dictionary (id, value), by id.
        objects: What products are called: the object dictionary (id, value).
    """

    backend: Backend
    tables: Census
    rules: PeopleRules
    tokens: pa.Table
    objects: pa.Table


def tallied(ground: Ground, previous: Counted | None, published: str) -> tuple[Tallies, Counted]:
    """What changes in the snapshot, and what the next run must know.

    Args:
        ground: What tallies are made from.
        previous: What the last run left.
        published: The mark that the snapshot bears; "" for none.
    """
    backend, tables = ground.backend, ground.tables
    rules = rules_digest(ground.rules.affinity, ground.rules.segments)
    if previous is not None and not _follows(previous, published, rules, ground.tokens):
        previous = None
    stood = backend.create_table("people_standings", standings(tables.identified), temp=True)
    parts = backend.create_table("people_parts", marks(parted(tables.events, stood)), temp=True)
    told = backend.create_table("people_entered", _entered(tables, parts), temp=True)
    found = {
        "parts": parts.order_by("part").to_pyarrow().cast(PARTS),
        "standings": stood.order_by("token").to_pyarrow().cast(STANDINGS),
        "entered": told.order_by("person", "key").to_pyarrow().cast(ENTERED),
    }
    mark = digest(rules, *found.values())
    names = _Names(ground.tokens)
    fresh = Tallies(
        before="" if previous is None else previous.mark,
        mark=mark,
        tallies=_tallies(ground, stood, parts, previous, names),
        standings=_standings(backend, stood, previous, names),
        entered=_attributes(backend, told, previous, names),
    )
    return fresh, Counted(mark=mark, rules=rules, anchor=_anchor(ground.tokens), **found)


def _follows(previous: Counted, published: str, rules: str, tokens: pa.Table) -> bool:
    """Whether changes to what the last run left are changes to what the snapshot holds."""
    return (previous.mark, previous.rules) == (published, rules) and tuple(previous.anchor) == _anchor(
        tokens, previous.anchor[0]
    )


def _anchor(tokens: pa.Table, last: int | None = None) -> Anchor:
    """The anchor of a dictionary, up to an id or to its end."""
    number = tokens.num_rows
    if last is not None:
        number = int((tokens["id"].to_numpy() <= last).sum())
    return (tokens["id"][number - 1].as_py(), number, tokens["value"][number - 1].as_py()) if number else (0, 0, "")


class _Names:
    """Tokens by id."""

    def __init__(self, tokens: pa.Table) -> None:
        self._names: dict[int, str] = dict(zip(tokens["id"].to_pylist(), tokens["value"].to_pylist(), strict=True))

    def of(self, ids: ir.Column) -> list[str]:
        return [self._names[number] for number in ids.to_pyarrow().to_pylist()]

    def __getitem__(self, number: int) -> str:
        return self._names[number]


def _tallies(ground: Ground, stood: ir.Table, parts: ir.Table, previous: Counted | None, names: _Names) -> Renewal:
    backend, tables = ground.backend, ground.tables
    keys: list[str] | None = None
    events, net = tables.events, tables.net
    if previous is not None:
        before = lent(backend, "people_parts_before", previous.parts)
        changed = backend.create_table("people_changed", _changed(parts, before), temp=True)
        keys = names.of(changed.order_by("person").person)
        if not keys:
            return Renewal()
        events, net = events.semi_join(changed, "person"), net.semi_join(changed, "person")
    docs = _documents(ground, _Evidence(events=events, net=net, stood=stood))
    known = lent(backend, "people_tokens", ground.tokens)
    named = docs.mutate(id=whole_division(docs.part, 2).cast("int32")).inner_join(known, "id")
    kind = ibis.ifelse(named.part % 2 == 1, OPEN, SETTLED)
    texts = named.select(name=named["value"], kind=kind, doc=named.doc)
    # Sorted now, not while the snapshot's transaction is open: a database takes keys in order faster.
    backend.create_table("people_tallies", texts.order_by("name", "kind"), temp=True)
    return Renewal(keys=keys, rows=_rows(backend, "people_tallies"))


class _Evidence(NamedTuple):
    """Of those who are counted: their events, the same net of returns, and the standings of their tokens."""

    events: ir.Table
    net: ir.Table
    stood: ir.Table

    def turns(self) -> int:
        """In how many turns they are counted."""
        return max(1, -(-int(self.events.count().to_pyarrow().as_py()) // EVENTS_AT_ONCE))

    def share(self, turn: int, turns: int) -> tuple[ir.Table, ir.Table]:
        """`parted` events of a turn's people, and the same net of returns."""
        events, net = (table.filter(table.person % turns == turn) for table in (self.events, self.net))
        return parted(events, self.stood), parted(net, self.stood)


def _documents(ground: Ground, evidence: _Evidence) -> ir.Table:
    """(part, doc) of everybody, so many people at a time that memory holds them."""
    backend, rules = ground.backend, ground.rules
    words = _words(ground, evidence.events)
    turns = evidence.turns()
    made = backend.create_table("people_documents", schema=_DOCUMENTS, temp=True)
    for turn in range(turns):
        events, net = (
            backend.create_table(name, share, temp=True)
            for name, share in zip(_SHARES, evidence.share(turn, turns), strict=True)
        )
        counts = Counts(events=events, net=net, item_values=ground.tables.item_values, **words)
        told = documents(counts, rules.affinity, rules.segments)
        backend.insert("people_documents", told, database=("temp", "main"))
        for name in _SHARES:
            run(backend.con, f'DROP TABLE "{name}"')
    return made


def _changed(parts: ir.Table, before: ir.Table) -> ir.Table:
    """(person): of a part that came, went or holds something else."""
    differing = parts.difference(before).select("part").union(before.difference(parts).select("part"))
    return differing.select(person=whole_division(differing.part, 2)).distinct()


def _words(ground: Ground, events: ir.Table) -> dict[str, ir.Table]:
    """`strings` and `objects` of `Counts`."""
    backend, values = ground.backend, ground.tables.item_values
    said = events.filter(events.context.notnull()).context
    spoken = [
        values.filter(values.facet.isin(ground.rules.affinity.facets)).select(string="value"),
        said.keys().unnest().name("string").as_table(),
        said.values().unnest().name("string").as_table(),
    ]
    strings = ibis.union(*spoken, distinct=True).filter(lambda t: t.string.notnull())
    called = lent(backend, "people_objects", ground.objects).semi_join(events, [("id", "object")])
    objects = called.select(object="id", string="value")
    return {
        "strings": lent(backend, "people_strings", _as_json(strings.to_pyarrow())),
        "objects": lent(backend, "people_object_texts", _as_json(objects.to_pyarrow())),
    }


def _as_json(table: pa.Table) -> pa.Table:
    """The table with `text`: its `string` as JSON."""
    return table.append_column(
        "text", pa.array([orjson.dumps(s).decode() for s in table["string"].to_pylist()], pa.string())
    )


def _standings(backend: Backend, stood: ir.Table, previous: Counted | None, names: _Names) -> Renewal:
    keys: list[str] | None = None
    changed = stood
    if previous is not None:
        before = lent(backend, "people_standings_before", previous.standings)
        changed = stood.difference(before)
        keys = names.of(changed.select("token").union(before.difference(stood).select("token"), distinct=True).token)
    rows = changed.order_by("token").to_pyarrow().to_pylist()
    return Renewal(keys=keys, rows=lambda: (_standing(row, names) for row in rows))


def _standing(row: Mapping[str, Any], names: _Names) -> tuple[str, str | None, str]:
    login, owner = (None if row[name] is None else names[row[name]] for name in ("login", "owner"))
    told = {name: held for name, held in row.items() if name != "token"}
    doc = dump_standing(Standing(**{**told, "login": login, "owner": owner}))
    return names[row["token"]], login or owner, doc


def _entered(tables: Census, parts: ir.Table) -> ir.Table:
    """Attributes from users sources, of those who have a tally; and who refused, so that an overlay heeds it too."""
    if tables.users is None:
        told = parts.filter(ibis.literal(False)).select(person="part", key=ibis.literal(""), value=ibis.literal(""))
    else:
        persons = parts.select(person=whole_division(parts.part, 2)).distinct()
        told = entered(tables.events, tables.users).semi_join(persons, "person")
    if tables.events is tables.identified:  # nothing is withheld from anybody
        return told
    refused = denied_persons(tables.identified)
    said = refused.select(person=refused.person.cast("int64"), key=ibis.literal(REFUSED), value=ibis.literal("yes"))
    return told.mutate(person=told.person.cast("int64")).union(said)


def _attributes(backend: Backend, told: ir.Table, previous: Counted | None, names: _Names) -> Renewal:
    keys: list[str] | None = None
    if previous is not None:
        before = lent(backend, "people_entered_before", previous.entered)
        differing = told.difference(before).select("person").union(before.difference(told).select("person"))
        changed = differing.distinct()
        keys = names.of(changed.person)
        told = told.semi_join(changed, "person")
    found: dict[int, dict[str, str]] = {}
    for row in told.order_by("person", "key").to_pyarrow().to_pylist():
        found.setdefault(row["person"], {})[row["key"]] = row["value"]
    return Renewal(keys=keys, rows=lambda: ((names[who], orjson.dumps(doc).decode()) for who, doc in found.items()))


def _rows(backend: Backend, table: str) -> Callable[[], Iterator[tuple[Any, ...]]]:
    """Reads a table that is ready, without holding it whole; meanwhile nobody else may use the connection."""

    def rows() -> Iterator[tuple[Any, ...]]:
        con = backend.con.execute(f'SELECT name, kind, doc FROM "{table}"')  # noqa: S608
        while some := con.fetchmany(_AT_ONCE):
            yield from ((name, kind, pack(doc.encode())) for name, kind, doc in some)

    return rows
