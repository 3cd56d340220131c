"""What events may say, and what it means: one vocabulary for SQL over a batch, and for single events in plain Python.

Letter case, blanks, hyphens and underscores do not count; in a word about consent letter case alone does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Kind = Literal["view", "click", "add_to_cart", "purchase", "conversion"]
KINDS: Final[tuple[Kind, ...]] = ("view", "click", "add_to_cart", "purchase", "conversion")
"""What kinds of events there are; an event's type and subtype say which it is."""

FOLDED: Final = "_- "
"""Characters that do not count."""

KINDS_OF_TYPE: Final[Mapping[str, str]] = {
    "view": "view",
    "click": "click",
    "conversion": "conversion",
    "addtocart": "add_to_cart",
    "purchase": "purchase",
    "login": "login",
    "logout": "logout",
    "pageview": "pageview",
}
"""What may stand as an event_type."""

KINDS_OF_SUBTYPE: Final[Mapping[str, str]] = {"addtocart": "add_to_cart", "purchase": "purchase"}
"""What may stand as an event_subtype."""

SESSION_EVENTS: Final = ("login", "logout", "pageview")
"""Types that name a moment of a session and no product; they become views with that event_name."""

FOR_YOU: Final = ("for_you", "true", "granted")
NOT_PERSONALIZED: Final = ("not_personalized", "false", "denied")
