"""Brings the settings and the files they name together into the rules of one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from algosync.catalog.files import read_files
from algosync.catalog.sql import read_sql
from algosync.errors import ConfigError
from algosync.events.mapping import hashed, safe
from algosync.payloads.encode import Family, OpaqueIds
from algosync.profiles.actions import Actions, parse_actions
from algosync.profiles.conditions import Segments
from algosync.profiles.definitions import parse_segments
from algosync.settings import rules as made
from algosync.settings.models import Settings
from algosync.settings.origins import (
    AnyUsers,
    ColumnFrom,
    EventsCatalogSettings,
    FilesCatalogSettings,
    FilesUsersSettings,
    SqlCatalogSettings,
)
from algosync.sync.catalog import Records
from algosync.sync.cycle import ShopRules
from algosync.sync.payloads import segment_payloads
from algosync.sync.profiles import PeopleRules
from algosync.sync.users import UsersSource

DRAFTED = "the draft"
"""What errors call a document that was pasted."""


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
        sources=tuple(made.event_source(settings, source, base=base, now=now) for source in made.sources(settings)),
        users=tuple(_users(settings, source, base) for source in settings.users),
        indices=tuple(index.name for index in settings.algolia.indices),
        payload_index=settings.algolia.payload_index,
        catalog=made.catalog_rules(settings),
        products=_products(settings, base),
        products_from_events=isinstance(settings.catalog, EventsCatalogSettings),
        people=people_rules(settings, segments),
        related=made.related_rules(settings),
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


Draft = Mapping[str, Mapping[str, Any]]
"""`segments` and `actions` by id, laid over those of the shop's files; never kept."""


def load_segments(settings: Settings, base: Path, draft: Draft | None = None) -> Segments:
    """The shop's segments and those of a draft; none where no file is named and nothing drafted.

    Raises:
        ConfigError: Something is wrong; all of it is named, each with its path in the document.
    """
    drafted = (draft or {}).get("segments") or {}
    if settings.segments.file is None and not drafted:
        return Segments()
    own = {} if settings.segments.file is None else _document(base / settings.segments.file)
    names = made.facet_names(settings)
    facet = settings.segments.affinity_facet
    return parse_segments(
        {**own, **drafted} if drafted else own,
        affinity_facet=None if facet is None else names[facet],
        facets=sorted(names.values()),
        never=made.never(settings),
        where=DRAFTED if drafted else str(settings.segments.file),
    )


def load_actions(settings: Settings, base: Path, segments: Segments, draft: Draft | None = None) -> Actions:
    """The shop's actions and those of a draft; none where no file is named and nothing drafted.

    Raises:
        ConfigError: Something is wrong; all of it is named, each with its path in the document.
    """
    drafted = (draft or {}).get("actions") or {}
    if settings.actions.file is None and not drafted:
        return Actions()
    own = {} if settings.actions.file is None else _document(base / settings.actions.file)
    where = DRAFTED if drafted else str(settings.actions.file)
    return parse_actions({**own, **drafted} if drafted else own, segments=segments, where=where)


def documents(settings: Settings, base: Path) -> Draft:
    """What the shop's files of segments and actions hold, such as can be laid over others.

    Raises:
        ConfigError: One cannot be read.
    """
    files = {"segments": settings.segments.file, "actions": settings.actions.file}
    return {name: {} if file is None else _document(base / file) for name, file in files.items()}


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "no such file", where=str(path), hint="See [segments] and [actions] in the settings."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({type(error).__name__})", where=str(path)) from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"is not JSON: {error.msg}", where=f"{path}, line {error.lineno}") from None


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
