"""One erasure under way, and what is kept of it: until it is done whom it is about, after that keyed hashes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from algosync.operate.erasing import FORGOTTEN


@dataclass(slots=True, kw_only=True)
class Erasure:
    """One erasure under way.

    Attributes:
        number: Its id.
        person: Whom it is about.
        names: All names of hers.
        shared: How many tokens of hers others use too.
        who: Keyed hashes of the names.
        steps: What was done, by step, in order.
        asked_at: When Algolia was first asked to delete her events there, ISO 8601.
        asks: Whether Algolia is to be asked.
    """

    number: str
    person: str
    names: tuple[str, ...]
    shared: int
    who: tuple[str, ...]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked_at: str | None = None
    asks: bool = True

    @property
    def status(self) -> str:
        """How far it is: done, pending (Algolia still deletes) or unfinished."""
        said = {step["status"] for step in self.steps.values()}
        if "failed" in said:
            return "unfinished"
        return "pending" if "pending" in said else "done"

    def document(self, status: str, *, named: bool = True) -> dict[str, Any]:
        """What is kept of it; no name of a finished one, nor of one whose names are about to leave the files."""
        names = {"person": self.person, "names": list(self.names)} if named and status != "done" else {}
        return {
            "status": status,
            "who": list(self.who),
            "shared": self.shared,
            "steps": self.steps,
            "asked_at": self.asked_at,
            "asks": self.asks,
            **names,
        }

    @classmethod
    def load(cls, number: str, document: Mapping[str, Any]) -> Erasure:
        """One that was kept."""
        return cls(
            number=number,
            person=document.get("person", FORGOTTEN),
            names=tuple(document.get("names", ())),
            shared=document["shared"],
            who=tuple(document["who"]),
            steps=dict(document["steps"]),
            asked_at=document["asked_at"],
            asks=document.get("asks", True),
        )
