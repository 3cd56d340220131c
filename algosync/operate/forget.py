"""Forgets somebody: everything that is held of her goes, from every store here and from Algolia, and stays away.

First a tombstone, so that nothing comes in meanwhile; then store by store; at the end a search over all of them. What
was done is kept step by step, so that whatever broke off is finished by forgetting her again. Algolia deletes events
within 48 hours and tells no end: after that time it is asked once more, and only then her names leave the record of
the erasure too, where keyed hashes take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from algosync.errors import AlgosyncError, ConfigError, RequestError
from algosync.events.cut import KEYS
from algosync.events.insights import is_token
from algosync.events.log import EventLog
from algosync.operate import erasing
from algosync.operate.arrived import with_arrived
from algosync.operate.erasing import AtAlgolia, Held
from algosync.operate.erasure import Erasure
from algosync.operate.search import BOOKS, Names, Sought, search_bytes, search_parquet, search_tables
from algosync.operate.whose import Shelves, Whose
from algosync.stores.erase import compact, erase_orders, erase_person
from algosync.stores.snapshot import Snapshot
from algosync.stores.state import STATE
from algosync.stores.tombstones import Tombstones, event_name
from algosync.stores.witness import witness
from algosync.sync.returned import returned

SETTLED_AFTER: Final = timedelta(hours=48)
"""Until Algolia has deleted a user's events."""

_LEFT: Final = (
    "the shop's own sources (files, databases, HTTP): rows there stay, and are not taken in again",
    "the shop's own settings, where they name her, as events.ignore may",
    "webhooks that were delivered, and what their receivers made of them",
    "audiences that were exported",
    "backups of the state directory and the database: restore them together with the latest tombstones",
    "logs of this and other programs, and what killed processes left in the system's temporary directory",
)
_FIRST: Final = ("tombstones", "results")
"""Steps that go by events and names of the log: where one fails, nothing is taken out of it."""
_PROOFS: Final = ("search", "files")
_ANEW: Final = (*_PROOFS, "tombstones", "insights")
"""Steps whose numbers are those of the last time, and not sums."""
_DECLINED: Final = {"status": "skipped", "reason": "by --no-insights: the shop sends no events to Algolia"}
_POSTGRESQL: Final = "the database server's free space and write-ahead log, until its own VACUUM and rotation"

Confirm = Callable[[Mapping[str, Any]], bool]
Client = TypeVar("Client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whom to forget.

    Attributes:
        user: A customer id, or any of her tokens.
        aliases: What the shop's sources make of such a name.
    """

    user: str
    aliases: tuple[str, ...] = ()


class Forgetting:
    """Carries erasures out.

    Args:
        held: The stores; nobody else writes to them meanwhile.
        algolia: What is Algolia's.
        clock: Tells the time.
    """

    def __init__(self, held: Held, algolia: AtAlgolia, clock: Callable[[], datetime]) -> None:
        self._held = held
        self._algolia = algolia
        self._clock = clock
        key = algolia.ids.key
        self._tombstones = Tombstones(held.tombstones, key)

    def forget(self, order: Order, confirm: Confirm) -> dict[str, Any]:
        """Forgets somebody, or finishes what broke off.

        Args:
            order: Whom.
            confirm: Shown whom it concerns, says whether to do it.

        Returns:
            The receipt; its `status` is done, pending (Algolia still deletes) or unfinished (run again).

        Raises:
            RequestError: Several customers use this token.
            ConfigError: Tombstones were made by another key.
            StoreError: The stores cannot be read.
        """
        erasure, found = self._erasure(order)
        concerns = {"person": found.person, "tokens": list(erasure.names), "shared": list(found.shared)}
        held = {"events": found.events.num_rows}
        if not confirm({**concerns, **held}):
            return {**concerns, "status": "not done", "steps": [], "erasure": None}
        self._finish_files()
        return {**concerns, **self._carry_out(erasure, found)}

    def resume(self) -> list[dict[str, Any]]:
        """Goes on with every erasure that is not at its end: what broke off, and what Algolia was to delete.

        Whoever is in the log again though she was forgotten, as after a backup was restored, is forgotten again.
        """
        receipts = self._finish_files()
        for number, document in erasing.unfinished(self._held.state):
            erasure = Erasure.load(number, document)
            if erasure.names:
                found = self._found(erasure.person, (), erasure.names)
                receipts.append({"person": erasure.person, **self._carry_out(erasure, found)})
        while back := returned(self._held.state, self._tombstones.forgotten()):
            receipts.append(self._again(*next(iter(back.items()))))
            if receipts[-1]["status"] == "unfinished":
                break
        return receipts

    def _finish_files(self) -> list[dict[str, Any]]:
        """Goes on with erasures that broke off when her names were gone from all but the files."""
        every = [Erasure.load(number, document) for number, document in erasing.unfinished(self._held.state)]
        left = [one for one in every if not one.names]
        return [{"person": one.person, **self._receipt(one, self._leave_files(one), None)} for one in left]

    def _again(self, name: str, lifted: datetime | None) -> dict[str, Any]:
        """Forgets somebody who is in the log again; at Algolia nothing is asked of one who has returned since."""
        order = Order(user=name)
        if lifted is None:
            return self.forget(order, lambda _: True)
        here = replace(self._algolia, insights=None, profiles=None, declined=True)
        receipt = Forgetting(self._held, here, self._clock).forget(order, lambda _: True)
        if receipt["status"] == "done":
            self._tombstones.lift(name, lifted)
            witness(self._held.state, self._tombstones.history(), self._clock())
        return receipt

    def lift(self, order: Order) -> dict[str, Any]:
        """Lets in what comes of somebody from now on; what was before stays away.

        Raises:
            RequestError: Her erasure is not at its end.
        """
        at = self._clock()
        for number, document in erasing.unfinished(self._held.state):
            if {order.user, *order.aliases} & set(document.get("names", ())):
                self._close(Erasure.load(number, document), document["status"])
        lifted = sum(self._tombstones.lift(name, at) for name in (order.user, *order.aliases))
        witness(self._held.state, self._tombstones.history(), at)
        return {"person": order.user, "lifted": lifted, "at": at.isoformat() if lifted else None}

    def _close(self, erasure: Erasure, status: str) -> None:
        """Ends an erasure that waits for Algolia alone: asked again, it would take what she does from now on."""
        if status != "pending":
            hint = "Finish it first: run algosync forget again"
            raise RequestError("the erasure is not finished", where=f"erasure {erasure.number}", hint=hint, status=409)
        erasure.steps["insights"] = {**erasure.steps["insights"], "status": "done", "asked": "once: she has returned"}
        self._leave_files(erasure)

    def _leave_files(self, erasure: Erasure) -> str:
        """Has nothing left in the files of what was erased from the tables, and gives the erasure's status.

        Its record is without her names before the files are written anew, and says done only after that.
        """
        state = self._held.state
        erasing.note(state, erasure.number, erasure.document("unfinished", named=False), self._clock())
        self._do(erasure, "files", self._compact)
        status = erasure.status
        erasing.note(state, erasure.number, erasure.document(status, named=False), self._clock())
        return status

    def _compact(self) -> Mapping[str, Any]:
        for state in self._held.books.values():
            compact(state)
        return {"said": "written anew; her names were gone from the record, so that no bytes were searched for them"}

    def _erasure(self, order: Order) -> tuple[Erasure, Whose]:
        for number, document in erasing.unfinished(self._held.state):
            if {order.user, *order.aliases} & set(document.get("names", ())):
                before = Erasure.load(number, document)
                found = self._found(before.person, order.aliases, before.names)
                before.names = tuple(dict.fromkeys((*before.names, *found.names)))
                before.who = self._who(before.names)
                return before, found
        found = self._found(order.user, order.aliases, ())
        at = self._clock()
        hashed = self._who(found.names)
        number = f"{hashed[0][:12]}-{at:%Y%m%dT%H%M%S}"
        made = Erasure(
            number=number,
            person=found.person,
            names=found.names,
            shared=len(found.shared),
            who=hashed,
            asks=self._algolia.insights is not None,
        )
        return made, found

    def _found(self, user: str, aliases: Sequence[str], known: Sequence[str]) -> Whose:
        held = self._held
        log, snapshot = EventLog(held.state), Snapshot(held.snapshot)
        shelves = Shelves(backend=held.backend, log=log, snapshot=snapshot, inbox=held.inbox)
        return with_arrived(user, shelves, held.sources, aliases, known)

    def _who(self, names: Sequence[str]) -> tuple[str, ...]:
        hasher = self._tombstones.hasher
        assert hasher is not None
        return tuple(hasher.of("erasure", name) for name in names)

    def _carry_out(self, erasure: Erasure, found: Whose) -> dict[str, Any]:
        held, now = self._held, self._clock()
        product = found.product | erasing.products_among(held, erasure.names)
        names = Names(every=erasure.names, product=product)
        for step in _PROOFS:
            erasure.steps.pop(step, None)
        erasing.note(held.state, erasure.number, erasure.document("unfinished"), now)
        for step, work in self._steps(erasure, found, names).items():
            self._do(erasure, step, work)
            erasing.note(held.state, erasure.number, erasure.document("unfinished"), now)
            if step in _FIRST and erasure.steps[step]["status"] == "failed":
                break  # the others take away what it goes by
        return self._proven(erasure, names)

    def _proven(self, erasure: Erasure, names: Names) -> dict[str, Any]:
        """Looks for her in everything, and closes the erasure where nothing is left to do."""
        state, proof = self._held.state, None
        if all(step["status"] in ("done", "skipped") for step in erasure.steps.values()):
            sought = Sought()
            self._do(erasure, "search", lambda: self._search(names, sought, leave_out=("erasures",)))
            if erasure.steps["search"]["status"] == "done":
                # Her names leave the record before the files are searched, and are back where that fails.
                erasing.note(state, erasure.number, erasure.document("unfinished", named=False), self._clock())
                self._do(erasure, "files", lambda: self._search_files(names, sought, leave_out=()))
            proof = sought.document(names)
        elif not any(step["status"] == "failed" for step in erasure.steps.values()):
            proof = self._so_far(erasure, names)
        status = erasure.status
        erasing.note(state, erasure.number, erasure.document(status), self._clock())
        return self._receipt(erasure, status, proof)

    def _so_far(self, erasure: Erasure, names: Names) -> dict[str, Any]:
        """The proof while Algolia still deletes: the record of the erasure itself names her until then."""
        sought = Sought()
        self._do(erasure, "search", lambda: self._search(names, sought, leave_out=("erasures",)))
        own = (STATE.file,) if self._held.state.dialect == "sqlite" else ()
        self._do(erasure, "files", lambda: self._search_files(names, sought, leave_out=own))
        return sought.document(names)

    def _do(self, erasure: Erasure, step: str, work: Callable[[], Mapping[str, Any]]) -> None:
        """Does a step; one that fails is noted."""
        before = {key: count for key, count in erasure.steps.get(step, {}).items() if type(count) is int}
        try:
            made = work()
            counts = {key: count + before.get(key, 0) for key, count in made.items() if type(count) is int}
            erasure.steps[step] = {"status": "done", **made, **(made if step in _ANEW else counts)}
        except AlgosyncError as error:
            erasure.steps[step] = {"status": "failed", "error": str(error), **before}

    def _steps(self, erasure: Erasure, found: Whose, names: Names) -> dict[str, Callable[[], Mapping[str, Any]]]:
        """Every step in order; each may be done again. The dictionary goes after what is known by its numbers."""
        held, algolia, hers = self._held, self._algolia, erasure.names
        tokens = [name for name in hers if is_token(name)]
        return {
            "tombstones": lambda: self._bury(erasure, found),
            "inbox": lambda: erasing.erase_inbox(held, hers, found.arrived),
            "quarantine": lambda: erasing.erase_quarantine(held, names),
            "results": lambda: erasing.erase_results(held, found),
            "snapshot": lambda: erase_person(held.snapshot, hers),
            "events": lambda: erasing.erase_events(held, found),
            "orders": lambda: {"orders": erase_orders(held.state, hers)},
            "mentions": lambda: erasing.erase_mentions(held, names),
            "records": lambda: erasing.erase_records(algolia, held.state, hers, self._clock()),
            **self._asked(erasure, "profiles", algolia.profiles, lambda one: erasing.erase_profiles(one, tokens)),
            **self._asked(erasure, "insights", algolia.insights, lambda one: self._insights(erasure, one)),
        }

    def _bury(self, erasure: Erasure, found: Whose) -> Mapping[str, Any]:
        apart = found.apart.select(KEYS.names)
        keys = zip(apart["key_hi"].to_pylist(), apart["key_lo"].to_pylist(), strict=True)
        events = [event_name(high, low) for high, low in keys]
        now = self._clock()
        made = self._tombstones.bury(erasure.number, erasure.names, events, now)
        witness(self._held.state, self._tombstones.history(), now)
        return {"tombstones": made}

    def _asked(
        self, erasure: Erasure, step: str, client: Client | None, work: Callable[[Client], Mapping[str, Any]]
    ) -> dict[str, Callable[[], Mapping[str, Any]]]:
        """A step at Algolia; one that is only to be asked again later waits for whoever has the key."""
        if client is not None:
            return {step: lambda: work(client)}
        if self._algolia.declined or not erasure.asks:
            return {step: lambda: _DECLINED}
        waits = erasure.steps.get(step, {}).get("status") in ("done", "pending")
        return {} if waits else {step: _without_key}

    def _insights(self, erasure: Erasure, insights: erasing.Insights) -> Mapping[str, Any]:
        now = self._clock()
        asked = None if erasure.asked_at is None else datetime.fromisoformat(erasure.asked_at)
        settled = asked is not None and now - asked >= SETTLED_AFTER
        if asked is not None and not settled:
            return {"status": "pending", "until": (asked + SETTLED_AFTER).isoformat()}
        counts = erasing.erase_insights(insights, [name for name in erasure.names if is_token(name)])
        if settled:
            return counts
        erasure.asked_at = now.isoformat()
        return {"status": "pending", "until": (now + SETTLED_AFTER).isoformat(), **counts}

    def _search(self, names: Names, sought: Sought, *, leave_out: Sequence[str]) -> Mapping[str, Any]:
        """Looks into every table and every Parquet file."""
        held = self._held
        for book, state in held.books.items():
            search_tables(state, BOOKS[book], names, sought, leave_out=leave_out)
        for number in erasing.quarantined(held, names):
            sought.found[f"quarantine, row {number}"] += 1
        search_parquet(held.directory, names, sought)
        return _verdict(sought)

    def _search_files(self, names: Names, sought: Sought, *, leave_out: Sequence[str]) -> Mapping[str, Any]:
        """Empties the databases' free space, and looks into every file as bytes."""
        for state in self._held.books.values():
            compact(state)
        search_bytes(self._held.directory, names, sought, leave_out=leave_out)
        return _verdict(sought)

    def _receipt(self, erasure: Erasure, status: str, proof: Mapping[str, Any] | None) -> dict[str, Any]:
        left = [*_LEFT, *((_POSTGRESQL,) if self._held.state.dialect == "postgresql" else ())]
        elsewhere = erasure.steps.get("records", {}).get("elsewhere", 0)
        if elsewhere:
            left.append(f"{elsewhere} records of other applications or hosts: forget her with their settings too")
        if erasure.shared:
            told = "her events went; the tokens stay, and so does what comes from them without her name from now on"
            left.append(f"{erasure.shared} tokens that others use too: {told}")
        return {
            "erasure": erasure.number,
            "status": status,
            "steps": [{"step": step, **done} for step, done in erasure.steps.items()],
            "proof": proof,
            "not_erased": left,
        }


def _without_key() -> Mapping[str, Any]:
    hint = "Set ALGOSYNC_ALGOLIA__FORGET_API_KEY and algolia.region, and run algosync forget --pending"
    raise ConfigError("or algolia.region is missing: Algolia is to be asked", where="algolia.forget_api_key", hint=hint)


def _verdict(sought: Sought) -> Mapping[str, Any]:
    return {"found": sum(sought.found.values()), **({"status": "failed"} if sought.found else {})}
