"""The composition root: settings in, wired objects out. The only module that knows every room and reads the clock.

Opens what a command needs, hands it to the run, and consumes the result. It computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import ibis
from ibis.backends.duckdb import Backend
from pydantic import SecretStr

from algosync.algolia.access import StorefrontAccess, storefront_can_read
from algosync.algolia.client import ReadClient, WriteClient
from algosync.errors import AlgosyncError, ConfigError, PushRefusedError, StoreError
from algosync.events import quarantine
from algosync.events.log import EventLog
from algosync.events.refacet import refacet as give_facets
from algosync.events.writer import CommittingWriter, LogWriter, ScratchWriter
from algosync.payloads.encode import Family
from algosync.settings import rules as made
from algosync.settings.load import load
from algosync.settings.models import Settings
from algosync.settings.shop import shop_rules
from algosync.stores.runs import Run, last_runs, note_run, operations_since
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import STATE, Book, State, memory_state, open_state
from algosync.sync.batches import Limits
from algosync.sync.cycle import Computed, Hands, ShopRules, compute, keep, know, read_catalog, read_events
from algosync.sync.explain import explain_user
from algosync.sync.ledger import Ledger
from algosync.sync.pull import NO_EVENTS, Intake, retry
from algosync.sync.push import Pushed, push, refuse_unless_private
from algosync.sync.recover import recover
from algosync.sync.rehearsal import Wish, rehearse
from algosync.sync.report import RehearsalReport, SyncReport, knowledge_document, pulled_document
from algosync.sync.results import Results
from algosync.sync.setup import apply_changes, facet_changes
from algosync.sync.stages import Progress, Stages, steps
from algosync.sync.standin import StandIn, copy_indices, stand_in


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one command has open."""

    hands: Hands
    state: State
    rules: ShopRules
    ledger: Ledger
    writable: bool


class Runtime:
    """The commands, each as one call.

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
        self._base = base
        self._progress = progress
        self._clock = clock
        self._target = made.target(settings)
        self._directory = base / settings.state.directory

    @classmethod
    def open(cls, config: Path, *, progress: Progress, clock: Callable[[], datetime] = system_clock) -> Self:
        """Reads the settings.

        Raises:
            ConfigError: They are wrong.
        """
        return cls(load(config), config.absolute().parent, progress=progress, clock=clock)

    def sync(self, *, dry_run: bool = False, only: Sequence[Family] = ()) -> SyncReport:
        """Goes the whole way; a dry run stops before anything is written, and holds nothing that could write."""
        return self._show(tuple(only)) if dry_run else self._push(tuple(only))

    def _show(self, only: tuple[Family, ...]) -> SyncReport:
        with self._session(only, writable=False) as session:
            computed = compute(session.rules, session.hands)
            return self._report(session, computed, None, ())

    def _push(self, only: tuple[Family, ...]) -> SyncReport:
        with (
            self._session(only, writable=True) as session,
            self._noted("sync", session) as note,
            self._writer() as client,
        ):
            recover(session.hands.client, session.ledger, now=self._clock, tasks=client)
            computed = compute(session.rules, session.hands)
            found = computed.knowledge
            keep(session.hands, found, computed.observed)
            quiet = self._quiet(session.hands.now.date())
            pushed = None if quiet else self._send(session, computed, client)
            notes = (f"nothing was pushed: {quiet} is a quiet time",) if quiet else ()
            report = self._report(session, computed, pushed, notes)
            note(report.document(), found.as_of.isoformat())
            return report

    def _send(self, session: Session, computed: Computed, client: WriteClient) -> Pushed:
        refuse_unless_private(computed.plan, self._storefront(session.rules))
        with session.hands.stages.stage("push", "Pushing", len(computed.plan.operations)) as advance:
            return push(
                computed.plan,
                client,
                session.ledger,
                now=self._clock,
                progress=steps(advance),
                limits=Limits(operations=self._budget(session)),
            )

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
        with ExitStack() as stack:
            mock = stack.enter_context(stand_in(self._target.app_id))
            session = stack.enter_context(self._session(tuple(only), writable=False, reader=mock.reader))
            notes, requests = self._fill(mock, session, data)
            if declare:
                changes = facet_changes(mock.reader, session.rules.indices, made.needed_facets(self.settings))
                apply_changes(mock.writer, [change for change in changes if change["added"]])
            mock.algolia.max_record_bytes = session.rules.max_record_bytes
            scratch = stack.enter_context(memory_state(self._directory))
            hands = replace(session.hands, ledger=session.ledger.copy(scratch.engine, mock.target))
            done = rehearse(session.rules, hands, mock.writer, wish)
            notes = (*notes, *self._obstacles(session, done.computed, asks=data is None))
            run = replace(self._report(session, done.computed, done.pushed, notes), requests=requests)
            return RehearsalReport(run=run, comparisons=done.comparisons)

    def _fill(self, mock: StandIn, session: Session, data: Path | None) -> tuple[tuple[str, ...], int]:
        """Fills the mock; says what people should know of it, and how many requests that took."""
        with session.hands.stages.stage("seed", "Filling the mock") as advance:
            if data is not None:
                mock.load(data)
                return (), 0
            with self._reader() as source:
                notes = copy_indices(mock.algolia, source, session.rules.indices, session.rules.payload_index, advance)
                return notes, source.requests

    def _obstacles(self, session: Session, computed: Computed, *, asks: bool) -> Iterator[str]:
        """What would keep a real sync from doing all that the rehearsal did; `asks`: Algolia may be asked."""
        if quiet := self._quiet(session.hands.now.date()):
            yield f"a sync would push nothing: {quiet} is a quiet time"
        budget, todo = self._budget(session), len(computed.plan.operations)
        if budget is not None and todo > budget:
            yield f"a sync would leave {todo - budget:,} operations to the next run: push.operations_per_hour is spent"
        if asks:
            try:
                refuse_unless_private(computed.plan, self._storefront(session.rules))
            except PushRefusedError as error:
                yield f"a sync would stop: {error}"

    def pull(self) -> dict[str, Any]:
        """Takes what is new in the sources into the log."""
        with self._session((), writable=True) as session, self._noted("pull", session) as note:
            _, stock = read_catalog(session.rules, session.hands)
            report = pulled_document(read_events(session.rules, session.hands, stock))
            report["seconds"] = session.hands.stages.seconds
            note(report, None)
            return report

    def rebuild(self, *, refacet: bool = False) -> dict[str, Any]:
        """Builds profiles, segments and related items anew from the log; nothing is pulled or pushed."""
        with self._session((), writable=True) as session, self._noted("rebuild", session) as note:
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
            note(report, found.as_of.isoformat())
            return report

    def explain(self, user: str, *, place: str = "any") -> dict[str, Any]:
        """Why one person has the profile she has."""
        with self._session((), writable=False) as session:
            return explain_user(session.rules, session.hands, user, place=place)

    def status(self) -> dict[str, Any]:
        """What algosync holds, without asking anybody else."""
        with ExitStack() as stack:
            state = stack.enter_context(self._state(create=False))
            snapshot = Snapshot(stack.enter_context(self._state(create=False, book=SNAPSHOT)))
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
                "ledger": Ledger(state.engine, self._target).counts(),
                "runs": [_run_document(run) for run in last_runs(state)],
                "not_heeded": made.not_heeded(self.settings),
            }

    def setup(self, *, confirm: Callable[[Sequence[Mapping[str, Any]]], bool]) -> dict[str, Any]:
        """Declares the facets that only algosync writes; the shop's own declarations stay as they are.

        Args:
            confirm: Shown the changes, says whether to apply them; not asked where there are none.
        """
        needed = made.needed_facets(self.settings)
        names = [index.name for index in self.settings.algolia.indices]
        with ExitStack() as stack:
            changes = facet_changes(stack.enter_context(self._reader()), names, needed)
            todo = [change for change in changes if change["added"]]
            applied = bool(todo) and confirm(todo)
            if applied:
                apply_changes(stack.enter_context(self._writer()), todo)
        return {"indices": changes, "applied": applied}

    def quarantine_list(self, *, source: str | None, limit: int) -> dict[str, Any]:
        """Rows that were turned away."""
        with self._state(create=False) as state:
            which = quarantine.Which(source=source)
            counted = quarantine.counts(state, which)
            return {
                "reasons": [{"source": s, "reason": r, "rows": n} for s, r, n in counted],
                "rows": [asdict(row) for row in quarantine.listed(state, which, limit=limit)],
                "total": sum(n for _, _, n in counted),
            }

    def quarantine_show(self, number: int) -> dict[str, Any]:
        """One row as it came."""
        with self._state(create=False) as state:
            return asdict(quarantine.shown(state, number))

    def quarantine_retry(self, *, source: str | None) -> dict[str, Any]:
        """Takes rows through mapping and judgement again."""
        with self._session((), writable=True) as session, self._noted("quarantine retry", session) as note:
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

    @contextmanager
    def _session(
        self, only: tuple[Family, ...], *, writable: bool, reader: ReadClient | None = None
    ) -> Iterator[Session]:
        now = self._clock()
        rules = shop_rules(self.settings, self._base, now, only)
        with ExitStack() as stack:
            state = stack.enter_context(self._state(create=writable))
            snapshot = stack.enter_context(self._state(create=writable, book=SNAPSHOT))
            ledger = Ledger(state.engine, self._target)
            writer: LogWriter = CommittingWriter(state) if writable else ScratchWriter(state)
            stack.callback(writer.close)
            hands = Hands(
                backend=stack.enter_context(self._backend()),
                client=reader or stack.enter_context(self._reader()),
                writer=writer,
                snapshot=Snapshot(snapshot),
                results=Results(self._directory / "results"),
                ledger=ledger,
                stages=Stages(self._progress),
                now=now,
            )
            yield Session(hands=hands, state=state, rules=rules, ledger=ledger, writable=writable)

    @contextmanager
    def _noted(self, command: str, session: Session) -> Iterator[Callable[[Mapping[str, Any], str | None], None]]:
        """Keeps a record of the run; of a failed one too, with what it had pushed until then."""
        started = session.hands.now

        def note(report: Mapping[str, Any], as_of: str | None, outcome: str = "done") -> None:
            run = Run(
                command=command,
                started_at=started,
                finished_at=self._clock(),
                as_of=as_of,
                outcome=outcome,
                report=report,
            )
            note_run(session.state, run)

        try:
            yield note
        except BaseException as error:
            what = str(error) if isinstance(error, AlgosyncError) else f"broke off: {type(error).__name__}"
            with suppress(StoreError):
                note({"pushed": {"operations": session.ledger.taken_since(started)}}, None, what)
            raise

    def _state(self, *, create: bool, book: Book = STATE) -> State:
        return open_state(self.settings.state.url, self._directory, create=create, book=book)

    @contextmanager
    def _backend(self) -> Iterator[Backend]:
        # No extension may be fetched from elsewhere; and without ICU every time is UTC, whatever the machine's zone.
        offline = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        with TemporaryDirectory(prefix="algosync-") as spill:
            backend = ibis.duckdb.connect(
                memory_limit=self.settings.state.memory_limit, temp_directory=spill, **offline
            )
            try:
                yield backend
            finally:
                backend.disconnect()

    def _reader(self) -> ReadClient:
        algolia = self.settings.algolia
        return ReadClient(self._target, _secret(algolia.read_api_key or algolia.write_api_key, "read_api_key"))

    def _writer(self) -> WriteClient:
        return WriteClient(self._target, _secret(self.settings.algolia.write_api_key, "write_api_key"))

    def _storefront(self, rules: ShopRules) -> StorefrontAccess | None:
        key = self.settings.algolia.storefront_api_key
        if key is None or "profiles" not in rules.families:
            return None
        return storefront_can_read(self._target, key.get_secret_value(), rules.payload_index, rules.indices[0])

    def _budget(self, session: Session) -> int | None:
        limit = self.settings.push.operations_per_hour
        if limit is None:
            return None
        return max(0, limit - operations_since(session.state, session.hands.now, timedelta(hours=1)))

    def _quiet(self, today: date) -> str | None:
        for span in self.settings.push.quiet:
            first, _, last = span.partition("/")
            if date.fromisoformat(first) <= today <= date.fromisoformat(last or first):
                return span
        return None

    def _report(
        self, session: Session, computed: Computed, pushed: Pushed | None, notes: tuple[str, ...]
    ) -> SyncReport:
        return SyncReport(
            rules=session.rules,
            computed=computed,
            pushed=pushed,
            seconds=session.hands.stages.seconds,
            requests=session.hands.client.requests,
            dry_run=not session.writable,
            notes=(*notes, *(f"not heeded: {line}" for line in made.not_heeded(self.settings))),
        )


def _secret(key: SecretStr | None, name: str) -> str:
    if key is None:
        raise ConfigError("is missing", where=f"algolia.{name}", hint=f"Set ALGOSYNC_ALGOLIA__{name.upper()}.")
    return key.get_secret_value()


def _run_document(run: Run) -> dict[str, Any]:
    return {
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "outcome": run.outcome,
        "read": run.report.get("events", {}).get("read"),
        "operations": run.report.get("pushed", {}).get("operations"),
    }
