"""Members of a segment with what they like most, for e-mail and push services; only those who may be named.

A file is there whole or not at all, and readable by its owner alone. What somebody likes may come from whoever sends
events, so that in CSV none of it is a formula to a spreadsheet.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, Any, Final, Literal

import orjson

from algosync.errors import StoreError
from algosync.experience.strategy import visit_at
from algosync.stores.roster import Member

Format = Literal["csv", "jsonl"]
Refusals = Callable[[Sequence[Sequence[str]]], Sequence[str | None]]

_AT_ONCE: Final = 500
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is exported.

    Attributes:
        segment: The segment's id.
        format: csv or jsonl.
        top: Affinities of each member, at most.
        at: Now.
    """

    segment: str
    format: Format
    top: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many members there are, were exported, and were left out, by reason."""

    members: int
    exported: int
    left_out: Mapping[str, int]


def write(members: Iterable[Member], wish: Wish, refusals: Refusals, to: IO[bytes]) -> Counts:
    """Writes those members who may be named.

    Args:
        members: All of them.
        wish: What is exported.
        refusals: Says of people why they may not be named.
        to: Where to.
    """
    left_out: Counter[str] = Counter()
    exported = 0
    line = _csv_line if wish.format == "csv" else _json_line
    if wish.format == "csv":
        to.write(_row(_header(wish.top)))
    for member, refusal in _judged(members, refusals):
        if refusal is not None:
            left_out[refusal] += 1
            continue
        to.write(line(member, wish))
        exported += 1
    return Counts(members=exported + left_out.total(), exported=exported, left_out=dict(sorted(left_out.items())))


@contextmanager
def file(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    """A file to write, and what puts it in its place once it is whole; without that nothing is left of it.

    Raises:
        StoreError: It cannot be written there.
    """
    try:
        with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as made:  # mode 0600
            temporary = Path(made.name)
            try:

                def done() -> None:
                    made.flush()
                    os.fsync(made.fileno())
                    temporary.replace(path)

                yield made, done
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror}", where=str(path), hint="See --out") from None


@contextmanager
def stream(to: IO[bytes]) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    """The same for a stream: it is given nothing before all of it is there."""
    with TemporaryFile() as made:

        def done() -> None:
            made.seek(0)
            while part := made.read(1 << 20):
                to.write(part)
            to.flush()

        yield made, done


def _judged(members: Iterable[Member], refusals: Refusals) -> Iterator[tuple[Member, str | None]]:
    ahead = iter(members)
    while some := list(islice(ahead, _AT_ONCE)):
        yield from zip(some, refusals([member.tokens for member in some]), strict=True)


def _top(doc: Mapping[str, Any], number: int) -> list[tuple[str, str, int]]:
    every = ((facet, value, score) for facet, values in doc["affinities"].items() for value, score in values.items())
    return sorted(every, key=lambda one: (-one[2], one[0], one[1]))[:number]


def _json_line(member: Member, wish: Wish) -> bytes:
    doc = {
        "userToken": member.tokens[0],
        "userTokens": member.tokens,
        "segment": wish.segment,
        "since": member.since,
        "visit": visit_at(member.doc, wish.at),
        "state": member.doc["state"],
        "affinities": [
            {"facet": facet, "value": value, "score": score} for facet, value, score in _top(member.doc, wish.top)
        ],
    }
    return orjson.dumps(doc, option=orjson.OPT_APPEND_NEWLINE)


def _csv_line(member: Member, wish: Wish) -> bytes:
    """One row; several tokens are one JSON list, since any sign may be part of one."""
    found = _top(member.doc, wish.top)
    affinities = [cell for facet, value, score in found for cell in (_inert(facet), _inert(value), score)]
    affinities += [""] * (3 * (wish.top - len(found)))
    tokens = orjson.dumps(member.tokens).decode()
    visit = visit_at(member.doc, wish.at)
    return _row([member.tokens[0], tokens, wish.segment, member.since, visit, member.doc["state"], *affinities])


def _header(top: int) -> list[str]:
    affinities = [f"affinity_{n}_{part}" for n in range(1, top + 1) for part in ("facet", "value", "score")]
    return ["userToken", "userTokens", "segment", "since", "visit", "state", *affinities]


def _row(cells: Sequence[Any]) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerow(cells)
    return made.getvalue().encode()


def _inert(text: str) -> str:
    """A text with an apostrophe before what a spreadsheet would work out; userTokens have no signs that do harm."""
    return f"'{text}" if text.startswith(_FORMULA) else text
