"""What the handlers need of the rest: one answer from one moment of the snapshot, and how the stores are.

The real one is `serve/stored.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from algosync.experience.answer_memory import Told
from algosync.experience.question import Question

Person = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the stores are.

    Attributes:
        generation: Of the snapshot; None where there is none that can be read.
        as_of: ISO 8601 moment that it describes.
        problems: What is wrong, in sentences that name nobody and no path.
    """

    generation: int | None = None
    as_of: str | None = None
    problems: tuple[str, ...] = ()


class Desk(Protocol):
    """Answers from what is stored."""

    @property
    def waits(self) -> bool:
        """Whether it waits for other machines, so that it must be asked in a thread of its own."""

    def answer(self, question: Question, allow: Callable[[Person | None], None], *, now: datetime) -> Mapping[str, Any]:
        """The document of an answer, all of one generation.

        Args:
            question: What is asked.
            allow: Shown the stored person before anything is answered; raises where she may not be opened.
            now: This moment.

        Raises:
            StoreError: Nothing can be read now.
            AccessError: What `allow` raised.
        """

    def told(self, question: Question, allow: Callable[[Person | None], None], *, now: datetime) -> Told:
        """The same as JSON; the same object where the answer is the same as before."""

    def person(self, token: str) -> Person | None:
        """The stored document of the person that a token belongs to."""

    def condition(self) -> Condition:
        """How the stores are; never raises."""
