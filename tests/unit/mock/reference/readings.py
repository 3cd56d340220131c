"""The ways to read a query, as Algolia's documentation describes them. Plain and slow."""

from __future__ import annotations

from collections import namedtuple

from .texts import lines, searched
from .words import allowed, normalise, words

# A way to read a query: words with whether they are prefixes, how many edits they allow, for how many words they count.
Asked = namedtuple("Asked", "word prefix most weight exact optional")


def typed(query: list[str], settings: dict) -> list[Asked]:
    """The query as typed: prefixes after …/queryType, typos after the word's length, …/optionalWords."""
    prefixes = {"prefixAll": len(query), "prefixNone": 0}.get(settings.get("queryType"), 1)
    given = settings.get("optionalWords") or []
    optional = {word for text in ([given] if isinstance(given, str) else given) for word in words(text)}
    return [
        Asked(word, number >= len(query) - prefixes, allowed(word, settings), 1, True, word in optional)
        for number, word in enumerate(query)
    ]


def readings(query: list[Asked], records: list[dict], settings: dict) -> list[tuple[list[Asked], int]]:
    """The query as typed, and with words joined or split, with the typos that costs.

    guides/…/in-depth/splitting-and-concatenation: pairs of the first five words and all words are joined; a word long
    enough for a typo is split in two, the first part of at most 12 letters, where both are in the index; of several
    splits the one with most matches. On with typo tolerance, off for disableTypoToleranceOnWords
    (…/disableTypoToleranceOnWords). What a joined or split word costs is documented nowhere: one typo.
    A reading counts where its joined or split word is found.
    """
    found = [(query, 0)]
    if settings.get("typoTolerance", True) in (False, "false"):
        return found
    kept = [normalise(word) for word in settings.get("disableTypoToleranceOnWords") or []]
    spans = [(at, at + 2) for at in range(min(len(query), 5) - 1)] + ([(0, len(query))] if len(query) > 2 else [])
    for first, last in spans:
        parts = query[first:last]
        if not any(part.word in kept for part in parts):
            word = "".join(part.word for part in parts)
            joined = Asked(word, parts[-1].prefix, 0, len(parts), False, False)
            found.append(([*query[:first], joined, *query[last:]], 1))
    vocabulary = [
        {
            word
            for names, _ in lines(record, settings)
            for name in names
            for text in searched(record, name, settings)
            for word in words(text)
        }
        for record in records
    ]
    for place, asked in enumerate(query):
        if not asked.most or asked.word in kept:
            continue
        splits = [(asked.word[:cut], asked.word[cut:]) for cut in range(1, min(12, len(asked.word) - 1) + 1)]
        held = [sum(known.issuperset(split) for known in vocabulary) for split in splits]
        if any(held):
            parts = splits[held.index(max(held))]
            one, other = (Asked(part, False, 0, 1 - at, False, False) for at, part in enumerate(parts))
            found.append(([*query[:place], one, other, *query[place + 1 :]], 1))
    return found
