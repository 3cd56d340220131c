"""Content similarity: the article's first sample, and exactness against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from algosync.related.similar import SimilarRules, similar

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "nineth", "tenth")
ATTRIBUTES = (
    "Size: Small, Color: Blue, Material: Cotton",
    "Size: Medium, Color: Red, Material: Silk",
    "Size: Large, Color: Green, Material: Wool",
    "Size: Extra Large, Color: Black, Material: Leather",
    "Size: Small, Color: White, Material: Linen",
    "Size: Medium, Color: Blue, Material: Linen",
    "Size: Small, Color: Black, Material: Silk",
    "Size: Large, Color: White, Material: Leather",
    "Size: Extra Large, Color: Red, Material: Cotton",
    "Size: Medium, Color: Green, Material: Wool",
)


def _everything(texts):
    return {"available": np.ones(len(texts), dtype=bool), "popularity": np.zeros(len(texts))}


def test_the_articles_content_sample():
    """Product 3's three nearest, with the numbers that the article's code gives once it runs.

    Repaired printing errors: missing commas after the descriptions 2, 3, 4, 7 and 8 (as printed, Python would join
    the strings and the columns would differ in length); no closing quote on 4 and 8, a double one on 7; comments
    broken onto lines of their own ("'attributes' as columns", "perform data cleaning.", "'content' column",
    "products"); `cosine_sim-cosine_sim` and `key-lambda`, whose equals signs became hyphens; lost indentation.
    "nineth" is the article's own word and kept. Its `Score` column holds (index, score) pairs, because `sim_scores`
    is not unpacked: the scores are the second halves. Product 9 ties with Product 4 (.3873): the order by position
    decides, there as here.
    """
    texts = [
        f"Product {i} This is the {word} product. {attributes}"
        for i, (word, attributes) in enumerate(zip(ORDINALS, ATTRIBUTES, strict=True), start=1)
    ]
    lists = similar(texts, n=3, **_everything(texts))
    assert [(item + 1, round(score, 4)) for item, score in lists.of(2)] == [(10, 0.6404), (8, 0.4222), (4, 0.3873)]


WORDS = st.sampled_from(["red shoe", "blue shoe", "red", "shoe red", "green hat", "hat", "", "the", "wool hat blue"])
SHOPS = st.lists(st.tuples(WORDS, st.booleans(), st.sampled_from([0.0, 1.0, 7.0])), min_size=1, max_size=30)


@given(SHOPS, st.integers(1, 5))
def test_lists_are_exact_whatever_the_ties(shop, n):
    texts = [text for text, _, _ in shop]
    available = np.array([here for _, here, _ in shop])
    popularity = np.array([popular for _, _, popular in shop])
    lists = similar(texts, n=n, available=available, popularity=popularity)
    assert len(lists) == len(texts)
    distinct = sorted(set(texts), key=texts.index)
    try:
        vectors = TfidfVectorizer(stop_words="english").fit(distinct).transform(texts).toarray()
    except ValueError:
        assert len(lists.related) == 0
        return
    cosine = np.round(vectors @ vectors.T, 9)
    for i in range(len(texts)):
        others = [j for j in range(len(texts)) if j != i and available[j] and cosine[i, j] > 0]
        others.sort(key=lambda j: (-cosine[i, j], -popularity[j], j))
        assert [j for j, _ in lists.of(i)] == others[:n]
        assert [s for _, s in lists.of(i)] == pytest.approx([cosine[i, j] for j in others[:n]], abs=2e-9)


def test_facets_are_whole_tokens_beside_the_words():
    texts = ["", "", "shoe", ""]
    tokens = [["brand:New Balance"], ["brand:New Balance"], ["brand:New Look"], []]
    lists = similar(texts, tokens, n=3, **_everything(texts))
    assert [lists.of(i) for i in range(4)] == [[(1, 1.0)], [(0, 1.0)], [], []]


def test_the_weight_of_facets_moves_the_order():
    texts = ["wool hat", "wool hat", "silk scarf"]
    tokens = [["brand:A"], ["brand:B"], ["brand:A"]]
    light = similar(texts, tokens, n=2, **_everything(texts), rules=SimilarRules(facet_weight=0.1))
    heavy = similar(texts, tokens, n=2, **_everything(texts), rules=SimilarRules(facet_weight=10.0))
    assert ([i for i, _ in light.of(0)], [i for i, _ in heavy.of(0)]) == ([1, 2], [2, 1])


def test_stop_words_are_the_shops_own():
    texts = ["der Hut", "der Schal"]
    assert len(similar(texts, n=1, **_everything(texts), rules=SimilarRules(stop_words=("der",))).related) == 0
    assert len(similar(texts, n=1, **_everything(texts)).related) == 2


def test_words_in_too_many_texts_can_be_dropped():
    texts = ["shop hat", "shop scarf", "shop hat red"]
    lists = similar(texts, n=2, **_everything(texts), rules=SimilarRules(max_share=0.7))
    assert [j for j, _ in lists.of(0)] == [2]


def test_nothing_to_compare_gives_empty_lists():
    for texts in ([], ["the", ""]):
        assert len(similar(texts, n=2, **_everything(texts)).related) == 0
