"""Turns settings into the sources of events that a run reads. Pure: nothing is opened here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from algosync.errors import ConfigError
from algosync.events.mapping import ROW_ID, ColumnRef, EventMapping
from algosync.events.presets import registry
from algosync.events.rules import CleanRules
from algosync.events.sources import collector
from algosync.events.sources.base import Source
from algosync.events.sources.files import FilesSource
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_asking import Manner
from algosync.events.sources.http_places import Paging, Size
from algosync.events.sources.http_since import Since
from algosync.events.sources.sql import SqlSource
from algosync.settings import rules as made
from algosync.settings.models import Settings, key_name
from algosync.settings.origins import (
    AnySource,
    CollectorSourceSettings,
    ColumnFrom,
    FilesSourceSettings,
    HttpSourceSettings,
)
from algosync.sync.pull import EventSource


def event_source(settings: Settings, source: AnySource, *, base: Path, now: datetime) -> EventSource:
    """One source of events.

    Raises:
        ConfigError: The preset or a field is unknown, or a transform lacks its key.
    """
    collects = isinstance(source, CollectorSourceSettings)
    return EventSource(
        source=_source(settings, source, base, now),
        mapping=_mapping(source, made.hash_key(settings)),
        rules=_clean_rules(settings, source, now),
        # Anybody may send events: what strangers send must not keep everybody else's from coming in.
        max_share=1.0 if collects else settings.events.rejected_share_max,
    )


def _source(settings: Settings, source: AnySource, base: Path, now: datetime) -> Source:
    if isinstance(source, CollectorSourceSettings):
        state = settings.state
        directory = base / state.directory
        return collector.CollectorSource(
            name=source.name, url=state.url, directory=directory, batch_rows=source.batch_rows
        )
    if isinstance(source, FilesSourceSettings):
        return FilesSource(
            name=source.name,
            path=made.resolved_all(source.path, base),
            format=source.format,
            encoding=source.encoding,
            delimiter=source.delimiter,
            batch_rows=source.batch_rows,
            storage_options=source.storage_options,
        )
    if isinstance(source, HttpSourceSettings):
        return _http_source(settings, source, now)
    return SqlSource(
        name=source.name,
        url=source.url.get_secret_value(),
        table=source.table,
        query=source.query,
        cursor_column=source.cursor_column,
        batch_rows=source.batch_rows,
        lookback=made.span(source.lookback),
    )


def _http_source(settings: Settings, source: HttpSourceSettings, now: datetime) -> HttpSource:
    following, size, since = source.next, source.size, source.since
    key = settings.source_keys.get(key_name(source.name), source.key)
    first = {"offset": 0, "page": 1}.get(following.by, 0)
    return HttpSource(
        name=source.name,
        url=source.url.get_secret_value(),
        key=None if key is None else key.get_secret_value(),
        key_header=source.key_header,
        headers={name: value.get_secret_value() for name, value in source.headers.items()},
        form=source.format,
        encoding=source.encoding,
        rows=source.rows,
        paging=Paging(
            by=following.by,
            field=following.field,
            header=following.header,
            parameter=following.parameter or (following.by if following.by in ("offset", "page") else ""),
            first=first if following.first is None else following.first,
            more=following.more,
        ),
        size=None if size is None else Size(parameter=size.parameter, rows=size.rows),
        since=None if since is None else Since(**since.model_dump(), lookback=made.span(source.lookback)),
        again=source.resume == "start",
        manner=Manner(
            timeout_s=source.timeout_s,
            answer_bytes=source.page_mb << 20,
            patience_s=source.patience_s,
            key_hint=f"Check the key in ALGOSYNC_SOURCE_KEYS__{key_name(source.name).upper()}",
        ),
        pages_max=source.pages_per_run,
        batch_rows=source.batch_rows,
        now=now,
    )


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
