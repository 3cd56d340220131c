"""What is kept of the settings of a run, and settings made of that again: all that rules come from, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from algosync.errors import ConfigError
from algosync.settings.definitions import Draft, documents
from algosync.settings.models import Settings

SECTIONS: Final = (
    *("push", "rollout", "facets", "events", "profiles", "filters", "segments", "actions", "related", "consent"),
    "content",
)
"""The sections of the settings that people and answers are judged by. None of them holds a secret; what does (keys,
the shop's secret for hashes, the addresses of databases) and what only says where things are stays as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Settings of then.

    Attributes:
        settings: Those of now with the kept sections; no file of segments or actions is named in them.
        draft: The contents of those files.
        declared: What each index declared for faceting.
    """

    settings: Settings
    draft: Draft
    declared: Mapping[str, frozenset[str]]


def kept_document(settings: Settings, base: Path, declared: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """What to keep of settings.

    Args:
        settings: The settings of a run.
        base: The folder of the settings file.
        declared: What each index declares for faceting.

    Raises:
        ConfigError: The file of segments or actions cannot be read.
    """
    dumped = settings.model_dump(mode="json", by_alias=True, include=set(SECTIONS))
    return {
        **dumped,
        "documents": documents(settings, base),
        "declared": {index: sorted(facets) for index, facets in sorted(declared.items())},
    }


def restored(settings: Settings, document: Mapping[str, Any]) -> Restored:
    """Settings of now with what was kept of those of then.

    Raises:
        ConfigError: This version of algosync cannot read them.
    """
    try:
        types: dict[str, Any] = {name: Settings.model_fields[name].annotation for name in SECTIONS}
        sections = {name: TypeAdapter(kind).validate_python(document[name]) for name, kind in types.items()}
        sections["segments"] = sections["segments"].model_copy(update={"file": None})
        sections["actions"] = sections["actions"].model_copy(update={"file": None})
        return Restored(
            settings=settings.model_copy(update=sections),
            draft=document["documents"],
            declared={index: frozenset(facets) for index, facets in document["declared"].items()},
        )
    except (ValidationError, KeyError) as error:
        what = f"the settings of that time cannot be read by this version ({type(error).__name__})"
        raise ConfigError(what, where="--at", hint="Use the version of algosync that ran then") from None
