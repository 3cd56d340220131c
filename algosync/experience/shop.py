"""What an answer is made of besides the question: the shop's rules, and what the last run left on the shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from algosync.experience.overlay import OverlayRules
from algosync.experience.question import Consent
from algosync.payloads.boosts import ApplyPolicy, Boost
from algosync.payloads.encode import OpaqueIds
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import Actions
from algosync.profiles.conditions import Segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The share of people whose searches are personalized, 0 to 1, and the secret that deals them out.

    Without a secret the deal is as stable, but whoever knows a person's token can work it out.
    """

    share: float = 1.0
    key: bytes = field(default=b"algosync rollout", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopAnswers:
    """What a shop decided about its answers; made by settings/answers.py.

    Args:
        indices: The product indices.
        policy: What filters may say; which facets are declared comes from the shelf.
        apply: Where they apply.
        segments: The shop's segments.
        boosts: What the members of each segment see first, by segment id; what actions add is not in it.
        actions: What the storefront does for whom.
        action_boosts: Boosts by action id, then by the id of the segment that set it off, "" without one.
        ruled: Ids of the segments that have a Rule of ours on the index: [push] rules is on, and there is a boost.
        max_contexts: Contexts of ours in one answer.
        ids: Makes the opaque ids of segments; None without a key: then an answer names no segment.
        rollout: Who is personalized at all.
        consent: What holds for those who chose nothing.
        curated: Lists of objectIDs by name, for the home page.
        list_size: Items per list.
        place, device: The context keys by which popularity is kept.
        recommendable: Terms of `filters` that keep Recommend to what may be sold, each with the attribute that the
            index must declare for it, if any.
        overlay: What events that no run has seen are judged by; None leaves them to the next run.

    Attributes:
        ranked: Ids of the segments, highest priority first, then by id.
        contexts: The rule context of each segment without a Rule of ours.
        opaque: The opaque id of each segment; empty without a key.
    """

    indices: tuple[str, ...]
    policy: FilterPolicy
    apply: ApplyPolicy = field(default_factory=ApplyPolicy)
    segments: Segments = field(default_factory=Segments)
    boosts: Mapping[str, tuple[Boost, ...]] = field(default_factory=dict)
    actions: Actions = field(default_factory=Actions)
    action_boosts: Mapping[str, Mapping[str, tuple[Boost, ...]]] = field(default_factory=dict)
    ruled: frozenset[str] = frozenset()
    max_contexts: int = 4
    ids: OpaqueIds | None = None
    rollout: Rollout = field(default_factory=Rollout)
    consent: Consent = "for_you"
    curated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    list_size: int = 12
    place: str | None = None
    device: str | None = None
    recommendable: tuple[tuple[str, str | None], ...] = ()
    ranked: tuple[str, ...] = field(init=False)
    contexts: Mapping[str, str] = field(init=False)
    opaque: Mapping[str, str] = field(init=False)
    overlay: OverlayRules | None = None

    def __post_init__(self) -> None:
        # Every answer asks for these, and they cost more than the rest of it.
        ranked = sorted(self.segments.items, key=lambda segment: (-segment.priority, segment.id))
        opaque = {} if self.ids is None else {one.id: self.ids.segment(one.slug) for one in ranked}
        object.__setattr__(self, "ranked", tuple(segment.id for segment in ranked))
        object.__setattr__(self, "contexts", {one.id: one.context for one in ranked if one.id not in self.ruled})
        object.__setattr__(self, "opaque", opaque)


class Shelf(Protocol):
    """What the snapshot offers besides people, all of one generation."""

    @property
    def generation(self) -> int:
        """Counts the runs that changed something; 0 before the first."""

    @property
    def as_of(self) -> str:
        """ISO 8601 moment that the last run describes; empty before the first."""

    def top(self, scope: str, bucket: str) -> Sequence[str]:
        """ObjectIDs, best first, of a scope such as `popular:everywhere` or `popular:category` and its bucket."""

    def related(self, object_id: str) -> Mapping[str, Sequence[str]]:
        """Lists by kind (related, bought_together, viewed_together, similar) of one product."""

    def hits_possible(self, index: str | None, category: str | None) -> int | None:
        """Products of an index, or of a category in it; of the largest index for None; None where nobody knows."""

    def declared(self, index: str | None) -> frozenset[str] | None:
        """Attributes that an index declares for faceting, that all of them do for None; None where nobody knows."""
