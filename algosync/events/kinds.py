"""What kinds of events there are; an event's type and subtype say which it is."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["view", "click", "add_to_cart", "purchase", "conversion"]
KINDS: Final[tuple[Kind, ...]] = ("view", "click", "add_to_cart", "purchase", "conversion")
