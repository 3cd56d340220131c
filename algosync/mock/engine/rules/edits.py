"""Edits of a query's text by rules: words or named facet values go, or others come in their place. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algosync.mock.engine.rules.matching import Asked
from algosync.mock.engine.rules.patterns import Named, Token, tokenise
from algosync.mock.engine.text.words import spans, split


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A word with what stands up to the next one, and its number in the query as asked (-1 once edited)."""

    text: str
    word: str
    number: int


class EditedQuery:
    """A query's text under the edits of one rule after the other."""

    def __init__(self, query: Asked) -> None:
        self._pieces = _pieces(query.text, numbered=True)

    def __str__(self) -> str:
        return " ".join("".join(piece.text for piece in self._pieces).split())

    def edit(self, delete: str, insert: str, named: Sequence[Named]) -> None:
        """Put `insert` in the place of every occurrence of `delete`: words, and placeholders for what they named."""
        tokens = tokenise(delete)
        if not tokens:
            return
        edited: list[_Piece] = []
        at = 0
        while at < len(self._pieces):
            stop = self._stop(tokens, at, named)
            if stop is None:
                edited.append(self._pieces[at])
                at += 1
            else:
                edited += _pieces(f"{insert} ", numbered=False)
                at = stop
        self._pieces = edited

    def _stop(self, tokens: Sequence[Token], at: int, named: Sequence[Named]) -> int | None:
        for text, placeholder in tokens:
            if at >= len(self._pieces):
                return None
            piece = self._pieces[at]
            if placeholder:
                lengths = [n.stop - n.start for n in named if n.facet == text and n.start == piece.number]
                if not lengths:
                    return None
                at += lengths[0]
            elif piece.word == text:
                at += 1
            else:
                return None
        return at


def _pieces(text: str, *, numbered: bool) -> list[_Piece]:
    found = spans(text)
    starts = [0, *(start for start, _ in found[1:]), len(text)]
    pieces: list[_Piece] = []
    for place, (start, stop) in enumerate(found):
        words = split(text[start:stop])
        for inner, word in enumerate(words):
            shown = text[starts[place] : starts[place + 1]] if inner == len(words) - 1 else ""
            pieces.append(_Piece(text=shown, word=word, number=len(pieces) if numbered else -1))
    return pieces
