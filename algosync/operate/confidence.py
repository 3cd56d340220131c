"""Samples, and what they say about the whole: how many may be wrong at most, though only some were looked at.

Pure arithmetic, exact at every size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, TypeVar

CONFIDENCE: Final = 0.95

T = TypeVar("T", bound=tuple[str, ...])


def drawn(names: Iterable[T], number: int, seed: str) -> list[T]:
    """Draw a random sample without repetition; the same seed draws the same of the same names, in any order.

    Args:
        names: What is drawn from, each once.
        number: How many to draw, or all where there are no more.
        seed: Another one draws another sample.
    """

    def lot(name: T) -> bytes:
        return hashlib.blake2b("\x00".join((seed, *name)).encode(), digest_size=16).digest()

    return nsmallest(number, names, key=lot)


def wrong_at_most(known: int, looked: int, wrong: int, confidence: float = CONFIDENCE) -> int:
    """How many of all may be wrong at most, where a random sample without repetition held so many.

    The one-sided exact bound for a finite population: the largest number of wrong ones of which a sample would still
    show no more than it did with a probability above `1 - confidence`. It is Clopper and Pearson's interval (The use of
    confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26, 1934, 404-413) with the
    hypergeometric distribution in the binomial's place (Wright, Exact confidence bounds when sampling from small finite
    universes, Springer 1991). Where all were looked at it is their number.

    Args:
        known: How many there are.
        looked: How many of them were looked at.
        wrong: How many of these were wrong.
        confidence: How often the bound holds at least, over all samples; between 0 and 1.

    Raises:
        ValueError: Not `0 <= wrong <= looked <= known`.
    """
    if not 0 <= wrong <= looked <= known:
        raise ValueError(f"{wrong} wrong of {looked} looked at of {known} is not possible")
    least, most = wrong, known - (looked - wrong)
    if least == most:
        return least
    from scipy.stats import hypergeom

    while least < most:  # the more are wrong, the less likely a sample is to show so few
        middle = (least + most + 1) // 2
        if hypergeom.cdf(wrong, known, middle, looked) > 1 - confidence:
            least = middle
        else:
            most = middle - 1
    return least
