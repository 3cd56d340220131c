"""Turns settings into the rule objects that each room defines for itself. Pure: nothing is opened here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from algosync.algolia.client import Target
from algosync.catalog.rules import CatalogRules, Derived, DiscountBand, FacetRule, OnSale, PriceBand, PriceTier
from algosync.errors import ConfigError
from algosync.events.mapping import ROW_ID, ColumnRef, EventMapping
from algosync.events.presets import registry
from algosync.events.rules import CleanRules
from algosync.events.sources import collector
from algosync.events.sources.base import Source
from algosync.events.sources.files import FilesSource
from algosync.events.sources.sql import SqlSource
from algosync.payloads.boosts import TAG_FACET
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.readiness import ReadinessRules
from algosync.settings.models import FacetSettings, Settings
from algosync.settings.origins import AnySource, CollectorSourceSettings, ColumnFrom, FilesSourceSettings
from algosync.sync.plan import Prices
from algosync.sync.pull import EventSource
from algosync.sync.related import RelatedRules

KINDS = ("view", "click", "add_to_cart", "purchase", "conversion")


def resolved(path: str, base: Path) -> str:
    """A path of the settings file, relative to its folder; URLs and absolute paths as they are."""
    return path if "://" in path or Path(path).is_absolute() else str(base / path)


def resolved_all(paths: str | tuple[str, ...], base: Path) -> tuple[str, ...]:
    """One or more paths of the settings file, relative to its folder."""
    return tuple(resolved(path, base) for path in ((paths,) if isinstance(paths, str) else paths))


def hash_key(settings: Settings) -> bytes | None:
    """The shop's secret for keyed hashes, if it has one."""
    secret = settings.identity.hash_key
    return None if secret is None else secret.get_secret_value().encode()


def target(settings: Settings) -> Target:
    """The application and its hosts."""
    return Target(app_id=settings.algolia.app_id, hosts=settings.algolia.hosts)


def sources(settings: Settings) -> tuple[AnySource, ...]:
    """The sources of events, and the inbox where the API is served but no collector is among them.

    What visitors choose about consent goes through the inbox, wherever the shop's events come from.
    """
    own = settings.sources
    if "serve" not in settings.model_fields_set or any(isinstance(one, CollectorSourceSettings) for one in own):
        return own
    taken = {one.name for one in own}
    name = next(name for name in ("inbox", *(f"inbox-{n}" for n in range(2, len(own) + 3))) if name not in taken)
    return (*own, CollectorSourceSettings(type="collector", name=name))


def event_source(settings: Settings, source: AnySource, *, base: Path, now: datetime) -> EventSource:
    """One source of events.

    Raises:
        ConfigError: The preset or a field is unknown, or a transform lacks its key.
    """
    collects = isinstance(source, CollectorSourceSettings)
    return EventSource(
        source=_source(settings, source, base),
        mapping=_mapping(source, hash_key(settings)),
        rules=_clean_rules(settings, source, now),
        # Anybody may send events: what strangers send must not keep everybody else's from coming in.
        max_share=1.0 if collects else settings.events.rejected_share_max,
    )


def _source(settings: Settings, source: AnySource, base: Path) -> Source:
    if isinstance(source, CollectorSourceSettings):
        state = settings.state
        directory = base / state.directory
        return collector.CollectorSource(
            name=source.name, url=state.url, directory=directory, batch_rows=source.batch_rows
        )
    if isinstance(source, FilesSourceSettings):
        return FilesSource(
            name=source.name,
            path=resolved_all(source.path, base),
            format=source.format,
            encoding=source.encoding,
            delimiter=source.delimiter,
            batch_rows=source.batch_rows,
            storage_options=source.storage_options,
        )
    return SqlSource(
        name=source.name,
        url=source.url.get_secret_value(),
        table=source.table,
        query=source.query,
        cursor_column=source.cursor_column,
        batch_rows=source.batch_rows,
        lookback=_span(source.lookback),
    )


def _span(text: str) -> timedelta | None:
    number, unit = text.split()
    span = timedelta(**{f"{unit.rstrip('s')}s": int(number)})
    return span or None


def _reference(given: str | ColumnFrom) -> str | ColumnRef:
    return given if isinstance(given, str) else ColumnRef(column=given.column, transform=given.transform)


def _mapping(source: AnySource, key: bytes | None) -> EventMapping:
    columns: dict[str, Any] = {field: _reference(given) for field, given in source.columns.items()}
    if source.id == "row":
        columns["event_id"] = ROW_ID
    try:
        own = EventMapping(
            columns=columns,
            constants=source.constants,
            values=source.values,
            context=source.context,
            product=source.product,
            hash_key=key,
        )
        if isinstance(source, CollectorSourceSettings):
            return own.over(collector.MAPPING)
        return own if source.preset is None else own.over(registry.load(source.preset))
    except ConfigError as error:
        raise ConfigError(error.what, where=f"sources.{source.name}.{error.where}", hint=error.hint) from None


def _clean_rules(settings: Settings, source: AnySource, now: datetime) -> CleanRules:
    events = settings.events
    return CleanRules(
        source=source.name,
        now=now,
        timezone=source.timezone,
        as_of=now if settings.state.as_of == "clock" else None,
        max_age=timedelta(days=events.max_age_days),
        consent_missing=events.consent_missing,
        ignore_tokens=events.ignore.user_tokens,
        identity=source.id,
    )


def catalog_rules(settings: Settings) -> CatalogRules:
    """Where a product keeps what."""
    catalog = settings.catalog
    return CatalogRules(
        id=catalog.id,
        group=catalog.group,
        available=catalog.available,
        text=catalog.text,
        price=catalog.price,
        list_price=catalog.list_price,
        facets={name: _facet_rule(settings, name, facet) for name, facet in settings.facets.items()},
    )


def _facet_rule(settings: Settings, name: str, facet: FacetSettings) -> FacetRule:
    return FacetRule(
        attribute=facet.attribute or facet.source or name, never=facet.never, derived=_derived(settings, name, facet)
    )


def _derived(settings: Settings, name: str, facet: FacetSettings) -> Derived | None:
    if name == "price_band":
        return PriceBand(edges=facet.edges or ())
    if name == "discount_band":
        return DiscountBand(edges=facet.edges or ())
    if name == "on_sale":
        return OnSale()
    if name == "price_tier":
        within = settings.facets[facet.within] if facet.within is not None else None
        attribute = None if within is None else within.attribute or facet.within
        shares = tuple(number / len(facet.tiers) for number in range(1, len(facet.tiers)))
        return PriceTier(within=attribute, cuts=shares, labels=facet.tiers)
    return None


def facet_names(settings: Settings) -> dict[str, str]:
    """Facet of the settings to its full name, as events, filters and the index know it."""
    rules = catalog_rules(settings)
    return {name: rules.facet_name(name) for name in settings.facets}


def affinity_rules(settings: Settings) -> AffinityRules:
    """What counts towards affinities."""
    names = facet_names(settings)
    return AffinityRules(
        weights=kind_weights(settings),
        facets=tuple(names.values()),
        half_life_days=settings.profiles.half_life_days,
        never=never(settings),
    )


def kind_weights(settings: Settings) -> dict[str, float]:
    """Weight by kind of event."""
    return {kind: getattr(settings.events, kind) for kind in KINDS}


def never(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Patterns of sensitive values by the facet's full name."""
    names = facet_names(settings)
    return {names[name]: facet.never for name, facet in settings.facets.items() if facet.never}


def readiness_rules(settings: Settings) -> ReadinessRules:
    """How much evidence makes a profile fit to be used."""
    ready = settings.profiles.ready
    return ReadinessRules(
        min_seconds=ready.min_seconds,
        min_sessions=ready.min_sessions,
        min_events=ready.min_events,
        min_products=ready.min_products,
        min_values=ready.min_values,
    )


def filter_policy(settings: Settings, declared: frozenset[str] | None) -> FilterPolicy:
    """What the compiler of filters may say on an index that declares these attributes for faceting."""
    names = facet_names(settings)
    return FilterPolicy(
        weights={names[name]: facet.weight for name, facet in settings.facets.items()},
        values_per_facet=settings.filters.values_per_facet,
        levels=settings.filters.levels,
        max=settings.filters.max,
        diversity=settings.filters.diversity,
        declared=declared,
        never=never(settings),
    )


def needed_facets(settings: Settings) -> tuple[str, ...]:
    """The attributes an index must declare for faceting so that every filter works."""
    return (*sorted(facet_names(settings).values()), TAG_FACET)


def related_rules(settings: Settings) -> RelatedRules:
    """Which related items are found, and how."""
    related = settings.related
    names = facet_names(settings)
    unknown = [facet for facet in related.facets if facet not in names]
    if unknown:
        raise ConfigError(f"'{unknown[0]}' is not among [facets]", where="related.facets")
    category = settings.segments.affinity_facet
    return RelatedRules(
        kinds=related.kinds,
        per_product=related.per_product,
        weights=kind_weights(settings),
        half_life_days=related.half_life_days,
        trending_days=related.trending_days,
        viewed_by=related.viewed_by,
        cap_per_person=related.cap_per_person,
        shrinkage=related.shrinkage,
        margin=related.margin,
        stop_words=related.stop_words,
        facets=tuple(names[facet] for facet in related.facets),
        category=None if category is None else names[category],
        place=related.place,
        device=related.device,
        popularity=related.popularity,
        trending=related.trending,
    )


def prices(settings: Settings) -> Prices:
    """What Algolia costs this shop."""
    price = settings.algolia.price
    return Prices(**price.model_dump())


def not_heeded(settings: Settings) -> list[str]:
    """Keys that are set and that nothing in this version acts on: said aloud, so that nobody counts on them."""
    keys = {
        "schedule": ("schedule" in settings.model_fields_set, "there is no worker yet; run `algosync sync` from cron"),
        "rollout.users": (
            settings.rollout.users != "100%" and settings.push.profiles,
            "profile records are pushed of everybody; only the answers of `algosync serve` know a holdout",
        ),
        "catalog.vector": (settings.catalog.vector is not None, "similarity is by text and facets"),
        "algolia.forget_api_key": (settings.algolia.forget_api_key is not None, "erasure is not here yet"),
        "algolia.region": (
            settings.algolia.region is not None and not settings.serve.forward.enabled,
            "only forwarding to Insights asks for it",
        ),
    }
    for number, index in enumerate(settings.algolia.indices):
        set_here = sorted(index.model_fields_set & {"currency", "locale"})
        keys[f"algolia.indices[{number}].{' and '.join(set_here)}"] = (bool(set_here), "for your own reading")
    for number, source in enumerate(settings.sources):
        looks_back = isinstance(source, FilesSourceSettings) and _span(source.lookback) is not None
        renamed = isinstance(source, CollectorSourceSettings) and bool(
            source.columns or source.values or source.constants
        )
        waits = "events change no answer in real time, only after the next sync, which knows what these mean"
        keys[f"sources[{number}].columns, values, constants"] = (renamed, waits)
        keys[f"sources[{number}].lookback"] = (looks_back, "files that changed are read again in any case")
    return [f"{key}: {reason}" for key, (is_set, reason) in keys.items() if is_set]
