"""What a command has open: the stores, the log, the analytics engine, Algolia; and the record it leaves.

Opens from the settings and gives everything back; it computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
from ibis.backends.duckdb import Backend
from pydantic import SecretStr
from structlog.contextvars import bound_contextvars

from algosync.algolia.client import ReadClient, WriteClient
from algosync.errors import AlgosyncError, ConfigError, StoreError
from algosync.events.duck import engine, told
from algosync.events.writer import CommittingWriter, LogWriter, ScratchWriter
from algosync.payloads.declared import declared_facets
from algosync.payloads.encode import Family
from algosync.runtime.telling import telling
from algosync.settings import rules as made
from algosync.settings.kept import kept_document
from algosync.settings.models import Settings
from algosync.settings.shop import shop_rules
from algosync.stores.runs import Run, begin_run, note_run
from algosync.stores.scratch import Scratch
from algosync.stores.settings_kept import keep_settings
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import STATE, Book, State, open_state
from algosync.stores.tombstones import Forgotten, open_forgotten
from algosync.stores.witness import needed, witness
from algosync.sync.catalog import Observed
from algosync.sync.cycle import Hands, ShopRules
from algosync.sync.ledger import Ledger
from algosync.sync.occurrences import failed, is_failure
from algosync.sync.results import Results
from algosync.sync.returned import refuse_returned
from algosync.sync.stages import Progress, Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one command has open.

    Attributes:
        whole: Whether every family that is switched on takes part.
        writable: Whether it may change anything.
    """

    hands: Hands
    state: State
    rules: ShopRules
    ledger: Ledger
    whole: bool
    writable: bool


Note = Callable[[Mapping[str, Any], str | None], None]
"""Keeps a run's report and the moment it describes."""


class Opening:
    """Opens what commands work with.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        progress: Whoever watches.
        clock: Tells the time.

    Attributes:
        run: The number of the last run that was noted; None before the first.
    """

    def __init__(self, settings: Settings, base: Path, *, progress: Progress, clock: Callable[[], datetime]) -> None:
        self.run: int | None = None
        self.settings = settings
        self.base = base
        self.clock = clock
        self.target = made.target(settings)
        self.directory = base / settings.state.directory
        self._progress = progress

    @contextmanager
    def session(
        self, only: tuple[Family, ...], *, writable: bool, reader: ReadClient | None = None
    ) -> Iterator[Session]:
        """All that a run needs; `reader` in place of Algolia's own."""
        now = self.clock()
        rules = shop_rules(self.settings, self.base, now, only)
        with ExitStack() as stack:
            state = stack.enter_context(self.state(create=writable))
            snapshot = stack.enter_context(self.state(create=writable, book=SNAPSHOT))
            ledger = Ledger(state.engine, self.target)
            writer: LogWriter = CommittingWriter(state) if writable else ScratchWriter(state)
            stack.callback(writer.close)
            gone = self.forgotten(state)
            refuse_returned(state, gone, now)
            if writable and gone.history.changes:
                witness(state, gone.history, now)
            hands = Hands(
                backend=stack.enter_context(self.backend()),
                client=reader or stack.enter_context(self.reader()),
                writer=writer,
                snapshot=Snapshot(snapshot),
                results=Results(self.directory / "results"),
                ledger=ledger,
                stages=Stages(self._progress),
                now=now,
                forgotten=gone,
                telling=stack.enter_context(telling(self, state, rules)),
            )
            yield Session(hands=hands, state=state, rules=rules, ledger=ledger, whole=not only, writable=writable)

    @contextmanager
    def noted(self, command: str, session: Session) -> Iterator[Note]:
        """Keeps a record of the run; of a failed one too, with what it had pushed until then.

        What is logged meanwhile bears the run's number.
        """
        started = session.hands.now
        self.run = number = begin_run(session.state, command, started)

        def note(report: Mapping[str, Any], as_of: str | None, outcome: str = "done") -> None:
            run = Run(
                command=command,
                started_at=started,
                finished_at=self.clock(),
                as_of=as_of,
                outcome=outcome,
                report=report,
                number=number,
            )
            note_run(session.state, run)

        try:
            with bound_contextvars(run=number):
                yield note
        except BaseException as error:
            what = str(error) if isinstance(error, AlgosyncError) else f"broke off: {type(error).__name__}"
            with suppress(StoreError):
                note({"pushed": {"operations": session.ledger.taken_since(started)}}, None, what)
            if is_failure(error):
                session.hands.telling.tell(failed(command, error, self.clock()))
            raise

    def keep_settings(self, session: Session, observed: Observed) -> dict[str, str]:
        """Keeps what a run's rules were made from; gives what its record says of that."""
        return {"settings": keep_settings(session.state, self.settings_document(observed), session.hands.now)}

    def settings_document(self, observed: Observed) -> dict[str, Any]:
        """What a run's rules are made from."""
        declared = {
            index: declared_facets(found.get("attributesForFaceting")) for index, found in observed.settings.items()
        }
        return kept_document(self.settings, self.base, declared)

    def state(self, *, create: bool, book: Book = STATE) -> State:
        """One of the databases; without `create` for reading alone."""
        return open_state(self.settings.state.url, self.directory, create=create, book=book)

    def forgotten(self, state: State) -> Forgotten:
        """Who was forgotten, and is not to be taken in.

        Args:
            state: Knows what there must be of them.

        Raises:
            ConfigError: The key by which they are known is missing, or is another one.
            StoreError: They are lost, or are those of an older backup.
        """
        need = needed(state)
        return open_forgotten(self.settings.state.url, self.directory, made.hash_key(self.settings), need)

    @contextmanager
    def backend(self) -> Iterator[Backend]:
        """The analytics engine, in memory; what does not fit there spills into a folder that goes with it.

        Raises:
            StoreError: It ran out of memory or room, whoever used it.
        """
        with Scratch() as spill, told():
            backend = ibis.duckdb.from_connection(
                engine(self.settings.state.memory_limit, temp_directory=str(spill.path))
            )
            try:
                yield backend
            finally:
                backend.disconnect()

    def reader(self) -> ReadClient:
        """Algolia, for reading.

        Raises:
            ConfigError: There is no key.
        """
        algolia = self.settings.algolia
        key = _secret(algolia.read_api_key or algolia.write_api_key, "read_api_key")
        return ReadClient(self.target, key, patience_s=self.settings.push.patience_s)

    def writer(self) -> WriteClient:
        """Algolia, for writing.

        Raises:
            ConfigError: There is no key.
        """
        key = _secret(self.settings.algolia.write_api_key, "write_api_key")
        return WriteClient(self.target, key, patience_s=self.settings.push.patience_s)


def _secret(key: SecretStr | None, name: str) -> str:
    if key is None:
        raise ConfigError("is missing", where=f"algolia.{name}", hint=f"Set ALGOSYNC_ALGOLIA__{name.upper()}.")
    return key.get_secret_value()
