"""Takes everything of ours away again: which operations that takes, and which declarations go.

Pure. What is not ours stays, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from algosync.operate.drift import Place
from algosync.operate.looking import Seen
from algosync.payloads.declared import is_own_declaration
from algosync.sync.adopt import Found
from algosync.sync.plan import Plan, Prices, There, plan
from algosync.sync.push import Pushed
from algosync.sync.report import pushed_document

_WHY: Final = "algosync is to be removed"
_SETTING: Final = "attributesForFaceting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """What an index declares for faceting, and what of that goes.

    Attributes:
        before: The whole list.
        removed: Those of algosync's own.
    """

    index: str
    before: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def after(self) -> list[str] | None:
        """What stays; None for Algolia's default, where nothing does."""
        return [entry for entry in self.before if entry not in self.removed] or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is of ours, and what became of it.

    Attributes:
        at: When it was looked.
        plan: Takes away every record, Rule and attribute.
        declarations: What goes from the settings of which index.
        gone: Rows of the ledger whose objects are gone already.
        foreign: Things in our namespace that are not ours, and stay: index and objectID of each.
        confirmed: Whether it was done.
        pushed: What was sent.
        declared: Whether the declarations went; they go last, once nothing else is left.
    """

    at: datetime
    plan: Plan
    declarations: tuple[Declarations, ...]
    gone: tuple[Found, ...]
    foreign: tuple[tuple[str, str], ...]
    confirmed: bool = False
    pushed: Pushed | None = None
    declared: bool = False

    @property
    def left(self) -> int:
        """Operations that are left to do."""
        return len(self.plan.operations) - (0 if self.pushed is None else self.pushed.operations)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to take away."""
        return bool(self.plan.operations or self.declarations)

    def document(self) -> dict[str, Any]:
        """As a JSON document."""
        return {
            "at": self.at.isoformat(),
            "plan": self.plan.summary(),
            "declarations": [{"index": one.index, "removed": list(one.removed)} for one in self.declarations],
            "foreign": [{"index": index, "objectID": name} for index, name in self.foreign],
            "confirmed": self.confirmed,
            "pushed": pushed_document(self.pushed),
            "left": self.left,
            "declared": self.declared,
        }


def leaving(
    published: Mapping[Place, Mapping[str, str]], seen: Seen, prices: Prices
) -> tuple[Plan, tuple[Found, ...], tuple[tuple[str, str], ...]]:
    """Plan to take away whatever the ledger knows or whose shape is ours.

    Args:
        published: The ledger, per place.
        seen: All that is there.
        prices: For the plan's summary.

    Returns:
        The plan; rows of the ledger whose objects are gone; index and objectID of what stays, since it is not ours.
    """
    observed: dict[str, dict[str, str | None]] = {index: {} for index in seen.products}
    held: dict[Place, dict[str, str]] = {}
    foreign = []
    for (index, family), things in seen.things.items():
        known = published.get((index, family), {})
        for name, thing in things.items():
            if thing.standing == "foreign" and name not in known:
                foreign.append((index, name))
            elif family == "related":
                observed[index][name] = thing.hash
            else:
                held.setdefault((index, family), {})[name] = thing.hash
    gone = tuple(
        Found(index=index, family=family, object_id=name, hash=None)
        for (index, family), rows in sorted(published.items())
        for name in sorted(rows.keys() - seen.things.get((index, family), {}).keys())
    )
    drafted = plan((), There(observed=observed, ledger=held), prices=prices)
    operations = tuple(replace(op, reason=_WHY) for op in drafted.operations)
    return replace(drafted, operations=operations), gone, tuple(sorted(foreign))


def declarations(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Declarations, ...]:
    """What `algosync setup` has declared, by index, from the settings of each; none where nothing is."""
    made = []
    for index, found in sorted(settings.items()):
        before: Sequence[str] = found.get(_SETTING) or ()
        removed = tuple(filter(is_own_declaration, before))
        if removed:
            made.append(Declarations(index=index, before=tuple(before), removed=removed))
    return tuple(made)
