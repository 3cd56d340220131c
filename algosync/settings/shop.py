"""Brings the settings and the files they name together into the rules of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from algosync.catalog.files import read_files
from algosync.catalog.sql import read_sql
from algosync.errors import ConfigError
from algosync.events.transforms import hashed, safe
from algosync.payloads.encode import Family, OpaqueIds
from algosync.profiles.conditions import Segments
from algosync.settings import rules as made
from algosync.settings.definitions import load_actions, load_segments
from algosync.settings.event_sources import event_source
from algosync.settings.models import Settings
from algosync.settings.origins import (
    AnyUsers,
    ColumnFrom,
    EventsCatalogSettings,
    FilesCatalogSettings,
    FilesUsersSettings,
    SqlCatalogSettings,
)
from algosync.sync.boosts import segment_payloads
from algosync.sync.catalog import Records
from algosync.sync.cycle import ShopRules
from algosync.sync.profiles import PeopleRules
from algosync.sync.related import RelatedRules
from algosync.sync.users import UsersSource


def shop_rules(settings: Settings, base: Path, now: datetime, only: tuple[Family, ...] = ()) -> ShopRules:
    """Everything a shop decided, as the rooms understand it.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        now: The clock's value for this run.
        only: Of the families that are switched on, only these; none for all.

    Raises:
        ConfigError: Settings, segments or actions are wrong, or a secret is missing.
    """
    segments = load_segments(settings, base)
    actions = load_actions(settings, base, segments)
    families = _families(settings, only)
    return ShopRules(
        sources=tuple(event_source(settings, source, base=base, now=now) for source in made.sources(settings)),
        users=tuple(_users(settings, source, base) for source in settings.users),
        indices=tuple(index.name for index in settings.algolia.indices),
        payload_index=settings.algolia.payload_index,
        catalog=made.catalog_rules(settings),
        products=_products(settings, base),
        products_from_events=isinstance(settings.catalog, EventsCatalogSettings),
        people=people_rules(settings, segments),
        related=related_rules(settings),
        actions=actions,
        segments=segment_payloads(segments, actions),
        families=families,
        prices=made.prices(settings),
        max_record_bytes=settings.algolia.max_record_bytes,
        ids=_opaque_ids(settings) if "profiles" in families else None,
        as_of=settings.state.as_of,
    )


def _families(settings: Settings, only: tuple[Family, ...]) -> frozenset[Family]:
    names: tuple[Family, ...] = ("related", "segments", "profiles", "rules")
    on = {name for name in names if getattr(settings.push, name)}
    off = [name for name in only if name not in on]
    if off:
        raise ConfigError(f"push.{off[0]} is switched off", where="--only", hint=f"Set push.{off[0]} = true")
    return frozenset(on & set(only) if only else on)


def people_rules(settings: Settings, segments: Segments) -> PeopleRules:
    """What makes a profile; which facets are declared is filled in when the indices are read."""
    return PeopleRules(
        affinity=made.affinity_rules(settings),
        readiness=made.readiness_rules(settings),
        segments=segments,
        policy=made.filter_policy(settings, None),
        max_contexts=settings.segments.max_contexts,
        events_per_hour_max=settings.events.ignore.events_per_hour_max,
        active_days=settings.profiles.active_days,
    )


def related_rules(settings: Settings) -> RelatedRules:
    """Which related items are found, and how."""
    related = settings.related
    names = made.facet_names(settings)
    unknown = [facet for facet in related.facets if facet not in names]
    if unknown:
        raise ConfigError(f"'{unknown[0]}' is not among [facets]", where="related.facets")
    return RelatedRules(
        kinds=related.kinds,
        per_product=related.per_product,
        weights=made.kind_weights(settings),
        half_life_days=related.half_life_days,
        trending_days=related.trending_days,
        viewed_by=related.viewed_by,
        cap_per_person=related.cap_per_person,
        shrinkage=related.shrinkage,
        margin=related.margin,
        stop_words=related.stop_words,
        facets=tuple(names[facet] for facet in related.facets),
        category=made.category_facet(settings),
        place=related.place,
        device=related.device,
        popularity=related.popularity,
        trending=related.trending,
    )


def _opaque_ids(settings: Settings) -> OpaqueIds:
    key = made.hash_key(settings)
    if key is None:
        raise ConfigError(
            "is missing: the objectIDs of profile records are keyed hashes",
            where="identity.hash_key",
            hint="Set ALGOSYNC_IDENTITY__HASH_KEY to a secret of at least 16 characters, and keep it.",
        )
    return OpaqueIds(key=key)


def _products(settings: Settings, base: Path) -> Callable[[], Iterable[Records]] | None:
    catalog = settings.catalog
    if isinstance(catalog, FilesCatalogSettings):
        paths = made.resolved_all(catalog.path, base)
        return lambda: chain.from_iterable(read_files(path) for path in paths)
    if isinstance(catalog, SqlCatalogSettings):
        url = catalog.url.get_secret_value()
        return lambda: read_sql(url, query=catalog.query, table=catalog.table)
    return None


def _users(settings: Settings, source: AnyUsers, base: Path) -> UsersSource:
    given = source.user_token
    column = given if isinstance(given, ColumnFrom) else ColumnFrom.model_validate({"from": given})
    if isinstance(source, FilesUsersSettings):
        paths = made.resolved_all(source.path, base)
        where = ", ".join(paths)

        def read() -> Iterator[Records]:
            return chain.from_iterable(read_files(path) for path in paths)

    else:
        where = "the users' database"
        url, query, table = source.url.get_secret_value(), source.query, source.table

        def read() -> Iterator[Records]:
            return read_sql(url, query=query, table=table)

    return UsersSource(
        read=read,
        token=column.column,
        transform=_transform(column, made.hash_key(settings)),
        attributes=source.attributes,
        where=where,
    )


def _transform(column: ColumnFrom, key: bytes | None) -> Callable[[str], str]:
    if column.transform == "safe":
        return safe
    if column.transform == "hmac":
        if key is None:
            raise ConfigError('transform "hmac" needs a key', where="users", hint="Set ALGOSYNC_IDENTITY__HASH_KEY")
        return lambda text: hashed(text, key)
    return lambda text: text
