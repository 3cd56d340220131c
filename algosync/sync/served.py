"""How old what Algolia serves is: of which moment it is, and since when something waits to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from algosync.stores import control
from algosync.stores.state import State
from algosync.sync.cycle import Computed
from algosync.sync.ledger import Ledger
from algosync.sync.plan import FAMILIES, Operation
from algosync.sync.push import Pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is served.

    Attributes:
        as_of: By family the moment that all of what is served describes, or a later one.
        deferred_since: When something began to wait that waits still; None where nothing does.
        oldest: When the oldest of what waits to be replaced was written; None where nothing of it was there before.
    """

    as_of: dict[str, str] = field(default_factory=dict)
    deferred_since: str | None = None
    oldest: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def standing(state: State) -> Served:
    """What the last runs left; for `status` and metrics."""
    kept = control.told(state, control.SERVED)
    if kept is None:
        return Served()
    return Served(as_of=kept["as_of"], deferred_since=kept["deferred_since"], oldest=kept["oldest"])


def noted(state: State, ledger: Ledger, computed: Computed, pushed: Pushed | None, now: datetime) -> Served:
    """Keeps what a run leaves served; `pushed` is None where nothing was to be sent."""
    plan = computed.plan
    left = plan.operations if pushed is None else pushed.left
    afoot = () if pushed is None else pushed.afoot
    behind = {op.family for op in (*left, *afoot)} | {family for _, family in computed.held.under_way}
    as_of = computed.knowledge.as_of.isoformat()
    before = standing(state)
    made = Served(
        as_of={**before.as_of, **{name: as_of for name in FAMILIES if name not in plan.off and name not in behind}},
        deferred_since=(before.deferred_since or now.isoformat()) if behind else None,
        oldest=_oldest(ledger, left),
    )
    control.tell(state, control.SERVED, made.document(), now)
    return made


def _oldest(ledger: Ledger, left: Iterable[Operation]) -> str | None:
    places: dict[tuple[str, Any], set[str]] = {}
    for op in left:
        places.setdefault((op.index, op.family), set()).add(op.object_id)
    moments = [
        moment
        for (index, family), names in places.items()
        for name, moment in ledger.last_taken(index, family).items()
        if name in names
    ]
    return min(moments).isoformat() if moments else None
