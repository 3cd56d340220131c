"""Reads the files of segments and actions that the settings name, and lays drafts over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algosync.errors import ConfigError
from algosync.profiles.actions import Actions, parse_actions
from algosync.profiles.conditions import Segments
from algosync.profiles.definitions import parse_segments
from algosync.settings import rules as made
from algosync.settings.models import Settings

DRAFTED = "the draft"
"""What errors call a document that was pasted."""

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
    return parse_segments(
        {**own, **drafted} if drafted else own,
        affinity_facet=made.category_facet(settings),
        facets=sorted(made.facet_names(settings).values()),
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
