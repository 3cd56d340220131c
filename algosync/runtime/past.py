"""What is kept of a moment in the past: the settings and the run that answers came from, and what is lost of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from algosync.errors import RequestError
from algosync.experience.shop import Shelf
from algosync.settings.definitions import Draft
from algosync.settings.kept import restored
from algosync.settings.models import Settings
from algosync.stores.runs import run_at
from algosync.stores.settings_kept import KeptSettings, kept_since, settings_at
from algosync.stores.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A moment in the past.

    Attributes:
        kept: The settings as they were kept.
        settings: The same, to make rules of.
        draft: Segments and actions of then.
        declared: What each index declared for faceting.
        run_as_of: The moment that the last run before described; None where that run is forgotten.
    """

    kept: KeptSettings
    settings: Settings
    draft: Draft
    declared: Mapping[str, frozenset[str]]
    run_as_of: datetime | None

    @property
    def declared_by_all(self) -> frozenset[str] | None:
        """What all indices declared."""
        return frozenset.intersection(*self.declared.values()) if self.declared else None

    def document(self) -> dict[str, str]:
        """Which settings these are."""
        kept = self.kept
        return {"digest": kept.digest, "first_at": kept.first_at.isoformat(), "since": kept.since.isoformat()}

    def inexact(self, as_of: datetime) -> Iterator[str]:
        """What of the answer of then is not known any more, in sentences."""
        if self.run_as_of is None:
            yield f"the run of then is forgotten: everything is as of {as_of.isoformat()}"
        yield "integers that held on to an older value then are not kept: each may differ by one"
        yield "events that arrived later, of an earlier time, are counted as if they had been there"
        yield "lists of products, numbers of hits and attributes from users sources are those of now"


class ShelfThen:
    """What the last run left, with what the indices declared at a moment in the past; `experience.shop.Shelf`.

    Args:
        shelf: What the last run left.
        declared: By index.
    """

    def __init__(self, shelf: Shelf, declared: Mapping[str, frozenset[str]]) -> None:
        self._shelf = shelf
        self._declared = declared

    @property
    def generation(self) -> int:
        """See `Shelf`."""
        return self._shelf.generation

    @property
    def as_of(self) -> str:
        """See `Shelf`."""
        return self._shelf.as_of

    def top(self, scope: str, bucket: str) -> Sequence[str]:
        """See `Shelf`."""
        return self._shelf.top(scope, bucket)

    def related(self, object_id: str) -> Mapping[str, Sequence[str]]:
        """See `Shelf`."""
        return self._shelf.related(object_id)

    def hits_possible(self, index: str | None, category: str | None) -> int | None:
        """See `Shelf`."""
        return self._shelf.hits_possible(index, category)

    def declared(self, index: str | None) -> frozenset[str] | None:
        """What an index declared then, or all of them did."""
        if index is not None:
            return self._declared.get(index)
        return frozenset.intersection(*self._declared.values()) if self._declared else None


def past(state: State, settings: Settings, at: datetime) -> Past:
    """What is kept of a moment.

    Raises:
        RequestError: No settings are kept of that moment.
        ConfigError: This version cannot read them.
    """
    kept = settings_at(state, at)
    if kept is None:
        since = kept_since(state)
        hint = "No run has kept any yet" if since is None else f"Settings are kept since {since.isoformat()}"
        raise RequestError("the settings of that moment are not kept", where="at", hint=hint, status=404)
    then, run = restored(settings, kept.document), run_at(state, at)
    return Past(
        kept=kept,
        settings=then.settings,
        draft=then.draft,
        declared=then.declared,
        run_as_of=None if run is None or run.as_of is None else datetime.fromisoformat(run.as_of),
    )
