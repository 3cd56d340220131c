"""The pause of pushing: heeded by every push, before each request."""

from __future__ import annotations

from typing import Any

from algosync.runtime.opening import Opening
from algosync.stores import control


def paused(opening: Opening, reason: str) -> dict[str, Any]:
    """Pauses pushing; one that is on already keeps its beginning, unless there is a new reason."""
    with opening.state(create=True) as state:
        before = control.told(state, control.PAUSED)
        if before is None or reason:
            control.tell(state, control.PAUSED, {"reason": reason, "by": "algosync pause"}, opening.clock())
        return {"paused": control.told(state, control.PAUSED), "was_paused": before is not None}


def resumed(opening: Opening) -> dict[str, Any]:
    """Ends the pause."""
    with opening.state(create=True) as state:
        return {"paused": None, "was_paused": control.forget(state, control.PAUSED)}
