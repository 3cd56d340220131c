"""The commands, each as one call: settings in, wired objects opened, the result handed back.

With its neighbours the composition root: the only room that knows every other. It computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from algosync.errors import ConfigError
from algosync.events import quarantine
from algosync.events.log import EventLog
from algosync.events.refacet import refacet as give_facets
from algosync.experience.question import Question
from algosync.payloads.encode import Family
from algosync.runtime.clock import system_clock
from algosync.runtime.explaining import Receipts
from algosync.runtime.opening import Opening
from algosync.runtime.ordering import ordered
from algosync.runtime.pushing import show, sync
from algosync.runtime.rehearsing import rehearsed
from algosync.serve.explain import Asked
from algosync.settings import rules as made
from algosync.settings.load import load
from algosync.settings.models import Settings
from algosync.stores.orders import OrderKind
from algosync.stores.runs import Run, last_runs
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.sync.cycle import keep, know, read_catalog, read_events
from algosync.sync.ledger import Ledger
from algosync.sync.pull import NO_EVENTS, Intake, retry
from algosync.sync.recommend_ready import readiness
from algosync.sync.rehearsal import Wish
from algosync.sync.report import RehearsalReport, SyncReport, knowledge_document, pulled_document
from algosync.sync.setup import apply_changes, facet_changes
from algosync.sync.stages import Progress


class Runtime:
    """The commands.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        progress: Whoever watches.
        clock: Tells the time.
    """

    def __init__(
        self, settings: Settings, base: Path, *, progress: Progress, clock: Callable[[], datetime] = system_clock
    ) -> None:
        self.settings = settings
        self._opening = Opening(settings, base, progress=progress, clock=clock)

    @classmethod
    def open(cls, config: Path, *, progress: Progress, clock: Callable[[], datetime] = system_clock) -> Self:
        """Reads the settings.

        Raises:
            ConfigError: They are wrong.
        """
        return cls(load(config), config.absolute().parent, progress=progress, clock=clock)

    def sync(self, *, dry_run: bool = False, only: Sequence[Family] = ()) -> SyncReport:
        """Goes the whole way; a dry run stops before anything is written, and holds nothing that could write."""
        return show(self._opening, tuple(only)) if dry_run else sync(self._opening, tuple(only))

    def rehearse(
        self, wish: Wish, *, only: Sequence[Family] = (), data: Path | None = None, declare: bool = False
    ) -> RehearsalReport:
        """Goes the whole way against a mock, and compares searches before and after; nothing else is written.

        Args:
            wish: Which searches.
            only: Families; none for all that are switched on.
            data: What the mock holds at first, see mock/files.py; None to copy it from Algolia.
            declare: Do in the mock what `setup` does, first.

        Raises:
            AlgosyncError: What a sync would fail for too; or the wish names somebody unknown.
        """
        return rehearsed(self._opening, wish, tuple(only), data, declare=declare)

    def pull(self) -> dict[str, Any]:
        """Takes what is new in the sources into the log."""
        with self._opening.session((), writable=True) as session, self._opening.noted("pull", session) as note:
            _, stock = read_catalog(session.rules, session.hands)
            report = pulled_document(read_events(session.rules, session.hands, stock))
            report["seconds"] = session.hands.stages.seconds
            note(report, None)
            return report

    def rebuild(self, *, refacet: bool = False) -> dict[str, Any]:
        """Builds profiles, segments and related items anew from the log; nothing is pulled or pushed."""
        with self._opening.session((), writable=True) as session, self._opening.noted("rebuild", session) as note:
            observed, stock = read_catalog(session.rules, session.hands)
            con = session.hands.backend.con
            changed = give_facets(session.state, con, stock.refs(NO_EVENTS)) if refacet else 0
            found, unknown = know(session.rules, session.hands, stock, observed)
            moved = keep(session.hands, found, observed)
            report = knowledge_document(found, unknown) | {
                "changed": moved,
                "refaceted": changed,
                "seconds": session.hands.stages.seconds,
            }
            made_by = self._opening.keep_settings(session, observed)
            note({**report, **made_by}, found.as_of.isoformat())
            return report

    def explain(
        self, user: str, *, place: str = "any", query: str | None = None, at: datetime | None = None
    ) -> dict[str, Any]:
        """Why one person gets the answer that she gets, from her events on.

        Args:
            user: A customer id, or any of her tokens.
            place: Where she is: any, home, search, `category:<value>` …
            query: What she typed.
            at: A moment in the past; None for now.

        Raises:
            RequestError: Nobody of that name is known, or nothing is kept of that moment.
        """
        question = Question(user_token=user, where=place, query=query)
        return Receipts(self._opening).explain(Asked(user=user, question=question, at=at))

    def order(self, kind: OrderKind, user: str, *, confirm: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Has a profile start anew, or suppresses a person, or lifts that.

        Args:
            kind: reset, suppress or lift.
            user: A customer id, or any of her tokens.
            confirm: Shown whom it concerns, says whether to do it.

        Raises:
            RequestError: Nobody of that name is known.
        """
        return ordered(self._opening, kind, user, confirm)

    def status(self) -> dict[str, Any]:
        """What algosync holds, without asking anybody else."""
        with ExitStack() as stack:
            state = stack.enter_context(self._opening.state(create=False))
            snapshot = Snapshot(stack.enter_context(self._opening.state(create=False, book=SNAPSHOT)))
            log = EventLog(state)
            newest = log.newest()
            return {
                "log": {**asdict(log.size()), "newest": newest.isoformat() if newest else None},
                "sources": {source.name: log.cursor(source.name) is not None for source in self.settings.sources},
                "snapshot": {**snapshot.about(), **snapshot.counts()},
                "quarantine": [
                    {"source": source, "reason": reason, "rows": rows}
                    for source, reason, rows in quarantine.counts(state, quarantine.Which())
                ],
                "ledger": Ledger(state.engine, self._opening.target).counts(),
                "runs": [_run_document(run) for run in last_runs(state)],
                "recommend": readiness(log, self._as_of(newest), self.settings.state.memory_limit),
                "not_heeded": made.not_heeded(self.settings),
            }

    def _as_of(self, newest: datetime | None) -> datetime:
        if newest is not None and self.settings.state.as_of == "last_event":
            return newest
        return self._opening.clock()

    def setup(self, *, confirm: Callable[[Sequence[Mapping[str, Any]]], bool]) -> dict[str, Any]:
        """Declares the facets that only algosync writes; the shop's own declarations stay as they are.

        Args:
            confirm: Shown the changes, says whether to apply them; not asked where there are none.
        """
        needed = made.needed_facets(self.settings)
        names = [index.name for index in self.settings.algolia.indices]
        with ExitStack() as stack:
            changes = facet_changes(stack.enter_context(self._opening.reader()), names, needed)
            todo = [change for change in changes if change["added"]]
            applied = bool(todo) and confirm(todo)
            if applied:
                apply_changes(stack.enter_context(self._opening.writer()), todo)
        return {"indices": changes, "applied": applied}

    def quarantine_list(self, *, source: str | None, limit: int) -> dict[str, Any]:
        """Rows that were turned away."""
        with self._opening.state(create=False) as state:
            which = quarantine.Which(source=source)
            counted = quarantine.counts(state, which)
            return {
                "reasons": [{"source": s, "reason": r, "rows": n} for s, r, n in counted],
                "rows": [asdict(row) for row in quarantine.listed(state, which, limit=limit)],
                "total": sum(n for _, _, n in counted),
            }

    def quarantine_show(self, number: int) -> dict[str, Any]:
        """One row as it came."""
        with self._opening.state(create=False) as state:
            return asdict(quarantine.shown(state, number))

    def quarantine_retry(self, *, source: str | None) -> dict[str, Any]:
        """Takes rows through mapping and judgement again."""
        opening = self._opening
        with opening.session((), writable=True) as session, opening.noted("quarantine retry", session) as note:
            known = [one for one in session.rules.sources if source in (None, one.source.name)]
            if source is not None and not known:
                raise ConfigError(f"no source is named '{source}'", where="--source")
            _, stock = read_catalog(session.rules, session.hands)
            with session.hands.stages.stage("pull", "Trying rows again") as advance:
                hands = session.hands
                intake = Intake(con=hands.backend.con, writer=hands.writer, products=stock, advance=advance)
                report = pulled_document(retry(known, session.state, intake))
            report["seconds"] = session.hands.stages.seconds
            note(report, None)
            return report


def _run_document(run: Run) -> dict[str, Any]:
    return {
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "outcome": run.outcome,
        "read": run.report.get("events", {}).get("read"),
        "operations": run.report.get("pushed", {}).get("operations"),
    }
