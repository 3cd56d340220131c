"""The commands, each as one call: settings in, wired objects opened, the result handed back.

With its neighbours the composition root: the only room that knows every other. It computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

from algosync.events import quarantine
from algosync.events.log import EventLog
from algosync.events.reading import reading
from algosync.experience.question import Question
from algosync.operate.audience import Format
from algosync.operate.erasing import unfinished
from algosync.operate.remove import Removal
from algosync.operate.verify import Certificate
from algosync.payloads.encode import Family
from algosync.runtime import exporting, forgetting, pausing, quarantining, telling
from algosync.runtime.clock import system_clock
from algosync.runtime.explaining import Receipts
from algosync.runtime.opening import Opening
from algosync.runtime.ordering import ordered
from algosync.runtime.pushing import show, sync
from algosync.runtime.reading import pulled, rebuilt
from algosync.runtime.rehearsing import rehearsed
from algosync.runtime.removing import removed
from algosync.runtime.verifying import verified
from algosync.runtime.vitals import Due, problems, service_document, vitals
from algosync.serve.explain import Asked
from algosync.settings import rules as made
from algosync.settings.load import load
from algosync.settings.models import Settings
from algosync.stores.orders import OrderKind
from algosync.stores.outbox import Status
from algosync.stores.runs import Run, last_runs
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.sync.ledger import Ledger
from algosync.sync.recommend_ready import readiness
from algosync.sync.rehearsal import Wish
from algosync.sync.report import RehearsalReport, SyncReport
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

    def sync(self, *, dry_run: bool = False, only: Sequence[Family] = (), approve: str | None = None) -> SyncReport:
        """Goes the whole way; a dry run stops before anything is written, and holds nothing that could write.

        Args:
            dry_run: Show alone.
            only: Families; none for all that are switched on.
            approve: The hash of a plan that the brake stops.

        Raises:
            BrakeError: The plan is over the limit, and not the one that is approved.
        """
        if dry_run:
            return show(self._opening, tuple(only))
        with telling.delivering(self._opening) as sent:
            report = sync(self._opening, tuple(only), approve=approve)
        return replace(report, notes=(*report.notes, *sent))

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
        return pulled(self._opening)

    def rebuild(self, *, refacet: bool = False) -> dict[str, Any]:
        """Builds profiles, segments and related items anew from the log; nothing is pulled or pushed."""
        with telling.delivering(self._opening):
            return rebuilt(self._opening, refacet=refacet)

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

    def forget(
        self, user: str, *, confirm: Callable[[Mapping[str, Any]], bool], insights: bool = True
    ) -> dict[str, Any]:
        """Takes away all that is held of a person, here and at Algolia, so that nothing brings it back; the receipt.

        Args:
            user: A customer id, or any of her tokens.
            confirm: Shown whom it concerns, says whether to do it.
            insights: Whether the shop sends events to Algolia.

        Raises:
            ConfigError: A key is missing.
            RequestError: Several customers use this token.
        """
        return forgetting.forget(self._opening, user, confirm, insights=insights)

    def forget_pending(self, *, insights: bool = True) -> dict[str, Any]:
        """Goes on with the erasures that are not at their end."""
        return forgetting.resume(self._opening, insights=insights)

    def forget_accept_loss(self, *, confirm: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Goes on though people who were forgotten are not known any more, and may come back.

        Args:
            confirm: Shown what is wrong with the tombstones, says whether to go on so.
        """
        return forgetting.accept_loss(self._opening, confirm)

    def export(self, user: str) -> dict[str, Any]:
        """All that is held of a person, as one document.

        Args:
            user: A customer id, or any of her tokens.

        Raises:
            RequestError: Several customers use this token.
        """
        return forgetting.export(self._opening, user)

    def retention(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Takes away what is older than the settings keep it, and goes on with erasures; a dry run only counts."""
        return forgetting.retain(self._opening, dry_run=dry_run)

    def forget_lift(self, user: str) -> dict[str, Any]:
        """Lets in what comes from now on of a person who was forgotten."""
        return forgetting.lift(self._opening, user)

    def audience(self, segment: str, *, form: Format, out: Path | IO[bytes], top: int) -> dict[str, Any]:
        """Exports the members of a segment who may be named, with their top affinities, and keeps a record of it.

        Args:
            segment: Its id.
            form: csv or jsonl.
            out: The file, which is there whole or not at all, or a stream.
            top: Affinities of each member, at most.

        Raises:
            RequestError: There is no such segment.
            StoreError: The file cannot be written, or nobody knows who may be named.
        """
        return exporting.audience(self._opening, segment, form=form, out=out, top=top)

    def webhooks_list(self, *, webhook: str | None, status: Status | None, limit: int) -> dict[str, Any]:
        """How it stands with each webhook, and what waits or was given up, or has another status."""
        return telling.listed(self._opening, webhook=webhook, status=status, limit=limit)

    def webhooks_retry(self, *, webhook: str | None, id: str | None) -> dict[str, Any]:  # noqa: A002
        """Sends again what was given up, all of it or some, under the same ids."""
        return telling.retried(self._opening, webhook=webhook, id=id)

    def webhooks_test(self, webhook: str) -> dict[str, Any]:
        """Sends a webhook something of the type `test`."""
        return telling.tested(self._opening, webhook)

    def status(self, due: Due = lambda *_: {}) -> dict[str, Any]:
        """What algosync holds and how its service is, without asking anybody else.

        Args:
            due: Says when each job of a schedule is due.
        """
        with ExitStack() as stack:
            state = stack.enter_context(self._opening.state(create=False))
            snapshot = Snapshot(stack.enter_context(self._opening.state(create=False, book=SNAPSHOT)))
            stack.enter_context(reading(self._opening.directory))
            log = EventLog(state)
            newest = log.newest()
            ledger = Ledger(state.engine, self._opening.target)
            found = vitals(self.settings, state, ledger, self._opening.clock())
            due_at = due(self.settings.schedule, found.jobs, found.at)
            return {
                "log": {**asdict(log.size()), "newest": newest.isoformat() if newest else None},
                "sources": {source.name: log.cursor(source.name) is not None for source in self.settings.sources},
                "snapshot": {**telling.without_notes(snapshot.about()), **snapshot.counts()},
                "quarantine": [
                    {"source": source, "reason": reason, "rows": rows}
                    for source, reason, rows in quarantine.counts(state, quarantine.Which())
                ],
                "ledger": ledger.counts(),
                "service": {
                    **service_document(found, due_at),
                    "problems": problems(found, self.settings, due_at),
                },
                "certificate": found.certificate,
                "erasures": [{"erasure": number, "status": doc["status"]} for number, doc in unfinished(state)],
                "runs": [_run_document(run) for run in last_runs(state)],
                "webhooks": telling.standing(self._opening, state),
                "recommend": readiness(log, self._as_of(newest), self.settings.state.memory_limit),
                "not_heeded": made.not_heeded(self.settings),
            }

    def runs(self, limit: int) -> dict[str, Any]:
        """The last runs, newest first."""
        with self._opening.state(create=False) as state:
            return {"runs": [_run_document(run) for run in last_runs(state, limit)]}

    def _as_of(self, newest: datetime | None) -> datetime:
        if newest is not None and self.settings.state.as_of == "last_event":
            return newest
        return self._opening.clock()

    def verify(
        self, *, sample: int | None = None, repair: bool = False, confirm: Callable[[Certificate], bool]
    ) -> Certificate:
        """Compares what is really at Algolia with the ledger and what should be there; keeps the certificate.

        Args:
            sample: Look at so many records, drawn at random, and at every Rule; None for everything.
            repair: Put right what was found.
            confirm: Shown what was found and would be sent, says whether to send it; not asked where nothing is.
        """
        return verified(self._opening, sample=sample, repair=repair, confirm=confirm)

    def remove(self, *, confirm: Callable[[Removal], bool]) -> Removal:
        """Takes away every record, Rule, attribute and facet declaration of algosync's, and pauses pushing.

        Args:
            confirm: Shown what would go and what it costs, says whether to do it; not asked where nothing would.
        """
        return removed(self._opening, confirm)

    def setup(self, *, confirm: Callable[[Sequence[Mapping[str, Any]]], bool]) -> dict[str, Any]:
        """Declares the facets that only algosync writes; the shop's own declarations stay as they are.

        Args:
            confirm: Shown the changes, says whether to apply them; not asked where there are none.
        """
        needed = made.needed_facets(self.settings)
        names = [index.name for index in self.settings.algolia.indices]
        with ExitStack() as stack:
            reader = stack.enter_context(self._opening.reader())
            changes = facet_changes(reader, names, needed)
            todo = [change for change in changes if change["added"]]
            applied = bool(todo) and confirm(todo)
            if applied:  # what the shop has declared while somebody was asked stays
                changes = facet_changes(reader, names, needed)
                todo = [change for change in changes if change["added"]]
                apply_changes(stack.enter_context(self._opening.writer()), todo)
        return {"indices": changes, "applied": applied}

    def quarantine_list(self, *, source: str | None, limit: int) -> dict[str, Any]:
        """Rows that were turned away, and payloads that Algolia refused."""
        return quarantining.listed(self._opening, source, limit)

    def quarantine_show(self, name: str | int) -> dict[str, Any]:
        """One row as it came, by its number; or one payload, by its name."""
        return quarantining.shown(self._opening, str(name))

    def quarantine_retry(self, *, source: str | None, payloads: bool = False) -> dict[str, Any]:
        """Takes rows through mapping and judgement again, and lets payloads be tried again; or these alone."""
        return quarantining.retried(self._opening, source, payloads=payloads)

    def pause(self, reason: str = "") -> dict[str, Any]:
        """Pushes nothing from now on."""
        return pausing.paused(self._opening, reason)

    def resume(self) -> dict[str, Any]:
        """Pushes again."""
        return pausing.resumed(self._opening)


def _run_document(run: Run) -> dict[str, Any]:
    ended = run.finished_at
    return {
        "number": run.number,
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "seconds": None if ended is None else round((ended - run.started_at).total_seconds(), 3),
        "as_of": run.as_of,
        "outcome": run.outcome,
        "read": run.report.get("events", {}).get("read"),
        "operations": run.report.get("pushed", {}).get("operations"),
    }
