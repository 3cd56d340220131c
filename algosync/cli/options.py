"""Options that commands share, and the choices that some of them give."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("config/algosync.toml")

Config = Annotated[Path, typer.Option("--config", "-c", envvar="ALGOSYNC_CONFIG", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more, on stderr.")]


class Family(StrEnum):
    """The families of payloads."""

    related = "related"
    segments = "segments"
    profiles = "profiles"
    rules = "rules"


class Target(StrEnum):
    """Where a sync goes."""

    algolia = "algolia"
    mock = "mock"


Only = Annotated[list[Family] | None, typer.Option("--only", help="This family alone; may be repeated.")]
