"""Tallies and standings as a snapshot keeps them: what was written is what is read, to the last bit.

A tally is compressed JSON, since everybody has one. Owns the form alone; `batch_tallies` writes the same JSON for
everybody at once.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import orjson

from algosync.profiles.streams import Standing
from algosync.profiles.tally import Amounts, Span, Sums, Tally

_STANDING = ("epoch", "login", "owner", "logged_in_before", "epoch_after_login", "second", "session_id")
_LEVEL: Final = 1
"""The highest level takes a tenth less room and three times the time."""


def dump(tally: Tally) -> bytes:
    """A tally for the snapshot; `load` gives it back.

    A list of: landmark; first and last moment, or null; number of events; authenticated and purchased, as 0 or 1; names
    of facets; sums; facts as [place, day or null, count, paid, saved]; sessions as one list of their first seconds and
    lengths in turn; products; the latest context as [moment, value] by key. Much of what she looked at has the same
    sum, so each sum is there once, as [sum, facet's place, value, facet's place, value, ...]. Numbers have at most 64
    bits.
    """
    names = sorted(tally.sums)
    held: dict[float, list[int | str]] = {}
    for place, name in enumerate(names):
        for value, total in sorted(tally.sums[name].items()):
            held.setdefault(total, []).extend((place, value))
    facts = sorted(tally.facts.items(), key=lambda fact: (fact[0][0], fact[0][1] is not None, fact[0][1] or 0))
    doc = [
        tally.landmark,
        tally.seen,
        tally.events,
        int(tally.authenticated),
        int(tally.purchased),
        names,
        [[total, *values] for total, values in sorted(held.items())],
        [[*key, *amounts] for key, amounts in facts],
        [number for first, last in tally.spans for number in (first, last - first)],
        sorted(tally.products),
        dict(sorted(tally.context.items())),
    ]
    return pack(orjson.dumps(doc))


def pack(text: bytes) -> bytes:
    """The JSON of a tally as it is kept."""
    return zlib.compress(text, _LEVEL)


def load(doc: bytes) -> Tally:
    """The tally that `dump` was given, or one whose JSON has the same in another order."""
    found: list[Any] = orjson.loads(zlib.decompress(doc))
    landmark, seen, events, authenticated, purchased, names, sums, facts, spans, products, context = found
    return Tally(
        landmark=landmark,
        sums=_sums(names, sums),
        facts={(leaf, day): _amounts(*amounts) for leaf, day, *amounts in facts},
        spans=_spans(spans),
        seen=(seen[0], seen[1]) if seen else None,
        events=events,
        products=frozenset(products),
        authenticated=bool(authenticated),
        purchased=bool(purchased),
        context={key: (at, value) for key, (at, value) in context.items()},
    )


def dump_standing(standing: Standing) -> str:
    """A standing as JSON; `load_standing` gives it back."""
    unset = Standing()
    told = {name: getattr(standing, name) for name in _STANDING}
    return orjson.dumps({name: held for name, held in told.items() if held != getattr(unset, name)}).decode()


def load_standing(doc: str | bytes) -> Standing:
    """The standing of a text that `dump_standing` made."""
    return Standing(**orjson.loads(doc))


def _sums(names: list[str], lines: list[list[Any]]) -> Sums:
    held: list[dict[str, float]] = [{} for _ in names]
    for line in lines:
        total = line[0]
        for place, value in zip(line[1::2], line[2::2], strict=True):
            held[place][value] = total
    return {name: values for name, values in zip(names, held, strict=True) if values}


def _spans(numbers: list[int]) -> tuple[Span, ...]:
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(sorted((first, first + length) for first, length in pairs))


def _amounts(count: int, paid: int, saved: int) -> Amounts:
    return count, paid, saved
