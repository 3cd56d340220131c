"""The arithmetic behind one answer: which rule put each filter there, and why each action fires or does not.

Goes the same way as `answer`, and keeps what that throws away. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from algosync.experience.firing import fired, situation
from algosync.experience.overlay import OverlayRules, ranked_integers
from algosync.experience.parameters import applies, compiled
from algosync.experience.question import Known, Question
from algosync.experience.session_weight import Scores, running, weigh
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import stand
from algosync.payloads.filters import Receipt
from algosync.profiles.actions import fires
from algosync.profiles.tally import Step


def receipts(question: Question, known: Known, shop: ShopAnswers, shelf: Shelf, *, now: datetime) -> dict[str, Any]:
    """The arithmetic of an answer, as JSON.

    Args:
        question: What was asked.
        known: What was known of her.
        shop: The shop's rules.
        shelf: What the last run left.
        now: The moment of the answer.

    Returns:
        `filters`: each filter of ours with its source (`profile` or `boost:<slug>`) and score · weight = product,
        raised to a level, which is the filter's score; `applied`: whether they go with this search, and why not;
        `left_out`: what could not be said, with the reason; `actions`: every action, and why it fires or not.
    """
    standing = stand(question, known, shop, now)
    made = compiled(question, standing, fired(question, known, standing, shop, now), shop, shelf)
    apply, because = applies(question, shop, shelf)
    return {
        "filters": [_filter(receipt) for receipt in made.receipts],
        "applied": {"applies": apply, "reason": because},
        "distinct_sums": made.distinct_sums,
        "left_out": [{"facet": r.facet, "value": r.value, "reason": r.reason} for r in made.refused],
        "notes": list(made.notes),
        "actions": [
            {"id": firing.action.id, "name": firing.action.name, "fires": firing.fired, "reason": firing.reason}
            for firing in fires(shop.actions, situation(question, known, standing, now))
        ],
    }


def _filter(receipt: Receipt) -> Mapping[str, Any]:
    return {
        "filter": f"{receipt.facet}:{receipt.value}",
        "facet": receipt.facet,
        "value": receipt.value,
        "source": receipt.source,
        "integer": receipt.score,
        "weight": receipt.weight,
        "product": receipt.product,
        "level": receipt.level,
        "score": receipt.emitted,
    }


def session_step(
    affinities: Mapping[str, Mapping[str, int]],
    scores: Scores,
    steps: Iterable[Step],
    rules: OverlayRules,
    *,
    now: datetime,
) -> tuple[Mapping[str, Mapping[str, int]], dict[str, Any]]:
    """The last step of an answer: the weight of the session that is on.

    Args:
        affinities: Integers of the profile.
        scores: Its unrounded scores, of every value.
        steps: Her recent events.
        rules: How much a session weighs.
        now: The moment of the answer.

    Returns:
        The integers with that weight in them; and as JSON the session's events, what it does to each facet
        (`facets`: its events, its distance from the profile, its share of the scores) and to each value (`values`:
        the profile's score, the session's, both blended and scaled, the integer before and after).
    """
    session = running(steps, now.timestamp())
    weighed = weigh(scores, session, rules.affinity, rules.session)
    if not weighed.blends:
        return affinities, {"events": len(session), "facets": {}, "values": []}
    after = ranked_integers(weighed.scores, weighed.scores, affinities, rules.values_kept)
    facets = {
        facet: {"events": blend.events, "distance": blend.distance, "share": blend.share}
        for facet, blend in sorted(weighed.blends.items())
    }
    values = [
        {
            "facet": facet,
            "value": value,
            "profile": scores.get((facet, value), 0.0),
            "session": weighed.session.get((facet, value), 0.0),
            "score": weighed.scores[facet, value],
            "before": affinities.get(facet, {}).get(value),
            "integer": number,
        }
        for facet in facets
        for value, number in sorted(after.get(facet, {}).items())
    ]
    return after, {"events": len(session), "facets": facets, "values": values}
