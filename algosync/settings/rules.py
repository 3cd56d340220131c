"""Turns settings into the rule objects that each room defines for itself. Pure: nothing is opened here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from algosync.algolia.target import Target
from algosync.catalog.rules import CatalogRules, Derived, DiscountBand, FacetRule, OnSale, PriceBand, PriceTier
from algosync.events.vocabulary import KINDS
from algosync.payloads.boosts import TAG_FACET
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.readiness import ReadinessRules
from algosync.settings.models import FacetSettings, Settings
from algosync.settings.origins import AnySource, CollectorSourceSettings, FilesSourceSettings
from algosync.sync.plan import Prices


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


def span(text: str) -> timedelta | None:
    """A time such as `3 days`; None for none at all."""
    number, unit = text.split()
    return timedelta(**{f"{unit.rstrip('s')}s": int(number)}) or None


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


def category_facet(settings: Settings) -> str | None:
    """The facet by whose values products are told apart as categories, by its full name."""
    facet = settings.segments.affinity_facet
    return None if facet is None else facet_names(settings)[facet]


def prices(settings: Settings) -> Prices:
    """What Algolia costs this shop."""
    price = settings.algolia.price
    return Prices(**price.model_dump())


def not_heeded(settings: Settings) -> list[str]:
    """Keys that are set and that nothing in this version acts on: said aloud, so that nobody counts on them."""
    keys = {
        "rollout.users": (
            settings.rollout.users != "100%" and settings.push.profiles,
            "profile records are pushed of everybody; only the answers of `algosync serve` know a holdout",
        ),
        "catalog.vector": (settings.catalog.vector is not None, "similarity is by text and facets"),
        "algolia.region": (
            settings.algolia.region is not None
            and not settings.serve.forward.enabled
            and settings.algolia.forget_api_key is None,
            "only forwarding to Insights and forgetting people ask for it",
        ),
    }
    for number, index in enumerate(settings.algolia.indices):
        set_here = sorted(index.model_fields_set & {"currency", "locale"})
        keys[f"algolia.indices[{number}].{' and '.join(set_here)}"] = (bool(set_here), "for your own reading")
    for number, source in enumerate(settings.sources):
        looks_back = isinstance(source, FilesSourceSettings) and span(source.lookback) is not None
        renamed = isinstance(source, CollectorSourceSettings) and bool(
            source.columns or source.values or source.constants
        )
        waits = "events change no answer in real time, only after the next sync, which knows what these mean"
        keys[f"sources[{number}].columns, values, constants"] = (renamed, waits)
        keys[f"sources[{number}].lookback"] = (looks_back, "files that changed are read again in any case")
    return [f"{key}: {reason}" for key, (is_set, reason) in keys.items() if is_set]
