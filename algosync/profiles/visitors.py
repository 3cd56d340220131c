"""What a visitor is called: new or returning; visitor, user or buyer. Who is which is judged by `batch_visitors`."""

from __future__ import annotations

from typing import Final, Literal

Visit = Literal["new", "returning"]
State = Literal["visitor", "user", "buyer"]
VISITS: Final[tuple[Visit, ...]] = ("new", "returning")
STATES: Final[tuple[State, ...]] = ("visitor", "user", "buyer")
