"""Which of the three strategies an answer follows, for whom, and the reason in numbers.

One order for everybody: what she chose, whether she is in the holdout, whether her profile carries one-to-one, whether
she is in a segment; content is what is left. Whoever is not personalized has no person here, so that nothing of hers
can slip into what is made of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from algosync.experience.consent import effective
from algosync.experience.question import Known, Question
from algosync.experience.shop import Rollout, ShopAnswers
from algosync.profiles.moments import SESSION_GAP_S

Strategy = Literal["one-to-one", "segment", "content"]
Arm = Literal["personalized", "holdout"]

_STEPS: Final = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a visitor is entitled to.

    Args:
        strategy: Of the answer.
        reason: Why.
        person: Her document, where it may be used; None otherwise.
        segments: Ids of her segments that the shop still has, highest priority first.
        visit, state: What she is; None each where nobody is to know.
        allowed: Whether she may be personalized at all, known or not: neither her choice nor the holdout is against.
        arm: Her side of the comparison; None where everybody or she is on none.
    """

    strategy: Strategy
    reason: str
    person: Mapping[str, Any] | None = None
    segments: tuple[str, ...] = ()
    visit: str | None = None
    state: str | None = None
    allowed: bool = True
    arm: Arm | None = None


def stand(question: Question, known: Known, shop: ShopAnswers, now: datetime) -> Standing:
    """Decides the strategy."""
    if known.suppressed:
        return Standing(strategy="content", reason="not personalized: suppressed by the shop", allowed=False)
    choice = effective(question.consent, known.choice, shop.consent)
    if choice.consent == "not_personalized":
        return Standing(strategy="content", reason=f"not personalized: {choice.source}", allowed=False)
    person = known.person
    arm = arm_of(question.user_token if person is None else person["person"], shop.rollout)
    if arm == "holdout":
        held_out = f"holdout: {_percent(1 - shop.rollout.share)} of visitors are not personalized"
        return Standing(strategy="content", reason=held_out, allowed=False, arm=arm)
    if person is None:
        unknown = "nothing is known of this visitor"
        return Standing(strategy="content", reason=unknown, visit="new", state="visitor", arm=arm)
    segments = _held(person, shop)
    strategy, reason = _judged(person, segments)
    return Standing(
        strategy=strategy,
        reason=reason,
        person=person,
        segments=segments,
        visit=visit_at(person, now),
        state=person["state"],
        arm=arm,
    )


def arm_of(person: str, rollout: Rollout) -> Arm | None:
    """On which side of the comparison a person is, for as long as secret and share stay; None without a holdout.

    A larger share moves people one way only: whoever was personalized stays so.
    """
    if rollout.share >= 1:
        return None
    drawn = int.from_bytes(hmac.digest(rollout.key, f"rollout:{person}".encode(), "sha256")[:8], "big")
    return "personalized" if drawn < int(rollout.share * _STEPS) else "holdout"


def visit_at(person: Mapping[str, Any], now: datetime) -> str:
    """New or returning at this moment: 30 minutes of silence after the first session make a visitor returning."""
    if person["visit"] != "new":
        return str(person["visit"])
    last = datetime.fromisoformat(person["last_seen"])
    silence = now - (last if last.tzinfo else last.replace(tzinfo=UTC))
    return "new" if silence <= timedelta(seconds=SESSION_GAP_S) else "returning"


def _held(person: Mapping[str, Any], shop: ShopAnswers) -> tuple[str, ...]:
    mine = set(person["segments"])
    return tuple(segment for segment in shop.ranked if segment in mine) if mine else ()


def _judged(person: Mapping[str, Any], segments: tuple[str, ...]) -> tuple[Strategy, str]:
    evidence = f"{'ready' if person['ready'] else 'not ready'}: {person['reason']}"
    if person["ready"] and person["affinities"]:
        return "one-to-one", evidence
    evidence = f"{evidence}, no affinity" if person["ready"] else evidence
    if segments:
        return "segment", f"{evidence}; in {len(segments)} {'segment' if len(segments) == 1 else 'segments'}"
    return "content", f"{evidence}; in no segment"


def _percent(share: float) -> str:
    return f"{round(share * 100, 3):g} %"
