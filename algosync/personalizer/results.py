"""What the helpers return: Algolia's answer as it came, with what personalization had to say beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from algosync.personalizer.clients import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Personalization:
    """Whether a request was personalized, and why.

    Attributes:
        applied: Whether filters or contexts of the visitor's went along.
        reason: Why, or why not.
        strategy: one-to-one, segment or content; None where no answer came in time, or none was asked for.
        generation: The state of the profiles that answered.
        holdout: Whether the visitor is among those who are left out to compare with.
    """

    applied: bool
    reason: str
    strategy: str | None = None
    generation: int | None = None
    holdout: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "applied": self.applied,
            "reason": self.reason,
            "strategy": self.strategy,
            "generation": self.generation,
            "holdout": self.holdout,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a question.

    Attributes:
        document: The experience; empty where none came.
        reason: Why none came; the experience's own reason otherwise.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def part(self, name: str) -> Mapping[str, Any]:
        """One object of the experience; empty where there is none."""
        found: Mapping[str, Any] = self.document.get(name) or {}
        return found

    def personalization(self, *, applied: bool) -> Personalization:
        """The same as a caller sees it."""
        return Personalization(
            applied=applied,
            reason=self.reason,
            strategy=self.document.get("strategy"),
            generation=self.document.get("generation"),
            holdout=bool(self.document.get("holdout")),
        )


class Parameters(dict[str, Any]):
    """Parameters for a request: a dictionary like any other, with `personalization` beside it."""

    __slots__ = ("personalization",)

    def __init__(self, parameters: Mapping[str, Any], personalization: Personalization) -> None:
        super().__init__(parameters)
        self.personalization = personalization


class _Answered:
    """Stands for the client's response: whatever it does not know itself is asked of that."""

    __slots__ = ("personalization", "response")

    def __init__(self, response: Any, personalization: Personalization) -> None:
        self.response = response
        self.personalization = personalization

    def __getattr__(self, name: str) -> Any:
        # A copy or an unpickled object has no response yet, and would ask itself forever.
        if name == "response" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.response, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(personalization={self.personalization!r}, response={self.response!r})"


class Personalized(_Answered):
    """A search's answer. It behaves as the client's own, `result.hits` and all.

    Attributes:
        response: The client's answer, untouched.
        personalization: What was done to the request.
        parts: The same for each of several requests.
    """

    __slots__ = ("parts",)

    def __init__(
        self, response: Any, personalization: Personalization, parts: tuple[Personalization, ...] = ()
    ) -> None:
        super().__init__(response, personalization)
        self.parts = parts or (personalization,)

    def to_dict(self) -> dict[str, Any]:
        """The client's answer as JSON, and `personalization`."""
        return {**plain(self.response), "personalization": self.personalization.to_dict()}


class Recommended(_Answered):
    """Recommended products. What it lacks is the client's own response, where Algolia has answered.

    Attributes:
        hits: The products as JSON, Algolia's first; `_origin` says where each came from: algolia, algosync:related ...
        gap: Why products are still missing, where some are.
        response: The client's answer, untouched; None where Recommend has no model yet.
        personalization: What was done to the request.
    """

    __slots__ = ("gap", "hits")

    def __init__(
        self, response: Any, personalization: Personalization, hits: list[dict[str, Any]], gap: str | None
    ) -> None:
        super().__init__(response, personalization)
        self.hits = hits
        self.gap = gap

    def to_dict(self) -> dict[str, Any]:
        """The products as JSON, and `personalization`."""
        return {"hits": self.hits, "gap": self.gap, "personalization": self.personalization.to_dict()}
