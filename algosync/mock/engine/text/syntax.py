"""The advanced query syntax: `"exact phrases"` and `-excluded` words, where advancedSyntax is on. Pure.

As documented: no typos and no prefixes inside a phrase, whose words follow each other in one attribute; a minus counts
at the start of a word only, not within quotes (algolia.com/doc/api-reference/api-parameters/advancedSyntax). A quote
that is not closed, and a minus before a quote, are read as if they were not there, which is documented nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from algosync.mock.engine.columns import Ints, Mask
from algosync.mock.engine.text.inverted import Scope, TextIndex, Word
from algosync.mock.engine.text.words import split

FEATURES = ("exactPhrase", "excludeWords")

_PIECE = re.compile(r'"(?P<phrase>[^"]*)"|(?:(?<=\s)|^)-(?P<excluded>[^\s"]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """A query taken apart.

    Attributes:
        text: The query without excluded words, phrases without their quotes.
        words: Its words, and whether each stands in a phrase.
        phrases: The words of each phrase.
        excluded: Words that must not occur.
    """

    text: str
    words: tuple[tuple[str, bool], ...]
    phrases: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[str, ...] = ()

    def narrowed(self, text: TextIndex, allowed: Mask, scope: Scope) -> Mask:
        """Of the allowed documents, those that hold every phrase and no excluded word."""
        for word in self.excluded:
            found = text.find(Word(text=word, prefix=False, typos_max=0), allowed, scope)
            allowed = allowed & (found.typos < 0)
        for phrase in self.phrases:
            holds = np.zeros(len(allowed), np.bool_)
            holds[_following(text, phrase, allowed, scope)] = True
            allowed = allowed & holds
        return allowed


def read(query: str, features: Collection[str]) -> Syntax:
    """A query under the features that are on; without any, it is all plain words."""
    words: list[tuple[str, bool]] = []
    phrases: list[tuple[str, ...]] = []
    excluded: list[str] = []
    kept: list[str] = []
    end = 0
    for piece in _PIECE.finditer(query):
        phrase, banned = piece["phrase"], piece["excluded"]
        if ("exactPhrase" if banned is None else "excludeWords") not in features:
            continue
        before = query[end : piece.start()]
        words += [(word, False) for word in split(before)]
        kept += [before, " " if phrase is None else phrase]
        end = piece.end()
        if phrase is None:
            excluded += split(banned)
        elif inside := split(phrase):
            words += [(word, True) for word in inside]
            phrases.append(tuple(inside))
    words += [(word, False) for word in split(query[end:])]
    text = "".join([*kept, query[end:]])
    return Syntax(text=text, words=tuple(words), phrases=tuple(phrases), excluded=tuple(excluded))


def _following(text: TextIndex, phrase: tuple[str, ...], allowed: Mask, scope: Scope) -> Ints:
    """Documents where the words of a phrase stand one after the other."""
    docs, ends = np.empty(0, np.int64), np.empty(0, np.int64)
    for place, word in enumerate(phrase):
        found = text.find(Word(text=word, prefix=False, typos_max=0), allowed, scope)
        keep = np.isin(found.lines, ends + 1) if place else np.ones(len(found.lines), np.bool_)
        docs, ends = found.docs[keep], found.lines[keep]
    return docs
