"""`algosync audience`: the members of a segment into a file, and a record of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from algosync.errors import RequestError
from algosync.operate.audience import Format, Wish, file, stream, write
from algosync.runtime.opening import Opening
from algosync.runtime.telling import permits
from algosync.settings.definitions import load_segments
from algosync.stores.roster import roster
from algosync.stores.runs import AUDIENCE, Run, note_run
from algosync.stores.snapshot import SNAPSHOT


def audience(opening: Opening, segment: str, *, form: Format, out: Path | IO[bytes], top: int) -> dict[str, Any]:
    """Exports a segment's members; see `Runtime.audience`."""
    known = load_segments(opening.settings, opening.base).ids
    if segment not in known:
        there = ", ".join(known) or "none"
        raise RequestError(f"no segment is named '{segment}'", where="SEGMENT", hint=f"There are: {there}", status=404)
    started = opening.clock()
    wish = Wish(segment=segment, format=form, top=top, at=started)
    with ExitStack() as stack:
        state = stack.enter_context(opening.state(create=True))
        may = stack.enter_context(permits(opening))
        snapshot = stack.enter_context(opening.state(create=False, book=SNAPSHOT))
        made, done = stack.enter_context(file(out) if isinstance(out, Path) else stream(out))
        with roster(snapshot, segment) as members:
            counts = write(members, wish, may.refusals, made)
        to = out.name if isinstance(out, Path) else None
        report = {"segment": segment, "format": form, "file": to, **asdict(counts)}
        # What was noted and never reached its place is better than what did and nobody knows of.
        run = Run(
            command=AUDIENCE,
            started_at=started,
            finished_at=opening.clock(),
            as_of=None,
            outcome="done",
            report=report,
        )
        note_run(state, run)
        done()
    return report
