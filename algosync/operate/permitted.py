"""Who may be named to others: in a webhook, in an audience.

Whoever has a profile consented when it was made. Since then she may have said no, the shop may have suppressed or
forgotten her, and of the holdout nobody learns what would be done for her.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from algosync.experience.shop import Rollout
from algosync.experience.strategy import arm_of
from algosync.stores.inbox_visitor import Choice
from algosync.stores.orders import Order
from algosync.stores.tombstones import Forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """Says of people whether they may be named at this moment.

    Attributes:
        rollout: Who is in the holdout.
        orders: What the shop ordered, by name.
        forgotten: Who was forgotten.
        choices: What was chosen by each of some tokens.
    """

    rollout: Rollout
    orders: Callable[[Iterable[str]], Iterable[Order]]
    forgotten: Callable[[], Forgotten]
    choices: Callable[[Iterable[str]], Mapping[str, Choice]]

    def refusals(self, people: Sequence[Sequence[str]]) -> list[str | None]:
        """For each of some people, why she may not be named; None where she may.

        Args:
            people: The tokens of each, her own first.

        Raises:
            StoreError: It cannot be found out; then nobody may be named.
        """
        if not people:
            return []
        chosen = self.choices(set(chain.from_iterable(people)))
        forgotten = self.forgotten()
        return [self._refusal(tokens, chosen, forgotten) for tokens in people]

    def _refusal(self, tokens: Sequence[str], chosen: Mapping[str, Choice], forgotten: Forgotten) -> str | None:
        if not tokens:
            return "nobody is named"
        if any(forgotten.holds(token) for token in tokens):
            return "forgotten"
        if any(order.suppressed for order in self.orders(tokens)):
            return "suppressed by the shop"
        choices = [chosen[token] for token in tokens if token in chosen]
        if choices and max(choices, key=lambda choice: choice.at).consent == "not_personalized":
            return "consent was withdrawn"
        return "in the holdout" if arm_of(tokens[0], self.rollout) == "holdout" else None
