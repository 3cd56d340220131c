"""Turns settings into the rules of answers. Pure but for the files of segments and actions, which it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from algosync.catalog.paths import number, terms, text
from algosync.errors import ConfigError
from algosync.experience.arrivals import ArrivalRules
from algosync.experience.content import OWN_LISTS
from algosync.experience.overlay import OverlayRules
from algosync.experience.session_weight import SessionRules
from algosync.experience.shop import Rollout, ShopAnswers
from algosync.payloads.boosts import ApplyPolicy
from algosync.payloads.encode import OpaqueIds
from algosync.profiles.affinity import VALUES_KEPT
from algosync.profiles.conditions import Segments
from algosync.profiles.moments import DAY_S
from algosync.settings import rules as made
from algosync.settings.definitions import Draft, load_actions, load_segments
from algosync.settings.models import Settings
from algosync.settings.origins import CollectorSourceSettings, IndexCatalogSettings
from algosync.sync.boosts import action_boosts, own_boosts, segment_payloads
from algosync.sync.tally_rules import rules_digest

ANY_WORDS: Final = 1_000_000
"""More than any query has."""

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_UNQUOTABLE: Final = re.compile(r"[\"\\\x00-\x1f]")


def shop_answers(settings: Settings, base: Path, draft: Draft | None = None) -> ShopAnswers:
    """What a shop decided about its answers.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        draft: Segments and actions to lay over the shop's own.

    Raises:
        ConfigError: Settings, segments or actions are wrong.
    """
    segments = load_segments(settings, base, draft)
    actions = load_actions(settings, base, segments, draft)
    slugs = {segment.slug: segment.id for segment in segments.items}
    ruled = {slugs[payload.slug] for payload in segment_payloads(segments, actions) if payload.boosts}
    key = made.hash_key(settings)
    return ShopAnswers(
        indices=tuple(index.name for index in settings.algolia.indices),
        policy=made.filter_policy(settings, None),
        apply=apply_policy(settings),
        segments=segments,
        boosts={segment.id: own_boosts(segment) for segment in segments.items},
        actions=actions,
        action_boosts={action.id: action_boosts(action, segments) for action in actions.items},
        ruled=frozenset(ruled if settings.push.rules else ()),
        max_contexts=settings.segments.max_contexts,
        ids=None if key is None else OpaqueIds(key=key),
        rollout=rollout(settings),
        consent=settings.consent.default,
        curated=_curated(settings),
        list_size=settings.content.size,
        place=settings.related.place,
        device=settings.related.device,
        recommendable=tuple(recommendable(settings)),
        overlay=overlay_rules(settings, segments),
    )


def overlay_rules(settings: Settings, segments: Segments) -> OverlayRules | None:
    """What events that no run has seen are judged by: all that the next run will judge them by.

    None where nothing takes events out of the inbox, or where the collector renames its columns or values: what they
    mean is then known to the next run alone.
    """
    collectors = [one for one in made.sources(settings) if isinstance(one, CollectorSourceSettings)]
    if not collectors or collectors[0].columns or collectors[0].constants or collectors[0].values:
        return None
    [source], events, by_clock = collectors, settings.events, settings.state.as_of == "clock"
    affinity, session = made.affinity_rules(settings), settings.profiles.session
    return OverlayRules(
        arrivals=ArrivalRules(
            source=source.name,
            consent_missing=events.consent_missing,
            ignore_tokens=events.ignore.user_tokens,
            context={key: (path,) for key, path in source.context.items()},
            by_row=source.id == "row",
            max_age_s=events.max_age_days * DAY_S if by_clock else None,
            events_per_hour_max=events.ignore.events_per_hour_max,
        ),
        affinity=affinity,
        readiness=made.readiness_rules(settings),
        segments=segments,
        session=SessionRules(weight=session.weight, half_life_minutes=session.half_life_minutes),
        values_kept=VALUES_KEPT,
        by_clock=by_clock,
        counted_by=rules_digest(affinity, segments),
    )


def apply_policy(settings: Settings) -> ApplyPolicy:
    """Where boosts apply; `search = true` is any number of words, `false` none."""
    apply = settings.filters.apply
    if isinstance(apply.search, bool):
        return ApplyPolicy(category=apply.category, words_max=ANY_WORDS if apply.search else 0)
    return ApplyPolicy(category=apply.category, words_max=apply.search.words_max)


def rollout(settings: Settings) -> Rollout:
    """Who is personalized at all."""
    share = float(settings.rollout.users.removesuffix("%")) / 100
    key = made.hash_key(settings)
    return Rollout(share=share) if key is None else Rollout(share=share, key=key)


def recommendable(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """`[catalog] available` as terms of `filters`, each with the attribute that must be declared for it.

    Only where the index itself is the catalog, since others name attributes that the index may not have; and without
    what `filters` cannot say: such a condition keeps products from our own lists, and not from Recommend.
    """
    if not isinstance(settings.catalog, IndexCatalogSettings) or settings.catalog.available is None:
        return
    for path, sign, value in terms(settings.catalog.available):
        if not _BARE.fullmatch(path) or _UNQUOTABLE.search(value):
            continue
        if sign == "=":
            yield f'{path}:"{value}"', path
        elif sign != "!=" and number(value) is not None:
            yield f"{path} {sign} {text(number(value))}", None


def _curated(settings: Settings) -> dict[str, tuple[str, ...]]:
    clash = sorted(settings.content.curated.keys() & set(OWN_LISTS))
    if clash:
        what = f"'{clash[0]}' is the name of a list that algosync makes itself"
        raise ConfigError(what, where="content.curated", hint="Give the list another name")
    return dict(sorted(settings.content.curated.items()))
