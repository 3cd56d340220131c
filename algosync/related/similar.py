"""What resembles what, by content alone: TF-IDF over the products' texts and facet values, cosine, exact top lists.

No person's data is used here. Products whose content is equal share one vector, so that the work grows with the
number of distinct contents and not of products. Reads nothing, pushes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from algosync.related.topk import (
    Bools,
    Floats,
    Ints,
    Lists,
    Longs,
    best,
    collect,
    from_rows,
    leading,
    ordered,
    preference,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ROWS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRules:
    """How content is compared.

    Args:
        stop_words: "english", words of the shop's own, or None for none.
        facet_weight: How often a facet token counts, as if it stood in the text that many times.
        max_share: Words in a larger share of the distinct texts are dropped; 1 keeps all. On 100,000 long texts
            0.02 costs a tenth of the time and keeps 92 % of the neighbours.
        threads: Threads of the sparse product; the result does not depend on it.
    """

    stop_words: str | tuple[str, ...] | None = "english"
    facet_weight: float = 1.0
    max_share: float = 1.0
    threads: int = 2


def similar(
    texts: Sequence[str],
    facet_tokens: Sequence[Sequence[str]] | None = None,
    *,
    n: int,
    available: Bools,
    popularity: Floats,
    rules: SimilarRules | None = None,
) -> Lists:
    """Return the n items whose content is nearest to each item's, by the cosine of TF-IDF vectors.

    TF-IDF is scikit-learn's (smoothed idf, unit length), counted over distinct contents. An item without a usable
    word has no list and is in none.

    Args:
        texts: One text per item.
        facet_tokens: Facet values per item, compared as whole tokens beside the words, or None.
        n: The most related items per item.
        available: Which items may be recommended.
        popularity: What breaks ties, larger first.
        rules: How content is compared.
    """
    rules = rules or SimilarRules()
    content, words, tokens = _distinct(texts, facet_tokens)
    vectors = _vectors(words, tokens, rules)
    candidates = preference(available, popularity)
    if vectors is None or len(candidates) == 0:
        return from_rows([()] * len(texts))
    shelf = _Shelf.of(content[candidates], vectors.shape[0])
    columns = vectors[shelf.contents].T.tocsr()
    members = np.argsort(content, kind="stable")
    bounds = np.searchsorted(content[members], np.arange(vectors.shape[0] + 1))
    parts = []
    for start in range(0, vectors.shape[0], ROWS):
        stop = min(start + ROWS, vectors.shape[0])
        row, column, score = best(vectors[start:stop], columns, n + 1, threads=rules.threads)
        entries = ordered(*shelf.unfold(row, column, score, n + 1), n + 1)
        items = members[bounds[start] : bounds[stop]]
        parts.append(_per_item(items, content[items] - start, entries, candidates, n))
    return _sorted(parts, candidates, len(texts))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Which candidates, by preference, share which content.

    `contents` are those that have a candidate, by their most preferred one: of two equally near contents the one
    that holds the more preferred product comes first, so the nearest n + 1 contents hold the nearest n + 1 products.
    """

    contents: Longs
    places: Longs
    starts: Longs

    @classmethod
    def of(cls, content_of_candidate: Longs, n_contents: int) -> _Shelf:
        first = np.full(n_contents, len(content_of_candidate), dtype=np.int64)
        np.minimum.at(first, content_of_candidate, np.arange(len(content_of_candidate)))
        contents = np.argsort(first, kind="stable")[: len(np.unique(content_of_candidate))]
        column = np.empty(n_contents, dtype=np.int64)
        column[contents] = np.arange(len(contents))
        places = np.argsort(column[content_of_candidate], kind="stable")
        counts = np.bincount(column[content_of_candidate], minlength=len(contents))
        return cls(contents, places, np.concatenate(([0], np.cumsum(counts))))

    def unfold(self, row: Longs, column: Longs, score: Floats, most: int) -> tuple[Longs, Longs, Floats]:
        """Turn entries over contents into entries over candidates' places, at most `most` of each content."""
        counts = np.minimum(np.diff(self.starts)[column], most)
        wanted = _above(row, score, counts) < most
        row, column, score, counts = row[wanted], column[wanted], score[wanted], counts[wanted]
        ends = np.cumsum(counts)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        place = self.places[np.repeat(self.starts[column], counts) + within]
        return np.repeat(row, counts), place, np.repeat(score, counts)


def _above(row: Longs, score: Floats, counts: Longs) -> Longs:
    """How many products of the same row have a larger score; entries come by row and score downwards."""
    before = np.cumsum(counts) - counts
    new_row = np.concatenate(([True], row[1:] != row[:-1]))[: len(row)]
    new_score = new_row | np.concatenate(([True], score[1:] != score[:-1]))[: len(row)]
    row_start = np.maximum.accumulate(np.where(new_row, before, 0))
    return np.asarray(np.maximum.accumulate(np.where(new_score, before, 0)) - row_start)


def _per_item(
    items: Longs, row_of_item: Longs, entries: tuple[Longs, Longs, Floats], candidates: Ints, n: int
) -> tuple[Longs, Longs, Floats]:
    """Give every item its content's entries without itself, at most n."""
    row, place, score = entries
    bounds = np.searchsorted(row, np.arange(int(row_of_item.max(initial=-1)) + 2))
    counts = bounds[row_of_item + 1] - bounds[row_of_item]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    taken = np.repeat(bounds[row_of_item], counts) + within
    owner = np.repeat(items, counts)
    other = candidates[place[taken]] != owner
    owner, taken = owner[other], taken[other]
    first = leading(owner, n)
    return owner[first], place[taken[first]], score[taken[first]]


def _sorted(parts: Sequence[tuple[Longs, Longs, Floats]], candidates: Ints, n_items: int) -> Lists:
    row, place, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    return collect([(row[order], place[order], score[order])], candidates, n_items)


def _distinct(
    texts: Sequence[str], facet_tokens: Sequence[Sequence[str]] | None
) -> tuple[Longs, list[str], list[tuple[str, ...]]]:
    """Number the distinct contents in order of appearance."""
    tokens: Iterable[tuple[str, ...]]
    tokens = ((),) * len(texts) if facet_tokens is None else (tuple(sorted(t)) for t in facet_tokens)
    seen: dict[Hashable, int] = {}
    content = np.fromiter(
        (seen.setdefault(key, len(seen)) for key in zip(texts, tokens, strict=True)),
        dtype=np.int64,
        count=len(texts),
    )
    keys: list[Any] = list(seen)
    return content, [key[0] for key in keys], [key[1] for key in keys]


def _vectors(words: list[str], tokens: list[tuple[str, ...]], rules: SimilarRules) -> csr_matrix | None:
    """TF-IDF rows of unit length per distinct content, or None where no content has a usable word."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    stop = list(rules.stop_words) if isinstance(rules.stop_words, tuple) else rules.stop_words
    counts = []
    for vectorizer, documents, weight in (
        (CountVectorizer(stop_words=stop), words, 1.0),
        (CountVectorizer(analyzer=tuple), tokens, rules.facet_weight),
    ):
        try:
            matrix = vectorizer.fit_transform(documents).astype(np.float64)
        except ValueError:  # an empty vocabulary
            continue
        counts.append(matrix * weight)
    if not counts:
        return None
    joined = csr_matrix(hstack(counts, format="csr"))
    if rules.max_share < 1.0:
        share = np.bincount(joined.indices, minlength=joined.shape[1]) / joined.shape[0]
        joined = csr_matrix(joined[:, np.flatnonzero(share <= rules.max_share)])
    return csr_matrix(TfidfTransformer().fit_transform(joined))
